//! The batch-size tuner. A table has the fastest batch of the machines where it was measured
//! (`evaluate::fastest_batch_rows`); where a run is long enough to repay it, the tuner times
//! this machine, too. An output's bytes do not depend on the choice.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::bundle::Bundle;
use crate::engine::{Backend, Engine, measure};
use crate::error::{Error, Result};

/// Rounds in which all batches are timed in turn, so that other load on the machine falls on
/// all of them.
const ROUNDS: usize = 5;
/// How long a batch is timed in a round; at least one batch is run.
const SLICE: Duration = Duration::from_millis(5);
/// How much faster than the table's another batch must be: less may be chance.
const GAIN: f64 = 1.03;
/// Cost of tuning as a share of the time that the rows take.
pub(in crate::annotate) const SHARE: f64 = 0.01;
/// Floating-point operations a second of a fast core. Tuning that would not be repaid there
/// is given up before anything is timed.
const FAST_CORE: f64 = 5e10;

/// A session for each worker.
pub(in crate::annotate) type Sessions = Vec<Box<dyn Backend>>;

/// Chooses the batch of a run, once for all of its files.
pub(in crate::annotate) struct BatchSizeTuner<'a> {
    engine: &'a Engine,
    bundle: Bundle,
    workers: usize,
    /// Rows of the batches to time, the table's first. A single candidate is never timed.
    candidates: Vec<usize>,
    share: f64,
    /// Rows of the run so far, the estimate of the rows to come.
    rows: AtomicU64,
    /// Rows a second in batches of the table's size, after the timing.
    rate: OnceLock<f64>,
    chosen: OnceLock<usize>,
}

impl<'a> BatchSizeTuner<'a> {
    pub(in crate::annotate) fn new(
        engine: &'a Engine,
        bundle: Bundle,
        workers: usize,
        candidates: Vec<usize>,
        share: f64,
    ) -> Self {
        let (rows, rate, chosen) = Default::default();
        Self { engine, bundle, workers, candidates, share, rows, rate, chosen }
    }

    /// The rows of a batch that were chosen by timing.
    pub(in crate::annotate) fn chosen(&self) -> Option<usize> {
        self.chosen.get().copied()
    }

    /// Loads the models for every worker.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub(in crate::annotate) fn sessions(&self) -> Result<Sessions> {
        self.engine.sessions(&self.bundle.program(), self.workers)
    }

    /// The rows of a batch for the next file, of `rows` rows, and the sessions, where they were
    /// loaded for the timing.
    ///
    /// # Errors
    /// [`Error::Engine`]; [`Error::Interrupted`] where `stop` is set.
    pub(in crate::annotate) fn choose(
        &self,
        rows: u64,
        stop: &AtomicBool,
    ) -> Result<(usize, Option<Sessions>)> {
        if let Some(chosen) = self.chosen() {
            return Ok((chosen, None));
        }
        let table = self.candidates.first().copied().unwrap_or(1);
        if self.candidates.len() < 2 {
            return Ok((table, None));
        }
        let rows = (self.rows.fetch_add(rows, Ordering::Relaxed) + rows) as f64;
        let repays = |rate: f64| seconds(&self.candidates, self.workers, rate) <= self.share * rows / rate;
        let known = self.rate.get().copied();
        let fast = || self.workers as f64 * FAST_CORE / self.bundle.program().flops_per_row().max(1) as f64;
        if !repays(known.unwrap_or_else(fast)) {
            return Ok((table, None));
        }

        let mut sessions = self.sessions()?;
        let dims = self.bundle.dims();
        let mut time = |rows| measure::rows_per_second(&mut sessions, &dims, rows, SLICE);
        let rate = known.map_or_else(|| time(table), Ok)?;
        let rate = *self.rate.get_or_init(|| rate);
        if !repays(rate) {
            return Ok((table, Some(sessions)));
        }
        let mut timed: Vec<_> = self.candidates.iter().map(|&rows| (rows, Vec::new())).collect();
        for _ in 0..ROUNDS {
            for (rows, rates) in &mut timed {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                rates.push(time(*rows)?);
            }
        }
        let chosen = *self.chosen.get_or_init(|| fastest(&timed));
        let timed = timed.into_iter().map(|(rows, rates)| (rows, measure::median(rates)));
        let timed: Vec<_> = timed.map(|(rows, rate)| format!("{rate:.0} rows/s in {rows}")).collect();
        tracing::info!("{chosen} rows a batch, timed: {}", timed.join(", "));
        Ok((chosen, Some(sessions)))
    }
}

/// Seconds that timing these batches takes at this rate of all workers: each is run once
/// before it is timed, and a batch that has begun is finished.
fn seconds(batches: &[usize], workers: usize, rows_per_second: f64) -> f64 {
    let one = |rows: &usize| SLICE.as_secs_f64() + 2.0 * (rows * workers) as f64 / rows_per_second;
    ROUNDS as f64 * batches.iter().map(one).sum::<f64>()
}

/// The fastest of these batches by their rates in each round: the first, which is the
/// table's, unless another is faster in every round and by [`GAIN`] in the median.
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
