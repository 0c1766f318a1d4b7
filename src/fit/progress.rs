//! Progress callbacks and interruption of training.

use crate::error::{Error, Result};

/// Receiver of progress events, called from several threads. It can interrupt training.
pub trait FitProgress: Sync {
    /// A stage begins.
    fn stage(&self, name: &str);
    /// Epoch, iteration or candidate `step`, of at most `of`, has ended; `held_out_nats` is
    /// the model's loss on held-out rows.
    fn epoch(&self, model: &str, step: usize, of: usize, held_out_nats: f64);
    /// A pass over all rows on disk has done `rows` of them, of `of`.
    fn rows(&self, pass: &str, rows: u64, of: u64) {
        let _ = (pass, rows, of);
    }
    /// Whether to interrupt training, which then returns [`Error::Interrupted`].
    fn interrupted(&self) -> bool {
        false
    }
}

/// Returns [`Error::Interrupted`] on interruption.
pub(super) fn check_interrupted(progress: &dyn FitProgress) -> Result<()> {
    if progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}
