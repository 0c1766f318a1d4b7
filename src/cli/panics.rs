//! Panics as errors. Most are those of decoders, which become errors about a file; their own messages
//! go to the debug log. One that nobody takes for damage ends the command as an internal error.

use crate::error::{Error, Result};
use crate::parquet_file::caught;
use crate::threads::is_start_panic;

/// Runs a command.
///
/// # Errors
/// Those of `command`; [`Error::NoThread`] where tokio panics for one; [`Error::Internal`] where it
/// panics otherwise.
pub(super) fn as_errors<T>(command: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::set_hook(Box::new(|panic| tracing::debug!("{panic}")));
    caught(command).unwrap_or_else(|panic| match is_start_panic(&panic) {
        true => Err(Error::NoThread(std::io::ErrorKind::WouldBlock.into())),
        false => Err(Error::Internal(format!("{panic} (-v says where)"))),
    })
}
