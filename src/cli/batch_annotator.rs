//! `annotate` over the record batches of a program that links this library: the flags, environment
//! variables, messages and values of the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::FromArgMatches;

use crate::annotate::{AnnotateOptions, BatchExchange, InputStart, Progress, Run, columns_read};
use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::parquet_file::caught;
use crate::samples::FateCounts;
use crate::telemetry::Telemetry;

use super::annotate::{AnnotateArgs, Outcome, check, destinations, prepare};
use super::{Cli, Command, environment, output, usage_error};

/// The models and options of `annotate`, for any number of exchanges of record batches.
pub struct BatchAnnotator {
    args: AnnotateArgs,
    bundle: Arc<Bundle>,
    engine: Engine,
    options: AnnotateOptions,
}

impl BatchAnnotator {
    /// Opens the bundle and the engine of these flags of `annotate`. Where they name no library, ONNX Runtime
    /// is searched for beside `program`, as that would.
    ///
    /// # Errors
    /// [`Error::Usage`] of flags that contradict each other, and of those that do not exist, whose text is that
    /// which the command line prints; as for [`Bundle::open`] and
    /// [`Engine::find`](crate::engine::Engine::find).
    pub fn open(flags: Vec<OsString>, program: Option<PathBuf>) -> Result<Self> {
        let fixed = ["lsmi-etl", "annotate", "-", "-", "--new-columns-only"].map(OsString::from);
        let typed: Vec<OsString> = fixed.into_iter().chain(flags).collect();
        let mut args = parse(&typed)?;
        environment::warn_of_ineffective(&super::command());
        args.engine = args.engine.beside(program);
        check(&args)?;
        destinations(&args, &Ok(None))?.check()?;
        let (bundle, engine, options) = prepare(&args)?;
        Ok(Self { args, bundle, engine, options })
    }

    /// The columns that are read, without repetitions.
    ///
    /// # Errors
    /// [`Error::Usage`] of columns that neither the flags nor the bundle name, and of those that the bundle
    /// cannot give.
    pub fn columns_read(&self) -> Result<Vec<String>> {
        columns_read(&self.bundle, &self.options)
    }

    /// The prefix of the columns of an earlier run that make way; `None` where none do.
    pub fn replaced_prefix(&self) -> Option<&str> {
        self.options.replace_columns.then(|| self.options.prefix.as_str())
    }

    /// Annotates the batches of an exchange, until their sender is dropped or `stop` is set.
    ///
    /// # Errors
    /// As for [`Run::exchange`]; [`Error::Internal`] of a panic.
    pub fn exchange(&self, batches: BatchExchange, stop: &AtomicBool) -> Result<()> {
        let (settings, telemetry) = (&self.args.settings, Telemetry::default());
        let work = |progress: &dyn Progress| {
            let run = Run::new(&self.bundle, &self.engine, &self.options, progress, stop);
            let outcome = Outcome::One(Box::new(run.exchange(batches)?));
            outcome.log(&self.bundle);
            output::results(&outcome, self.args.summary.as_deref(), false)
        };
        caught(|| telemetry.metered(&Unobserved, settings.metrics.as_deref(), work))
            .unwrap_or_else(|panic| Err(Error::Internal(panic)))
    }
}

impl std::fmt::Debug for BatchAnnotator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchAnnotator").field("args", &self.args).finish_non_exhaustive()
    }
}

/// The arguments of `annotate`.
fn parse(typed: &[OsString]) -> Result<AnnotateArgs> {
    let refused = |error| Error::Usage(usage_error::plain_text(error, typed));
    let command = usage_error::with_negative_numbers(super::without_empty_variables(super::command()));
    let all = command.try_get_matches_from(typed).map_err(refused)?;
    let cli = Cli::from_arg_matches(&all).map_err(refused)?;
    match (cli.command, all.subcommand()) {
        (Command::Annotate(mut args), Some((_, typed))) => {
            args.cluster.locate(typed);
            args.settings.settle_columns(typed)?;
            Ok(args)
        }
        _ => Err(Error::Internal("the flags are not those of annotate".to_owned())),
    }
}

/// No progress display: the caller of an exchange counts its batches.
struct Unobserved;

impl Progress for Unobserved {
    fn begin(&self, _: InputStart) {}

    fn advance(&self, _: &FateCounts) {}
}
