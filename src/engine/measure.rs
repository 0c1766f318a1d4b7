//! How fast an engine is on rows that lie in memory: the bound of whatever has to
//! read and write them too, and the measure of the models against the machine.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::bundle::Program;
use crate::error::{Error, Result};

use super::{Backend, Batch, Engine, Evaluated};

/// The size of the matrix product that stands for the machine: large enough that
/// nothing but multiplying shows, small enough for its parts to stay in the caches.
const PRODUCT: usize = 1024;

/// Rows a second of all sessions at once, each on one thread and on batches of `rows`
/// rows of the dimensions `dims`, in `time`.
///
/// # Errors
/// [`Error::Engine`] where the engine fails.
pub fn rows_per_second(
    sessions: &mut [Box<dyn Backend>],
    dims: [usize; 2],
    rows: usize,
    time: Duration,
) -> Result<f64> {
    let start = Barrier::new(sessions.len());
    std::thread::scope(|scope| {
        let trials: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                let start = &start;
                scope.spawn(move || rate(session.as_mut(), dims, rows, time, start))
            })
            .collect();
        let rates = trials.into_iter().map(|trial| {
            trial.join().unwrap_or_else(|_| Err(Error::Internal("a worker has died".to_owned())))
        });
        rates.sum()
    })
}

/// The middle one; of two, the lower.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// What an engine makes of the machine's arithmetic: floating-point operations a
/// second of a dense matrix product in f32.
pub struct MatrixProduct {
    sessions: Vec<Box<dyn Backend>>,
    flops_per_row: f64,
}

impl MatrixProduct {
    /// The product on so many workers.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run it.
    pub fn new(engine: &Engine, workers: usize) -> Result<Self> {
        let program = Program::matrix_product(PRODUCT);
        let sessions = engine.sessions(&program, workers)?;
        Ok(Self { sessions, flops_per_row: program.flops_per_row() as f64 })
    }

    /// Floating-point operations a second of the first `workers` workers at once.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine fails.
    pub fn flops_per_second(&mut self, workers: usize, time: Duration) -> Result<f64> {
        let workers = workers.min(self.sessions.len());
        let sessions = self.sessions.get_mut(..workers).unwrap_or_default();
        Ok(rows_per_second(sessions, [PRODUCT, 0], PRODUCT, time)? * self.flops_per_row)
    }
}

fn rate(
    session: &mut dyn Backend,
    [d1, d2]: [usize; 2],
    rows: usize,
    time: Duration,
    all: &Barrier,
) -> Result<f64> {
    // Values of no meaning but of a usual size: speed does not depend on them.
    let values = |dim: usize| (0..rows * dim).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect::<Vec<f32>>();
    let (x1, x2, y) = (values(d1), values(d2), vec![0; rows]);
    let batch = Batch { rows, x1: &x1, x2: &x2, y: &y };
    let mut out = Evaluated::default();
    // The first batch pays for what is set up once. Whoever fails lets the others begin.
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
    use crate::engine::Options;

    /// Sleeps a millisecond a row, or fails.
    struct Slow {
        fails: bool,
    }

    impl Backend for Slow {
        fn evaluate(&mut self, batch: &Batch<'_>, _: &mut Evaluated) -> Result<()> {
            assert_eq!((batch.x1.len(), batch.x2.len()), (batch.rows * 3, batch.rows * 2));
            std::thread::sleep(Duration::from_millis(batch.rows as u64));
            if self.fails { Err(Error::Engine("no".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn workers_add_up() {
        let slow = || -> Box<dyn Backend> { Box::new(Slow { fails: false }) };
        let rate = rows_per_second(&mut [slow(), slow()], [3, 2], 10, Duration::from_millis(50)).unwrap();
        // Each can do 1 000 at best.
        assert!(rate > 0.0 && rate <= 2000.0, "{rate}");
    }

    #[test]
    fn one_that_fails_does_not_stop_the_others_for_good() {
        let mut sessions: [Box<dyn Backend>; 2] =
            [Box::new(Slow { fails: false }), Box::new(Slow { fails: true })];
        let failed = rows_per_second(&mut sessions, [3, 2], 2, Duration::from_millis(5));
        assert_eq!(failed.unwrap_err().exit_code(), 69);
    }

    #[test]
    fn the_product_is_computed() {
        let embedded = Options { engine: crate::engine::Choice::Embedded, ..Options::default() };
        let engine = Engine::find(&embedded).unwrap();
        let program = Program::matrix_product(4);
        let mut session = engine.sessions(&program, 1).unwrap();
        let mut out = Evaluated::default();
        let x1 = [1.0, 2.0, 3.0, 4.0, -1.0, 0.0, 0.5, 0.0];
        session[0].evaluate(&Batch { rows: 2, x1: &x1, x2: &[], y: &[0; 2] }, &mut out).unwrap();
        let weight = |i: usize, j: usize| ((i * 4 + j) % 13) as f32 / 64.0 - 0.1;
        let expected: Vec<f32> = x1
            .chunks(4)
            .map(|x| (0..4).map(|j| (0..4).map(|i| x[i] * weight(i, j)).sum()).fold(f32::MIN, f32::max))
            .collect();
        for (found, expected) in out.h[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
