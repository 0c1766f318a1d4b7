//! Options of a report: inputs, columns, link template and session limits.

use std::path::PathBuf;

use crate::interaction::ColumnPrefix;
use crate::sql::SqlOptions;

use super::link_template::LinkTemplate;

/// Inputs and content of a report.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Files, folders and globs of one data set.
    pub inputs: Vec<PathBuf>,
    /// Files, folders and globs of the data set to compare with.
    pub compare: Vec<PathBuf>,
    /// Label column; by default the one that annotate read.
    pub label: Option<String>,
    /// Prefix of the columns of values.
    pub prefix: ColumnPrefix,
    /// Columns that identify a sample; by default `id` and `key`, where present.
    pub key: Vec<String>,
    /// Template of a sample's link.
    pub link: Option<LinkTemplate>,
    /// Number of samples in each list.
    pub samples: usize,
    /// Heading; by default the names of the inputs.
    pub title: Option<String>,
    /// Limits of the SQL session.
    pub session: SqlOptions,
}
