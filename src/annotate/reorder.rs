//! A reorder buffer. The worker that completes the next result in sequence also delivers it,
//! and all results that waited for it: no dedicated thread, no wake-up. On a machine whose
//! cores are all busy computing, a wake-up costs more than the delivery.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Takes numbered results from many threads and delivers them to one sink in order.
pub(super) struct ReorderBuffer<T, F> {
    state: Mutex<State<T, F>>,
    moved: Condvar,
    /// How far ahead of the next result to deliver a result may be.
    window: usize,
}

struct State<T, F> {
    next: usize,
    waiting: BTreeMap<usize, Result<T>>,
    /// None while a thread delivers.
    sink: Option<F>,
    state: Delivery,
}

/// Whether results are still delivered.
enum Delivery {
    Open,
    /// Ended by the first error, or by a thread that panicked.
    Failed(Option<Error>),
}

impl<T, F: FnMut(T) -> Result<()>> ReorderBuffer<T, F> {
    /// At most `window` results wait in the buffer for earlier ones, and one more with every
    /// thread.
    pub(super) fn new(window: usize, sink: F) -> Self {
        let state = State { next: 0, waiting: BTreeMap::new(), sink: Some(sink), state: Delivery::Open };
        Self { state: Mutex::new(state), moved: Condvar::new(), window: window.max(1) }
    }

    /// Whether the sink or one of the results has failed: no more are delivered.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state().state, Delivery::Failed(_))
    }

    /// Takes result number `number`, waits until it is within the window, and delivers the
    /// results that are next. The first error, in the order of the results, ends delivery.
    pub(super) fn take(&self, number: usize, result: Result<T>) {
        let mut state = self.state();
        while number >= state.next + self.window && matches!(state.state, Delivery::Open) {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(number, result);
        // The thread that has the sink delivers it.
        let Some(mut sink) = state.sink.take() else { return };
        while let Some(result) = state.take_next() {
            drop(state);
            let delivered = result.and_then(&mut sink);
            state = self.state();
            if let Err(error) = delivered {
                state.state = Delivery::Failed(Some(error));
            }
            self.moved.notify_all();
        }
        state.sink = Some(sink);
    }

    /// Ends delivery with an error that is of no result.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state();
        if matches!(state.state, Delivery::Open) {
            state.state = Delivery::Failed(Some(error));
        }
        self.moved.notify_all();
    }

    /// Ends delivery where the calling thread is panicking: no thread must wait for its
    /// result.
    pub(super) fn end_if_panicking(&self) {
        if std::thread::panicking() {
            self.state().state = Delivery::Failed(None);
            self.moved.notify_all();
        }
    }

    /// The first error, if there was one.
    pub(super) fn finish(self) -> Result<()> {
        match self.state.into_inner().unwrap_or_else(PoisonError::into_inner).state {
            Delivery::Failed(Some(error)) => Err(error),
            Delivery::Failed(None) => Err(Error::Internal("a worker thread panicked".to_owned())),
            Delivery::Open => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F> State<T, F> {
    fn take_next(&mut self) -> Option<Result<T>> {
        if matches!(self.state, Delivery::Failed(_)) {
            return None;
        }
        let result = self.waiting.remove(&self.next)?;
        self.next += 1;
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
                        self.0.end_if_panicking();
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
