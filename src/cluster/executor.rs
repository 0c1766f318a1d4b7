//! The executor: Ballista's, with our codec and a runner of units.

use std::net::{IpAddr, SocketAddr};
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

use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};
use crate::sql::distributed::runtime_env;
use crate::threads::runtime;

use super::address::HostPort;
use super::limits::{HEARTBEAT_SECONDS, MESSAGE_BYTES};
use super::metrics_server;
use super::ports::Ports;
use super::query_models::ExecutorModels;
use super::session::{config_with, executor_codec};
use super::status;
use super::stop::stopped;
use super::tls::Tls;
use super::unit_runner::UnitRunner;
use super::work_folder::WorkFolder;

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
    /// TLS with the scheduler, other executors and clients; then `advertise` is needed.
    pub tls: Option<Tls>,
    /// The address of metrics and probes.
    pub metrics_bind: Option<SocketAddr>,
}

/// Runs an executor until the flag is set. It waits for its scheduler, and joins it again after it was
/// started again. Units that run at the end are given back: their journals stay.
///
/// # Errors
/// [`Error::Io`] where the addresses can't be listened on or the folder not be created;
/// [`Error::Transient`] where Ballista's executor fails; [`Error::NoThread`]; [`Error::Usage`] and
/// [`Error::Config`] where TLS with the scheduler is impossible.
pub fn run_executor(options: &ExecutorOptions, engine: Engine, stop: &AtomicBool) -> Result<()> {
    let work_folder = WorkFolder::open(options.work_dir.as_deref())?;
    let server = options.tls.as_ref().map(Tls::server).transpose()?.map(Arc::new);
    let mut ports = match &server {
        Some(_) => Ports::behind_tls(options.bind)?,
        None => Ports::plain(options.bind)?,
    };
    let host = options.advertise.clone().unwrap_or_else(|| host_of(options.bind.ip()));
    let name = format!("{host}:{}", ports.numbers[0]);
    let runner = UnitRunner::new(name.clone(), engine, &options.engine, options.slots, options.tls.clone());
    let runner = Arc::new(runner);
    let sessions = runner.engine().device().workers();
    tracing::info!(
        "executor {name} with {} slots; its scheduler is {}, its folder {}",
        options.slots,
        options.scheduler,
        work_folder.path().display()
    );
    let runtime = runtime(None, "executor")?;
    let result = runtime.block_on(async {
        if let (Some(tls), Some(server)) = (&options.tls, &server) {
            tls.check(&host).await?;
            ports.serve_tls(server)?;
        }
        if let Some(bind) = options.metrics_bind {
            metrics_server::start(bind, Arc::clone(runner.metrics()) as _).await?;
        }
        loop {
            tokio::select! {
                biased;
                () = stopped(stop) => return Ok(()),
                found = wait_for_scheduler(options) => found?,
            }
            tracing::info!("joining {}", options.scheduler);
            let config = process_config(options, &runner, sessions, &ports, work_folder.path());
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
                // It is gone, too, where it was lost while the executor registered.
                Err(e) if status::ask(&options.scheduler, options.tls.as_ref()).await.is_ok() => {
                    return Err(Error::Transient { place, what: format!("the executor failed: {e}") });
                }
                Err(e) => tracing::warn!("{place}: the scheduler is gone ({e}); waiting for it"),
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

/// Waits until the scheduler answers. Ballista's executor would wait, too, but also for one that it can never
/// reach, without a word why.
///
/// # Errors
/// [`Error::Config`] where only one of them has TLS, or either refuses the other's certificate.
async fn wait_for_scheduler(options: &ExecutorOptions) -> Result<()> {
    let mut is_said = false;
    loop {
        match status::ask(&options.scheduler, options.tls.as_ref()).await {
            Ok(_) => return Ok(()),
            Err(error @ Error::Transient { .. }) if is_said => tracing::debug!("{error}"),
            Err(error @ Error::Transient { .. }) => {
                tracing::warn!("{error}; waiting for it");
                is_said = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(BEFORE_REJOINING).await;
    }
}

/// An address as the host of a URL.
fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The configuration of Ballista's executor. Queries evaluate models in `sessions` at a time.
pub(super) fn process_config(
    options: &ExecutorOptions,
    runner: &Arc<UnitRunner>,
    sessions: usize,
    ports: &Ports,
    work_dir: &Path,
) -> ExecutorProcessConfig {
    let tls = options.tls.as_ref();
    // Tasks find the runner of units in their configuration.
    let task = config_with(tls).with_extension(Arc::clone(runner));
    let [port, grpc_port] = ports.numbers;
    let models = ExecutorModels::new(Arc::clone(runner), sessions);
    let functions = SessionStateBuilder::new_with_default_features().build();
    let folder = work_dir.to_owned();
    ExecutorProcessConfig {
        bind_host: host_of(ports.ip),
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
        // Without a limit for a request: a status that is late is not sent again.
        override_create_grpc_client_endpoint: tls.map(|tls| tls.override_of_endpoints(None)),
        override_config_producer: Some(Arc::new(move || task.clone())),
        override_physical_codec: Some(executor_codec(Arc::new(models))),
        override_function_registry: Some(Arc::new(BallistaFunctionRegistry::from(&functions))),
        override_runtime_producer: Some(Arc::new(move |_| runtime_env(&folder))),
        health: runner.metrics().health(),
        ..ExecutorProcessConfig::default()
    }
}
