//! SQL over files: a DataFusion session in which a quoted path is a table, and results are
//! streamed to a writer. This room does not access the terminal.
//!
//! ```no_run
//! use lsmi_etl::sql::{self, Format, SqlRequest};
//!
//! let sql = "SELECT label, avg(r), avg(s) FROM 'out.parquet' GROUP BY label";
//! sql::run(&SqlRequest::new(sql), &mut std::io::stdout())?;
//! # Ok::<(), lsmi_etl::Error>(())
//! ```

mod arrow_lengths;
mod bounded_functions;
mod caret;
mod check;
mod checked_paths;
mod checked_reader;
mod checked_text;
mod clauses;
mod compressed_text;
mod conditions;
mod context;
mod copy;
mod copy_folder;
mod copy_options;
mod csv_check;
mod csv_options;
mod csv_quotes;
mod csv_schema;
mod decimal_literals;
mod declared_columns;
mod definitions;
#[cfg(feature = "cluster")]
pub mod distributed;
mod distribution;
mod dropped_tables;
#[cfg(feature = "cluster")]
mod elsewhere;
mod errors;
mod external_tables;
mod file_order;
mod file_scan;
mod file_schema;
mod file_table;
mod file_tables;
mod function_names;
pub mod functions;
mod hive_partitions;
mod inferred_types;
mod interrupt;
mod interval_comparisons;
mod json_check;
mod json_escapes;
mod json_records;
mod json_schema;
mod json_types;
mod lexer;
mod list_scan;
mod located_source;
mod merged_schema;
mod missing_column;
mod numeric_partitions;
mod output;
mod panics;
mod parquet_metadata;
mod parquet_reader;
mod parse;
mod plain_sentences;
mod planning;
mod progress;
mod read_chunks;
mod redacted;
mod repeated_clauses;
mod request;
mod reserved_columns;
mod result_rows;
mod running_scans;
mod scan_functions;
mod schema_adapter;
mod session;
mod source_columns;
mod source_functions;
mod spare_threads;
mod statement_paths;
mod statements;
mod store_registry;
mod summarize;
mod summarized_rows;
mod table_files;
mod table_format;
mod text_check;
mod text_length;
mod text_values;
mod told_differences;
mod unique_names;
mod unused_clauses;
mod value_widths;
mod visits;
mod zero_lists;
mod zero_order;

use std::io::Write;
use std::sync::atomic::AtomicBool;

use crate::error::Result;

pub use caret::with_caret;
pub use check::{Expect, count_statements, require_query};
pub use context::context;
pub use errors::{TABLE_FLAG, convert_error};
pub use file_tables::{register_table, table_name};
pub use functions::{Functions, ModelOptions, ModelSource, register};
pub use lexer::{EndState, end_state, is_blank, is_complete, is_word, tables_named};
pub use output::{Format, Layout, Results};
pub(crate) use panics::catch_reader_panics;
pub use progress::{QueryProgress, QueryRows};
pub(crate) use read_chunks::locate_damage;
pub use request::{SqlOptions, SqlRequest};
pub use session::Session;
pub use statement_paths::StatementPaths;
pub use table_files::data_files_of;

/// Runs a request in a new [`Session`] and streams the rows of each statement to `out`.
/// Blocks: not for use inside an async runtime.
///
/// # Errors
/// See [`convert_error`]; writing to `out` fails with [`Error::Io`](crate::Error::Io).
pub fn run(request: &SqlRequest, out: &mut dyn Write) -> Result<()> {
    let never = AtomicBool::new(false);
    Session::open(request)?.run(&request.sql, &request.layout, out, &never).map(drop)
}
