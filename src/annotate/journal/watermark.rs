//! The watermark of a journal: the end of its complete frames, which its reader waits for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The end of what a journal holds, and whether more will come.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    state: Mutex<State>,
    reached: Condvar,
}

#[derive(Debug, Default)]
struct State {
    end: u64,
    /// Nothing more will be appended.
    is_final: bool,
    /// The reader has given up.
    is_abandoned: bool,
    /// What the reader waits for. It is woken once for many frames.
    awaited: Option<u64>,
}

impl Watermark {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the end; false where the reader has given up.
    pub(super) fn advance(&self, end: u64) -> bool {
        let mut state = self.state();
        state.end = end;
        if state.awaited.is_some_and(|awaited| awaited <= end) {
            self.reached.notify_one();
        }
        !state.is_abandoned
    }

    /// Says that nothing more will be appended.
    pub(super) fn finish(&self) {
        self.state().is_final = true;
        self.reached.notify_one();
    }

    /// Says that nothing more will be read.
    pub(super) fn abandon(&self) {
        self.state().is_abandoned = true;
    }

    /// Waits until the end is at `offset` or beyond, or nothing more will come. Returns the end.
    pub(super) fn wait(&self, offset: u64) -> u64 {
        let mut state = self.state();
        state.awaited = Some(offset);
        while state.end < offset && !state.is_final {
            state = self.reached.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = None;
        state.end
    }
}
