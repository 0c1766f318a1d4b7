//! The schema of a pipeline file: the input to annotate, then queries, checks and a report.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::memory::MemoryLimit;
use crate::sql::{Expect, Format};

use super::{AnnotateSettings, ClusterArgs, EngineArgs, ReportSettings};

/// A pipeline of lsmi-etl: annotates files, then runs SQL steps in order, then makes a report.
/// {{ NAME }} in any string is a variable. Paths are relative to the working directory of
/// lsmi-etl; {{ here }} is the folder of this file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Default values of variables, overridden by --set and by the environment
    pub variables: BTreeMap<String, String>,
    /// Parquet file, folder or glob to annotate, as a path or a URL
    pub input: Option<PathBuf>,
    /// Parquet file to write, or a folder if the input is a folder or a glob
    pub output: Option<PathBuf>,
    /// Settings of annotating: the flags of lsmi-etl annotate
    pub annotate: AnnotateSettings,
    /// Engine that runs the models
    pub engine: EngineArgs,
    /// Cluster to annotate on
    pub cluster: ClusterArgs,
    /// SQL tables: names of files, folders and globs; `annotated` is the output
    pub tables: BTreeMap<String, PathBuf>,
    /// Queries and checks, run in order
    pub sql: Vec<SqlStep>,
    /// Report of the output, made after all checks: the flags of lsmi-etl report
    pub report: Option<ReportSettings>,
}

/// The input and the output of a pipeline.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct InputOutput {
    /// Parquet file, folder or glob to annotate [default: from the pipeline file]
    #[arg(long, value_name = "PATH", env = "LSMI_ETL_INPUT", hide_env = true)]
    pub input: Option<PathBuf>,
    /// Parquet file to write, or a folder if the input is a folder or a glob [default: from the pipeline file]
    #[arg(long, value_name = "PATH", env = "LSMI_ETL_OUTPUT", hide_env = true)]
    pub output: Option<PathBuf>,
}

/// A query whose rows are written, or a check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlStep {
    /// Name of the step in messages and in the summary
    pub name: String,
    /// Statements, separated by semicolons
    pub query: Option<String>,
    /// File of statements, instead of `query`
    pub file: Option<PathBuf>,
    /// Makes the step a check of one statement: it must return no rows (no_rows), or at least one
    /// row with true in all boolean columns (all_true). Otherwise the run fails with exit code 65 and
    /// prints the rows
    pub expect: Option<Expect>,
    /// Error message of a failed check
    pub message: Option<String>,
    /// File to write the rows to [default: stdout]
    pub output: Option<PathBuf>,
    /// Output format [default: by the extension of `output`, else table]
    pub format: Option<Format>,
    /// Maximum number of rows that a table prints per result; 0 for all [default: 1000 on stdout, else all]
    pub max_rows: Option<usize>,
    /// Memory limit for sorting, grouping and joining (512MiB, 4GiB), beyond which they spill to disk
    pub memory_limit: Option<MemoryLimit>,
    /// Worker threads [default: number of cores]
    pub threads: Option<NonZeroUsize>,
}
