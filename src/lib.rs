//! Sample-level multimodal interactions (LSMI, ICML 2025) over Parquet: for every
//! sample the information about its label that is redundant between two modalities,
//! unique to each and synergistic. The rooms and their one-way imports are listed in
//! the README of `tests`; a test holds them.

pub mod annotate;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod dataset;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod interaction;
pub mod report;
pub mod sql;
pub mod synth;
pub mod telemetry;

pub use error::{Error, Result};
