//! The bundle: the five models and the manifest that belong together.

mod class;
mod params;

pub use class::Class;
pub use params::{Affine, Mixture, Stack};
