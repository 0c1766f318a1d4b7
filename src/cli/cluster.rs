//! The `cluster` subcommands: the processes of a cluster.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cluster::{
    ExecutorOptions, HostPort, SchedulerOptions, Tls, executors, run_executor, run_scheduler,
};
use crate::config::{EngineArgs, TlsArgs};
use crate::engine::Device;
use crate::error::{Error, Place, Result};
use crate::threads::available;

use super::output;

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    Scheduler(SchedulerArgs),
    Executor(ExecutorArgs),
    Status(StatusArgs),
}

/// Give the work of commands with --cluster to executors
///
/// Jobs are kept in memory: a scheduler that is started again has forgotten them, and their commands
/// end with exit code 75; run again, they do what is left. SIGTERM and Ctrl-C end it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  lsmi-etl cluster scheduler &
  lsmi-etl cluster executor --scheduler 127.0.0.1:50050 &
  lsmi-etl annotate data/ annotated/ --cluster 127.0.0.1:50050")]
pub(super) struct SchedulerArgs {
    /// Address to listen on; whoever reaches it can run jobs
    #[arg(long, default_value = "127.0.0.1:50050", value_name = "HOST:PORT", value_parser = listening)]
    bind: SocketAddr,
    /// Host under which executors reach it [default: the address; of 0.0.0.0 the name of the machine]
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Seconds without a sign of life after which an executor is lost, and its files are given to others
    #[arg(long, default_value = "20", value_name = "SECONDS")]
    executor_timeout: NonZeroU16,
    /// Address of /metrics for Prometheus, /healthz and /readyz, which never have TLS [default: none]
    #[arg(long, value_name = "HOST:PORT", value_parser = listening)]
    metrics_bind: Option<SocketAddr>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Annotate files that a scheduler gives
///
/// It waits for its scheduler, and joins it again after that was started again. On SIGTERM and
/// Ctrl-C it gives its files back, for others to go on with, and ends.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl cluster executor --scheduler 127.0.0.1:50050
  lsmi-etl cluster executor --scheduler scheduler:50050 --bind 0.0.0.0:50051 --device cuda:0,cuda:1")]
pub(super) struct ExecutorArgs {
    /// Address of the scheduler
    #[arg(long, value_name = "HOST:PORT")]
    scheduler: HostPort,
    /// Files at a time [default: one per core; with GPUs one, which all of them work on]
    #[arg(long, value_name = "N")]
    slots: Option<NonZeroU16>,
    /// Folder of results, until they have been fetched [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Address from which clients fetch results; the scheduler gives work to the next port
    /// [port 0: any two free ports]
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT", value_parser = listening)]
    bind: SocketAddr,
    /// Host under which it is reached [default: the address from which the scheduler sees it; with TLS the
    /// address, of 0.0.0.0 the name of the machine]
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Address of /metrics for Prometheus, /healthz and /readyz, which never have TLS [default: none]
    #[arg(long, value_name = "HOST:PORT", value_parser = listening)]
    metrics_bind: Option<SocketAddr>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Show whether a scheduler runs and how many executors it has
///
/// The exit code is 0 where it has any, and else 75.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl cluster status 127.0.0.1:50050")]
pub(super) struct StatusArgs {
    /// Address of the scheduler
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
    scheduler: HostPort,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

/// The address of this machine that a host and a port name: the IPv4 one where there are several, as of
/// `localhost`.
fn listening(text: &str) -> std::result::Result<SocketAddr, String> {
    let named = text.to_socket_addrs().map_err(|e| format!("expected HOST:PORT of this machine: {e}"))?;
    let named: Vec<SocketAddr> = named.collect();
    let first = named.iter().find(|address| address.is_ipv4()).or(named.first());
    first.copied().ok_or_else(|| "the name has no address".to_owned())
}

/// The answer of `cluster status`.
#[derive(Debug, Serialize)]
struct Status {
    scheduler: String,
    executors: u64,
}

fn status(args: &StatusArgs) -> Result<()> {
    let executors = executors(&args.scheduler, args.tls.open()?.as_ref())?;
    let scheduler = args.scheduler.to_string();
    if args.json {
        output::json(&Status { scheduler, executors })?;
    } else {
        output::text(&format!("scheduler  {scheduler}\nexecutors  {executors}\n"))?;
    }
    if executors > 0 {
        return Ok(());
    }
    let what = "has no executor; start one with `lsmi-etl cluster executor`".to_owned();
    Err(Error::Transient { place: Place::file(&args.scheduler), what })
}

/// Runs a process of a cluster until it is told to stop.
pub(super) fn run(command: &ClusterCommand, stop: &AtomicBool) -> Result<()> {
    match command {
        ClusterCommand::Scheduler(args) => {
            let tls = args.tls.open()?;
            warn_of_strangers(args.bind.ip(), tls.as_ref());
            let advertise = args.advertise.clone().unwrap_or_else(|| reachable(args.bind.ip()));
            let executor_timeout = Duration::from_secs(args.executor_timeout.get().into());
            let options = SchedulerOptions {
                bind: args.bind,
                advertise,
                executor_timeout,
                tls,
                metrics_bind: args.metrics_bind,
            };
            run_scheduler(&options, stop)
        }
        ClusterCommand::Status(args) => status(args),
        ClusterCommand::Executor(args) => {
            let tls = args.tls.open()?;
            warn_of_strangers(args.bind.ip(), tls.as_ref());
            let engine = args.engine.find()?;
            let slots = match (args.slots, engine.device()) {
                (Some(slots), _) => slots.get().into(),
                (None, Device::Cpu) => available(),
                (None, Device::Cuda(_)) => 1,
            };
            let options = ExecutorOptions {
                scheduler: args.scheduler.clone(),
                bind: args.bind,
                // Behind the end of TLS, the scheduler does not see it.
                advertise: args.advertise.clone().or_else(|| tls.as_ref().map(|_| reachable(args.bind.ip()))),
                slots,
                work_dir: args.work_dir.clone(),
                engine: args.engine.options(),
                tls,
                metrics_bind: args.metrics_bind,
            };
            run_executor(&options, engine, stop)
        }
    }
}

fn warn_of_strangers(ip: IpAddr, tls: Option<&Tls>) {
    if !ip.is_loopback() && tls.is_none() {
        tracing::warn!(
            "{ip} is reached from other machines, without encryption and without a password: whoever reaches it \
             can read and write what this process can; keep it in a network of its own"
        );
    }
}

/// The name under which others reach an address of this machine.
fn reachable(ip: IpAddr) -> String {
    let name = if ip.is_unspecified() { sysinfo::System::host_name() } else { None };
    name.unwrap_or_else(|| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    })
}
