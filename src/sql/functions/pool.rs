//! Sessions lent to whoever evaluates a batch. Queries run on as many threads as the
//! runtime has; those for which there is no session wait until one is given back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::Backend;
use crate::error::{Error, Result};

/// The sessions of one bundle.
pub(super) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    idle: Vec<Box<dyn Backend>>,
    /// Idle and lent ones: a thread that panics takes its session with it.
    alive: usize,
}

impl Pool {
    pub(super) fn new(sessions: Vec<Box<dyn Backend>>) -> Self {
        let state = State { alive: sessions.len(), idle: sessions };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits for a session and lends it for one call, which gives it back.
    pub(super) fn lend<T>(
        &self,
        call: impl FnOnce(Box<dyn Backend>) -> (Box<dyn Backend>, Result<T>),
    ) -> Result<T> {
        let session = self.take()?;
        let mut loan = Loan { pool: self, session: None };
        let (session, result) = call(session);
        loan.session = Some(session);
        result
    }

    fn take(&self) -> Result<Box<dyn Backend>> {
        let mut state = self.lock();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(session);
            }
            if state.alive == 0 {
                return Err(Error::Internal("all sessions of the models have died".to_owned()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is out; when this is dropped, it is back or lost.
struct Loan<'a> {
    pool: &'a Pool,
    session: Option<Box<dyn Backend>>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        match self.session.take() {
            Some(session) => state.idle.push(session),
            None => state.alive = state.alive.saturating_sub(1),
        }
        drop(state);
        self.pool.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::scope;

    use super::*;
    use crate::engine::{BatchInputs, BatchOutputs};

    struct Nothing;

    impl Backend for Nothing {
        fn evaluate(&mut self, _: &BatchInputs<'_>, _: &mut BatchOutputs) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_more_are_out_than_there_are_and_all_come_back() {
        let pool = Pool::new(vec![Box::new(Nothing), Box::new(Nothing)]);
        let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let lent = pool.lend(|session| {
                            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            out.fetch_sub(1, Ordering::SeqCst);
                            (session, Ok(()))
                        });
                        lent.unwrap();
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(pool.lock().idle.len(), 2);
    }

    #[test]
    fn a_failing_call_gives_its_session_back_and_a_panicking_one_does_not() {
        let pool = Pool::new(vec![Box::new(Nothing)]);
        let failed = pool.lend(|session| (session, Err::<(), _>(Error::Interrupted)));
        assert!(matches!(failed, Err(Error::Interrupted)));
        assert_eq!(pool.lock().idle.len(), 1);
        let panics =
            AssertUnwindSafe(|| pool.lend(|_| -> (Box<dyn Backend>, Result<()>) { panic!("on purpose") }));
        assert!(catch_unwind(panics).is_err());
        assert!(pool.lend(|session| (session, Ok(()))).is_err());
    }
}
