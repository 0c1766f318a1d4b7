//! Signals: the first asks the run to stop and leave everything in order, a second
//! ends it at once.

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
    let register = || -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset.
            flag::register_conditional_shutdown(
                signal,
                i32::from(Error::Interrupted.exit_code()),
                stop.clone(),
            )?;
            flag::register(signal, stop.clone())?;
        }
        Ok(())
    };
    register().map_err(|e| Error::Internal(format!("cannot watch for signals: {e}")))?;
    Ok(stop)
}
