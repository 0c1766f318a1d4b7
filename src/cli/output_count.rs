//! The number of outputs that are there, which is the progress of a cluster: the status of a running job does
//! not count its tasks. A thread of its own counts, since a listing may take a while.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::storage::{Files, exists, is_url, list_objects};
use crate::threads::spawn_detached;

/// The shortest pause between two counts.
const PAUSE: Duration = Duration::from_secs(2);
/// The pause after a count, in multiples of its time: a listing of many objects costs the store, too.
const PAUSE_PER_COUNT: u32 = 20;
/// The interval at which the thread looks whether the run is over.
const POLL: Duration = Duration::from_millis(100);

/// The count of the outputs of a run. It ends when the value is dropped.
pub(super) struct OutputCount(Arc<State>);

#[derive(Default)]
struct State {
    found: AtomicUsize,
    is_over: AtomicBool,
}

impl OutputCount {
    /// Begins to count the outputs of these files.
    ///
    /// # Errors
    /// [`Error::NoThread`](crate::Error::NoThread).
    pub(super) fn begin(files: &Files) -> Result<Self> {
        let state = Arc::<State>::default();
        let missing: HashSet<PathBuf> = files.pairs().iter().map(|pair| pair.output.clone()).collect();
        let folder = (is_url(files.output()) && !files.is_file()).then(|| files.output().to_owned());
        let shared = Arc::clone(&state);
        spawn_detached(move || count(&shared, missing, folder.as_deref()))?;
        Ok(Self(state))
    }

    /// Outputs at the last count.
    pub(super) fn found(&self) -> usize {
        self.0.found.load(Ordering::Relaxed)
    }
}

impl Drop for OutputCount {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

fn count(state: &State, mut missing: HashSet<PathBuf>, folder: Option<&Path>) {
    let of = missing.len();
    while !missing.is_empty() {
        let start = Instant::now();
        match folder {
            Some(folder) => match list_objects(folder) {
                Ok(found) => found.iter().for_each(|output| _ = missing.remove(output)),
                // The executors' errors are those that matter.
                Err(error) => tracing::debug!("the outputs can't be counted: {error}"),
            },
            None => missing.retain(|output| !exists(output).unwrap_or(false)),
        }
        state.found.store(of - missing.len(), Ordering::Relaxed);
        let pause = PAUSE.max(start.elapsed() * PAUSE_PER_COUNT);
        let since = Instant::now();
        while since.elapsed() < pause {
            if state.is_over.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}
