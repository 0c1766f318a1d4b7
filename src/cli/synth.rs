//! The `synth` subcommand: writes synthetic data with known exact values.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::interaction::truth::{
    Clusters, ClustersShape, Gaussian, Generator, Prior, Rdn, Unq, Warp, Wide, WideShape, Xor,
};
use crate::provenance;
use crate::synth::{SynthOptions, Truth, write};

use super::output;

/// Write synthetic data whose exact r, u1, u2 and s are known
///
/// Columns: x1 and x2 (lists of floats), y (the label, an integer), and the exact values of
/// every row, computed from closed-form densities, in nats.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  lsmi-etl synth gaussian -o train.parquet --rows 20000 --seed 1\n  \
    lsmi-etl synth wide -o wide.parquet --rows 1000000 --d1 512 --d2 768 --truth none")]
pub struct SynthArgs {
    /// Distribution to sample from
    #[arg(value_name = "GENERATOR")]
    pub generator: GeneratorName,
    /// Parquet file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Number of rows
    #[arg(long, value_name = "N")]
    pub rows: u64,
    /// Random seed; the same seed gives the same rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Number of classes (gaussian: also the number of dimensions) [default: 10]
    #[arg(long, value_name = "C")]
    pub classes: Option<usize>,
    /// Probability of each class [default: uniform]
    #[arg(long, value_name = "P,P,…", value_delimiter = ',')]
    pub prior: Option<Vec<f64>>,
    /// Correlation of the noise between the modalities [default: 0.5]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub rho: Option<f64>,
    /// Standard deviation of the noise [default: 0.5]
    #[arg(long, value_name = "S")]
    pub sigma: Option<f64>,
    /// Dimension of x1 (wide, clusters) [default: 128]
    #[arg(long, value_name = "D")]
    pub d1: Option<usize>,
    /// Dimension of x2 (wide, clusters) [default: 128]
    #[arg(long, value_name = "D")]
    pub d2: Option<usize>,
    /// Random seed of the class means (wide, clusters) and of --warp; files with different --seed and
    /// the same --distribution-seed are samples of one distribution [default: 0]
    #[arg(long, value_name = "N")]
    pub distribution_seed: Option<u64>,
    /// Map each modality invertibly, so that the data are not Gaussian and the exact values stay
    /// exact: i1, i2 and i12 as before, h1 and h2 with the map's log determinant
    #[arg(long)]
    pub warp: bool,
    /// Exact columns to write
    #[arg(long, value_enum, default_value_t = TruthColumns::Columns)]
    pub truth: TruthColumns,
    /// Rows per row group [default: 65536, fewer for high dimensions]
    #[arg(long, value_name = "N")]
    pub row_group_rows: Option<usize>,
    /// Replace an existing output
    #[arg(long)]
    pub overwrite: bool,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    pub json: bool,
}

/// The distributions by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorName {
    /// As in the reference implementation: correlated noise around class corners
    Gaussian,
    /// Synergy only: the label is the parity of two hidden bits
    Xor,
    /// Redundancy: x2 is a slightly noisy copy of x1
    Rdn,
    /// Only x1 depends on the label; x2 is noise
    Unq,
    /// Any dimensions: low-rank class means, correlated noise
    Wide,
    /// Any dimensions: each class has two clusters, common to both modalities
    Clusters,
}

/// Exact columns to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TruthColumns {
    /// x1, x2 and y only
    None,
    /// true_r, true_u1, true_u2, true_s
    Columns,
    /// The same and true_i1, true_i2, true_i12, true_h1, true_h2
    Full,
}

impl From<TruthColumns> for Truth {
    fn from(columns: TruthColumns) -> Self {
        match columns {
            TruthColumns::None => Self::None,
            TruthColumns::Columns => Self::Columns,
            TruthColumns::Full => Self::Full,
        }
    }
}

/// The parameters of the distribution with defaults filled in. They are written into the
/// file's metadata so that the file can be reproduced.
#[derive(Debug, Clone, Serialize)]
struct Parameters {
    generator: GeneratorName,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prior: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rho: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dims: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution_seed: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    warp: bool,
}

