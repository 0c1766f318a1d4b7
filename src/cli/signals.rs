//! Signals: where there is something to leave in order, the first asks the run to stop
//! and a second ends it at once; elsewhere the first ends it.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Watches for SIGINT and SIGTERM; the flag is set by either.
pub(super) fn watch() -> Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(Arc::default);
    // In this order: the first signal finds the flag unset.
    register(|signal| {
        end_where(signal, stop.clone())?;
        flag::register(signal, stop.clone()).map(drop)
    })?;
    Ok(stop)
}

/// Lets SIGINT set the flag, each time, and SIGTERM end the run at once: for a shell,
/// which outlives what it was told to stop.
pub(super) fn interrupts() -> Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(Arc::default);
    flag::register(SIGINT, stop.clone()).map_err(cannot_watch)?;
    end_where(SIGTERM, Arc::new(AtomicBool::new(true))).map_err(cannot_watch)?;
    Ok(stop)
}

/// Lets SIGINT and SIGTERM end the run at once, with the exit code of an interruption;
/// the flag is never set.
pub(super) fn end_at_once() -> Result<&'static AtomicBool> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    register(|signal| end_where(signal, Arc::new(AtomicBool::new(true))))?;
    Ok(&NEVER)
}

fn end_where(signal: i32, armed: Arc<AtomicBool>) -> io::Result<()> {
    flag::register_conditional_shutdown(signal, i32::from(Error::Interrupted.exit_code()), armed).map(drop)
}

fn register(one: impl Fn(i32) -> io::Result<()>) -> Result<()> {
    [SIGINT, SIGTERM].into_iter().try_for_each(one).map_err(cannot_watch)
}

fn cannot_watch(error: io::Error) -> Error {
    Error::Internal(format!("cannot watch for signals: {error}"))
}
