//! The arguments of `bundle pack`, and the request that they make: a model of every role of the modalities,
//! each named once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::bundle::{
    Class, Label, OutputKind, PackRequest, PackedModality, Role, Units, check_label, repeated_column,
};
use crate::config::EngineArgs;
use crate::error::{Error, Result};
use crate::interaction::Subset;
use crate::interaction::lattice::Lattice;

/// Make a bundle from ONNX files: five of two modalities, thirteen of three
///
/// The density models take x [n, d] and return h = -ln p(x), [n] or [n, 1], in nats. The
/// classifiers take x [n, d] and return log-probabilities, probabilities or logits [n, classes].
/// A model of several modalities takes an input for each, or one for all of them concatenated. Inputs
/// whose names are exactly those of its modalities, such as x1 and x3 of the set 13, are taken by name;
/// all others by their order, that of the modalities. There is a classifier of
/// every set of modalities, and a density of every set but the one of all. Models in half or double
/// precision are cast to float32 at their edges. Of the label and the probabilities of a
/// scikit-learn model the probabilities are taken, with or without ZipMap, in the order of
/// --classes. Every model runs on test rows before the bundle is written: it is refused if its
/// output is not what was declared.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  lsmi-etl bundle pack models/ --density-1 d1.onnx --density-2 d2.onnx \\
    --classifier-1 c1.onnx --classifier-2 c2.onnx --classifier-12 c12.onnx \\
    --classes 0,1,2 --prior 0.5,0.3,0.2 --output logits --x1 image --x2 text --label y
  lsmi-etl bundle pack models/ --x image --x text --x audio --label y --classes 0,1 --prior 0.5,0.5 \
    --output logits --density 1=d1.onnx --density 2=d2.onnx --density 3=d3.onnx --density 12=d12.onnx \
    --density 13=d13.onnx --density 23=d23.onnx --classifier 1=c1.onnx --classifier 2=c2.onnx \
    --classifier 3=c3.onnx --classifier 12=c12.onnx --classifier 13=c13.onnx \
    --classifier 23=c23.onnx --classifier 123=c123.onnx")]
pub(super) struct PackArgs {
    /// Folder to write the bundle to
    pub(super) bundle: PathBuf,
    /// ONNX file of -ln p(x) of a set of modalities, such as 1=FILE or 23=FILE
    #[arg(long, value_name = "SET=FILE")]
    pub(super) density: Vec<SetFile>,
    /// ONNX file of p(y|x) of a set of modalities
    #[arg(long, value_name = "SET=FILE")]
    pub(super) classifier: Vec<SetFile>,
    /// As --density 1=FILE
    #[arg(long, value_name = "FILE")]
    pub(super) density_1: Option<PathBuf>,
    /// As --density 2=FILE
    #[arg(long, value_name = "FILE")]
    pub(super) density_2: Option<PathBuf>,
    /// As --classifier 1=FILE
    #[arg(long, value_name = "FILE")]
    pub(super) classifier_1: Option<PathBuf>,
    /// As --classifier 2=FILE
    #[arg(long, value_name = "FILE")]
    pub(super) classifier_2: Option<PathBuf>,
    /// As --classifier 12=FILE
    #[arg(long, value_name = "FILE")]
    pub(super) classifier_12: Option<PathBuf>,
    /// Output of the classifiers: one kind for all, or one for each in the order 1, 2, 12 (1, 2, 3, 12,
    /// 13, 23, 123)
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', required = true)]
    pub(super) output: Vec<OutputArg>,
    /// Classes in the order of the classifiers' outputs: integers, true and false, or strings
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', required = true)]
    pub(super) classes: Vec<String>,
    /// p(y) of each class in the training data; must sum to one
    #[arg(long, value_name = "P,…", value_delimiter = ',', required = true)]
    pub(super) prior: Vec<f64>,
    /// Default column of a modality, given once for each in order
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["x1", "x2"])]
    pub(super) x: Vec<String>,
    /// Default column of x1
    #[arg(long, value_name = "COLUMN")]
    pub(super) x1: Option<String>,
    /// Default column of x2
    #[arg(long, value_name = "COLUMN")]
    pub(super) x2: Option<String>,
    /// Default label column
    #[arg(long, value_name = "COLUMN")]
    pub(super) label: Option<String>,
    /// Dimension of a modality, if its graphs leave it dynamic, such as 3=512
    #[arg(long, value_name = "M=D", value_parser = modality_dim)]
    pub(super) dim: Vec<(usize, usize)>,
    /// Dimension of x1, if its graphs leave it dynamic
    #[arg(long, value_name = "D")]
    pub(super) dim_1: Option<usize>,
    /// Dimension of x2, if its graphs leave it dynamic
    #[arg(long, value_name = "D")]
    pub(super) dim_2: Option<usize>,
    /// Mean of h over the training data for each density in order; selects the centred units
    #[arg(long, value_name = "H1,H2,…", value_delimiter = ',', num_args = 1, allow_negative_numbers = true)]
    pub(super) centre_on: Option<Vec<f64>>,
    /// Keep the graphs of the density models as they are. By default a mixture of Gaussians in
    /// such a graph is folded into a few matrix products, which run several times as fast
    #[arg(long)]
    pub(super) no_fold: bool,
    /// Replace an existing bundle
    #[arg(long)]
    pub(super) overwrite: bool,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OutputArg {
    /// ln p(y|x), normalised
    LogProb,
    /// p(y|x), as after a softmax
    Prob,
    /// Unnormalised scores, whose log-softmax is ln p(y|x)
    Logits,
}

