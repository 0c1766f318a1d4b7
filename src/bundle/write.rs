//! Atomic writer of bundles: a staged directory is renamed to its final name after all its
//! files are synced to disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::ModelProto;

use crate::error::{Error, Place, Result};
use crate::printable::shown;
use crate::storage::StagedFolder;

use super::classifier::classifier_graph;
use super::density::density_graph;
use super::figures::Training;
use super::manifest::{
    FORMAT_VERSION, FilterFile, Label, MANIFEST, Manifest, Modality, ModelFile, RowHash, TrainingRowsFiles,
};
use super::sha256::sha256_hex;
use super::training_rows::RowFilter;
use super::{
    Bundle, FittedFolds, ModelOrigin, ModelSet, OutputKind, RawModel, RawModels, Role, adapt, check, onnx,
};

/// Contents of a bundle before it is written.
#[derive(Debug, Clone)]
pub struct BundleContents {
    /// The modalities.
    pub modalities: Vec<Modality>,
    /// The label.
    pub label: Label,
    /// The training, where known.
    pub training: Option<Training>,
    models: Vec<(Role, ModelProto)>,
    /// What the outputs of the classifiers are, in their order.
    outputs: Vec<OutputKind>,
    /// Mean h over the training rows of densities of several modalities; needed for centred units.
    mean_h_nats: BTreeMap<Role, f64>,
    folds: Vec<FoldContents>,
    /// The columns that the hashes of rows are of; empty for the embeddings.
    row_key: Vec<String>,
}

/// The models that have not seen the rows of a fold, and the hashes of these rows.
#[derive(Debug, Clone)]
struct FoldContents {
    models: Vec<(Role, ModelProto)>,
    rows: Vec<u64>,
}

/// The graphs of fitted models of modalities.
fn graphs(models: &ModelSet, modalities: &[Modality]) -> Vec<(Role, ModelProto)> {
    let ModelSet { densities, classifiers } = models;
    let roles = Role::all(modalities.len());
    let densities = roles.iter().zip(densities).map(|(role, mixture)| {
        let dims = role.modalities().members().filter_map(|m| modalities.get(m));
        density_graph(mixture, &dims.map(|modality| modality.dim).collect::<Vec<_>>())
    });
    let graphs: Vec<_> = densities.chain(classifiers.iter().map(classifier_graph)).collect();
    roles.into_iter().zip(graphs).collect()
}

impl BundleContents {
    /// Contents from fitted models, as folded graphs; `models` are the main ones, `folds` those that
    /// have not seen the rows of a fold. The means of h are those of `training`.
    pub fn fitted(
        modalities: Vec<Modality>,
        label: Label,
        training: Training,
        models: &ModelSet,
        folds: Option<&FittedFolds>,
    ) -> Self {
        let main = graphs(models, &modalities);
        let row_key = folds.map(|folds| folds.key.clone()).unwrap_or_default();
        let densities = Role::all(modalities.len()).into_iter().zip(&training.validation.densities);
        // Those of a single modality are its own.
        let joint = densities.filter(|(role, _)| role.modalities().len() > 1);
        let mean_h_nats = joint.map(|(role, figures)| (role, figures.mean_nats)).collect();
        let folds = folds.into_iter().flat_map(|folds| folds.models.iter().zip(&folds.rows));
        let folds = folds
            .map(|(models, rows)| FoldContents { models: graphs(models, &modalities), rows: rows.clone() });
        let folds: Vec<_> = folds.collect();
        Self {
            modalities,
            label,
            training: Some(training),
            models: main,
            outputs: vec![OutputKind::LogProb; models.classifiers.len()],
            mean_h_nats,
            folds,
            row_key,
        }
    }

    /// Contents from external models, in the order of [`Role::all`].
    pub(super) fn packed(
        modalities: Vec<Modality>,
        label: Label,
        models: Vec<(Role, ModelProto)>,
        outputs: Vec<OutputKind>,
        mean_h_nats: BTreeMap<Role, f64>,
    ) -> Self {
        let (training, folds, row_key) = (None, Vec::new(), Vec::new());
        Self { modalities, label, training, models, outputs, mean_h_nats, folds, row_key }
    }

    /// The models one by one, for a check, before the logarithm of probabilities is taken.
    /// `dir` is the bundle's name in messages.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a model does not match its role, the dimensions or the classes.
    pub fn raw_models(&self, dir: &Path) -> Result<RawModels> {
        let (dims, classes) = (self.dims(), self.label.classes.len());
        let models = self.models.iter().map(|(role, model)| {
            self.check(*role, model, dir)?;
            let origin = ModelOrigin { bundle: dir.to_owned(), fold: None };
            Ok(Arc::new(RawModel::new(origin, *role, model, self.output(*role), &dims)))
        });
        Ok(RawModels { models: models.collect::<Result<_>>()?, dims, classes })
    }

