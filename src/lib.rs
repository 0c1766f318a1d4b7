//! Sample-level multimodal interactions (LSMI, ICML 2025) over Parquet: for every
//! sample the information about its label that is redundant between two modalities,
//! unique to each and synergistic. The rooms and their one-way imports are listed in
//! the README of `tests`; a test holds them.

pub mod bundle;
pub mod cli;
pub mod engine;
pub mod error;
pub mod sql;

pub use error::{Error, Result};
