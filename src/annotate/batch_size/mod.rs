//! How much may be in memory at once, and what batches and queues that allows.

pub(super) mod tuner;

use crate::engine::Device;
use crate::evaluate::fastest_batch_rows;
use crate::memory::usable_bytes;

use super::workers::BatchPlan;

/// A quarter of the memory that this process may use.
pub(super) fn default_limit_bytes() -> u64 {
    usable_bytes() / 4
}

/// Fewer rows than these and a run's fixed cost shows.
const FEWEST_ROWS: usize = 64;

/// What a device makes of batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceProfile {
    /// The rows of a batch that are fastest for embeddings of these dimensions.
    batch_rows: fn([usize; 2]) -> usize,
    /// What a worker holds of a row for each byte of its embeddings: the batch, its copy
    /// in the engine, and the largest intermediate results.
    working_factor: u64,
}

impl DeviceProfile {
    const CPU: Self = Self { batch_rows: fastest_batch_rows, working_factor: 12 };
    /// A kernel of few rows leaves most of a GPU idle. Intermediate results are in the
    /// GPU's memory: here are the batch and its pinned copy.
    const GPU: Self = Self {
        batch_rows: |dims| ((1 << 23) / (dims[0] + dims[1]).max(1)).clamp(8192, 65536),
        working_factor: 3,
    };

    pub(super) fn of(device: Device) -> Self {
        match device {
            Device::Cpu => Self::CPU,
            Device::Cuda(_) => Self::GPU,
        }
    }
}

/// What is in memory at once.
fn bytes(shape: BatchPlan, dims: [usize; 2], workers: usize, pace: DeviceProfile) -> u64 {
    let row_bytes = 4 * (dims[0] + dims[1]) as u64 + 64;
    let waiting = (shape.queue + 1) as u64;
    row_bytes * shape.batch_rows as u64 * (waiting + pace.working_factor * workers as u64)
}

/// Half of a shape's batch and twice as much, as far as they are within a limit and
/// multiples of [`FEWEST_ROWS`], in which ONNX Runtime gives a row the same bits.
pub(super) fn beside(
    shape: BatchPlan,
    dims: [usize; 2],
    workers: usize,
    pace: DeviceProfile,
    limit_bytes: u64,
) -> Vec<usize> {
    let batches = [shape.batch_rows / 2, shape.batch_rows * 2].into_iter();
    let fits = |batch_rows| bytes(BatchPlan { batch_rows, ..shape }, dims, workers, pace) <= limit_bytes;
    batches.filter(|&rows| rows > 0 && rows.is_multiple_of(FEWEST_ROWS) && fits(rows)).collect()
}

/// The largest shape within a limit, up to what is fastest.
pub(super) fn shape(
    dims: [usize; 2],
    workers: usize,
    pace: DeviceProfile,
    asked: Option<usize>,
    limit_bytes: u64,
) -> BatchPlan {
    let takes = |shape: BatchPlan| bytes(shape, dims, workers, pace);
    let mut shape =
        BatchPlan { batch_rows: asked.unwrap_or_else(|| (pace.batch_rows)(dims)), queue: workers + 1 };
    while takes(shape) > limit_bytes && shape.queue > 1 {
        shape.queue -= 1;
    }
    while asked.is_none() && takes(shape) > limit_bytes && shape.batch_rows > FEWEST_ROWS {
        shape.batch_rows = (shape.batch_rows / 2).max(FEWEST_ROWS);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_memory_gives_shorter_queues_and_then_smaller_batches() {
        let ample = shape([512, 512], 4, DeviceProfile::CPU, None, 1 << 40);
        assert_eq!((ample.batch_rows, ample.queue), (512, 5));
        let less = shape([512, 512], 4, DeviceProfile::CPU, None, 108 << 20);
        assert!(less.batch_rows == 512 && less.queue < 5, "{less:?}");
        let little = shape([512, 512], 4, DeviceProfile::CPU, None, 20 << 20);
        assert!(little.batch_rows < 512 && little.queue == 1, "{little:?}");
        assert_eq!(shape([512, 512], 4, DeviceProfile::CPU, Some(1000), 1 << 20).batch_rows, 1000);
    }

    #[test]
    fn what_is_tried_beside_a_batch_is_within_the_limit() {
        let tried = |limit_bytes| {
            let shape = shape([512, 512], 4, DeviceProfile::CPU, None, limit_bytes);
            (shape.batch_rows, beside(shape, [512, 512], 4, DeviceProfile::CPU, limit_bytes))
        };
        assert_eq!(tried(1 << 40), (512, vec![256, 1024]));
        assert_eq!(tried(200 << 20), (512, vec![256]));
        assert_eq!(tried(30 << 20), (128, vec![64]));
        assert_eq!(tried(1 << 20), (64, vec![]));
        let uneven = BatchPlan { batch_rows: 192, queue: 1 };
        assert_eq!(beside(uneven, [8, 8], 1, DeviceProfile::CPU, 1 << 40), [384]);
    }

    #[test]
    fn a_gpu_is_given_larger_batches() {
        let gpu = DeviceProfile::of("cuda:0,cuda:1".parse().unwrap());
        assert_eq!(shape([512, 512], 6, gpu, None, 1 << 40), BatchPlan { batch_rows: 8192, queue: 7 });
        assert_eq!(shape([128, 128], 3, gpu, None, 1 << 40).batch_rows, 32768);
        assert_eq!(shape([4096, 4096], 3, gpu, None, 1 << 40).batch_rows, 8192);
        assert!(shape([512, 512], 6, gpu, None, 256 << 20).batch_rows < 8192);
        assert_eq!(shape([512, 512], 4, DeviceProfile::of(Device::Cpu), None, 1 << 40).batch_rows, 512);
    }
}
