//! Throughput of an engine on rows in memory: an upper bound for annotation, and the
//! reference that relates the models' cost to the machine's arithmetic rate.

use std::sync::{Arc, Barrier, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::bundle::Program;
use crate::error::{Error, Result};
use crate::threads::spawn_scoped;

use super::{Backend, BatchInputs, BatchOutputs, Engine};

/// Size of the matrix product that measures the machine: large enough that
/// multiplication dominates, small enough that its tiles stay in the caches.
const PRODUCT: usize = 1024;

/// Total rows per second of all sessions in parallel, measured over `time`. Each session
/// has one thread and evaluates batches of `rows` rows with dimensions `dims`.
///
/// # Errors
/// [`Error::Engine`] where the engine fails; [`Error::NoThread`].
pub fn rows_per_second(
    sessions: &mut [Box<dyn Backend>],
    dims: &[usize],
    rows: usize,
    time: Duration,
) -> Result<f64> {
    let start = Barrier::new(sessions.len());
    // Whether all threads have started: with fewer, none may wait at the barrier.
    let all_started = RwLock::new(false);
    std::thread::scope(|scope| {
        let mut gate = all_started.write().unwrap_or_else(PoisonError::into_inner);
        let trials: Result<Vec<_>> = sessions
            .iter_mut()
            .map(|session| {
                let (start, all_started) = (&start, &all_started);
                spawn_scoped(scope, move || {
                    let go = *all_started.read().unwrap_or_else(PoisonError::into_inner);
                    if go { session_rate(session.as_mut(), dims, rows, time, start) } else { Ok(0.0) }
                })
            })
            .collect();
        *gate = trials.is_ok();
        drop(gate);
        let rates = trials?.into_iter().map(|trial| {
            trial.join().unwrap_or_else(|_| Err(Error::Internal("a worker thread panicked".to_owned())))
        });
        rates.sum()
    })
}

/// The median; the lower of the two middle values for an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Benchmark of a dense f32 matrix product: the floating-point rate that an engine reaches
/// on this machine.
pub struct MatrixProduct {
    sessions: Vec<Box<dyn Backend>>,
    flops_per_row: f64,
}

impl MatrixProduct {
    /// Loads the product for `workers` workers.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run the product.
    pub fn new(engine: &Engine, workers: usize) -> Result<Self> {
        let program = Arc::new(Program::matrix_product(PRODUCT));
        let sessions = engine.sessions(&program, workers)?;
        Ok(Self { sessions, flops_per_row: program.flops_per_row() as f64 })
    }

    /// Floating-point operations per second of the first `workers` workers in parallel.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine fails.
    pub fn flops_per_second(&mut self, workers: usize, time: Duration) -> Result<f64> {
        let workers = workers.min(self.sessions.len());
        let sessions = self.sessions.get_mut(..workers).unwrap_or_default();
        Ok(rows_per_second(sessions, &[PRODUCT, 0], PRODUCT, time)? * self.flops_per_row)
    }
}

fn session_rate(
    session: &mut dyn Backend,
    dims: &[usize],
    rows: usize,
    time: Duration,
    all: &Barrier,
) -> Result<f64> {
    // Arbitrary values of usual magnitude: the speed does not depend on them.
    let values = |dim: &usize| (0..rows * dim).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect::<Vec<f32>>();
    let (x, y): (Vec<Vec<f32>>, _) = (dims.iter().map(values).collect(), vec![0; rows]);
    let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
    let batch = BatchInputs { rows, x: &x, y: &y };
    let mut out = BatchOutputs::new(dims.len());
    // The first batch includes one-time setup. On failure the barrier is still reached, so
    // that the other sessions start.
    let first = session.evaluate(&batch, &mut out);
    all.wait();
    first?;
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < time {
        session.evaluate(&batch, &mut out)?;
        done += rows;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineChoice, EngineOptions};

    /// Sleeps a millisecond a row, or fails.
    struct Slow {
        fails: bool,
    }

    impl Backend for Slow {
        fn evaluate(&mut self, batch: &BatchInputs<'_>, _: &mut BatchOutputs) -> Result<()> {
            assert_eq!((batch.x[0].len(), batch.x[1].len()), (batch.rows * 3, batch.rows * 2));
            std::thread::sleep(Duration::from_millis(batch.rows as u64));
            if self.fails { Err(Error::Engine("no".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn workers_add_up() {
        let slow = || -> Box<dyn Backend> { Box::new(Slow { fails: false }) };
        let rate = rows_per_second(&mut [slow(), slow()], &[3, 2], 10, Duration::from_millis(50)).unwrap();
        // Each can do 1 000 at best.
        assert!(rate > 0.0 && rate <= 2000.0, "{rate}");
    }

    #[test]
    fn one_that_fails_does_not_stop_the_others_for_good() {
        let mut sessions: [Box<dyn Backend>; 2] =
            [Box::new(Slow { fails: false }), Box::new(Slow { fails: true })];
        let failed = rows_per_second(&mut sessions, &[3, 2], 2, Duration::from_millis(5));
        assert_eq!(failed.unwrap_err().exit_code(), 69);
    }

    #[test]
    fn the_product_is_computed() {
        let embedded = EngineOptions { engine: EngineChoice::Embedded, ..EngineOptions::default() };
        let engine = Engine::find(&embedded).unwrap();
        let program = Arc::new(Program::matrix_product(4));
        let mut session = engine.sessions(&program, 1).unwrap();
        let mut out = BatchOutputs::new(2);
        let x1 = [1.0, 2.0, 3.0, 4.0, -1.0, 0.0, 0.5, 0.0];
        session[0].evaluate(&BatchInputs { rows: 2, x: &[&x1, &[]], y: &[0; 2] }, &mut out).unwrap();
        let weight = |i: usize, j: usize| ((i * 4 + j) % 13) as f32 / 64.0 - 0.1;
        let expected: Vec<f32> = x1
            .chunks(4)
            .map(|x| (0..4).map(|j| (0..4).map(|i| x[i] * weight(i, j)).sum()).fold(f32::MIN, f32::max))
            .collect();
        for (found, expected) in out.h()[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
