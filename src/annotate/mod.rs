//! Annotating: rows of a dataset through the engine and the mathematics, the computed
//! columns through the journal, and from there spliced in beside the old ones.

mod columns;
mod compute;
mod file;
mod files;
mod journal;
mod lineage;
mod memory;
mod options;
mod pipeline;
mod plan;
mod rejects;
mod splicing;
mod summary;
mod tally;

pub use columns::Column;
pub use file::Run;
pub use files::Totals;
pub use memory::{Size, machine_bytes};
pub use options::{Adjust, Begun, MaxBadRows, OnBadRow, Options, Progress};
pub use plan::Plan;
pub use summary::{Adjustment, Means, Summary};
