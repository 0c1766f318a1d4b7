//! Samples through the models and the mathematics: what annotating a file, answering a
//! query and serving a stream have in common. Batches in memory in, columns out; it
//! reads and writes nothing.

mod compute;
mod field;
mod open_bundle;

pub use compute::{Computed, Constants, Worker};
pub use field::field;
pub use open_bundle::open_bundle;

/// The rows of a batch that are fastest for embeddings of these dimensions: few enough
/// that intermediate results stay in a core's cache, enough that what a batch costs on its
/// way from a file into another does not show. Measured: alone, ONNX Runtime's speed is the
/// same within three hundredths from 256 to 1 024 rows of 2 × 128, while a file of them is
/// annotated 1 to 7 % faster in batches of 1 024 than of 512 (`benches/README.md`). The
/// embedded engine's blocks of 256 or 512 rows go into every batch a whole number of times.
pub fn fastest_batch_rows(dims: [usize; 2]) -> usize {
    512 * (512 / (dims[0] + dims[1]).max(1)).clamp(1, 8)
}
