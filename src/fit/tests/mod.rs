//! Tests of the whole of training.

pub(super) mod recovery;
