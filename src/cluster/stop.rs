//! The stop flag of a process, as a future.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The interval at which the flag is read.
const POLL: Duration = Duration::from_millis(50);

/// Completes when the flag is set.
pub(super) async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(POLL).await;
    }
}
