//! Format 1 of the manifest: five models by name, and no folds. Read, and no longer written.

use serde::Deserialize;

use super::Role;
use super::figures::Training;
use super::manifest::{ClassifierOutput, Label, Manifest, Modality, ModelFile};

/// The manifest in format 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Format1 {
    format_version: u32,
    created_by: String,
    modalities: [Modality; 2],
    label: Label,
    models: Models,
    #[serde(default)]
    training: Option<Training>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    density_1: Density,
    density_2: Density,
    classifier_1: Classifier,
    classifier_2: Classifier,
    classifier_12: Classifier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Density {
    file: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classifier {
    file: String,
    sha256: String,
    output: ClassifierOutput,
}

impl From<Format1> for Manifest {
    fn from(read: Format1) -> Self {
        let Format1 { format_version, created_by, modalities, label, models, training } = read;
        let Models { density_1, density_2, classifier_1, classifier_2, classifier_12 } = models;
        let densities = [density_1, density_2].map(|Density { file, sha256 }| (file, sha256, None));
        let classifiers = [classifier_1, classifier_2, classifier_12];
        let classifiers = classifiers.map(|Classifier { file, sha256, output }| (file, sha256, Some(output)));
        let files = densities.into_iter().chain(classifiers);
        let modalities = Vec::from(modalities);
        let roles = Role::all(modalities.len());
        let models = roles.into_iter().zip(files).map(|(role, (file, sha256, output))| ModelFile {
            kind: role.kind(),
            modalities: role.modalities().members().collect(),
            fold: None,
            file,
            sha256,
            output,
            mean_h_nats: None,
        });
        let models = models.collect();
        Self { format_version, created_by, modalities, label, models, training_rows: None, training }
    }
}
