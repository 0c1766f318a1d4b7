//! The scheduler: Ballista's, with our codec.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;

use crate::error::{Error, Place, Result};
use crate::threads::runtime;

use super::attempt::MOST_ATTEMPTS;
use super::limits::MESSAGE_BYTES;
use super::session::{config, physical_codec};
use super::slots::CountedSlots;
use super::stop::stopped;

/// The seconds between two looks for executors that are gone.
const EXPIRY_SECONDS: u64 = 2;

/// The seconds for which results are kept after their job: executors that join later fetch the bundle from
/// them.
const RESULTS_KEPT_SECONDS: u64 = 6 * 3600;

/// The settings of a scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The host under which executors reach it.
    pub advertise: String,
    /// The time without a heartbeat after which an executor is lost.
    pub executor_timeout: Duration,
}

/// Runs a scheduler until the flag is set. Jobs that run then are lost; what their units have published
/// stays.
///
/// # Errors
/// [`Error::Io`] where the address can't be listened on; [`Error::NoThread`].
pub fn run_scheduler(options: &SchedulerOptions, stop: &AtomicBool) -> Result<()> {
    let runtime = runtime(None, "scheduler")?;
    let result = runtime.block_on(async {
        let listener = listen(options.bind).await?;
        let address = listener.local_addr().unwrap_or(options.bind);
        tracing::info!("scheduler listens on {address}, and is told to executors as {}", options.advertise);
        let service = serve(listener, options);
        tokio::select! {
            biased;
            () = stopped(stop) => Ok(()),
            ended = service => ended,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Listens on an address.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| Error::io(Place::file(address), "bind", e))
}

/// Serves a scheduler.
pub(super) async fn serve(listener: TcpListener, options: &SchedulerOptions) -> Result<()> {
    let address = listener.local_addr().unwrap_or(options.bind);
    let failed = |e| Error::Internal(format!("the scheduler at {address} failed: {e}"));
    let timeout = options.executor_timeout.as_secs().max(1);
    let config = SchedulerConfig {
        external_host: options.advertise.clone(),
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        // Only tasks that were pushed can be cancelled, and they begin at once.
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: timeout,
        expire_dead_executor_interval_seconds: EXPIRY_SECONDS.min(timeout),
        no_executors_grace_period_seconds: timeout,
        grpc_server_max_decoding_message_size: MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MESSAGE_BYTES,
        grpc_client_max_message_size: MESSAGE_BYTES,
        override_config_producer: Some(Arc::new(config)),
        override_physical_codec: Some(physical_codec()),
        finished_job_data_clean_up_interval_seconds: RESULTS_KEPT_SECONDS,
        task_max_failures: MOST_ATTEMPTS,
        // Each lost executor is one.
        stage_max_failures: usize::MAX,
        ..SchedulerConfig::default()
    };
    let jobs = BallistaCluster::new_from_config(&config).await.map_err(failed)?.job_state();
    let cluster = BallistaCluster::new(Arc::new(CountedSlots::default()), jobs);
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config));
    let scheduler = scheduler.await.map_err(failed)?;
    start_grpc_service_with_listener(listener, scheduler).await.map_err(failed)
}
