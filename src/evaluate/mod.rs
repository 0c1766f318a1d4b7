//! Samples through the models and the mathematics: what annotating a file, answering a
//! query and serving a stream have in common. Batches in memory in, columns out; it
//! reads and writes nothing.

mod columns;
mod compute;

pub use columns::Column;
pub use compute::{Computed, Constants, Worker};

/// The rows of a batch that are fastest for embeddings of these dimensions: few enough
/// that intermediate results stay in a core's cache, enough that a run's fixed cost
/// does not show. Measured: with both engines and at 128 and 512 values the speed is the
/// same within three hundredths from 256 to 1 024 rows (`benches/README.md`).
pub fn fastest_batch_rows(dims: [usize; 2]) -> usize {
    ((1 << 17) / (dims[0] + dims[1]).max(1)).clamp(512, 4096)
}
