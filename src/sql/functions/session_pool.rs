//! A pool of engine sessions. A thread without a free session blocks until another thread returns
//! one, because the runtime may have more threads than there are sessions.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::Backend;
use crate::error::{Error, Result};

/// A pool of one bundle's sessions.
pub(super) struct SessionPool {
    state: Mutex<PoolState>,
    changed: Condvar,
}

struct PoolState {
    idle: Vec<Box<dyn Backend>>,
    /// Number of idle and borrowed sessions. A thread that panics loses its session.
    alive: usize,
}

impl SessionPool {
    pub(super) fn new(sessions: Vec<Box<dyn Backend>>) -> Self {
        let state = PoolState { alive: sessions.len(), idle: sessions };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Borrows a session for one call, which returns it. Blocks until a session is free.
    pub(super) fn with_session<T>(
        &self,
        call: impl FnOnce(Box<dyn Backend>) -> (Box<dyn Backend>, Result<T>),
    ) -> Result<T> {
        let session = self.take()?;
        let mut guard = SessionGuard { pool: self, session: None };
        let (session, result) = call(session);
        guard.session = Some(session);
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

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        // The state is consistent at every point, so a poisoned lock is usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard of a borrowed session. On drop the session returns to the pool, or counts as lost if
/// the call panicked.
struct SessionGuard<'a> {
    pool: &'a SessionPool,
    session: Option<Box<dyn Backend>>,
}

impl Drop for SessionGuard<'_> {
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

    struct NoopBackend;

    impl Backend for NoopBackend {
        fn evaluate(&mut self, _: &BatchInputs<'_>, _: &mut BatchOutputs) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_more_are_out_than_there_are_and_all_come_back() {
        let pool = SessionPool::new(vec![Box::new(NoopBackend), Box::new(NoopBackend)]);
        let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let lent = pool.with_session(|session| {
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
        let pool = SessionPool::new(vec![Box::new(NoopBackend)]);
        let failed = pool.with_session(|session| (session, Err::<(), _>(Error::Interrupted)));
        assert!(matches!(failed, Err(Error::Interrupted)));
        assert_eq!(pool.lock().idle.len(), 1);
        let panics = AssertUnwindSafe(|| {
            pool.with_session(|_| -> (Box<dyn Backend>, Result<()>) { panic!("on purpose") })
        });
        assert!(catch_unwind(panics).is_err());
        assert!(pool.with_session(|session| (session, Ok(()))).is_err());
    }
}
