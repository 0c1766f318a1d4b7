//! The batch of a run. A table has what is fastest where it was measured
//! (`evaluate::fastest_batch_rows`); where the work repays it, this machine is asked, too.
//! An output's bytes do not depend on the answer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::annotate::file::Run;
use crate::engine::{Backend, Device, measure};
use crate::error::{Error, Result};

/// Rounds in which all batches are timed in turn, so that whatever else the machine does
/// falls on all of them.
const ROUNDS: usize = 5;
/// How long a batch is timed in a round, and no less than once.
const SLICE: Duration = Duration::from_millis(5);
/// How much faster than the table's another batch must be: less may be chance.
const GAIN: f64 = 1.03;
/// What a trial may cost of the time that the rows take.
const SHARE: f64 = 0.01;
/// Floating-point operations a second of a fast core. A trial that would not be repaid
/// there is given up before anything is timed.
const FAST_CORE: f64 = 5e10;

/// What the files of a run know of its batch: it is tried once, for all of them.
#[derive(Debug)]
pub struct BatchSizeTuner {
    share: f64,
    /// Rows that were asked for so far. Whoever has done so much will go on, as a rule.
    rows: AtomicU64,
    /// Rows a second in batches of the table's size, where they were timed.
    rate: OnceLock<f64>,
    chosen: OnceLock<usize>,
}

impl Default for BatchSizeTuner {
    fn default() -> Self {
        Self::within(SHARE)
    }
}

impl BatchSizeTuner {
    /// A trial that may cost such a share of the time that the rows take.
    pub fn within(share: f64) -> Self {
        Self { share, rows: AtomicU64::new(0), rate: OnceLock::new(), chosen: OnceLock::new() }
    }

    /// The rows of a batch that it came to, where there was one.
    pub fn chosen(&self) -> Option<usize> {
        self.chosen.get().copied()
    }
}

/// A session for each worker.
pub(in crate::annotate) type Sessions = Vec<Box<dyn Backend>>;

impl Run<'_> {
    pub(in crate::annotate) fn sessions(&self) -> Result<Sessions> {
        self.engine.sessions(&self.bundle.program(), self.workers())
    }

    /// The rows of a batch for so many rows to come, and the sessions, where they were
    /// made to find it.
    pub(in crate::annotate) fn choose_batch(&self, rows: u64) -> Result<(usize, Option<Sessions>)> {
        let (trial, dims, workers) = (self.trial, self.bundle.dims(), self.workers());
        if let Some(chosen) = trial.chosen() {
            return Ok((chosen, None));
        }
        let (table, batches) = (self.shape().batch_rows, self.batches());
        let rows = (trial.rows.fetch_add(rows, Ordering::Relaxed) + rows) as f64;
        let repays =
            |rate: f64| batches.len() > 1 && seconds(&batches, workers, rate) <= trial.share * rows / rate;
        let known = trial.rate.get().copied();
        let fast = workers as f64 * FAST_CORE / self.bundle.program().flops_per_row().max(1) as f64;
        if !repays(known.unwrap_or(fast)) {
            return Ok((table, None));
        }

        let mut sessions = self.sessions()?;
        let mut time = |rows| measure::rows_per_second(&mut sessions, dims, rows, SLICE);
        let rate = known.map_or_else(|| time(table), Ok)?;
        let rate = *trial.rate.get_or_init(|| rate);
        if !repays(rate) {
            return Ok((table, Some(sessions)));
        }
        let mut rates = vec![Vec::new(); batches.len()];
        for _ in 0..ROUNDS {
            for (&rows, rates) in batches.iter().zip(&mut rates) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                rates.push(time(rows)?);
            }
        }
        let tried: Vec<_> = batches.into_iter().zip(rates).collect();
        let chosen = *trial.chosen.get_or_init(|| fastest(&tried));
        let tried = tried.into_iter().map(|(rows, rates)| (rows, measure::median(rates)));
        let tried: Vec<_> = tried.map(|(rows, rate)| format!("{rate:.0} rows/s in {rows}")).collect();
        tracing::info!("{chosen} rows a batch, tried: {}", tried.join(", "));
        Ok((chosen, Some(sessions)))
    }

    /// The table's batch, and those that may be tried beside it. None is where the user
    /// has named one; a GPU's are large for another reason than a cache.
    fn batches(&self) -> Vec<usize> {
        let shape = self.shape();
        let fixed = self.options.batch_rows.is_some() || self.engine.device() != Device::Cpu;
        let beside = if fixed {
            Vec::new()
        } else {
            super::beside(shape, self.bundle.dims(), self.workers(), self.pace(), self.limit_bytes())
        };
        std::iter::once(shape.batch_rows).chain(beside).collect()
    }
}

/// What trying these batches takes at this rate of all workers: each is run once before it
/// is timed, and what is begun in its time is finished.
fn seconds(batches: &[usize], workers: usize, rows_per_second: f64) -> f64 {
    let one = |rows: &usize| SLICE.as_secs_f64() + 2.0 * (rows * workers) as f64 / rows_per_second;
    ROUNDS as f64 * batches.iter().map(one).sum::<f64>()
}

/// The fastest of these batches by their rates in each round: the first, which is the
/// table's, unless another is ahead of it in every round and clearly so in the middle one.
fn fastest(tried: &[(usize, Vec<f64>)]) -> usize {
    let (table, of_table) = &tried[0];
    let mut best = (*table, GAIN);
    for (rows, rates) in tried {
        let gains: Vec<f64> = rates.iter().zip(of_table).map(|(rate, of_table)| rate / of_table).collect();
        let always = gains.iter().all(|gain| *gain > 1.0);
        let gain = measure::median(gains);
        if always && gain > best.1 {
            best = (*rows, gain);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_batch_is_kept_unless_another_is_clearly_faster() {
        let of = |rates: [(usize, [f64; 3]); 3]| fastest(&rates.map(|(rows, rates)| (rows, rates.to_vec())));
        let (table, slow) = ((512, [100.0, 90.0, 110.0]), (1024, [60.0; 3]));
        assert_eq!(fastest(&[(512, vec![100.0])]), 512);
        assert_eq!(of([table, (256, [102.0, 92.0, 113.0]), slow]), 512);
        assert_eq!(of([table, (256, [104.0, 94.0, 115.0]), slow]), 256);
        // Faster by chance: not always.
        assert_eq!(of([table, (256, [150.0, 89.0, 150.0]), slow]), 512);
        assert_eq!(of([table, (256, [104.0, 94.0, 115.0]), (1024, [106.0, 95.0, 116.0])]), 1024);
        assert_eq!(of([table, (256, [f64::NAN; 3]), slow]), 512);
    }

    #[test]
    fn slow_models_need_longer_work_to_repay_a_trial() {
        let batches = [512, 256, 1024];
        // At 500 000 rows a second 15 s of work, at 50 000 more than a minute's.
        assert!(seconds(&batches, 2, 500_000.0) < 0.15);
        assert!(seconds(&batches, 2, 50_000.0) > 0.7);
    }
}
