//! A SQL request: statements, named tables, the output's layout and the session's limits.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::evaluate::OnShift;

#[cfg(feature = "cluster")]
use super::distributed::PlanRunner;
use super::functions::ModelOptions;
use super::output::Layout;
use super::progress::QueryProgress;

/// Limits and models of a session.
#[derive(Debug, Clone, Default)]
pub struct SqlOptions {
    /// Worker threads and partitions; the machine's cores where `None`.
    pub threads: Option<NonZeroUsize>,
    /// Memory pool for sorting, grouping and joining, in bytes. Beyond it sorts and groups spill
    /// to the system's temporary folder. Unlimited where `None`.
    pub memory_limit_bytes: Option<usize>,
    /// Whether COPY replaces an existing file.
    pub overwrite: bool,
    /// Whether pages are not compared with their checksums.
    pub no_page_checksums: bool,
    /// The models behind `lsmi(x1, x2, y)`.
    pub models: ModelOptions,
    /// The treatment of rows of a query that these models do not describe.
    pub on_shift: OnShift,
    /// What is told of the statements that run.
    pub progress: Option<Arc<dyn QueryProgress>>,
    /// What runs the plans of queries elsewhere than in this process.
    #[cfg(feature = "cluster")]
    pub runner: Option<Arc<dyn PlanRunner>>,
}

/// One or more statements and how to run and print them.
#[derive(Debug, Clone)]
pub struct SqlRequest {
    /// SQL, statements separated by semicolons.
    pub sql: String,
    /// Table names for files: (name, path).
    pub tables: Vec<(String, String)>,
    /// The output's format and size.
    pub layout: Layout,
    /// Limits and models of the session.
    pub options: SqlOptions,
}

impl SqlRequest {
    /// A request with the defaults: no named tables, a table as output, no limits.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            tables: Vec::new(),
            layout: Layout::default(),
            options: SqlOptions::default(),
        }
    }
}