#[derive(Debug, Serialize)]
struct SynthRunSummary {
    rows: u64,
    bytes: u64,
    seconds: f64,
}

/// Runs the command; `should_stop` is polled between batches.
///
/// # Errors
/// [`Error::Usage`] where flags contradict each other; else those of [`write`].
pub fn run(args: &SynthArgs, should_stop: &(dyn Fn() -> bool + Sync)) -> Result<()> {
    let start = Instant::now();
    let (generator, parameters) = generator(args)?;
    let lineage = serde_json::to_string(&parameters).map_err(|error| Error::Internal(error.to_string()))?;
    let options = SynthOptions {
        output: args.output.clone(),
        rows: args.rows,
        seed: args.seed,
        row_group_rows: args.row_group_rows,
        truth: args.truth.into(),
        overwrite: args.overwrite,
        lineage: vec![(provenance::SYNTH.into(), lineage)],
    };
    let written = write(&generator, &options, should_stop)?;
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!(
        "wrote {}: {} rows in {} row groups, {} bytes, {seconds:.1} s",
        args.output.display(),
        written.rows,
        written.row_groups,
        written.bytes
    );
    if args.json {
        output::json(&SynthRunSummary { rows: written.rows, bytes: written.bytes, seconds })?;
    }
    Ok(())
}

/// Makes the distribution from the flags.
fn generator(args: &SynthArgs) -> Result<(Generator, Parameters)> {
    refuse_unused(args)?;
    let (rho, sigma) = (args.rho.unwrap_or(0.5), args.sigma.unwrap_or(0.5));
    let distribution_seed = args.distribution_seed.unwrap_or(0);
    let mut parameters = Parameters {
        generator: args.generator,
        seed: args.seed,
        prior: None,
        rho: None,
        sigma: None,
        dims: None,
        distribution_seed: None,
        warp: args.warp,
    };
    let generator = match args.generator {
        GeneratorName::Xor => Generator::Xor(Xor::new()?),
        GeneratorName::Rdn => Generator::Rdn(Rdn::new()?),
        GeneratorName::Unq => Generator::Unq(Unq::new()?),
        GeneratorName::Gaussian => {
            let prior = prior(args)?;
            parameters.prior = Some(prior.probabilities().to_vec());
            (parameters.rho, parameters.sigma) = (Some(rho), Some(sigma));
            Generator::Gaussian(Gaussian::new(prior, rho, sigma)?)
        }
        GeneratorName::Wide | GeneratorName::Clusters => {
            let prior = prior(args)?;
            let dims = [args.d1.unwrap_or(128), args.d2.unwrap_or(128)];
            parameters.prior = Some(prior.probabilities().to_vec());
            (parameters.sigma, parameters.dims) = (Some(sigma), Some(dims));
            parameters.distribution_seed = Some(distribution_seed);
            if args.generator == GeneratorName::Wide {
                parameters.rho = Some(rho);
                Generator::Wide(Wide::new(WideShape { dims, prior, rho, sigma, distribution_seed })?)
            } else {
                Generator::Clusters(Clusters::new(ClustersShape { dims, prior, sigma, distribution_seed })?)
            }
        }
    };
    if args.warp {
        parameters.distribution_seed = Some(distribution_seed);
        let warp = Warp::new(generator.dims(), distribution_seed);
        return Ok((Generator::Warped(Box::new(generator), warp), parameters));
    }
    Ok((generator, parameters))
}

