//! The `bundle` subcommands: pack ONNX models into a bundle, inspect it, check it, and export it
//! as one fused graph.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::bundle::{Bundle, Class, Manifest, Role, Units};
use crate::config::EngineArgs;
use crate::error::{Error, Place, Result};
use crate::evaluate::{check_models, check_program, open_bundle};
use crate::printable::{counted, escape_line, shown};
use crate::storage::{Destinations, FileEnding, Staged, require_local_folder};

use super::pack_args::{PackArgs, pack_request};
use super::{bench, figures, output};

#[derive(Debug, Subcommand)]
pub(super) enum BundleCommand {
    Pack(Box<PackArgs>),
    Inspect(InspectArgs),
    Check(CheckArgs),
    Bench(bench::BenchArgs),
    Export(ExportArgs),
}

/// Show the contents of a bundle
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl bundle inspect lsmi-bundle")]
pub(super) struct InspectArgs {
    /// Bundle: a folder or a URL
    bundle: PathBuf,
    /// Print one line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Check a bundle: files, hashes, shapes, and what every model returns
///
/// Every model runs on test rows of several scales. A density must be finite on rows of some scale,
/// depend on x and grow far from any data; a classifier must return what the manifest says, log-probabilities or
/// logits, and no row's output may depend on the other rows of its batch.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl bundle check lsmi-bundle --engine embedded
  lsmi-etl bundle check s3://bucket/models/lsmi-bundle")]
pub(super) struct CheckArgs {
    /// Bundle: a folder or a URL
    bundle: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Write the main models as one fused ONNX graph, as the engine runs them
///
/// Inputs: x1 [n, d1], x2 [n, d2] and so on (float32) and y [n, 1] (int64, the index of the class in
/// the bundle's list). Outputs: density_1, density_2, …, h = -ln p(x) in nats, and classifier_1,
/// classifier_2, classifier_12, …, ln p(y|x) of each row's own y.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl bundle export lsmi-bundle -o fused.onnx")]
pub(super) struct ExportArgs {
    /// Bundle: a folder or a URL
    bundle: PathBuf,
    /// ONNX file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(command: &BundleCommand) -> Result<()> {
    match command {
        BundleCommand::Pack(args) => pack(args),
        BundleCommand::Inspect(args) => inspect(args),
        BundleCommand::Check(args) => check(args),
        BundleCommand::Bench(args) => bench::run(args),
        BundleCommand::Export(args) => export(args),
    }
}

fn pack(args: &PackArgs) -> Result<()> {
    require_local_folder(&args.bundle)?;
    let request = pack_request(args)?;
    let mut paths = Destinations::default();
    request.files.iter().for_each(|file| paths.reads("a model", file));
    paths.writes_folder("the bundle", &args.bundle);
    paths.check()?;
    let contents = request.read()?;
    let engine = args.engine.find()?;
    warn(&check_models(&engine, contents.raw_models(&args.bundle)?)?);
    let verify = |bundle: &Bundle| check_program(&engine, bundle);
    let bundle = contents.write_verified(&args.bundle, args.overwrite, verify)?;
    tracing::info!("wrote {} (SHA-256 {})", shown(&args.bundle), bundle.digest());
    Ok(())
}

#[derive(Serialize)]
struct Inspection<'a> {
    bundle_sha256: &'a str,
    manifest: &'a Manifest,
    graphs: Vec<Vec<String>>,
    apart: &'a [String],
    folded: BTreeMap<String, &'a str>,
}

fn inspect(args: &InspectArgs) -> Result<()> {
    let bundle = open_bundle(&args.bundle)?;
    let manifest = bundle.manifest();
    let program = bundle.program();
    let graphs: Vec<Vec<String>> =
        program.graphs.iter().map(|graph| graph.roles.iter().map(Role::to_string).collect()).collect();
    let folded: BTreeMap<_, _> =
        bundle.folded().into_iter().map(|(role, description)| (role.to_string(), description)).collect();
    let apart = &program.unfused;
    if args.json {
        return output::json(&Inspection { bundle_sha256: bundle.digest(), manifest, graphs, apart, folded });
    }
    let mut text = format!(
        "{}\n  sha256   {}\n  made by  {}\n",
        shown(&args.bundle),
        bundle.digest(),
        manifest.created_by
    );
    for (m, modality) in manifest.modalities.iter().enumerate() {
        let column = modality.column.as_deref().unwrap_or(match manifest.modalities.len() {
            2 => "(name it with --x1 and --x2)",
            _ => "(name it with --x)",
        });
        let units = match modality.units {
            Units::Raw => "raw",
            Units::Centred => "centred",
        };
        let (column, values) = (escape_line(column), counted(modality.dim, "value"));
        text += &format!("  x{}       {column}, {values}, {units} units\n", m + 1);
    }
    let label = &manifest.label;
    text += &format!(
        "  label    {}, {}: {}\n",
        escape_line(label.column.as_deref().unwrap_or("(name it with --label)")),
        counted(label.classes.len(), "class"),
        first_items(&label.classes.iter().map(Class::to_string).collect::<Vec<_>>())
    );
    text += &format!("  graphs   {}\n", graphs.iter().map(|g| g.join(" + ")).collect::<Vec<_>>().join("; "));
    for why in apart {
        text += &format!("           separate since {why}\n");
    }
    for (role, description) in &folded {
        text += &format!("  folded   {role}: {description}\n");
    }
    if let Some(rows) = bundle.training_rows() {
        text += &format!(
            "  folds    {}, of {} training rows: each of these rows is evaluated by the models that have not seen it\n",
            bundle.folds(),
            rows.rows().sum::<u64>()
        );
        if !bundle.row_key().is_empty() {
            text += &format!("           the rows are known by {}\n", bundle.row_key().join(", "));
        }
    }
    if let Some(training) = &manifest.training {
        text += &format!(
            "  trained  on {} of {}, seed {}, densities by {}\n",
            training.rows_used,
            counted(training.rows_seen, "row"),
            training.seed,
            training.density_fit
        );
        text += &figures::text(&training.validation);
    }
    output::text(&text)
}

fn first_items(items: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = if items.len() > SHOWN { ", …" } else { "" };
    items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ") + more
}

fn check(args: &CheckArgs) -> Result<()> {
    let bundle = open_bundle(&args.bundle)?;
    let engine = args.engine.find()?;
    warn(&check_models(&engine, bundle.raw_models())?);
    for fold in 0..bundle.folds() {
        warn(&check_models(&engine, bundle.fold_raw_models(fold)?)?);
    }
    check_program(&engine, &bundle)?;
    let folds = match bundle.folds() {
        0 => String::new(),
        folds => format!(", and those of {folds} folds,"),
    };
    output::text(&format!(
        "{}: all {} models{folds} load and run on {}, and return what the manifest says\n",
        shown(&args.bundle),
        number(bundle.manifest().roles().len()),
        engine.describe()
    ))
}

/// A number of models, in words as far as they are short.
fn number(models: usize) -> String {
    if models == 5 { "five".to_owned() } else { models.to_string() }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn export(args: &ExportArgs) -> Result<()> {
    FileEnding::check(
        &args.output,
        Some(FileEnding::Onnx),
        "the models are written as ONNX",
        "name it .onnx",
    )?;
    let bundle = open_bundle(&args.bundle)?;
    let program = bundle.program();
    let [graph] = &program.graphs[..] else {
        return Err(Error::Usage(format!(
            "{}: the models make {} graphs, not one, since their opsets differ; export all with one opset and \
             pack them again",
            args.bundle.display(),
            program.graphs.len()
        )));
    };
    let mut paths = Destinations::default();
    paths.reads_folder("a file of the bundle", &args.bundle);
    paths.writes("--output", &args.output);
    paths.check()?;
    let staged = Staged::create(&args.output, args.overwrite)?;
    let written = staged.writer()?.write_all(&graph.to_bytes());
    written.map_err(|e| Error::io(Place::file(args.output.display()), "write", e))?;
    staged.commit()
}
