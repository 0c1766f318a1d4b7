//! The arguments that `run` and `validate` share: a pipeline file, its variables, and flags that override its
//! settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgMatches, Args};

#[cfg(feature = "cluster")]
use crate::config::TlsArgs;
use crate::config::{AnnotateSettings, ClusterArgs, CommandLine, Config, EngineArgs, InputOutput, load};
use crate::error::Result;
use crate::evaluate::SharedBundle;

use super::super::annotate::AnnotateArgs;
use super::steps::StepRunner;

/// A pipeline file, its variables, and flags that override its settings.
#[derive(Debug, Args)]
pub(super) struct PipelineArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE.toml")]
    pub(super) pipeline: PathBuf,
    /// Set a variable; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    paths: InputOutput,
    #[command(flatten)]
    annotate: AnnotateSettings,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The bundle, which all steps share.
    #[arg(skip)]
    bundle: SharedBundle,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    tls: TlsArgs,
}

impl PipelineArgs {
    /// The configuration in effect.
    ///
    /// # Errors
    /// As for [`load`].
    pub(super) fn config(&self, matches: &ArgMatches) -> Result<Config> {
        let set: BTreeMap<String, String> = self.set.iter().cloned().collect();
        load(CommandLine {
            pipeline: &self.pipeline,
            set: &set,
            paths: &self.paths,
            annotate: &self.annotate,
            engine: &self.engine,
            cluster: &self.cluster,
            matches,
        })
    }

    /// What annotates the input.
    pub(super) fn annotation(&self, config: &Config) -> AnnotateArgs {
        AnnotateArgs {
            input: config.input.clone(),
            output: config.output.clone(),
            settings: config.annotate.clone(),
            shared: self.bundle.clone(),
            new_columns_only: false,
            dry_run: false,
            json: false,
            summary: None,
            engine: config.engine.clone(),
            cluster: config.cluster.clone(),
            #[cfg(feature = "cluster")]
            tls: self.tls.clone(),
        }
    }

    /// What runs the steps after annotating.
    pub(super) fn steps<'a>(&'a self, config: &'a Config, is_annotated: bool) -> StepRunner<'a> {
        StepRunner {
            config,
            pipeline: &self.pipeline,
            is_annotated,
            bundle: &self.bundle,
            #[cfg(feature = "cluster")]
            tls: &self.tls,
        }
    }
}

fn parse_assignment(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
