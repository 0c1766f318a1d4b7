//! SIGINT and SIGTERM. For commands that write outputs the first signal sets a stop flag, a second
//! one or a grace period ends the process; for all others the first ends it. A signal before
//! the command has said which it is counts as well: as process 1 of a container, a process without a
//! handler would never see it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::error::{Error, Place, Result};
use crate::threads::spawn_detached;

/// Time for a command to end by itself. What it leaves then is what a killed one leaves, which
/// the next run sweeps or takes up.
const GRACE: Duration = Duration::from_millis(1500);
/// Time to write the last message, where nobody may be reading it.
const LAST_WORDS: Duration = Duration::from_millis(200);

struct Handlers {
    /// Set by every signal.
    stop: Arc<AtomicBool>,
    /// Whether SIGINT, and SIGTERM, end the process.
    end: [Arc<AtomicBool>; 2],
    signals: Mutex<Option<Signals>>,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// Installs the handlers, before anything else is done. A write beyond `ulimit -f` is an error from here
/// on, and no longer ends the process.
pub(super) fn begin() -> Result<()> {
    handlers().map(drop)
}

/// Sets the returned flag on the first SIGINT or SIGTERM and ends the process on the second, or after
/// a grace period.
pub(super) fn watch() -> Result<&'static AtomicBool> {
    let handlers = handlers()?;
    end_on_second(handlers)?;
    let signals = handlers.signals.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut signals) = signals {
        spawn_detached(move || {
            if signals.forever().next().is_some() {
                std::thread::sleep(GRACE);
                // Whoever writes to stderr may wait for its reader forever, and hold its lock.
                let _ = spawn_detached(|| tracing::error!("{}", Error::Interrupted));
                std::thread::sleep(LAST_WORDS);
                low_level::exit(exit_code());
            }
        })?;
    }
    Ok(&handlers.stop)
}

/// Sets the returned flag on the first SIGINT or SIGTERM and ends the process on the second. For the
/// processes of a cluster, which take leave of each other.
#[cfg(feature = "cluster")]
pub(super) fn leave() -> Result<&'static AtomicBool> {
    let handlers = handlers()?;
    end_on_second(handlers)?;
    Ok(&handlers.stop)
}

/// Makes the next signal but one end the process.
fn end_on_second(handlers: &Handlers) -> Result<()> {
    for (signal, end) in [SIGINT, SIGTERM].into_iter().zip(&handlers.end) {
        end.store(is_set(&handlers.stop), Ordering::Relaxed);
        // After the handler that asks for it: the first signal finds it unset.
        flag::register(signal, Arc::clone(end)).map_err(registration_failed)?;
    }
    Ok(())
}

/// Sets the returned flag on every SIGINT and ends the process on SIGTERM. For the interactive
/// shell, in which Ctrl-C cancels a query and not the shell.
pub(super) fn interrupts() -> Result<&'static AtomicBool> {
    let handlers = handlers()?;
    let [_, on_term] = &handlers.end;
    on_term.store(true, Ordering::Relaxed);
    if is_set(&handlers.stop) { Err(Error::Interrupted) } else { Ok(&handlers.stop) }
}

/// Ends the process on SIGINT and SIGTERM with the exit code of an interruption; the returned
/// flag is never set.
pub(super) fn end_at_once() -> Result<&'static AtomicBool> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let handlers = handlers()?;
    handlers.end.iter().for_each(|end| end.store(true, Ordering::Relaxed));
    if is_set(&handlers.stop) { Err(Error::Interrupted) } else { Ok(&NEVER) }
}

fn handlers() -> Result<&'static Handlers> {
    if HANDLERS.get().is_none() {
        let installed = install().map_err(registration_failed)?;
        let _ = HANDLERS.set(installed);
    }
    HANDLERS.get().ok_or_else(|| Error::Internal("no signal handlers".to_owned()))
}

fn install() -> io::Result<Handlers> {
    let (stop, end) = (Arc::default(), <[Arc<AtomicBool>; 2]>::default());
    for (signal, end) in [SIGINT, SIGTERM].into_iter().zip(&end) {
        flag::register_conditional_shutdown(signal, exit_code(), Arc::clone(end))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    flag::register(SIGXFSZ, Arc::default())?;
    let signals = Mutex::new(Some(Signals::new([SIGINT, SIGTERM])?));
    Ok(Handlers { stop, end, signals })
}

fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

fn exit_code() -> i32 {
    i32::from(Error::Interrupted.exit_code())
}

fn registration_failed(error: io::Error) -> Error {
    Error::io(Place::file("the process"), "registration of signal handlers", error)
}