    /// Checks that a bundle may be written to `dir`, before any work.
    ///
    /// # Errors
    /// [`Error::OutputExists`] where `dir` exists without `overwrite`; [`Error::Usage`] where it is what
    /// is never replaced; [`Error::CannotCreate`].
    pub fn check_target(dir: &Path, overwrite: bool) -> Result<()> {
        if dir.exists() && !overwrite {
            return Err(Error::OutputExists(dir.to_owned()));
        }
        // Only bundles and empty directories are replaced: anything else may be user data.
        let empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        if dir.exists() && !dir.join(MANIFEST).exists() && !empty() {
            return Err(Error::Usage(format!(
                "{} is neither a bundle nor an empty directory; name another directory",
                shown(dir)
            )));
        }
        // A name that is too long, or a folder that is read-only, shows now. Folders that are missing stay so.
        if dir.parent().is_some_and(|above| above.as_os_str().is_empty() || above.is_dir()) {
            drop(StagedFolder::create(dir)?);
        }
        Ok(())
    }

    /// As [`Self::write_verified`], without more than the validation of opening.
    ///
    /// # Errors
    /// As for [`Self::write_verified`].
    pub fn write(self, dir: &Path, overwrite: bool) -> Result<Bundle> {
        self.write_verified(dir, overwrite, |_| Ok(()))
    }

    /// Writes the bundle to `dir` and opens it, which validates it. It gets its name once
    /// `verify` has accepted it.
    ///
    /// # Errors
    /// Those of [`Self::check_target`]; [`Error::CannotCreate`] and [`Error::Io`] where it can't be written,
    /// [`Error::Bundle`] where the models do not match the manifest; those of `verify`.
    pub fn write_verified(
        self,
        dir: &Path,
        overwrite: bool,
        verify: impl FnOnce(&Bundle) -> Result<()>,
    ) -> Result<Bundle> {
        Self::check_target(dir, overwrite)?;
        let staged = StagedFolder::create(dir)?;
        self.fill(staged.folder(), dir)?;
        verify(&Bundle::open_as(staged.folder(), dir)?)?;
        staged.commit()?;
        Bundle::open(dir)
    }

    fn dims(&self) -> Vec<usize> {
        self.modalities.iter().map(|modality| modality.dim).collect()
    }

    /// What the output of a classifier is; `None` for a density.
    fn output(&self, role: Role) -> Option<OutputKind> {
        let roles = Role::all(self.modalities.len()).into_iter().filter(|role| !role.is_density());
        roles.zip(&self.outputs).find(|(other, _)| *other == role).map(|(_, output)| *output)
    }

    fn check(&self, role: Role, model: &ModelProto, dir: &Path) -> Result<()> {
        check::check(role, model, &self.dims(), self.label.classes.len()).map_err(|what| Error::Bundle {
            bundle: dir.to_owned(),
            file: format!("{role}.onnx"),
            field: None,
            what,
        })
    }

    /// Writes the files into `staged`; messages name their final paths in `dir`.
    fn fill(mut self, staged: &Path, dir: &Path) -> Result<()> {
        let put = |name: &str, bytes: &[u8]| -> Result<()> {
            let path = staged.join(name);
            let write = || -> std::io::Result<()> {
                let mut file = File::create(&path)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            write().map_err(|source| Error::io(Place::file(dir.join(name).display()), "write", source))
        };
        let mut models = Vec::new();
        let mut filters = Vec::new();
        let main = (None, std::mem::take(&mut self.models));
        let (fold_models, fold_rows): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.folds).into_iter().map(|fold| (fold.models, fold.rows)).unzip();
        let of_folds = fold_models.into_iter().enumerate().map(|(fold, models)| (Some(fold), models));
        for (fold, contents) in std::iter::once(main).chain(of_folds) {
            for (role, mut model) in contents {
                let file = role.file_name(fold);
                self.check(role, &model, dir)?;
                let output = self.output(role);
                if output == Some(OutputKind::Prob) {
                    tracing::info!("{role}: {}", adapt::take_logarithm(&mut model));
                }
                let bytes = onnx::encode(&model);
                put(&file, &bytes)?;
                models.push(ModelFile {
                    kind: role.kind(),
                    modalities: role.modalities().members().collect(),
                    fold,
                    file,
                    sha256: sha256_hex(&bytes),
                    output: output.map(OutputKind::packed),
                    mean_h_nats: self.mean_h_nats.get(&role).copied(),
                });
            }
        }
        let file_of = |fold: usize| format!("fold_{fold}.rows");
        let of_folds = RowFilter::of_folds(&fold_rows)
            .map_err(|(fold, what)| Error::Internal(format!("{}: {what}", file_of(fold))))?;
        for (fold, filter) in of_folds.iter().enumerate() {
            let file = file_of(fold);
            let bytes = filter.to_bytes();
            put(&file, &bytes)?;
            filters.push(FilterFile { fold, file, rows: filter.rows(), sha256: sha256_hex(&bytes) });
        }
        let has_folds = !filters.is_empty();
        let hash = if self.row_key.is_empty() { RowHash::Xxh3OfEmbeddings } else { RowHash::Xxh3OfKey };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            created_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).into(),
            modalities: self.modalities,
            label: self.label,
            models,
            training_rows: has_folds.then_some(TrainingRowsFiles { hash, key: self.row_key, filters }),
            training: self.training,
        };
        let mut json = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::Internal(e.to_string()))?;
        json.push(b'\n');
        put(MANIFEST, &json)
    }
}
