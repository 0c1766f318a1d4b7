//! Writes rows of a generator with known truth to a Parquet file, a batch at a time:
//! what the demo, the tests and the benches stand on. Knows nothing of models.

mod rows;
mod schema;
mod write;

pub use rows::Rows;
pub use schema::Truth;
pub use write::{Options, Written, write};
