//! The `bundle` subcommands: pack ONNX models into a bundle, inspect it, check it, and export it
//! as one fused graph.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::bundle::{Bundle, Class, Label, Manifest, OutputKind, PackRequest, Units};
use crate::config::EngineArgs;
use crate::error::{Error, Place, Result};
use crate::evaluate::{check_models, check_program, open_bundle};
use crate::printable::shown;
use crate::storage::{Destinations, Staged, require_local_folder};

use super::{bench, figures, output};

#[derive(Debug, Subcommand)]
pub(super) enum BundleCommand {
    Pack(Box<PackArgs>),
    Inspect(InspectArgs),
    Check(CheckArgs),
    Bench(bench::BenchArgs),
    Export(ExportArgs),
}

/// Make a bundle from five ONNX files
///
/// The density models take x [n, d] and return h = -ln p(x), [n] or [n, 1], in nats. The
/// classifiers take x [n, d], the classifier of the pair x1 and x2 (or both concatenated), and
/// return log-probabilities, probabilities or logits [n, classes]. Models in half or double
/// precision are cast to float32 at their edges. Of the label and the probabilities of a
/// scikit-learn model the probabilities are taken, with or without ZipMap, in the order of
/// --classes. Every model runs on test rows before the bundle is written: it is refused if its
/// output is not what was declared.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  lsmi-etl bundle pack models/ --density-1 d1.onnx --density-2 d2.onnx \\
    --classifier-1 c1.onnx --classifier-2 c2.onnx --classifier-12 c12.onnx \\
    --classes 0,1,2 --prior 0.5,0.3,0.2 --output logits --x1 image --x2 text --label y")]
