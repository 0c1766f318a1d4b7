//! Annotation: rows of a dataset pass through the engine and the mathematics, the computed
//! columns through the journal, and from there they are spliced in beside the old columns.
//! Rows of a stream pass through the same stages, but directly to the output.

mod adjust;
mod bad_files;
mod bad_rows;
mod batch;
mod batch_size;
mod compute;
mod existing_output;
mod file;
mod file_tasks;
mod files;
mod journal;
mod options;
mod parts;
mod plan;
mod progress;
mod rejects;
mod rejects_format;
mod reorder;
mod replaced_columns;
mod requested_columns;
mod row_origin;
mod row_stats;
mod run;
mod splice;
mod stream;
mod summary;
mod totals;
mod workers;

pub use bad_files::{BadFile, BadFiles};
pub use files::FileResult;
pub use options::{Adjust, AnnotateOptions, MaxBadRows, OnBadFile, OnBadRow};
pub use parts::divide;
pub use plan::Plan;
pub use progress::{InputStart, Progress, Stage};
pub use requested_columns::{columns_read, kept_columns, kept_in_memory, new_fields};
pub use run::Run;
pub use stream::BatchExchange;
pub use summary::{ClusterUse, Summary, Totals};
pub use totals::FilesOutcome;

pub use crate::evaluate::OnShift;
pub use crate::interaction::{ColumnName, ColumnPrefix, Quantity};
pub use crate::provenance::{Adjustment, Means};
pub use crate::samples::OnMissingModality;
