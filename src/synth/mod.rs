//! Synthetic data: Parquet files with rows of a generator whose exact values are known, for the
//! demo, tests and benches. Independent of the models.

mod rows;
mod schema;
mod write;

pub use rows::SyntheticRows;
pub use schema::Truth;
pub use write::{SynthOptions, SynthSummary, write};
