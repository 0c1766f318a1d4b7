//! The manifest `bundle.json`: modalities, label, models, training, and the hashes of the
//! files. Its JSON Schema in `schemas/` is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction::Subset;

use super::Class;
use super::figures::Training;
use super::role::{ModelKind, Role};

/// The manifest's file name.
pub const MANIFEST: &str = "bundle.json";

/// The format that this program writes and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// The manifest of a bundle. A file of format 1 is read into the same shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the file's format; readers reject newer versions.
    pub format_version: u32,
    /// The program that wrote the bundle, as "name version".
    pub created_by: String,
    /// The modalities x1, x2, …: two to four.
    #[schemars(length(min = 2, max = 4))]
    pub modalities: Vec<Modality>,
    /// The label.
    pub label: Label,
    /// The ONNX files: the main models, and as many for each fold. Two modalities have five.
    pub models: Vec<ModelFile>,
    /// The rows that the models were trained on; present exactly where there are folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_rows: Option<TrainingRowsFiles>,
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

/// Scaling x_m by c adds d·ln c to h_m, so comparing h of several modalities needs a convention.
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

/// An ONNX file beside the manifest, by the modalities that it reads and the rows that it was
/// fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// What it computes.
    pub kind: ModelKind,
    /// Indices of the modalities that it reads, ascending from 0.
    pub modalities: Vec<usize>,
    /// The fold whose rows it has not seen, from 0; absent for a main model, fitted on all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Its name, without a folder.
    pub file: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Output kind of a classifier; absent for a density.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ClassifierOutput>,
    /// Mean of h over the training rows, in nats, of a density of several modalities; needed for centred
    /// units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_h_nats: Option<f64>,
}

/// The rows that the models were trained on, as one filter of row hashes for each fold. A row that
/// the filter of a fold knows is evaluated by the models that have not seen that fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingRowsFiles {
    /// The hash of a row.
    pub hash: RowHash,
    /// The columns whose values are hashed, in this order; absent where the embeddings are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The filters, one for each fold.
    pub filters: Vec<FilterFile>,
}

/// The hash of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RowHash {
    /// XXH3 (64 bit) of the length of x1 as u32, its values as f32, and the same of the other
    /// modalities, all little-endian, with 0.0 for −0.0.
    #[serde(rename = "xxh3_64_of_embeddings")]
    Xxh3OfEmbeddings,
    /// XXH3 (64 bit) of the values of the key's columns, each a byte for its kind and its value,
    /// as docs/design.md lists them: the same for a number in every type.
    #[serde(rename = "xxh3_64_of_key")]
    Xxh3OfKey,
}

/// A filter beside the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterFile {
    /// The fold, from 0.
    pub fold: usize,
    /// Its name, without a folder.
    pub file: String,
    /// Distinct rows in it.
    pub rows: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
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

impl Manifest {
    /// Dimensions of the modalities.
    pub fn dims(&self) -> Vec<usize> {
        self.modalities.iter().map(|modality| modality.dim).collect()
    }

    /// The roles of its models.
    pub fn roles(&self) -> Vec<Role> {
        Role::all(self.modalities.len())
    }

    /// The mean of a density's h over the training rows, in nats, where units are centred.
    pub(super) fn mean_h_nats(&self, density: Role) -> Option<f64> {
        let mut members = density.modalities().members();
        let first = self.modalities.get(members.next()?)?;
        match (first.units, members.next()) {
            (Units::Raw, _) => None,
            (Units::Centred, None) => first.mean_h_nats,
            (Units::Centred, Some(_)) => self.model(density, None)?.1.mean_h_nats,
        }
    }

    /// The number of folds; 0 where all models are main models.
    pub fn folds(&self) -> usize {
        self.models.iter().filter_map(|model| model.fold).max().map_or(0, |last| last + 1)
    }

    /// The position and the file of a model.
    pub(super) fn model(&self, role: Role, fold: Option<usize>) -> Option<(usize, &ModelFile)> {
        let modalities = self.modalities.len();
        let is_it = |model: &ModelFile| model.role(modalities) == Some(role) && model.fold == fold;
        self.models.iter().enumerate().find(|(_, model)| is_it(model))
    }
}

impl ModelFile {
    /// Its role among the models of so many modalities; `None` where they have no such role.
    pub fn role(&self, modalities: usize) -> Option<Role> {
        let is_ascending = self.modalities.is_sorted_by(|a, b| a < b);
        let read = Subset::new(self.modalities.iter().copied()).filter(|_| is_ascending)?;
        let role = match self.kind {
            ModelKind::Density => Role::density(read),
            ModelKind::Classifier => Role::classifier(read),
        };
        Role::all(modalities).contains(&role).then_some(role)
    }
}
