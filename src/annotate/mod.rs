//! Annotating: rows of a dataset through the engine and the mathematics, the computed
//! columns through the journal, and from there spliced in beside the old ones. Rows of a
//! stream go through the same stages, but at once from the mathematics to the output.

mod adjusting;
mod file;
mod files;
mod in_order;
mod journal;
mod judge;
mod lineage;
mod memory;
mod options;
mod pipeline;
mod plan;
mod progress;
mod rejects;
mod splicing;
mod stream;
mod summary;
mod tally;
mod trial;
mod work;

pub use file::Run;
pub use files::Totals;
pub use memory::{Size, machine_bytes};
pub use options::{Adjust, MaxBadRows, OnBadRow, Options};
pub use plan::Plan;
pub use progress::{Begun, Progress, Stage};
pub use summary::{Adjustment, Means, Summary};
pub use trial::Trial;

pub use crate::evaluate::Column;
