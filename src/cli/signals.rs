//! Signal handlers for SIGINT and SIGTERM. For commands that write outputs the first signal sets
//! a stop flag and the second ends the process; for all others the first ends it.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Sets the returned flag on the first SIGINT or SIGTERM and ends the process on the second.
pub(super) fn watch() -> Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(Arc::default);
    // Registered in this order so that the first signal finds the flag unset.
    register(|signal| {
        exit_if(signal, stop.clone())?;
        flag::register(signal, stop.clone()).map(drop)
    })?;
    Ok(stop)
}

/// Sets the returned flag on every SIGINT and ends the process on SIGTERM. For the interactive
/// shell, in which Ctrl-C cancels a query and not the shell.
pub(super) fn interrupts() -> Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(Arc::default);
    flag::register(SIGINT, stop.clone()).map_err(registration_failed)?;
    exit_if(SIGTERM, Arc::new(AtomicBool::new(true))).map_err(registration_failed)?;
    Ok(stop)
}

/// Ends the process on SIGINT and SIGTERM with the exit code of an interruption; the returned
/// flag is never set.
pub(super) fn end_at_once() -> Result<&'static AtomicBool> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    register(|signal| exit_if(signal, Arc::new(AtomicBool::new(true))))?;
    Ok(&NEVER)
}

fn exit_if(signal: i32, armed: Arc<AtomicBool>) -> io::Result<()> {
    flag::register_conditional_shutdown(signal, i32::from(Error::Interrupted.exit_code()), armed).map(drop)
}

fn register(one: impl Fn(i32) -> io::Result<()>) -> Result<()> {
    [SIGINT, SIGTERM].into_iter().try_for_each(one).map_err(registration_failed)
}

fn registration_failed(error: io::Error) -> Error {
    Error::Internal(format!("cannot register signal handlers: {error}"))
}