pub(super) struct PackArgs {
    /// Folder to write the bundle to
    bundle: PathBuf,
    /// ONNX file of -ln p(x1)
    #[arg(long, value_name = "FILE")]
    density_1: PathBuf,
    /// ONNX file of -ln p(x2)
    #[arg(long, value_name = "FILE")]
    density_2: PathBuf,
    /// ONNX file of p(y|x1)
    #[arg(long, value_name = "FILE")]
    classifier_1: PathBuf,
    /// ONNX file of p(y|x2)
    #[arg(long, value_name = "FILE")]
    classifier_2: PathBuf,
    /// ONNX file of p(y|x1, x2)
    #[arg(long, value_name = "FILE")]
    classifier_12: PathBuf,
    /// Output of the classifiers: one kind for all, or three for classifiers 1, 2 and 12
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', required = true)]
    output: Vec<OutputArg>,
    /// Classes in the order of the classifiers' outputs: integers, true and false, or strings
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', required = true)]
    classes: Vec<String>,
    /// p(y) of each class in the training data; must sum to one
    #[arg(long, value_name = "P,…", value_delimiter = ',', required = true)]
    prior: Vec<f64>,
    /// Default column of x1
    #[arg(long, value_name = "COLUMN")]
    x1: Option<String>,
    /// Default column of x2
    #[arg(long, value_name = "COLUMN")]
    x2: Option<String>,
    /// Default label column
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Dimension of x1, if its graphs leave it dynamic
    #[arg(long, value_name = "D")]
    dim_1: Option<usize>,
    /// Dimension of x2, if its graphs leave it dynamic
    #[arg(long, value_name = "D")]
    dim_2: Option<usize>,
    /// Mean of h over the training data for each modality; selects the centred units
    #[arg(long, value_name = "H1,H2", value_delimiter = ',', num_args = 1, allow_negative_numbers = true)]
    centre_on: Option<Vec<f64>>,
    /// Keep the graphs of the density models as they are. By default a mixture of Gaussians in
    /// such a graph is folded into a few matrix products, which run several times as fast
    #[arg(long)]
    no_fold: bool,
    /// Replace an existing bundle
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutputArg {
    /// ln p(y|x), normalised
    LogProb,
    /// p(y|x), as after a softmax
    Prob,
    /// Unnormalised scores, whose log-softmax is ln p(y|x)
    Logits,
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
/// Every model runs on test rows of several scales. A density must be finite, depend on x and
/// grow far from any data; a classifier must return what the manifest says, log-probabilities or
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
/// Inputs: x1 [n, d1] and x2 [n, d2] (float32) and y [n, 1] (int64, the index of the class in
/// the bundle's list). Outputs: density_1 and density_2, h = -ln p(x) in nats, and
/// classifier_1, classifier_2 and classifier_12, ln p(y|x) of each row's own y.
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
    let outputs = match args.output[..] {
        [all] => [all; 3],
        [c1, c2, c12] => [c1, c2, c12],
        _ => {
            return Err(Error::Usage("--output takes one kind, or three for classifiers 1, 2 and 12".into()));
        }
    };
    let outputs = outputs.map(|output| match output {
        OutputArg::LogProb => OutputKind::LogProb,
        OutputArg::Prob => OutputKind::Prob,
        OutputArg::Logits => OutputKind::Logits,
    });
    let (units, mean_h_nats) = match args.centre_on.as_deref() {
        None => (Units::Raw, [None; 2]),
        Some(&[h1, h2]) => (Units::Centred, [Some(h1), Some(h2)]),
        Some(_) => return Err(Error::Usage("--centre-on takes two numbers, H1,H2".into())),
    };
    let request = PackRequest {
        bundle: args.bundle.clone(),
        files: [
            &args.density_1,
            &args.density_2,
            &args.classifier_1,
            &args.classifier_2,
            &args.classifier_12,
        ]
        .map(Clone::clone),
        columns: [args.x1.clone(), args.x2.clone()],
        dims: [args.dim_1, args.dim_2],
        units,
        mean_h_nats,
        label: Label {
            column: args.label.clone(),
            classes: parse_classes(&args.classes),
            prior: args.prior.clone(),
        },
        outputs,
        fold: !args.no_fold,
    };
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

/// Parses class names: integers if all are, else booleans if all are, else strings.
fn parse_classes(texts: &[String]) -> Vec<Class> {
    let integers = texts.iter().map(|t| t.parse().map(Class::Integer)).collect::<std::result::Result<_, _>>();
    let booleans = texts.iter().map(|t| t.parse().map(Class::Boolean)).collect::<std::result::Result<_, _>>();
    integers.ok().or(booleans.ok()).unwrap_or_else(|| texts.iter().cloned().map(Class::String).collect())
}

#[derive(Serialize)]
struct Inspection<'a> {
    bundle_sha256: &'a str,
    manifest: &'a Manifest,
    graphs: Vec<Vec<&'static str>>,
    apart: &'a [String],
    folded: BTreeMap<&'static str, &'a str>,
}

fn inspect(args: &InspectArgs) -> Result<()> {
    let bundle = open_bundle(&args.bundle)?;
    let manifest = bundle.manifest();
    let program = bundle.program();
    let graphs: Vec<Vec<&str>> =
        program.graphs.iter().map(|graph| graph.roles.iter().map(|role| role.name()).collect()).collect();
    let folded: BTreeMap<_, _> =
        bundle.folded().into_iter().map(|(role, description)| (role.name(), description)).collect();
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
        let column = modality.column.as_deref().unwrap_or("(name it with --x1 and --x2)");
        let units = match modality.units {
            Units::Raw => "raw",
            Units::Centred => "centred",
        };
        text += &format!("  x{}       {column}, {} values, {units} units\n", m + 1, modality.dim);
    }
    let label = &manifest.label;
    text += &format!(
        "  label    {}, {} classes: {}\n",
        label.column.as_deref().unwrap_or("(name it with --label)"),
        label.classes.len(),
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
            "  trained  on {} of {} rows, seed {}, densities by {}\n",
            training.rows_used, training.rows_seen, training.seed, training.density_fit
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
        "{}: all five models{folds} load and run on {}, and return what the manifest says\n",
        shown(&args.bundle),
        engine.describe()
    ))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn export(args: &ExportArgs) -> Result<()> {
    let bundle = open_bundle(&args.bundle)?;
    let program = bundle.program();
    let [graph] = &program.graphs[..] else {
        return Err(Error::Usage(format!(
            "{}: the models make {} graphs, not one, since their opsets differ; export all five with one opset and \
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
