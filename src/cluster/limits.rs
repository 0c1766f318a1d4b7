//! Limits that scheduler, executors and client share.

/// The largest message: a plan with a bundle, or with a million units.
pub(super) const MESSAGE_BYTES: u32 = 256 << 20;

/// The seconds between two heartbeats of an executor.
pub(super) const HEARTBEAT_SECONDS: u64 = 2;
