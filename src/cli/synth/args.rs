//! The flags of `synth`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::synth::Truth;

/// Write synthetic data whose exact r, u1, u2 and s are known
///
/// Columns: x1, x2 and so on, one for each modality (lists of floats), y (the label, an integer), and
/// the exact values of every row, computed from closed-form densities, in nats.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  lsmi-etl synth gaussian -o train.parquet --rows 20000 --seed 1\n  \
    lsmi-etl synth wide -o wide.parquet --rows 1000000 --d1 512 --d2 768 --truth none\n  \
    lsmi-etl synth wide -o three.parquet --rows 20000 --modalities 3 --truth full")]
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
    /// Number of modalities, 2 to 4; three or four of gaussian, wide and clusters [default: 2, or as many
    /// as have a dimension]
    #[arg(long, value_name = "M")]
    pub modalities: Option<usize>,
    /// Number of classes (gaussian: also the number of dimensions) [default: 10]
    #[arg(long, value_name = "C")]
    pub classes: Option<usize>,
    /// Probability of each class [default: uniform]
    #[arg(long, value_name = "P,P,…", value_delimiter = ',')]
    pub prior: Option<Vec<f64>>,
    /// Correlation of the noise between any two modalities [default: 0.5]
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
    /// Dimension of x3 (wide, clusters of three modalities or more) [default: 128]
    #[arg(long, value_name = "D")]
    pub d3: Option<usize>,
    /// Dimension of x4 (wide, clusters of four modalities) [default: 128]
    #[arg(long, value_name = "D")]
    pub d4: Option<usize>,
    /// Dimensions of all modalities (wide, clusters), in place of --d1, --d2, …
    #[arg(long, value_name = "D,D,…", value_delimiter = ',', conflicts_with_all = ["d1", "d2", "d3", "d4"])]
    pub dims: Option<Vec<usize>>,
    /// Random seed of the class means (wide, clusters) and of --warp; files with different --seed and
    /// the same --distribution-seed are samples of one distribution [default: 0]
    #[arg(long, value_name = "N")]
    pub distribution_seed: Option<u64>,
    /// Map each modality invertibly, so that the data are not Gaussian and the exact values stay
    /// exact: every i as before, every h with the maps' log determinants
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
    /// Any dimensions: each class has two clusters, common to all modalities
    Clusters,
}

/// Exact columns to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TruthColumns {
    /// The embeddings and y only
    None,
    /// true_r, true_u1, true_u2, …, true_s
    Columns,
    /// The same and true_i1, true_i2, true_i12, true_h1, true_h2; of three modalities or more true_i_1 …
    /// true_i_123, true_h_1 … true_h_23, and all atoms of the lattice, true_a_1_2_3 … true_a_123
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

#[cfg(test)]
#[derive(Debug, clap::Parser)]
pub(super) struct TestCli {
    #[command(flatten)]
    args: SynthArgs,
}

/// The arguments of a command line after `synth`.
#[cfg(test)]
pub(super) fn parse(line: &str) -> SynthArgs {
    use clap::Parser;

    TestCli::parse_from(std::iter::once("synth").chain(line.split_whitespace())).args
}
