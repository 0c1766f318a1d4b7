//! The batch plan: how many rows a batch has and how many batches wait, within a memory limit.

mod tuner;

use crate::engine::Device;
use crate::evaluate::fastest_batch_rows;
use crate::memory::usable_bytes;

pub(super) use tuner::{BatchSizeTuner, SHARE, Sessions};

/// Minimum rows of a batch. Below, the fixed cost of an engine call is noticeable.
pub(super) const FEWEST_ROWS: usize = 64;

/// How rows are divided and queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPlan {
    pub(super) batch_rows: usize,
    /// Capacity of the queue in front of the workers, and of the reorder buffer behind them.
    pub(super) queue: usize,
}

/// A device's preference in batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceProfile {
    /// The fastest number of rows for embeddings of so many values together.
    batch_rows: fn(usize) -> usize,
    /// Bytes that a worker holds for each byte of a batch's embeddings: the batch, its copy
    /// in the engine, and the largest intermediate results.
    working_factor: u64,
}

impl DeviceProfile {
    const CPU: Self = Self { batch_rows: fastest_batch_rows, working_factor: 12 };
    /// A kernel of few rows leaves most of a GPU idle. Intermediate results are in the
    /// GPU's memory: here are the batch and its pinned copy.
    const GPU: Self =
        Self { batch_rows: |total_dim| ((1 << 23) / total_dim.max(1)).clamp(8192, 65536), working_factor: 3 };

    pub(super) fn of(device: Device) -> Self {
        match device {
            Device::Cpu => Self::CPU,
            Device::Cuda(_) => Self::GPU,
        }
    }
}

/// The parameters that determine a batch plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    /// Values of all embeddings of a row.
    pub(super) total_dim: usize,
    pub(super) workers: usize,
    pub(super) profile: DeviceProfile,
    /// Memory that batches may take.
    pub(super) limit_bytes: u64,
}

impl Workload {
    /// The largest plan within the limit, up to the fastest one. `batch_rows` are kept where
    /// they are given.
    pub(super) fn plan(&self, batch_rows: Option<usize>) -> BatchPlan {
        let is_above = |plan: BatchPlan| self.bytes(plan) > self.limit_bytes;
        let fastest = || (self.profile.batch_rows)(self.total_dim);
        let mut plan = BatchPlan { batch_rows: batch_rows.unwrap_or_else(fastest), queue: self.workers + 1 };
        while is_above(plan) && plan.queue > 1 {
            plan.queue -= 1;
        }
        while batch_rows.is_none() && is_above(plan) && plan.batch_rows > FEWEST_ROWS {
            plan.batch_rows = (plan.batch_rows / 2).max(FEWEST_ROWS);
        }
        plan
    }

    /// Half of a plan's batch and twice its batch, as far as they are within the limit and
    /// multiples of [`FEWEST_ROWS`], in which ONNX Runtime gives a row the same bits.
    pub(super) fn neighbours(&self, plan: BatchPlan) -> Vec<usize> {
        let batches = [plan.batch_rows / 2, plan.batch_rows * 2].into_iter();
        let fits = |batch_rows| self.bytes(BatchPlan { batch_rows, ..plan }) <= self.limit_bytes;
        batches.filter(|&rows| rows > 0 && rows.is_multiple_of(FEWEST_ROWS) && fits(rows)).collect()
    }

    /// Memory in use at once.
    fn bytes(&self, plan: BatchPlan) -> u64 {
        let row_bytes = 4 * self.total_dim as u64 + 64;
        let queued = (plan.queue + 1) as u64;
        row_bytes * plan.batch_rows as u64 * (queued + self.profile.working_factor * self.workers as u64)
    }
}

/// A quarter of the memory that this process may use.
pub(super) fn default_limit_bytes() -> u64 {
    usable_bytes() / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(total_dim: usize, workers: usize, profile: DeviceProfile, limit_bytes: u64) -> Workload {
        Workload { total_dim, workers, profile, limit_bytes }
    }

    #[test]
    fn less_memory_gives_shorter_queues_and_then_smaller_batches() {
        let plan = |rows, limit_bytes| workload(1024, 4, DeviceProfile::CPU, limit_bytes).plan(rows);
        let ample = plan(None, 1 << 40);
        assert_eq!((ample.batch_rows, ample.queue), (512, 5));
        let less = plan(None, 108 << 20);
        assert!(less.batch_rows == 512 && less.queue < 5, "{less:?}");
        let little = plan(None, 20 << 20);
        assert!(little.batch_rows < 512 && little.queue == 1, "{little:?}");
        assert_eq!(plan(Some(1000), 1 << 20).batch_rows, 1000);
    }

    #[test]
    fn what_is_tried_beside_a_batch_is_within_the_limit() {
        let tried = |limit_bytes| {
            let workload = workload(1024, 4, DeviceProfile::CPU, limit_bytes);
            let plan = workload.plan(None);
            (plan.batch_rows, workload.neighbours(plan))
        };
        assert_eq!(tried(1 << 40), (512, vec![256, 1024]));
        assert_eq!(tried(200 << 20), (512, vec![256]));
        assert_eq!(tried(30 << 20), (128, vec![64]));
        assert_eq!(tried(1 << 20), (64, vec![]));
        let uneven = BatchPlan { batch_rows: 192, queue: 1 };
        assert_eq!(workload(16, 1, DeviceProfile::CPU, 1 << 40).neighbours(uneven), [384]);
    }

    #[test]
    fn a_gpu_is_given_larger_batches() {
        let gpu = DeviceProfile::of("cuda:0,cuda:1".parse().unwrap());
        let plan =
            |total_dim, workers, limit_bytes| workload(total_dim, workers, gpu, limit_bytes).plan(None);
        assert_eq!(plan(1024, 6, 1 << 40), BatchPlan { batch_rows: 8192, queue: 7 });
        assert_eq!(plan(256, 3, 1 << 40).batch_rows, 32768);
        assert_eq!(plan(8192, 3, 1 << 40).batch_rows, 8192);
        assert!(plan(1024, 6, 256 << 20).batch_rows < 8192);
        let cpu = DeviceProfile::of(Device::Cpu);
        assert_eq!(workload(1024, 4, cpu, 1 << 40).plan(None).batch_rows, 512);
    }
}
