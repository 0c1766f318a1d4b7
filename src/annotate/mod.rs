//! Annotating: rows of a dataset through the engine and the mathematics, the computed
//! columns through the journal, and from there spliced in beside the old ones. Rows of a
//! stream go through the same stages, but at once from the mathematics to the output.

mod adjust;
mod bad_rows;
mod batch_size;
mod compute;
mod file;
mod files;
mod journal;
mod lineage;
mod options;
mod plan;
mod progress;
mod rejects;
mod reorder;
mod row_stats;
mod splice;
mod stream;
mod summary;
mod workers;

pub use batch_size::tuner::BatchSizeTuner;
pub use file::Run;
pub use files::Totals;
pub use options::{Adjust, MaxBadRows, OnBadRow, Options};
pub use plan::Plan;
pub use progress::{Begun, Progress, Stage};
pub use summary::{Adjustment, Means, Summary};

pub use crate::interaction::Quantity;
