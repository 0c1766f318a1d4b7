//! `annotate` over the record batches of a program that links this library: the flags, environment
//! variables, messages and values of the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::Schema;
use clap::FromArgMatches;
use clap::parser::ValueSource;

use crate::annotate::{
    AnnotateOptions, BatchExchange, InputStart, Progress, Run, columns_read, kept_in_memory,
};
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

    /// The positions of those columns of a schema that the output has, before the new ones, and the schema of these.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is a column of a new name, or one that `--replace-columns` does not replace.
    pub fn kept_columns(&self, schema: &Schema) -> Result<(Vec<usize>, Schema)> {
        kept_in_memory(&self.bundle, &self.options, schema)
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

/// Flags that say what is shown of a run.
const OF_A_TERMINAL: [&str; 4] = ["quiet", "verbose", "log_format", "progress_every"];

/// The arguments of `annotate`.
fn parse(typed: &[OsString]) -> Result<AnnotateArgs> {
    let refused = |error| Error::Usage(usage_error::plain_text(error, &super::command(), typed));
    let command = usage_error::with_negative_numbers(super::without_empty_variables(super::command()));
    let all = command.try_get_matches_from(typed).map_err(refused)?;
    let is_typed = |id: &&&str| all.value_source(id) == Some(ValueSource::CommandLine);
    if let Some(id) = OF_A_TERMINAL.iter().find(is_typed) {
        let flag = id.replace('_', "-");
        return Err(Error::Usage(format!(
            "--{flag} is about the output on a terminal, and there is none; omit it: the level of the log is that of \
             its receiver"
        )));
    }
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