impl From<OutputArg> for OutputKind {
    fn from(output: OutputArg) -> Self {
        match output {
            OutputArg::LogProb => Self::LogProb,
            OutputArg::Prob => Self::Prob,
            OutputArg::Logits => Self::Logits,
        }
    }
}

/// A set of modalities and the file of its model, as in `12=FILE`.
#[derive(Debug, Clone)]
pub(super) struct SetFile {
    set: Subset,
    file: PathBuf,
}

impl FromStr for SetFile {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (set, file) = text.split_once('=').ok_or("expected SET=FILE, such as 12=pair.onnx")?;
        Ok(Self { set: set.parse()?, file: file.into() })
    }
}

/// A modality from 1 and its dimension, as in `3=512`.
pub(super) fn modality_dim(text: &str) -> std::result::Result<(usize, usize), String> {
    let parsed = text.split_once('=').and_then(|(m, dim)| Some((m.parse().ok()?, dim.parse().ok()?)));
    parsed.filter(|(m, _)| *m > 0).ok_or_else(|| "expected M=D, such as 3=512".to_owned())
}

/// The request.
///
/// # Errors
/// [`Error::Usage`] where a model is missing or named twice, two modalities have one column, or numbers of
/// values do not fit.
pub(super) fn pack_request(args: &PackArgs) -> Result<PackRequest> {
    let mut files = given_files(args)?;
    let sets = files.keys().map(|role| role.modalities());
    let modalities = sets.filter_map(|set| set.members().last()).max().map_or(2, |last| (last + 1).max(2));
    if modalities > Lattice::MODALITIES {
        let what = format!(
            "models of {modalities} modalities are named, and a bundle has at most {}; pack one for each pair of them",
            Lattice::MODALITIES
        );
        return Err(Error::Usage(what));
    }
    let roles = Role::all(modalities);
    let missing: Vec<String> =
        roles.iter().filter(|role| !files.contains_key(role)).map(|role| flag(*role)).collect();
    if !missing.is_empty() {
        return Err(Error::Usage(format!("{modalities} modalities need {}, too", missing.join(" "))));
    }
    let ordered = roles.iter().filter_map(|role| files.remove(role)).collect();
    if let Some(role) = files.keys().next() {
        let what = format!("{}: the density of all modalities is not needed; omit it", flag(*role));
        return Err(Error::Usage(what));
    }
    let densities: Vec<Role> = roles.iter().copied().filter(|role| role.is_density()).collect();
    let (units, means) = match args.centre_on.as_deref() {
        None => (Units::Raw, BTreeMap::new()),
        Some(means) if means.len() == densities.len() => {
            (Units::Centred, densities.iter().copied().zip(means.iter().copied()).collect())
        }
        Some(_) if modalities == 2 => {
            return Err(Error::Usage("--centre-on takes two numbers, H1,H2".into()));
        }
        Some(_) => {
            let what =
                format!("--centre-on takes {} numbers, one for each density in order", densities.len());
            return Err(Error::Usage(what));
        }
    };
    let sum: f64 = args.prior.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        let what =
            format!("--prior takes probabilities that sum to 1, and these sum to {sum}; divide them by it");
        return Err(Error::Usage(what));
    }
    if args.classes.iter().any(|class| class.trim().is_empty()) {
        let what = "--classes has a class without a name; is there a comma too many?";
        return Err(Error::Usage(what.to_owned()));
    }
    let classes = parse_classes(&args.classes);
    let label = Label { column: args.label.clone(), classes, prior: args.prior.clone() };
    check_label(&label).map_err(|(field, what)| Error::Usage(format!("--{field} {what}")))?;
    Ok(PackRequest {
        bundle: args.bundle.clone(),
        modalities: packed_modalities(args, modalities, &means)?,
        files: ordered,
        units,
        mean_h_nats: means.into_iter().filter(|(role, _)| role.modalities().len() > 1).collect(),
        label,
        outputs: outputs(args, roles.len() - densities.len())?,
        fold: !args.no_fold,
    })
}

