//! A watch over the executors of a scheduler during a job. Where it has none for long, the job ends. Ballista
//! begins stages of a query again when it loses an executor, and may take rows of an earlier attempt beside
//! those of the next; so a query is then begun again as a whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::error::{Error, Place};

use super::address::HostPort;
use super::status;
use super::tls::Tls;

/// The interval between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// The time without an executor after which a job ends.
pub(super) const NO_EXECUTOR: Duration = Duration::from_secs(120);

/// The error of a query that has lost an executor.
pub(super) fn executor_lost(place: impl std::fmt::Display) -> Error {
    let what = "an executor was lost while the query ran".to_owned();
    Error::ExecutorLost { place: Place::file(place), what }
}

/// The error of a job that no executor takes.
pub(super) fn no_executor(place: impl std::fmt::Display) -> Error {
    let what =
        format!("has had no executor for {} s; start `lsmi-etl cluster executor`", NO_EXECUTOR.as_secs());
    Error::Transient { place: Place::file(place), what }
}

/// A watch, until it is dropped.
pub(super) struct ExecutorWatch {
    seen: Arc<Seen>,
    looking: JoinHandle<()>,
}

/// What a watch has seen.
#[derive(Default)]
struct Seen {
    has_lost: AtomicBool,
    none_since: Mutex<Option<Instant>>,
}

impl ExecutorWatch {
    /// Begins a watch in the present runtime.
    pub(super) fn begin(address: &HostPort, tls: Option<&Tls>) -> Self {
        let seen = Arc::<Seen>::default();
        let (seeing, address, tls) = (Arc::clone(&seen), address.clone(), tls.cloned());
        let looking = tokio::spawn(async move {
            let mut last = None;
            loop {
                if let Ok(executors) = status::ask(&address, tls.as_ref()).await {
                    seeing.note(last, executors);
                    match last {
                        Some(last) if executors < last => {
                            tracing::warn!("{address} has lost an executor; it has {executors}");
                        }
                        Some(last) if executors > last => {
                            tracing::info!("an executor has joined {address}; it has {executors}");
                        }
                        _ => {}
                    }
                    last = Some(executors);
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { seen, looking }
    }

    /// Whether there are fewer executors than there were.
    pub(super) fn has_lost(&self) -> bool {
        self.seen.has_lost.load(Ordering::Relaxed)
    }

    /// Whether there has been none for [`NO_EXECUTOR`].
    pub(super) fn has_none(&self) -> bool {
        let since = *self.seen.none_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > NO_EXECUTOR)
    }
}

impl Seen {
    fn note(&self, last: Option<u64>, executors: u64) {
        if last.is_some_and(|last| executors < last) {
            self.has_lost.store(true, Ordering::Relaxed);
        }
        let mut none_since = self.none_since.lock().unwrap_or_else(PoisonError::into_inner);
        *none_since = if executors == 0 { none_since.or_else(|| Some(Instant::now())) } else { None };
    }
}

impl Drop for ExecutorWatch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
