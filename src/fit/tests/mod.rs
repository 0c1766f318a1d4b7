//! Tests of training as a whole.

mod cross_fitting;
mod recovery;
mod separable;
