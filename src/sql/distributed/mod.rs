//! Physical plans that leave this process: the operators and functions of SQL in a form in which they
//! travel, and what makes their rows and errors those of one machine. This room does not know what runs
//! the plans: a [`PlanRunner`] does.
//!
//! A `ScanExec` takes the definition of a scan along, and the files of each partition as rows of its input;
//! where it runs it makes the scan of `FileScan` anew. An `LsmiExec` takes along a reference of its models,
//! which a [`ModelOpener`] opens where the operator runs. Functions travel by name.

mod codec;
mod definition;
mod divide;
mod function_codec;
mod models;
mod pieces;
mod runner;
mod scan_exec;
mod single_task_joins;
mod task;

pub use codec::SqlCodec;
pub use models::ModelOpener;
pub use runner::{PlanModels, PlanRunner, Rows};
pub use task::{runtime_env, task_error};

pub(super) use definition::ScanDefinition;
pub(super) use runner::Runner;
pub(super) use scan_exec::ScanExec;
pub(super) use single_task_joins::SingleTaskJoins;
