//! Reader and validator of bundles. Rejects a newer format, an inconsistent field, and a
//! file that is missing, modified or of another shape.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::ModelProto;

use crate::error::{Error, Place, Result, shortage};
use crate::storage::read_regular;

use super::files::{BundleFiles, most_bytes};
use super::manifest::{ClassifierOutput, Manifest};
use super::sha256::sha256_hex;
use super::training_rows::TrainingRows;
use super::{Class, ModelOrigin, OutputKind, Program, RawModel, RawModels, Role, fold, fuse, raw, validate};

/// A bundle, read and validated. A clone shares the models.
#[derive(Debug, Clone)]
pub struct Bundle {
    files: BundleFiles,
    manifest: Arc<Manifest>,
    digest: String,
    /// The main models.
    models: Arc<Vec<(Role, ModelProto)>>,
    training_rows: Option<Arc<TrainingRows>>,
    log_prob_rounding_nats: Vec<f64>,
    /// Whether programs give the most probable class, too.
    tops: bool,
}

impl Bundle {
    /// Reads and validates the bundle in a directory.
    ///
    /// # Errors
    /// [`Error::Bundle`] with the file and the field that are invalid.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_as(dir, dir)
    }

    /// As [`Self::open`]; messages name the bundle by `place`.
    pub(super) fn open_as(dir: &Path, place: &Path) -> Result<Self> {
        let (dir, bundle) = (dir.to_owned(), place.to_owned());
        Self::read(place, move |file| match read_regular(&dir.join(file), most_bytes(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(Error::Bundle {
                bundle: bundle.clone(),
                file: file.to_owned(),
                field: None,
                what: "is a file, and a bundle is a folder, such as `lsmi-etl fit` writes; name that"
                    .to_owned(),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) if shortage(&source).is_some() => {
                Err(Error::io(Place::file(bundle.join(file).display()), "read", source))
            }
            Err(e) => Err(Error::Bundle {
                bundle: bundle.clone(),
                file: file.to_owned(),
                field: None,
                what: format!("cannot be read: {e}"),
            }),
        })
    }

    /// Reads and validates a bundle through a callback: `read` returns the bytes of a file by
    /// its name, or `None` where it does not exist. `place` names the bundle in messages. The
    /// models of a fold are read again by [`Self::fold_program`].
    ///
    /// # Errors
    /// As for [`Self::open`], and those of `read`.
    pub fn read(
        place: &Path,
        read: impl Fn(&str) -> Result<Option<Vec<u8>>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let files = BundleFiles::new(place, read);
        let bytes = files.manifest()?;
        let manifest = validate::manifest(&bytes, &files)?;
        let mut models = Vec::new();
        let roles = manifest.roles();
        let densities = roles.iter().filter(|role| role.is_density()).count();
        let mut log_prob_rounding_nats = vec![0.0_f64; roles.len() - densities];
        for fold in std::iter::once(None).chain((0..manifest.folds()).map(Some)) {
            for (place, role) in roles.iter().copied().enumerate() {
                let model = files.model(&manifest, role, fold)?;
                let classifier = place.checked_sub(densities);
                if let Some(nats) = classifier.and_then(|place| log_prob_rounding_nats.get_mut(place)) {
                    *nats = nats.max(raw::rounding(&model));
                }
                if fold.is_none() {
                    models.push((role, model));
                }
            }
        }
        let training_rows = match &manifest.training_rows {
            None => None,
            Some(rows) => {
                let mut filters = Vec::new();
                for fold in 0..manifest.folds() {
                    let mut listed = rows.filters.iter().enumerate();
                    let filter = listed.find(|(_, filter)| filter.fold == fold);
                    filters.extend(filter.map(|(place, filter)| files.filter(place, filter)).transpose()?);
                }
                Some(Arc::new(TrainingRows::new(filters)))
            }
        };
        let (digest, manifest, models) = (sha256_hex(&bytes), Arc::new(manifest), Arc::new(models));
        Ok(Self { files, manifest, digest, models, training_rows, log_prob_rounding_nats, tops: false })
    }

    /// The source: a directory, or a URL.
    pub fn dir(&self) -> &Path {
        self.files.place()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which holds the hashes of all models: the
    /// bundle's identity, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The classes in the order of the classifiers' outputs.
    pub fn classes(&self) -> &[Class] {
        &self.manifest.label.classes
    }

    /// Dimensions of the modalities.
    pub fn dims(&self) -> Vec<usize> {
        self.manifest.dims()
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.manifest.modalities.len()
    }

    /// The offset to subtract from h_A of each density, in nats: the training mean for centred units,
    /// else 0.
    pub fn h_offsets(&self) -> Vec<f64> {
        let densities = self.manifest.roles().into_iter().filter(|role| role.is_density());
        densities.map(|role| self.manifest.mean_h_nats(role).unwrap_or(0.0)).collect()
    }

    /// Descriptions of the densities that `bundle pack` folded.
    pub fn folded(&self) -> Vec<(Role, &str)> {
        self.models.iter().filter_map(|(role, model)| Some((*role, fold::description(model)?))).collect()
    }

    /// The main models as they were read.
    pub(super) fn models(&self) -> &[(Role, ModelProto)] {
        &self.models
    }

    /// The number of folds; 0 where all models are main models.
    pub fn folds(&self) -> usize {
        self.manifest.folds()
    }

    /// The rows that the models were trained on, where the bundle has folds.
    pub fn training_rows(&self) -> Option<&TrainingRows> {
        self.training_rows.as_deref()
    }

    /// The columns by whose values the training rows are known; empty where they are known by their
    /// embeddings, and where the bundle has no folds.
    pub fn row_key(&self) -> &[String] {
        self.manifest.training_rows.as_ref().map(|rows| rows.key.as_slice()).unwrap_or_default()
    }

    /// The main models one by one, for a check.
    pub fn raw_models(&self) -> RawModels {
        self.raw(None, &self.models)
    }

    /// The models of a fold one by one, for a check.
    ///
    /// # Errors
    /// As for [`Self::fold_program`].
    pub fn fold_raw_models(&self, fold: usize) -> Result<RawModels> {
        Ok(self.raw(Some(fold), &self.fold_models(fold)?))
    }

    fn raw(&self, fold: Option<usize>, models: &[(Role, ModelProto)]) -> RawModels {
        let dims = self.dims();
        let models = models.iter().map(|(role, model)| {
            let output = self.manifest.model(*role, fold).and_then(|(_, file)| file.output);
            Arc::new(RawModel::new(self.origin(fold), *role, model, output.map(OutputKind::from), &dims))
        });
        RawModels { models: models.collect(), dims: self.dims(), classes: self.classes().len() }
    }

    fn origin(&self, fold: Option<usize>) -> ModelOrigin {
        ModelOrigin { bundle: self.dir().to_owned(), fold }
    }

    /// By how much ln p(y|x_A) of each classifier may exceed 0 by rounding, in nats.
    pub fn log_prob_rounding_nats(&self) -> &[f64] {
        &self.log_prob_rounding_nats
    }

    /// The same bundle, whose programs also give the most probable class of every classifier.
    #[must_use]
    pub fn with_top_classes(self) -> Self {
        Self { tops: true, ..self }
    }

    /// The main models as one program for an engine.
    pub fn program(&self) -> Arc<Program> {
        self.fused(None, &self.models)
    }

    /// The models that have not seen the rows of a fold, as one program for an engine. Reads
    /// them again.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a file has changed since the bundle was opened; those of reading;
    /// [`Error::Internal`] where there is no such fold.
    pub fn fold_program(&self, fold: usize) -> Result<Arc<Program>> {
        Ok(self.fused(Some(fold), &self.fold_models(fold)?))
    }

    fn fold_models(&self, fold: usize) -> Result<Vec<(Role, ModelProto)>> {
        let model = |role| Ok((role, self.files.model(&self.manifest, role, Some(fold))?));
        self.manifest.roles().into_iter().map(model).collect()
    }

    fn fused(&self, fold: Option<usize>, models: &[(Role, ModelProto)]) -> Arc<Program> {
        let models: Vec<_> = models
            .iter()
            .map(|(role, model)| {
                let output = self.manifest.model(*role, fold).and_then(|(_, file)| file.output);
                let logits = output == Some(ClassifierOutput::Logits);
                fuse::RoleModel { role: *role, model, logits }
            })
            .collect();
        Arc::new(fuse::fuse(Some(self.origin(fold)), &models, &self.dims(), self.classes().len(), self.tops))
    }
}
