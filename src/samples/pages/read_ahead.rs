//! The pages that are read, decompressed and decoded ahead of the batches that need them, by whoever
//! has time.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use crate::error::Result;
use crate::threads::{available, spawn_scoped};

use super::lazy_page::LazyPage;

/// How far a reader of a column reads ahead, and the queue of the pages for those who help.
#[derive(Debug, Clone)]
pub struct ReadAhead {
    sender: Sender<PageJob>,
    receiver: Receiver<PageJob>,
    pages: usize,
    bytes: u64,
    most_bytes: u64,
}

/// A page that somebody may load before it is needed. Nothing is lost where nobody does.
#[derive(Debug)]
pub struct PageJob(Arc<LazyPage>);

impl PageJob {
    /// Loads the page.
    pub fn run(self) {
        self.0.prepare();
    }
}

impl ReadAhead {
    /// Each reader of a column keeps enough pages ahead for this number of helpers, within a sixteenth of
    /// `limit_bytes`.
    pub fn new(helpers: usize, limit_bytes: u64) -> Self {
        /// Decompressed bytes for a helper: a few pages of the usual size.
        const HELPER_BYTES: u64 = 4 << 20;
        let (sender, receiver) = unbounded();
        let most_bytes = limit_bytes / 16;
        let bytes = (helpers as u64 * HELPER_BYTES).min(most_bytes);
        Self { sender, receiver, pages: helpers + 1, bytes, most_bytes }
    }

    /// No reading ahead.
    pub fn none() -> Self {
        Self { pages: 0, ..Self::new(0, 0) }
    }

    /// Runs work beside threads that load the pages which it reads ahead: one fewer than there are cores.
    ///
    /// # Errors
    /// [`Error::NoThread`](crate::Error::NoThread); those of `work`.
    pub fn with_helpers<T>(limit_bytes: u64, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let helpers = available().saturating_sub(1);
        let read_ahead = Self::new(helpers, limit_bytes);
        let (end, ended) = bounded::<()>(0);
        std::thread::scope(|scope| {
            // Dropped on the way out, also by an error or a panic: then the helpers end.
            let _end = end;
            for _ in 0..helpers {
                let (jobs, ended) = (read_ahead.jobs(), &ended);
                spawn_scoped(scope, move || {
                    loop {
                        select! {
                            recv(jobs) -> job => if let Ok(job) = job { job.run() },
                            recv(ended) -> _ => break,
                        }
                    }
                })?;
            }
            work(&read_ahead)
        })
    }

    /// The pages to load.
    pub fn jobs(&self) -> &Receiver<PageJob> {
        &self.receiver
    }

    /// Whether a page of `page_bytes` may be read ahead, beside `pages` others of `bytes` in all. One may,
    /// however large it is, unless that would take too much of the memory: DuckDB writes pages of whole
    /// row groups.
    pub(super) fn has_room(&self, pages: usize, bytes: u64, page_bytes: u64) -> bool {
        let bytes = bytes.saturating_add(page_bytes);
        pages < self.pages && (bytes <= self.bytes || (pages == 0 && bytes <= self.most_bytes))
    }

    pub(super) fn push(&self, page: &Arc<LazyPage>) {
        // The receiver lives as long as this.
        _ = self.sender.send(PageJob(Arc::clone(page)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn pages_are_bounded_by_number_and_bytes_and_one_may_be_large() {
        let mib = 1 << 20;
        let ahead = ReadAhead::new(2, 1 << 30);
        assert!(ahead.has_room(2, 2 * mib, mib) && !ahead.has_room(3, 3 * mib, mib));
        assert!(ahead.has_room(1, 7 * mib, mib) && !ahead.has_room(1, 7 * mib, mib + 1));
        assert!(ahead.has_room(0, 0, 64 * mib) && !ahead.has_room(0, 0, 65 * mib));
        assert!(!ahead.has_room(1, 1, 64 * mib));
        assert!(!ReadAhead::none().has_room(0, 0, 1));
        let little = ReadAhead::new(8, 16 * mib);
        assert!(little.has_room(0, 0, mib) && !little.has_room(1, mib, 1));
    }

    #[test]
    fn helpers_end_with_the_work() {
        assert_eq!(ReadAhead::with_helpers(1 << 30, |_| Ok(7)).unwrap(), 7);
        let failed = ReadAhead::with_helpers(1 << 30, |_| Err::<(), _>(Error::Interrupted));
        assert!(matches!(failed, Err(Error::Interrupted)));
    }
}
