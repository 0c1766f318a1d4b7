//! How many rows a fit holds in memory.

use crate::error::{Error, Result};
use crate::interaction::Subset;
use crate::memory::{ByteSize, usable_bytes};

use super::mixture::MOST_COVARIANCES;

/// Bytes of memory in training per byte of a row: the sample, standardised copies in single and double
/// precision, and the components' products. Measured: 5.2 at 2 × 128.
const TRAINING_FACTOR: usize = 8;
/// Copies of a density's covariances: those of the folds, partial sums, and the factors.
const COVARIANCE_COPIES: usize = 16;
/// Bytes of everything else.
const BASE: usize = 160 << 20;
/// Rows that a sample needs, for its models to be worth refining.
const LEAST_SAMPLE: usize = 2_000;

/// The division of the memory.
#[derive(Debug, Clone)]
pub(super) struct MemoryPlan {
    bytes: usize,
    dims: Vec<usize>,
}

impl MemoryPlan {
    /// A plan for embeddings of these lengths, within `limit` bytes or a quarter of the machine's.
    pub(super) fn new(dims: Vec<usize>, limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or_else(|| usable_bytes() / 4);
        Self { bytes: usize::try_from(limit).unwrap_or(usize::MAX), dims }
    }

    /// The lengths of the densities' inputs, which are fitted at the same time.
    fn density_dims(&self) -> impl Iterator<Item = usize> {
        let dim = |set: Subset| set.members().filter_map(|index| self.dims.get(index)).sum();
        Subset::proper(self.dims.len()).into_iter().map(dim)
    }

    fn row_bytes(&self) -> usize {
        (self.density_dims().sum::<usize>() * size_of::<f32>()).max(1)
    }

    /// Bytes that do not depend on the number of rows.
    fn fixed_bytes(&self) -> usize {
        let squares: usize = self.density_dims().map(|dim| dim * dim).sum();
        BASE + COVARIANCE_COPIES * MOST_COVARIANCES * squares * size_of::<f64>()
    }

    /// Rows whose training fits.
    pub(super) fn rows(&self) -> usize {
        self.bytes.saturating_sub(self.fixed_bytes()) / (self.row_bytes() * TRAINING_FACTOR)
    }

    /// [`MemoryPlan::rows`], but enough for a fit on any machine.
    pub(super) fn sample_rows(&self) -> usize {
        self.rows().max(LEAST_SAMPLE)
    }

    /// Bytes for rows of a descent over more rows than that.
    pub(super) fn pool_bytes(&self) -> usize {
        self.bytes / 8
    }

    /// Fails where too few rows fit for a sample.
    pub(super) fn check(&self) -> Result<()> {
        if self.rows() >= LEAST_SAMPLE {
            return Ok(());
        }
        let needed = self.fixed_bytes() + LEAST_SAMPLE * self.row_bytes() * TRAINING_FACTOR;
        let dims = Subset::full(self.dims.len()).map(|set| set.listed(|index| self.dims[index].to_string()));
        let what = format!(
            "a fit on embeddings of {} values needs {} of memory; raise --memory-limit",
            dims.unwrap_or_default(),
            ByteSize(needed.next_multiple_of(1 << 20) as u64)
        );
        Err(Error::Usage(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_limit() {
        let plan = |limit: u64| MemoryPlan::new(vec![128, 128], Some(limit));
        assert!((200_000..300_000).contains(&plan(2 << 30).rows()), "{}", plan(2 << 30).rows());
        assert!(plan(2 << 30).check().is_ok());
        assert_eq!(plan(100 << 20).rows(), 0);
        let error = plan(100 << 20).check().unwrap_err().to_string();
        assert!(error.contains("of 128 and 128 values needs 216MiB of memory"), "{error}");
        // The pairs' densities have rows of twice the length.
        let of_three = MemoryPlan::new(vec![128; 3], Some(2 << 30)).rows();
        assert!(of_three * 4 < plan(2 << 30).rows(), "{of_three}");
    }
}
