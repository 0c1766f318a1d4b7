//! A cluster in this process, for trying out and for tests: a scheduler and executors of one slot each,
//! which share the engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ballista_executor::executor_process::start_executor_process;
use tokio::task::JoinHandle;

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
    /// Its parts end one by one, in any order: what each then says of the others is no news.
    is_ending: Arc<AtomicBool>,
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
        let is_ending = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&is_ending);
        tokio::spawn(async move {
            if let Err(e) = serve(listener, bound, &scheduler).await {
                note(&ends, &e);
            }
        });
        let mut local = Self { address, runners: Vec::new(), is_ending, _folders: Vec::new() };
        let sessions = (engine.device().workers() / usize::from(executors.get())).max(1);
        for number in 1..=executors.get() {
            let name = format!("local:{number}");
            // Cores are divided among all executors.
            let runner = UnitRunner::new(name, engine.clone(), options, usize::from(executors.get()), None);
            drop(local.add_executor(Arc::new(runner), sessions, options)?);
        }
        Ok(local)
    }

    /// Starts an executor; its task ends with it.
    fn add_executor(
        &mut self,
        runner: Arc<UnitRunner>,
        sessions: usize,
        engine: &EngineOptions,
    ) -> Result<JoinHandle<()>> {
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
        let ends = Arc::clone(&self.is_ending);
        let executor = tokio::spawn(async move {
            if let Err(e) = start_executor_process(Arc::new(config)).await {
                note(&ends, &format_args!("an executor failed: {e}"));
            }
        });
        self.runners.push(runner);
        self._folders.push(folder);
        Ok(executor)
    }

    /// Stops all units and waits a while for their ends. The parts end with the runtime.
    pub(super) fn end(&self, at_most: Duration) {
        self.is_ending.store(true, Ordering::Release);
        self.runners.iter().for_each(|runner| runner.stop_units());
        self.runners.iter().for_each(|runner| runner.wait(at_most));
    }
}

/// Says that a part has failed, where the cluster is to go on.
fn note(is_ending: &AtomicBool, failure: &dyn std::fmt::Display) {
    if is_ending.load(Ordering::Acquire) {
        tracing::debug!("at the end: {failure}");
    } else {
        tracing::error!("{failure}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Mutex;

    use crate::engine::EngineChoice;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged where the scheduler hangs up on an executor, of a cluster that has ended or not.
    fn log(has_ended: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
        let options = EngineOptions { engine: EngineChoice::Embedded, ..EngineOptions::default() };
        let engine = Engine::find(&options).unwrap();
        let address = HostPort { host: Ipv4Addr::LOCALHOST.to_string(), port };
        let mut local =
            LocalCluster { address, runners: Vec::new(), is_ending: Arc::default(), _folders: Vec::new() };
        // In this thread, whose log is read.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let runner = UnitRunner::new("local:1".to_owned(), engine, &options, 1, None);
            let executor = local.add_executor(Arc::new(runner), 1, &options).unwrap();
            if has_ended {
                local.end(Duration::ZERO);
            }
            tokio::time::timeout(Duration::from_secs(60), executor).await.unwrap().unwrap();
        });
        hang_up.join().unwrap();
        let log = lines.0.lock().unwrap().clone();
        String::from_utf8(log).unwrap()
    }

    #[test]
    fn a_part_that_fails_at_the_end_is_no_error() {
        let log = [false, true].map(log);
        assert!(log[0].contains("ERROR") && log[0].contains("an executor failed: "), "{}", log[0]);
        assert!(!log[1].contains("an executor failed: "), "{}", log[1]);
    }
}
