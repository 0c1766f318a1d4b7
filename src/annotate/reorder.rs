//! Results back in order: whoever brings the one that is due hands it on, and all that had
//! waited for it. No thread has to be woken for that, which on a machine whose cores are
//! all busy computing would cost more than the handing on.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Takes numbered results from many threads and gives them to one sink, one after the
/// other.
pub(super) struct ReorderBuffer<T, F> {
    state: Mutex<State<T, F>>,
    moved: Condvar,
    /// How far ahead of the one that is due a result may be.
    window: usize,
}

struct State<T, F> {
    due: usize,
    waiting: BTreeMap<usize, Result<T>>,
    /// None while somebody is handing on.
    sink: Option<F>,
    end: End,
}

/// Whether more results are wanted.
enum End {
    NotYet,
    /// With the first error, unless somebody has died.
    Failed(Option<Error>),
}

impl<T, F: FnMut(T) -> Result<()>> ReorderBuffer<T, F> {
    /// Results wait in memory for those before them: at most `window`, and one with every
    /// thread.
    pub(super) fn new(window: usize, sink: F) -> Self {
        let state = State { due: 0, waiting: BTreeMap::new(), sink: Some(sink), end: End::NotYet };
        Self { state: Mutex::new(state), moved: Condvar::new(), window: window.max(1) }
    }

    /// Whether the sink or one of the results has failed: no more are wanted.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state().end, End::Failed(_))
    }

    /// Takes result number `number`, waits until it is within the window, and hands on what
    /// is due. The first error, in the order of the results, is the last that is handed on.
    pub(super) fn take(&self, number: usize, result: Result<T>) {
        let mut state = self.state();
        while number >= state.due + self.window && matches!(state.end, End::NotYet) {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(number, result);
        // Whoever has the sink will find it.
        let Some(mut sink) = state.sink.take() else { return };
        while let Some(result) = state.due_now() {
            drop(state);
            let handed_on = result.and_then(&mut sink);
            state = self.state();
            if let Err(error) = handed_on {
                state.end = End::Failed(Some(error));
            }
            self.moved.notify_all();
        }
        state.sink = Some(sink);
    }

    /// Ends it where the thread that calls this dies: nobody must wait for its result.
    pub(super) fn end_if_dying(&self) {
        if std::thread::panicking() {
            self.state().end = End::Failed(None);
            self.moved.notify_all();
        }
    }

    /// What the first error was.
    pub(super) fn finish(self) -> Result<()> {
        match self.state.into_inner().unwrap_or_else(PoisonError::into_inner).end {
            End::Failed(Some(error)) => Err(error),
            End::Failed(None) => Err(Error::Internal("a worker has died".to_owned())),
            End::NotYet => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F> State<T, F> {
    fn due_now(&mut self) -> Option<Result<T>> {
        if matches!(self.end, End::Failed(_)) {
            return None;
        }
        let result = self.waiting.remove(&self.due)?;
        self.due += 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_comes_first_the_sink_sees_them_in_order() {
        let mut seen = Vec::new();
        let order = ReorderBuffer::new(4, |number: usize| {
            seen.push(number);
            Ok(())
        });
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for worker in 0..5 {
                let (order, next) = (&order, &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= 500 {
                            return;
                        }
                        if number % 7 == worker {
                            thread::sleep(Duration::from_micros(300));
                        }
                        order.take(number, Ok(number));
                    }
                });
            }
        });
        order.finish().unwrap();
        assert!(seen.iter().copied().eq(0..500));
    }

    #[test]
    fn no_more_than_the_window_waits() {
        let order = ReorderBuffer::new(2, |_: usize| Ok(()));
        let far = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                order.take(1, Ok(1));
                order.take(2, Ok(2));
                far.store(1, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(50));
            assert_eq!(far.load(Ordering::SeqCst), 0);
            order.take(0, Ok(0));
        });
        assert_eq!(far.load(Ordering::SeqCst), 1);
        order.finish().unwrap();
    }

    #[test]
    fn the_first_error_in_order_ends_it() {
        let mut seen = Vec::new();
        let order = ReorderBuffer::new(8, |number: usize| {
            seen.push(number);
            Ok(())
        });
        order.take(2, Err(Error::Interrupted));
        order.take(3, Ok(3));
        order.take(1, Err(Error::Engine("no".to_owned())));
        assert!(!order.is_ended());
        order.take(0, Ok(0));
        assert!(order.is_ended());
        order.take(100, Ok(100));
        assert!(matches!(order.finish(), Err(Error::Engine(_))));
        assert_eq!(seen, [0]);
    }

    #[test]
    fn nobody_waits_for_the_dead() {
        let order = ReorderBuffer::new(1, |_: usize| Ok(()));
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let dying = scope.spawn(|| {
                struct Dying<'a, F: FnMut(usize) -> Result<()>>(&'a ReorderBuffer<usize, F>);
                impl<F: FnMut(usize) -> Result<()>> Drop for Dying<'_, F> {
                    fn drop(&mut self) {
                        self.0.end_if_dying();
                    }
                }
                let _dying = Dying(&order);
                barrier.wait();
                std::panic::resume_unwind(Box::new(()));
            });
            barrier.wait();
            order.take(5, Ok(5));
            assert!(dying.join().is_err());
        });
        assert_eq!(order.finish().unwrap_err().exit_code(), 70);
    }
}
