//! A cluster: annotate and SQL on other machines, by Apache DataFusion Ballista. Its scheduler, its executors
//! and its client, with an operator of ours that annotates one file, and those of our queries; no scheduling,
//! transport or retry of our own.
//!
//! A *unit* is a file with its output. The client discovers the files and sends one plan: [`AnnotateExec`]
//! over the units in memory, one a partition, the largest first. Ballista gives each partition to an
//! executor as a task, which annotates the file as `annotate` does on one machine: by the same journal,
//! splice and publication, so that the output has the same bytes and a unit that is begun again leaves one
//! file. The unit's outcome is one row, which Ballista brings to the client. Bad data is an outcome; only
//! errors that may pass fail the task, so that Ballista begins it again, rather elsewhere.
//!
//! A file larger than a unit is divided by its row groups. Its *parts* are units of a plan before that one:
//! each is computed into a journal of its own, whose frames are the rows of its partition. The unit of the
//! file fetches them, as Ballista's stages fetch each other's, and puts its journal together of them. A
//! part that is lost costs the time to compute it again, and nothing else depends on it.
//!
//! A *query* is planned by the client's session; [`QueryCluster`] sends its physical plan, of which Ballista
//! makes stages and tasks, and fetches the rows. An error of a task fails the query, unless it may pass.

mod address;
mod annotate;
mod annotate_exec;
mod attempt;
mod bundle_parts;
mod certificates;
mod client;
mod codec;
mod executor;
mod executor_bundles;
mod executor_metrics;
mod executor_watch;
mod fetched_parts;
mod job;
mod limits;
mod local;
mod measures;
mod metrics_server;
mod partition;
mod ports;
mod query;
mod query_models;
mod query_rows;
mod remote_error;
mod rounds;
mod scheduler;
mod scheduler_metrics;
mod session;
mod slots;
mod status;
mod stop;
mod task_errors;
mod tls;
mod tls_listener;
mod trace_context;
mod unit;
mod unit_runner;
mod work_folder;
mod worker;

pub use address::{ClusterAddress, HostPort};
pub use annotate::{ClusterOutcome, annotate};
pub use certificates::TlsFiles;
pub use executor::{ExecutorOptions, run_executor};
pub use job::{AnnotateJob, EngineRequest};
pub use query::QueryCluster;
pub use rounds::ClusterClient;
pub use scheduler::{SchedulerOptions, run_scheduler};
pub use status::executors;
pub use tls::Tls;
