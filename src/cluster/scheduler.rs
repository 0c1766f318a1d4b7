//! The scheduler: Ballista's, with our codec.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::{BallistaCodec, BallistaLogicalExtensionCodec};
use ballista_core::utils::get_time_before;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::start_grpc_service_with_listener;
use ballista_scheduler::scheduler_server::SchedulerServer;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use crate::error::{Error, Place, Result};
use crate::threads::runtime;

use super::attempt::MOST_ATTEMPTS;
use super::limits::MESSAGE_BYTES;
use super::metrics_server::{self, Observed};
use super::scheduler_metrics::{SchedulerMetrics, SchedulerState};
use super::session::{config_with, physical_codec};
use super::slots::CountedSlots;
use super::stop::stopped;
use super::tls::Tls;
use super::tls_listener::pass_on;

/// The seconds between two looks for executors that are gone.
const EXPIRY_SECONDS: u64 = 2;

/// The seconds for which results are kept after their job: executors that join later fetch the bundle from
/// them.
const RESULTS_KEPT_SECONDS: u64 = 6 * 3600;

/// The time that an executor has to answer.
const REQUEST: Duration = Duration::from_secs(20);

/// The settings of a scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The host under which executors reach it.
    pub advertise: String,
    /// The time without a heartbeat after which an executor is lost.
    pub executor_timeout: Duration,
    /// TLS with executors and clients.
    pub tls: Option<Tls>,
    /// The address of metrics and probes.
    pub metrics_bind: Option<SocketAddr>,
}

/// Runs a scheduler until the flag is set. Jobs that run then are lost; what their units have published
/// stays.
///
/// # Errors
/// [`Error::Io`] where the address can't be listened on; [`Error::NoThread`]; [`Error::Usage`] and
/// [`Error::Config`] of TLS without a certificate, or with one that others refuse.
pub fn run_scheduler(options: &SchedulerOptions, stop: &AtomicBool) -> Result<()> {
    let runtime = runtime(None, "scheduler")?;
    let result = runtime.block_on(async {
        let listener = listen(options.bind).await?;
        let address = listener.local_addr().unwrap_or(options.bind);
        let plain = match &options.tls {
            Some(tls) => {
                let server = Arc::new(tls.server()?);
                tls.check(&options.advertise).await?;
                let inside = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
                let inside_address = inside.local_addr().map_err(|e| bind_error(options.bind, e))?;
                tokio::spawn(pass_on(listener, server, inside_address));
                inside
            }
            None => listener,
        };
        let tls = if options.tls.is_some() { " with TLS" } else { "" };
        tracing::info!(
            "scheduler listens on {address}{tls}, and is told to executors as {}",
            options.advertise
        );
        let service = serve(plain, address, options);
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
    TcpListener::bind(address).await.map_err(|e| bind_error(address, e))
}

fn bind_error(address: SocketAddr, error: std::io::Error) -> Error {
    Error::io(Place::file(address), "bind", error)
}

/// Serves a scheduler, which others reach under this address.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    options: &SchedulerOptions,
) -> Result<()> {
    let tls = options.tls.clone();
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
        override_create_grpc_client_endpoint: tls
            .as_ref()
            .map(|tls| tls.override_of_endpoints(Some(REQUEST))),
        override_config_producer: Some(Arc::new(move || config_with(tls.as_ref()))),
        override_physical_codec: Some(physical_codec()),
        finished_job_data_clean_up_interval_seconds: RESULTS_KEPT_SECONDS,
        task_max_failures: MOST_ATTEMPTS,
        // Each lost executor is one.
        stage_max_failures: usize::MAX,
        ..SchedulerConfig::default()
    };
    let jobs = BallistaCluster::new_from_config(&config).await.map_err(failed)?.job_state();
    let cluster = BallistaCluster::new(Arc::new(CountedSlots::default()), jobs);
    let metrics = Arc::new(SchedulerMetrics::new());
    let codec = BallistaCodec::new(Arc::new(BallistaLogicalExtensionCodec::default()), physical_codec());
    let mut scheduler: Scheduler = SchedulerServer::new(
        config.scheduler_endpoint(),
        cluster,
        codec,
        Arc::new(config),
        Arc::clone(&metrics) as _,
    );
    scheduler.init().await.map_err(failed)?;
    if let Some(bind) = options.metrics_bind {
        let observed = ObservedScheduler { scheduler: scheduler.clone(), metrics, timeout };
        metrics_server::start(bind, Arc::new(observed)).await?;
    }
    start_grpc_service_with_listener(listener, scheduler).await.map_err(failed)
}

type Scheduler = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// A scheduler and its metrics.
struct ObservedScheduler {
    scheduler: Scheduler,
    metrics: Arc<SchedulerMetrics>,
    /// The seconds without a heartbeat after which an executor is lost.
    timeout: u64,
}

impl Observed for ObservedScheduler {
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            let lost_before = Duration::from_secs(get_time_before(self.timeout));
            let executors = self.scheduler.state.executor_manager.get_executors_state().await;
            let alive = executors.unwrap_or_default().into_iter();
            let alive = alive.filter(|(_, heartbeat, _)| heartbeat.is_some_and(|time| time > lost_before));
            let slots: Vec<usize> =
                alive.map(|(executor, ..)| executor.specification.vcores as usize).collect();
            self.metrics.text(SchedulerState {
                executors: slots.len(),
                slots: slots.iter().sum(),
                running_jobs: self.scheduler.running_job_number(),
            })
        })
    }

    fn is_ready(&self) -> bool {
        self.scheduler.is_ready()
    }
}