/// Refuses flags that the distribution does not use, which would otherwise have no effect.
fn refuse_unused(args: &SynthArgs) -> Result<()> {
    let of = |names: &[GeneratorName]| names.contains(&args.generator);
    let (any_dims, classes) = ("wide and clusters have", "gaussian, wide and clusters have");
    let has_dims = of(&[GeneratorName::Wide, GeneratorName::Clusters]);
    let has_classes = has_dims || of(&[GeneratorName::Gaussian]);
    let has_rho = of(&[GeneratorName::Gaussian, GeneratorName::Wide]);
    let flags = [
        ("--classes", args.classes.is_some(), has_classes, classes),
        ("--prior", args.prior.is_some(), has_classes, classes),
        ("--rho", args.rho.is_some(), has_rho, "gaussian and wide have"),
        ("--sigma", args.sigma.is_some(), has_classes, classes),
        ("--d1", args.d1.is_some(), has_dims, any_dims),
        ("--d2", args.d2.is_some(), has_dims, any_dims),
        ("--distribution-seed", args.distribution_seed.is_some(), has_dims || args.warp, any_dims),
    ];
    for (flag, given, has_use, users) in flags {
        if given && !has_use {
            return Err(Error::Usage(format!("this generator has no {flag}: only {users} one")));
        }
    }
    Ok(())
}

fn prior(args: &SynthArgs) -> Result<Prior> {
    match (&args.prior, args.classes) {
        (None, classes) => Prior::uniform(classes.unwrap_or(10)),
        (Some(p), Some(classes)) if p.len() != classes => Err(Error::Usage(format!(
            "--prior has {} probabilities for --classes {classes}: give one for each class",
            p.len()
        ))),
        (Some(p), _) => Prior::new(p.clone()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: SynthArgs,
    }

    fn parse(line: &str) -> SynthArgs {
        Cli::parse_from(std::iter::once("synth").chain(line.split_whitespace())).args
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_make_the_generator() {
        let (g, p) = generator(&parse("gaussian -o f --rows 5 --prior .5,.3,.2 --rho -0.25")).unwrap();
        assert_eq!((g.classes(), g.dims(), p.rho, p.sigma), (3, [3, 3], Some(-0.25), Some(0.5)));
        let (g, _) = generator(&parse("wide -o f --rows 5 --d1 7 --d2 9 --classes 40")).unwrap();
        assert_eq!((g.classes(), g.dims()), (40, [7, 9]));
        assert_eq!(generator(&parse("gaussian -o f --rows 5")).unwrap().0.classes(), 10);
    }

    #[test]
    fn flags_that_do_not_fit_are_usage_errors() {
        let lines = [
            ("xor -o f --rows 5 --rho 0.2", "no --rho"),
            ("gaussian -o f --rows 5 --d1 9", "no --d1"),
            ("gaussian -o f --rows 5 --prior .5,.4", "sum to 1"),
            ("gaussian -o f --rows 5 --prior .5,.5 --classes 3", "one for each class"),
            ("gaussian -o f --rows 5 --classes 1", "at least two"),
            ("gaussian -o f --rows 5 --rho 1", "--rho 1"),
            ("wide -o f --rows 5 --sigma 0", "--sigma 0"),
            ("wide -o f --rows 5 --d2 0", "--d1 and --d2"),
        ];
        for (line, message) in lines {
            let error = generator(&parse(line)).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{line}");
            assert!(error.to_string().contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn a_run_writes_the_file_and_how_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.parquet");
        let line = format!("wide -o {} --rows 100 --d1 4 --d2 5 --classes 3", output.display());
        run(&parse(&line), &|| false).unwrap();

        let reader = parquet::file::serialized_reader::SerializedFileReader::new(
            std::fs::File::open(&output).unwrap(),
        );
        let metadata = parquet::file::reader::FileReader::metadata(&reader.unwrap()).file_metadata().clone();
        assert_eq!(metadata.num_rows(), 100);
        let lineage =
            metadata.key_value_metadata().unwrap().iter().find(|kv| kv.key == provenance::SYNTH).unwrap();
        let lineage: serde_json::Value = serde_json::from_str(lineage.value.as_deref().unwrap()).unwrap();
        assert_eq!(lineage["generator"], "wide");
        assert_eq!(lineage["dims"], serde_json::json!([4, 5]));

        assert!(matches!(run(&parse(&line), &|| false), Err(Error::OutputExists(_))));
    }
}
