//! The manifest `bundle.json`: modalities, label, models, training, and the hashes of the
//! files. Its JSON Schema in `schemas/` is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figures::Training;
use super::{Class, Role};

/// The format that this program writes and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; readers reject newer versions.
    pub format_version: u32,
    /// The program that wrote the bundle, as "name version".
    pub created_by: String,
    /// The two modalities, x1 and x2.
    pub modalities: [Modality; 2],
    /// The label.
    pub label: Label,
    /// The five ONNX files.
    pub models: Models,
    /// How the models were fitted; absent for models packed from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// One modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modality {
    /// The embedding column that is read unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Length of every embedding.
    pub dim: usize,
    /// The convention of h, which decides how much of the information is redundant.
    #[serde(default)]
    pub units: Units,
    /// Mean of h over the training rows, in nats; needed for centred units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_h_nats: Option<f64>,
}

/// Scaling x1 by c adds d·ln c to h1, so comparing h1 with h2 needs a convention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Units {
    /// h = −ln p(x) in the units of the column, as the paper has it.
    #[default]
    Raw,
    /// h minus its mean over the training rows: unchanged by any invertible affine
    /// map of the modality.
    Centred,
}

/// The label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The label column that is read unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The classes in the order of the classifiers' outputs.
    pub classes: Vec<Class>,
    /// p(y) of each class over the training rows; sums to one.
    pub prior: Vec<f64>,
}

/// The five models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// −ln p(x1).
    pub density_1: ModelFile,
    /// −ln p(x2).
    pub density_2: ModelFile,
    /// p(y|x1).
    pub classifier_1: ClassifierFile,
    /// p(y|x2).
    pub classifier_2: ClassifierFile,
    /// p(y|x1, x2).
    pub classifier_12: ClassifierFile,
}

/// An ONNX file beside the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name, without a folder.
    pub file: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// The ONNX file of a classifier, and its output kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifierFile {
    /// Its name, without a folder.
    pub file: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Its output kind.
    pub output: ClassifierOutput,
}

/// Output kind of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierOutput {
    /// ln p(y|x), normalised.
    LogProb,
    /// Anything whose log-softmax is ln p(y|x).
    Logits,
}

impl Models {
    /// File name and hash of a model, and whether its output needs a log-softmax.
    pub(super) fn get(&self, role: Role) -> (&str, &str, bool) {
        let (file, sha256) = match role {
            Role::Density1 => (&self.density_1.file, &self.density_1.sha256),
            Role::Density2 => (&self.density_2.file, &self.density_2.sha256),
            Role::Classifier1 => (&self.classifier_1.file, &self.classifier_1.sha256),
            Role::Classifier2 => (&self.classifier_2.file, &self.classifier_2.sha256),
            Role::Classifier12 => (&self.classifier_12.file, &self.classifier_12.sha256),
        };
        (file, sha256, self.output(role) == Some(ClassifierOutput::Logits))
    }

    /// Output kind of a classifier; `None` for a density.
    pub(super) fn output(&self, role: Role) -> Option<ClassifierOutput> {
        match role {
            Role::Density1 | Role::Density2 => None,
            Role::Classifier1 => Some(self.classifier_1.output),
            Role::Classifier2 => Some(self.classifier_2.output),
            Role::Classifier12 => Some(self.classifier_12.output),
        }
    }
}
