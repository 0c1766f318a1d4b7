//! A pipeline file: what is annotated, and what is asked, checked and reported then.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::memory::ByteSize;
use crate::sql::{Expect, Format};

use super::{AnnotateSettings, EngineArgs, ReportSettings};

/// A pipeline of lsmi-etl: files are annotated, then SQL steps run in their order, then a report
/// is made. {{ NAME }} in any string is a variable. Paths are relative to the folder in which
/// lsmi-etl runs; {{ here }} is the folder of this file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Variables with the values that they have where neither --set nor the environment gives one
    pub variables: BTreeMap<String, String>,
    /// The Parquet file to annotate, a folder of them, or a glob; a path or a URL
    pub input: Option<PathBuf>,
    /// The Parquet file to write; a folder where the input is one or is a glob
    pub output: Option<PathBuf>,
    /// How it is annotated: the flags of lsmi-etl annotate
    pub annotate: AnnotateSettings,
    /// What runs the models
    pub engine: EngineArgs,
    /// Names for files, folders and globs in SQL; `annotated` is the output
    pub tables: BTreeMap<String, PathBuf>,
    /// Queries and checks, in their order
    pub sql: Vec<SqlStep>,
    /// The report of the output, after all checks: the flags of lsmi-etl report
    pub report: Option<ReportSettings>,
}

/// What a pipeline reads and writes.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Ends {
    /// The Parquet file to annotate, a folder of them, or a glob [default: the file's]
    #[arg(long, value_name = "PATH", env = "LSMI_ETL_INPUT", hide_env = true)]
    pub input: Option<PathBuf>,
    /// The Parquet file to write; a folder where the input is one or is a glob [default: the file's]
    #[arg(long, value_name = "PATH", env = "LSMI_ETL_OUTPUT", hide_env = true)]
    pub output: Option<PathBuf>,
}

/// A query whose rows are written, or one of which something must hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlStep {
    /// What it is called in messages and in the summary
    pub name: String,
    /// The statements, separated by semicolons
    pub query: Option<String>,
    /// A file of statements, instead of `query`
    pub file: Option<PathBuf>,
    /// Makes it a check: the query, one statement, looks for what is wrong and must give no_rows; or
    /// it tells what must be so, and all its boolean columns are true (all_true). Else the run ends
    /// with exit code 65 and the rows are shown
    pub expect: Option<Expect>,
    /// What it means that the check fails
    pub message: Option<String>,
    /// The file to write the rows to; without one they go to stdout
    pub output: Option<PathBuf>,
    /// How rows are written [default: by the ending of `output`; else a table]
    pub format: Option<Format>,
    /// Rows that a table shows of each result; 0 for all [default: 1000 on stdout, else all]
    pub max_rows: Option<usize>,
    /// Memory for sorting, grouping and joining (512MiB, 4GiB); past it they spill to disk
    pub memory_limit: Option<ByteSize>,
    /// Worker threads [default: the machine's cores]
    pub threads: Option<NonZeroUsize>,
}
