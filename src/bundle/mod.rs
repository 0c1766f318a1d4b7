//! The bundle: five models and their manifest. Builds, adapts, folds and fuses ONNX graphs;
//! packs, writes and validates bundles. Runs models only to verify a fold, in f64; evaluation
//! on data belongs to the engine.

mod adapt;
mod check;
mod class;
mod classifier;
mod column_major;
mod density;
mod ensemble;
mod figures;
mod flops;
mod fold;
mod fuse;
mod log_sum_exp;
mod manifest;
mod onnx;
mod open;
mod opset;
mod output_kind;
mod pack;
mod params;
mod program;
mod raw;
mod role;
mod shared_centre;
mod write;

pub use class::Class;
pub use figures::{ClassifierFigures, DensityCandidate, DensityFigures, Figures, Training};
pub use manifest::{
    ClassifierFile, ClassifierOutput, FORMAT_VERSION, Label, Manifest, Modality, ModelFile, Models, Units,
};
pub use open::{Bundle, MANIFEST};
pub use output_kind::OutputKind;
pub use pack::PackRequest;
pub use params::{Affine, Discriminant, Ensemble, FittedFolds, Mixture, ModelSet, Stack};
pub use program::{Graph, INPUTS, Program};
pub use raw::{RawModel, RawModels};
pub use role::Role;
pub use write::BundleContents;
