//! Atomic writer of bundles: a staged directory is renamed to its final name after all its
//! files are synced to disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use tract_onnx::pb::ModelProto;

use crate::error::{Error, Place, Result};

use super::classifier::classifier_graph;
use super::density::density_graph;
use super::figures::Training;
use super::manifest::{ClassifierFile, FORMAT_VERSION, Label, Manifest, Modality, ModelFile, Models};
use super::open::{MANIFEST, sha256_hex};
use super::{Bundle, FittedFolds, ModelSet, OutputKind, RawModel, RawModels, Role, adapt, check, onnx};

/// Contents of a bundle before it is written.
#[derive(Debug, Clone)]
pub struct BundleContents {
    /// The two modalities.
    pub modalities: [Modality; 2],
    /// The label.
    pub label: Label,
    /// The training, where known.
    pub training: Option<Training>,
    models: Vec<(Role, ModelProto)>,
    outputs: [OutputKind; 3],
}

impl BundleContents {
    /// Contents from fitted models, as folded graphs.
    pub fn fitted(
        modalities: [Modality; 2],
        label: Label,
        training: Training,
        models: &ModelSet,
        _folds: Option<&FittedFolds>,
    ) -> Self {
        let ModelSet { densities, classifiers } = models;
        let graphs = densities.iter().map(density_graph).chain(classifiers.iter().map(classifier_graph));
        let models = Role::ALL.into_iter().zip(graphs).collect();
        Self { modalities, label, training: Some(training), models, outputs: [OutputKind::LogProb; 3] }
    }

    /// Contents from external models, in the order of [`Role::ALL`].
    pub(super) fn packed(
        modalities: [Modality; 2],
        label: Label,
        models: Vec<(Role, ModelProto)>,
        outputs: [OutputKind; 3],
    ) -> Self {
        Self { modalities, label, training: None, models, outputs }
    }

    /// The five models one by one, for a check, before the logarithm of probabilities is taken.
    /// `dir` is the bundle's name in messages.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a model does not match its role, the dimensions or the classes.
    pub fn raw_models(&self, dir: &Path) -> Result<RawModels> {
        let (dims, classes) = (self.dims(), self.label.classes.len());
        let models = self.models.iter().map(|(role, model)| {
            self.check(*role, model, dir)?;
            Ok(RawModel::new(*role, model, self.output(*role), dims))
        });
        Ok(RawModels { models: models.collect::<Result<_>>()?, dims, classes })
    }

    /// Checks that a bundle may be written to `dir`, before any work.
    ///
    /// # Errors
    /// [`Error::OutputExists`] where `dir` exists without `overwrite`.
    pub fn check_target(dir: &Path, overwrite: bool) -> Result<()> {
        if dir.exists() && !overwrite {
            return Err(Error::OutputExists(dir.to_owned()));
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
        // Only bundles and empty directories are replaced: anything else may be user data.
        let empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        if dir.exists() && !dir.join(MANIFEST).exists() && !empty() {
            return Err(Error::Usage(format!(
                "{} is neither a bundle nor an empty directory; name another directory",
                dir.display()
            )));
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let cannot = |source| Error::CannotCreate { path: dir.to_owned(), source };
        fs::create_dir_all(parent).map_err(cannot)?;
        let staged = tempfile::Builder::new().prefix(".lsmi-bundle-").tempdir_in(parent).map_err(cannot)?;
        self.fill(staged.path(), dir)?;
        verify(&Bundle::open_as(staged.path(), dir)?)?;
        if dir.exists() {
            let old =
                tempfile::Builder::new().prefix(".lsmi-bundle-old-").tempdir_in(parent).map_err(cannot)?;
            fs::rename(dir, old.path().join("bundle")).map_err(cannot)?;
        }
        fs::rename(staged.keep(), dir).map_err(cannot)?;
        Bundle::open(dir)
    }

    fn dims(&self) -> [usize; 2] {
        [self.modalities[0].dim, self.modalities[1].dim]
    }

    /// What the output of a classifier is; `None` for a density.
    fn output(&self, role: Role) -> Option<OutputKind> {
        let classifiers = Role::ALL.iter().filter(|role| !role.is_density());
        classifiers.zip(self.outputs).find(|(other, _)| **other == role).map(|(_, output)| output)
    }

    fn check(&self, role: Role, model: &ModelProto, dir: &Path) -> Result<()> {
        check::check(role, model, self.dims(), self.label.classes.len()).map_err(|what| Error::Bundle {
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
        let mut files = Vec::new();
        for (role, mut model) in std::mem::take(&mut self.models) {
            let file = format!("{role}.onnx");
            self.check(role, &model, dir)?;
            if self.output(role) == Some(OutputKind::Prob) {
                tracing::info!("{role}: {}", adapt::take_logarithm(&mut model));
            }
            let bytes = onnx::encode(&model);
            put(&file, &bytes)?;
            files.push(ModelFile { file, sha256: sha256_hex(&bytes) });
        }
        let Ok([density_1, density_2, c1, c2, c12]) = <[ModelFile; 5]>::try_from(files) else {
            return Err(Error::Internal("a bundle has five models".into()));
        };
        let classifier = |ModelFile { file, sha256 }, output: OutputKind| {
            let output = output.packed();
            ClassifierFile { file, sha256, output }
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            created_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).into(),
            modalities: self.modalities,
            label: self.label,
            models: Models {
                density_1,
                density_2,
                classifier_1: classifier(c1, self.outputs[0]),
                classifier_2: classifier(c2, self.outputs[1]),
                classifier_12: classifier(c12, self.outputs[2]),
            },
            training: self.training,
        };
        let mut json = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::Internal(e.to_string()))?;
        json.push(b'\n');
        put(MANIFEST, &json)
    }
}
