//! A cluster in this process, for trying out and for tests: a scheduler and executors of one slot each,
//! which share the engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use ballista_executor::executor_process::start_executor_process;

use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};

use super::address::HostPort;
use super::executor::{ExecutorOptions, process_config};
use super::ports::Ports;
use super::scheduler::{SchedulerOptions, listen, serve};
use super::unit_runner::UnitRunner;
use super::work_folder::WorkFolder;

/// The time without a sign of life of an executor: all are in one process, which may be busy.
const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(600);

/// A cluster in this process.
pub(super) struct LocalCluster {
    /// The scheduler.
    pub(super) address: HostPort,
    runners: Vec<Arc<UnitRunner>>,
    /// The folders of results.
    _folders: Vec<WorkFolder>,
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
        let bound = listener.local_addr().map_err(|e| Error::io(Place::file(any), "bind", e))?;
        let address = HostPort { host: Ipv4Addr::LOCALHOST.to_string(), port: bound.port() };
        let scheduler = SchedulerOptions {
            bind: any,
            advertise: address.host.clone(),
            executor_timeout: EXECUTOR_TIMEOUT,
            tls: None,
            metrics_bind: None,
        };
        tokio::spawn(async move {
            if let Err(e) = serve(listener, bound, &scheduler).await {
                tracing::error!("{e}");
            }
        });
        let mut local = Self { address, runners: Vec::new(), _folders: Vec::new() };
        let sessions = (engine.device().workers() / usize::from(executors.get())).max(1);
        for number in 1..=executors.get() {
            let name = format!("local:{number}");
            // Cores are divided among all executors.
            let runner = UnitRunner::new(name, engine.clone(), options, usize::from(executors.get()), None);
            local.add_executor(Arc::new(runner), sessions, options)?;
        }
        Ok(local)
    }

    fn add_executor(
        &mut self,
        runner: Arc<UnitRunner>,
        sessions: usize,
        engine: &EngineOptions,
    ) -> Result<()> {
        let folder = WorkFolder::open(None)?;
        let options = ExecutorOptions {
            scheduler: self.address.clone(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            slots: 1,
            work_dir: None,
            engine: engine.clone(),
            tls: None,
            metrics_bind: None,
        };
        let ports = Ports::plain(options.bind)?;
        let config = process_config(&options, &runner, sessions, &ports, folder.path());
        tokio::spawn(async move {
            if let Err(e) = start_executor_process(Arc::new(config)).await {
                tracing::error!("an executor failed: {e}");
            }
        });
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
