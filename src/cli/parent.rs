//! The parent process, for a program that starts this one: `LSMI_ETL_PARENT` is its process id, and when it is
//! gone, however it ended, this process ends as by SIGTERM. The end of a pipe does not tell as much: other children
//! of that program may hold it open.

use crate::error::{Error, Result};

/// The environment variable.
const PARENT: &str = "LSMI_ETL_PARENT";

/// Starts to watch, where there is a parent to watch.
///
/// # Errors
/// [`Error::Usage`] where the variable is no process id; [`Error::NoThread`].
pub(super) fn watch() -> Result<()> {
    let Some(value) = std::env::var_os(PARENT).filter(|value| !value.is_empty()) else { return Ok(()) };
    let id = value.to_str().and_then(|value| value.parse().ok()).ok_or_else(|| {
        let what = "is no process id; set it to that of the process that starts lsmi-etl, or unset it";
        Error::Usage(format!("{PARENT} {what}"))
    })?;
    until_gone(id)
}

#[cfg(unix)]
fn until_gone(id: u32) -> Result<()> {
    use std::os::unix::process::parent_id;
    use std::time::Duration;

    use signal_hook::consts::SIGTERM;
    use signal_hook::low_level::raise;

    use crate::threads::spawn_detached;

    /// Time between two looks.
    const INTERVAL: Duration = Duration::from_millis(250);

    spawn_detached(move || {
        // An orphan has another parent.
        while parent_id() == id {
            std::thread::sleep(INTERVAL);
        }
        let _ = raise(SIGTERM);
    })
}

#[cfg(not(unix))]
fn until_gone(_: u32) -> Result<()> {
    Ok(())
}
