//! Whether the plans of a session leave this process.

use datafusion::catalog::Session;

/// Whether the plans of a session leave this process.
#[cfg(feature = "cluster")]
pub(super) fn is_distributed(session: &dyn Session) -> bool {
    session.config().get_extension::<super::distributed::Runner>().is_some()
}

/// Whether the plans of a session leave this process.
#[cfg(not(feature = "cluster"))]
pub(super) fn is_distributed(_: &dyn Session) -> bool {
    false
}