/// The named files by role.
fn given_files(args: &PackArgs) -> Result<BTreeMap<Role, PathBuf>> {
    let [one, two, both] = ["1", "2", "12"].map(|text| text.parse::<Subset>().ok());
    let short = [
        (one.map(Role::density), &args.density_1),
        (two.map(Role::density), &args.density_2),
        (one.map(Role::classifier), &args.classifier_1),
        (two.map(Role::classifier), &args.classifier_2),
        (both.map(Role::classifier), &args.classifier_12),
    ];
    let short = short.into_iter().filter_map(|(role, file)| Some((role?, file.clone()?)));
    let long = |of: fn(Subset) -> Role| move |given: &SetFile| (of(given.set), given.file.clone());
    let densities = args.density.iter().map(long(Role::density));
    let classifiers = args.classifier.iter().map(long(Role::classifier));
    let mut files = BTreeMap::new();
    for (role, file) in short.chain(densities).chain(classifiers) {
        if files.insert(role, file).is_some() {
            return Err(Error::Usage(format!("{} is named twice", flag(role))));
        }
    }
    Ok(files)
}

fn packed_modalities(
    args: &PackArgs,
    modalities: usize,
    means: &BTreeMap<Role, f64>,
) -> Result<Vec<PackedModality>> {
    if !args.x.is_empty() && args.x.len() != modalities {
        let what =
            format!("--x names {} columns, and the models are of {modalities} modalities", args.x.len());
        return Err(Error::Usage(what));
    }
    if let Some((m, _)) = args.dim.iter().find(|(m, _)| *m > modalities) {
        return Err(Error::Usage(format!("--dim {m}=…: the models are of {modalities} modalities")));
    }
    let short = [&args.x1, &args.x2];
    let columns: Vec<Option<String>> = (0..modalities)
        .map(|m| args.x.get(m).cloned().or_else(|| short.get(m).and_then(|column| (*column).clone())))
        .collect();
    if let Some(what) = repeated_column(columns.iter().map(Option::as_deref)) {
        return Err(Error::Usage(what));
    }
    Ok(columns
        .into_iter()
        .enumerate()
        .map(|(m, column)| PackedModality {
            column,
            dim: args
                .dim
                .iter()
                .find(|(of, _)| *of == m + 1)
                .map(|(_, dim)| *dim)
                .or_else(|| [args.dim_1, args.dim_2].get(m).copied().flatten()),
            mean_h_nats: Subset::new([m]).and_then(|set| means.get(&Role::density(set)).copied()),
        })
        .collect())
}

fn outputs(args: &PackArgs, classifiers: usize) -> Result<Vec<OutputKind>> {
    match &args.output[..] {
        [all] => Ok(vec![(*all).into(); classifiers]),
        each if each.len() == classifiers => Ok(each.iter().map(|output| (*output).into()).collect()),
        _ if classifiers == 3 => {
            Err(Error::Usage("--output takes one kind, or three for classifiers 1, 2 and 12".into()))
        }
        _ => Err(Error::Usage(format!("--output takes one kind, or {classifiers}, one for each classifier"))),
    }
}

/// The flag of a model.
fn flag(role: Role) -> String {
    let kind = if role.is_density() { "density" } else { "classifier" };
    format!("--{kind} {}=FILE", role.modalities())
}

/// Parses class names, without blanks around them: integers if all are, else booleans if all are, else strings.
fn parse_classes(texts: &[String]) -> Vec<Class> {
    let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
    let integers = texts.iter().map(|t| t.parse().map(Class::Integer)).collect::<std::result::Result<_, _>>();
    let booleans = texts.iter().map(|t| t.parse().map(Class::Boolean)).collect::<std::result::Result<_, _>>();
    integers.ok().or(booleans.ok()).unwrap_or_else(|| texts.iter().cloned().map(Class::String).collect())
}
