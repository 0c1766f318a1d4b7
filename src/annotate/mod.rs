//! Annotating: rows of a dataset through the engine and the mathematics, the computed
//! columns spliced in beside the old ones.

mod columns;
mod compute;
mod file;
mod files;
mod pipeline;
mod summary;

pub use columns::Column;
pub use file::{OnBadRow, Options, Progress, Run};
pub use files::Totals;
pub use summary::Summary;
