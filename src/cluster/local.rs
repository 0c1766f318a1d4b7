//! A cluster in this process, for trying out and for tests: a scheduler and executors of one slot each,
//! which share the engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::ids::new_instance_id;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::serde::protobuf::ExecutorRegistration;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::scheduler::{ExecutorOperatingSystemSpecification, ExecutorSpecification};
use ballista_core::utils::{GrpcServerConfig, create_grpc_server};
use ballista_core::{BALLISTA_PROTOCOL_VERSION, RuntimeProducer};
use ballista_executor::execution_loop::poll_loop;
use ballista_executor::executor::Executor;
use ballista_executor::flight_service::BallistaFlightService;
use ballista_executor::health::ExecutorHealth;
use ballista_executor::metrics::LoggingMetricsCollector;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use tempfile::TempDir;
use tokio_stream::wrappers::TcpListenerStream;

use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};

use super::address::HostPort;
use super::scheduler::{SchedulerOptions, listen, serve};
use super::session::{MESSAGE_BYTES, codec, executor_config};
use super::unit_runner::UnitRunner;

/// The time without a sign of life of an executor: all are in one process, which may be busy.
const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(600);

/// A cluster in this process.
pub(super) struct LocalCluster {
    /// The scheduler.
    pub(super) address: HostPort,
    runners: Vec<Arc<UnitRunner>>,
    /// The folders of results.
    _folders: Vec<TempDir>,
}

impl LocalCluster {
    /// Starts a scheduler and executors in the present runtime.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) async fn start(
        executors: NonZeroU16,
        engine: &Engine,
        options: &EngineOptions,
    ) -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(any).await?;
        let port = listener.local_addr().map_err(|e| Error::io(Place::file(any), "bind", e))?.port();
        let address = HostPort { host: Ipv4Addr::LOCALHOST.to_string(), port };
        let scheduler = SchedulerOptions {
            bind: any,
            advertise: address.host.clone(),
            executor_timeout: EXECUTOR_TIMEOUT,
        };
        tokio::spawn(async move {
            // Executors fetch their tasks: they have no port of their own for them.
            if let Err(e) = serve(listener, &scheduler, TaskSchedulingPolicy::PullStaged).await {
                tracing::error!("{e}");
            }
        });
        let mut local = Self { address, runners: Vec::new(), _folders: Vec::new() };
        for number in 1..=executors.get() {
            let name = format!("local:{number}");
            // Cores are divided among all executors.
            let runner = UnitRunner::new(name, engine.clone(), options, usize::from(executors.get()));
            local.add_executor(Arc::new(runner)).await?;
        }
        Ok(local)
    }

    async fn add_executor(&mut self, runner: Arc<UnitRunner>) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("lsmi-etl-executor-").tempdir();
        let folder = folder.map_err(|e| Error::io(Place::file("a temporary folder"), "create", e))?;
        let work_dir = folder.path().to_string_lossy().into_owned();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(any).await?;
        let port = listener.local_addr().map_err(|e| Error::io(Place::file(any), "bind", e))?.port();
        let metadata = ExecutorRegistration {
            id: new_instance_id(),
            host: Some(Ipv4Addr::LOCALHOST.to_string()),
            port: u32::from(port),
            grpc_port: 0,
            specification: Some(ExecutorSpecification::default().with_vcores(1).into()),
            os_info: Some(ExecutorOperatingSystemSpecification::default().into()),
            ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
        };
        let environment = Arc::<RuntimeEnv>::default();
        let runtime_producer: RuntimeProducer = Arc::new(move |_| Ok(Arc::clone(&environment)));
        let functions = SessionStateBuilder::new().with_default_features().build();
        let executor = Executor::with_default_execution_engine(
            metadata,
            &work_dir,
            runtime_producer,
            executor_config(&runner),
            Arc::new(BallistaFunctionRegistry::from(&functions)),
            Arc::new(LoggingMetricsCollector::default()),
            1,
        );
        let flight = FlightServiceServer::new(BallistaFlightService::new(work_dir))
            .max_decoding_message_size(MESSAGE_BYTES as usize)
            .max_encoding_message_size(MESSAGE_BYTES as usize);
        tokio::spawn(
            create_grpc_server(&GrpcServerConfig::default())
                .add_service(flight)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let place = || Place::file(&self.address);
        let url = format!("http://{}", self.address);
        let scheduler = SchedulerGrpcClient::connect(url).await.map_err(|e| Error::Transient {
            place: place(),
            what: format!("cannot connect to the scheduler: {e}"),
        })?;
        let scheduler = scheduler
            .max_decoding_message_size(MESSAGE_BYTES as usize)
            .max_encoding_message_size(MESSAGE_BYTES as usize);
        tokio::spawn(poll_loop(scheduler, Arc::new(executor), codec(), None, None, ExecutorHealth::new()));
        self.runners.push(runner);
        self._folders.push(folder);
        Ok(())
    }

    /// Stops all units and waits a while for their ends.
    pub(super) fn stop_units(&self, at_most: Duration) {
        self.runners.iter().for_each(|runner| runner.stop_units());
        self.runners.iter().for_each(|runner| runner.wait(at_most));
    }
}
