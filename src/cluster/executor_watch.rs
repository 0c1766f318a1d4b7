//! A watch over the executors of a scheduler during a query. Ballista begins stages again when it loses an
//! executor, and may take rows of an earlier attempt beside those of the next; so the query is begun again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::{Error, Place};

use super::address::HostPort;
use super::status;
use super::tls::Tls;

/// The interval between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is said of an executor that is lost.
const LOST: &str = "an executor was lost while the query ran";

/// The error of a query that has lost an executor.
pub(super) fn executor_lost(place: impl std::fmt::Display) -> Error {
    Error::Transient { place: Place::file(place), what: LOST.to_owned() }
}

/// Whether it is the error of a query that has lost an executor.
pub(super) fn is_executor_lost(error: &Error) -> bool {
    matches!(error, Error::Transient { what, .. } if what.starts_with(LOST))
}

/// A watch, until it is dropped.
pub(super) struct ExecutorWatch {
    has_lost: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

impl ExecutorWatch {
    /// Begins a watch in the present runtime.
    pub(super) fn begin(address: &HostPort, tls: Option<&Tls>) -> Self {
        let has_lost = Arc::<AtomicBool>::default();
        let (flag, address, tls) = (Arc::clone(&has_lost), address.clone(), tls.cloned());
        let looking = tokio::spawn(async move {
            let mut most = 0;
            loop {
                if let Ok(executors) = status::ask(&address, tls.as_ref()).await {
                    if executors < most {
                        flag.store(true, Ordering::Relaxed);
                    }
                    most = most.max(executors);
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { has_lost, looking }
    }

    /// Whether there are fewer executors than there were.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }
}

impl Drop for ExecutorWatch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
