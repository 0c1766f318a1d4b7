//! The command line. One file per subcommand holds its arguments and its entry point. No
//! other room imports this one.

mod annotate;
#[cfg(feature = "cluster")]
mod annotate_cluster;
mod annotate_outcome;
mod annotate_texts;
mod batch_annotator;
mod bench;
mod bundle;
#[cfg(feature = "cluster")]
mod cluster;
mod demo;
mod doctor;
mod environment;
mod failure;
mod figures;
mod fit;
mod help;
mod inspect;
mod man;
mod message_table;
mod misplaced_output;
mod output;
#[cfg(feature = "cluster")]
mod output_count;
mod pack_args;
mod panics;
mod parent;
mod progress;
mod query_progress;
mod report;
mod run;
mod runtime;
mod shell;
mod signals;
mod split;
mod sql;
mod standard_streams;
mod synth;
mod usage_error;
mod version;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::error::Result;
use crate::telemetry::{self, Logs, Telemetry};
use crate::threads;

use self::failure::Failure;

pub use batch_annotator::BatchAnnotator;
pub use environment::{OTHER_VARIABLES, is_known_variable};
pub use failure::failure_schema;
pub use fit::fit_summary_schema;
pub use inspect::inspect_summary_schema;
pub use message_table::message_table;
pub use run::pipeline_summary_schema;
pub use split::split_summary_schema;
pub use version::version_schema;

/// Sample-level multimodal interactions for Parquet datasets
///
/// Adds to every row of a dataset of embeddings how much of the information about its
/// label is redundant between two modalities (r), unique to each (u1, u2) and
/// synergistic (s), in nats.
#[derive(Debug, Parser)]
#[command(
    name = "lsmi-etl",
    version,
    after_help = "\
Start with `lsmi-etl demo`. With your own data: `lsmi-etl fit train.parquet`, then
`lsmi-etl annotate in.parquet out.parquet`.

Exit codes: 0 done, 64 usage, 65 bad data, 66 no input, 69 engine unavailable, 70 internal,
73 output exists or can't be created, 74 I/O error, 75 interrupted or transient (run again),
78 bad bundle or configuration.

