//! The bundle: the five models and the manifest that belong together.

mod params;

pub use params::{Affine, Mixture, Stack};
