//! The bundle: models of all sets of modalities, as many for each fold, and their manifest. Builds, adapts, folds and fuses ONNX graphs;
//! packs, writes and validates bundles. Runs models only to verify a fold, in f64; evaluation
//! on data belongs to the engine.

mod adapt;
mod by_column;
mod check;
mod class;
mod classifier;
mod column_major;
mod common_nodes;
mod density;
mod ensemble;
mod estimates;
mod figures;
mod files;
mod flops;
mod fold;
mod format_1;
mod fuse;
#[cfg(test)]
mod fused_tests;
mod log_sum_exp;
mod manifest;
mod member_columns;
mod onnx;
mod open;
mod opset;
mod output_kind;
mod pack;
mod params;
mod program;
mod raw;
mod redundancy;
mod repeated_column;
mod role;
mod row_hash;
mod sha256;
mod shapes;
mod shared_centre;
mod training_rows;
mod validate;
mod write;

pub use by_column::{Agreement, ByColumn, EstimatedMeans, Figure, MeanEstimate};
pub use class::Class;
#[cfg(target_arch = "x86_64")]
pub(crate) use column_major::{PRODUCT, TURN};
pub use estimates::{CalibrationBin, Estimates, LabelFreeCheck, PowerPoint};
pub use figures::{ClassifierFigures, DensityCandidate, DensityFigures, Figures, FitWarning, Training};
pub use files::most_bytes;
pub use manifest::{
    ClassifierOutput, FORMAT_VERSION, FilterFile, Label, MANIFEST, Manifest, Modality, ModelFile, RowHash,
    TrainingRowsFiles, Units,
};
pub use open::Bundle;
pub use output_kind::OutputKind;
pub use pack::{PackRequest, PackedModality};
pub use params::{Affine, Discriminant, Ensemble, FittedFolds, Mixture, ModelSet, Scales, Stack};
pub use program::{Graph, ModelOrigin, Program, ProgramInput};
pub use raw::{RawModel, RawModels};
pub use redundancy::{Redundancy, RedundancyByShift, RedundancyCurve, RedundancyShares, ShiftedRedundancy};
pub use repeated_column::repeated_column;
pub use role::{ModelKind, Role};
pub use row_hash::RowHasher;
pub use training_rows::TrainingRows;
pub use validate::check_label;
pub use write::BundleContents;