`lsmi-etl --version --json` says what the program was built from."
)]
struct Cli {
    /// Log more to stderr: -v debug messages, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Format of log lines
    #[arg(long, global = true, env = "LSMI_ETL_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Interval of the log lines about progress, where no bar is drawn
    #[arg(
        long,
        global = true,
        env = "LSMI_ETL_PROGRESS_EVERY",
        hide_env = true,
        value_name = "SECONDS",
        default_value = "5",
        value_parser = seconds
    )]
    progress_every: Duration,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Level and message
    Text,
    /// One JSON object per line: timestamp, level, message
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Inspect(inspect::InspectArgs),
    Split(split::SplitArgs),
    Fit(fit::FitArgs),
    Annotate(annotate::AnnotateArgs),
    Sql(sql::SqlArgs),
    Report(report::ReportArgs),
    Run(run::RunArgs),
    Validate(run::ValidateArgs),
    /// Pack, inspect, check, benchmark and export bundles of models
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Run the scheduler and the executors of a cluster
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    Synth(synth::SynthArgs),
    Doctor(doctor::DoctorArgs),
    Runtime(runtime::RuntimeArgs),
    Man(man::ManArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  lsmi-etl completions bash > ~/.local/share/bash-completion/completions/lsmi-etl"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The program and its commands as `--help` arranges them, for manual pages and the reference.
#[must_use]
pub fn command() -> clap::Command {
    help::arrange(Cli::command())
}

/// Parses the command line, runs the subcommand and returns the exit code.
pub fn main() -> ExitCode {
    threads::with_enough_stack(parse_and_run)
}

fn parse_and_run() -> ExitCode {
    let handled = signals::begin();
    let command = without_empty_variables(self::command());
    let parsed = usage_error::with_negative_numbers(command)
        .try_get_matches()
        .and_then(|all| Ok((Cli::from_arg_matches(&all)?, all)));
    let (cli, all) = match parsed {
        Ok(parsed) => parsed,
        Err(e) if e.kind() == ErrorKind::DisplayVersion && version::is_json(std::env::args_os()) => {
            return version::print().map_or_else(|e| ExitCode::from(e.exit_code()), |()| ExitCode::SUCCESS);
        }
        Err(e) => {
            // clap returns --help and --version as errors; the exit code is 0 all the same.
            let is_error = e.use_stderr();
            let _ = if is_error { usage_error::print(e, &self::command()) } else { e.print() };
            return if is_error { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let is_json = matches!(cli.log_format, LogFormat::Json);
    let (command, typed) = all.subcommand().unwrap_or(("", &all));
    let handled = handled.and_then(|()| parent::watch());
    let begun = telemetry::begin(logs(&cli)).and_then(|telemetry| handled.map(|()| telemetry));
    if begun.is_ok() {
        environment::warn_of_ineffective(&self::command());
    }
    let done = begun.and_then(|telemetry| {
        let run = |telemetry: &_| panics::as_errors(|| run(cli.command, typed, telemetry));
        standard_streams::check(&self::command(), &all)?;
        telemetry.around(command, run)
    });
    done.unwrap_or_else(|e| {
        match e.place().filter(|_| is_json) {
            Some(place) => tracing::error!(place, "{e}"),
            None => tracing::error!("{e}"),
        }
        if failure::is_json(typed) {
            Failure::of(&e).print();
        }
        ExitCode::from(e.exit_code())
    })
}

/// The command, for which variables of the environment that are set to nothing are unset.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    });
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_empty_variables))
}

/// Runs a subcommand; `typed` are its parsed arguments with their sources.
fn run(command: Command, typed: &ArgMatches, telemetry: &Telemetry) -> Result<ExitCode> {
    // Commands that write outputs poll the stop flag between batches; the interactive shell
    // survives Ctrl-C; all other commands end at the first signal.
    let stop = match &command {
        Command::Sql(args) if args.is_interactive() => signals::interrupts()?,
        Command::Demo(_)
        | Command::Fit(_)
        | Command::Annotate(_)
        | Command::Run(_)
        | Command::Validate(_)
        | Command::Split(_)
        | Command::Synth(_)
        | Command::Sql(_) => signals::watch()?,
        #[cfg(feature = "cluster")]
        Command::Cluster(_) => signals::leave()?,
        _ => signals::end_at_once()?,
    };
    if matches!(command, Command::Demo(_) | Command::Fit(_) | Command::Synth(_)) {
        threads::start_pool()?;
    }
    match command {
        Command::Demo(args) => demo::run(&args, stop),
        Command::Inspect(args) => inspect::run(&args),
        Command::Split(args) => split::run(&args, stop),
        Command::Fit(args) => fit::run(&args, telemetry, stop),
        Command::Annotate(mut args) => {
            args.cluster.locate(typed);
            args.settings.settle_columns(typed)?;
            return annotate::run(&args, telemetry, stop);
        }
        Command::Sql(mut args) => {
            args.cluster.locate(typed);
            sql::run(&args, stop)
        }
        Command::Report(args) => report::run(&args),
        Command::Run(args) => return run::run(&args, typed, telemetry, stop),
        Command::Validate(args) => run::validate(&args, typed, stop),
        Command::Bundle(command) => bundle::run(&command),
        #[cfg(feature = "cluster")]
        Command::Cluster(command) => cluster::run(&command, stop),
        Command::Synth(args) => synth::run(&args, &|| stop.load(std::sync::atomic::Ordering::Relaxed)),
        Command::Doctor(args) => doctor::run(&args),
        Command::Runtime(args) => runtime::run(&args),
        Command::Man(args) => man::run(&args, self::command()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lsmi-etl", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// A number of seconds from 0.05: a line takes time.
fn seconds(text: &str) -> std::result::Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds from 0.05 to 86400".to_owned()),
    }
}

/// The log filter and format; `LSMI_ETL_LOG` takes a filter of `tracing` (`lsmi_etl=debug`).
fn logs(cli: &Cli) -> Logs {
    // The HTTP client of telemetry warns once of a collector that fails, so that the SDK need not.
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error,opentelemetry=off",
        (_, 0) => "warn,lsmi_etl=info,opentelemetry=off",
        (_, 1) => "info,lsmi_etl=debug,opentelemetry=off",
        _ => "trace",
    };
    let filter = telemetry::log_filter(level);
    let format = match cli.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    Logs { filter, format, progress_every: cli.progress_every }
}
