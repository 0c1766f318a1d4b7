//! The executor: Ballista's, with our codec and a runner of units.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::executor_server::TERMINATING;
use ballista_executor::metrics::ExecutorMetricCollectionPolicy;
use datafusion::execution::SessionStateBuilder;
use tempfile::TempDir;

use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};
use crate::sql::distributed::runtime_env;
use crate::threads::runtime;

use super::address::HostPort;
use super::limits::{HEARTBEAT_SECONDS, MESSAGE_BYTES};
use super::query_models::ExecutorModels;
use super::session::{config, executor_codec};
use super::stop::stopped;
use super::unit_runner::UnitRunner;

/// The pause after which units stop: by then the scheduler knows that the executor leaves, and gives what
/// they leave to others.
const BEFORE_UNITS_STOP: Duration = Duration::from_millis(500);
/// The time that units have to stop.
const UNITS_END: Duration = Duration::from_secs(5);
/// The pause before the executor joins a scheduler again.
const BEFORE_REJOINING: Duration = Duration::from_secs(1);

/// The settings of an executor.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// The scheduler.
    pub scheduler: HostPort,
    /// The address from which others fetch results. The scheduler gives tasks to the next port. Any free
    /// ports where the port is 0.
    pub bind: SocketAddr,
    /// The host under which others reach it; that from which the scheduler sees it, where `None`.
    pub advertise: Option<String>,
    /// Units at a time.
    pub slots: usize,
    /// Folder of results, until clients have fetched them; a temporary one where `None`.
    pub work_dir: Option<PathBuf>,
    /// The options of the engine.
    pub engine: EngineOptions,
}

/// Runs an executor until the flag is set. It waits for its scheduler, and joins it again after it was
/// started again. Units that run at the end are given back: their journals stay.
///
/// # Errors
/// [`Error::Io`] where the addresses can't be listened on or the folder not be created;
/// [`Error::Transient`] where Ballista's executor fails; [`Error::NoThread`].
pub fn run_executor(options: &ExecutorOptions, engine: Engine, stop: &AtomicBool) -> Result<()> {
    let temporary;
    let work_dir = match &options.work_dir {
        Some(folder) => {
            let failed = |e| Error::io(Place::file(folder.display()), "create", e);
            std::fs::create_dir_all(folder).map_err(failed)?;
            folder.clone()
        }
        None => {
            temporary = temporary_folder()?;
            temporary.path().to_owned()
        }
    };
    let ports = free_ports(options.bind)?;
    let host = options.advertise.clone().unwrap_or_else(|| host_of(options.bind.ip()));
    let name = format!("{host}:{}", ports[0]);
    let runner = UnitRunner::new(name.clone(), engine, &options.engine, options.slots);
    let runner = Arc::new(runner);
    let sessions = runner.engine().device().workers();
    tracing::info!(
        "executor {name} with {} slots; its scheduler is {}, its folder {}",
        options.slots,
        options.scheduler,
        work_dir.display()
    );
    let runtime = runtime(None, "executor")?;
    let result = runtime.block_on(async {
        loop {
            let config = process_config(options, &runner, sessions, ports, &work_dir);
            let process = start_executor_process(Arc::new(config));
            tokio::pin!(process);
            let ended = tokio::select! {
                biased;
                () = stopped(stop) => None,
                ended = &mut process => Some(ended),
            };
            let Some(ended) = ended else {
                // It has seen the signal, too, and waits for the ends of its tasks.
                if tokio::time::timeout(BEFORE_UNITS_STOP, &mut process).await.is_err() {
                    runner.stop_units();
                    let _ = tokio::time::timeout(UNITS_END, process).await;
                }
                return Ok(());
            };
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let place = Place::file(&options.scheduler);
            match ended {
                Err(e) => {
                    return Err(Error::Transient { place, what: format!("the executor failed: {e}") });
                }
                Ok(()) => tracing::warn!("{place}: the scheduler is gone; waiting for it"),
            }
            TERMINATING.store(false, Ordering::Release);
            tokio::time::sleep(BEFORE_REJOINING).await;
        }
    });
    runner.stop_units();
    runner.wait(UNITS_END);
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// An address as the host of a URL.
fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A folder of results that is removed at the end.
pub(super) fn temporary_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("lsmi-etl-executor-").tempdir();
    folder.map_err(|e| Error::io(Place::file("a temporary folder"), "create", e))
}

/// The configuration of Ballista's executor. Queries evaluate models in `sessions` at a time.
pub(super) fn process_config(
    options: &ExecutorOptions,
    runner: &Arc<UnitRunner>,
    sessions: usize,
    [port, grpc_port]: [u16; 2],
    work_dir: &Path,
) -> ExecutorProcessConfig {
    // Tasks find the runner of units in their configuration.
    let task = config().with_extension(Arc::clone(runner));
    let models = ExecutorModels::new(Arc::clone(runner), sessions);
    let functions = SessionStateBuilder::new_with_default_features().build();
    let folder = work_dir.to_owned();
    ExecutorProcessConfig {
        bind_host: host_of(options.bind.ip()),
        external_host: options.advertise.clone(),
        port,
        grpc_port,
        scheduler_host: options.scheduler.host.clone(),
        scheduler_port: options.scheduler.port,
        // It waits for the scheduler, however long that takes.
        scheduler_connect_timeout_seconds: u16::MAX,
        vcores: options.slots,
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        work_dir: Some(work_dir.to_string_lossy().into_owned()),
        grpc_max_decoding_message_size: MESSAGE_BYTES,
        grpc_max_encoding_message_size: MESSAGE_BYTES,
        executor_heartbeat_interval_seconds: HEARTBEAT_SECONDS,
        metric_collection_policy: ExecutorMetricCollectionPolicy::Off,
        override_config_producer: Some(Arc::new(move || task.clone())),
        override_physical_codec: Some(executor_codec(Arc::new(models))),
        override_function_registry: Some(Arc::new(BallistaFunctionRegistry::from(&functions))),
        override_runtime_producer: Some(Arc::new(move |_| runtime_env(&folder))),
        ..ExecutorProcessConfig::default()
    }
}

/// The two ports of an executor: those that are named, or two that are free.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn free_ports(bind: SocketAddr) -> Result<[u16; 2]> {
    if bind.port() != 0 {
        return Ok([bind.port(), bind.port().wrapping_add(1)]);
    }
    let failed = |e| Error::io(Place::file(bind), "bind", e);
    // Both at once, so that they differ.
    let listeners = [TcpListener::bind(bind).map_err(failed)?, TcpListener::bind(bind).map_err(failed)?];
    let [first, second] =
        listeners.each_ref().map(|listener| listener.local_addr().map(|address| address.port()));
    Ok([first.map_err(failed)?, second.map_err(failed)?])
}
