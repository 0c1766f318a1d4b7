//! Sample-level multimodal interactions (LSMI, ICML 2025) over Parquet: for every
//! sample the information about its label that is redundant between two modalities,
//! unique to each and synergistic. The rooms and their one-way imports are listed in
//! the README of `tests`; a test holds them.

pub mod annotate;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod interaction;
pub mod memory;
pub mod output;
pub mod parquet_file;
pub mod provenance;
pub mod report;
pub mod samples;
pub mod sql;
pub mod storage;
pub mod synth;
pub mod telemetry;

pub use error::{Error, Result};
