//! The integration tests, one binary: it links DataFusion once. A module for each
//! surface; `README.md` beside this file says which, and where their truth comes from.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod harness;

mod airflow;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod crash;
mod digits;
mod docs;
mod engines;
mod faults;
mod folds;
mod fuzz;
mod house;
mod modalities;
mod pipelines;
mod python_commands;
mod python_engines;
mod python_package;
mod release;
mod report;
mod secrets;
mod sources;
mod splice;
mod sql;
mod telemetry;
mod wheel;
