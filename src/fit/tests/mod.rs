//! Integration tests of training.

pub(super) mod recovery;
