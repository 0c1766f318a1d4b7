//! Outputs: a copy of a Parquet file with columns added, spliced or encoded again, and rows
//! of a file or an Arrow IPC stream written with columns added. Knows nothing of what the
//! new columns mean.

mod ipc;
mod key_values;
mod ordered_json;
mod reencode;
mod row_writer;
mod rows;
mod spill;
mod splice;
mod writer;

pub use row_writer::{Added, RowWriter};
pub use rows::{RowBatch, Rows};
pub use writer::{Writer, Written};
