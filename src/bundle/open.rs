//! Reader and validator of bundles. Rejects a newer format, an inconsistent field, and a
//! file that is missing, modified or of another shape.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};
use tract_onnx::pb::ModelProto;

use crate::error::{Error, Result};

use super::manifest::{FORMAT_VERSION, Manifest, Units};
use super::{Class, OutputKind, Program, RawModel, RawModels, Role, check, fold, fuse, raw};

/// The manifest's file name.
pub const MANIFEST: &str = "bundle.json";

/// A bundle, read and validated.
#[derive(Debug, Clone)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
    digest: String,
    models: Vec<(Role, ModelProto)>,
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
        Self::read(place, |file| match fs::read(dir.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::Bundle {
                bundle: place.to_owned(),
                file: file.to_owned(),
                field: None,
                what: format!("cannot be read: {e}"),
            }),
        })
    }

    /// Reads and validates a bundle through a callback: `read` returns the bytes of a file by
    /// its name, or `None` where it does not exist. `place` names the bundle in messages.
    ///
    /// # Errors
    /// As for [`Self::open`], and those of `read`.
    pub fn read(place: &Path, read: impl Fn(&str) -> Result<Option<Vec<u8>>>) -> Result<Self> {
        let refuse = |file: &str, field: Option<String>, what: String| Error::Bundle {
            bundle: place.to_owned(),
            file: file.to_owned(),
            field,
            what,
        };
        let bytes = read(MANIFEST)?.ok_or_else(|| {
            let what = "not found; `lsmi-etl fit` writes a bundle, --bundle DIR names another".to_owned();
            refuse(MANIFEST, None, what)
        })?;
        let manifest = parse(&bytes).map_err(|(field, what)| refuse(MANIFEST, field, what))?;
        validate(&manifest).map_err(|(field, what)| refuse(MANIFEST, Some(field), what))?;

        let dims = [manifest.modalities[0].dim, manifest.modalities[1].dim];
        let mut models = Vec::new();
        for role in Role::ALL {
            let (file, sha256, _) = manifest.models.get(role);
            let field = |name: &str| Some(format!("models.{role}.{name}"));
            if Path::new(file).file_name().is_none_or(|name| name != file) {
                let what = "must be a file name in the bundle's directory".to_owned();
                return Err(refuse(MANIFEST, field("file"), what));
            }
            let bytes = read(file)?.ok_or_else(|| {
                refuse(file, field("file"), "not found; restore it or fit again".to_owned())
            })?;
            let found = sha256_hex(&bytes);
            if found != sha256 {
                let what = format!(
                    "the file has changed since the bundle was made (SHA-256 {found}); restore it, or make the \
                     bundle again with `lsmi-etl bundle pack`"
                );
                return Err(refuse(file, field("sha256"), what));
            }
            let model = ModelProto::decode(&bytes[..]).map_err(|e| {
                refuse(file, field("file"), format!("not an ONNX model: {e}; restore the file"))
            })?;
            check::check(role, &model, dims, manifest.label.classes.len())
                .map_err(|what| refuse(file, field("file"), what))?;
            models.push((role, model));
        }
        Ok(Self { dir: place.to_owned(), digest: sha256_hex(&bytes), manifest, models })
    }

    /// The source: a directory, or a URL.
    pub fn dir(&self) -> &Path {
        &self.dir
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

    /// Dimensions of x1 and x2.
    pub fn dims(&self) -> [usize; 2] {
        [self.manifest.modalities[0].dim, self.manifest.modalities[1].dim]
    }

    /// The offset to subtract from h_m of each density, in nats: the training mean for
    /// centred units, else 0.
    pub fn h_offsets(&self) -> [f64; 2] {
        [0, 1].map(|m| {
            let modality = &self.manifest.modalities[m];
            match modality.units {
                Units::Raw => 0.0,
                Units::Centred => modality.mean_h_nats.unwrap_or(0.0),
            }
        })
    }

    /// Descriptions of the densities that `bundle pack` folded.
    pub fn folded(&self) -> Vec<(Role, &str)> {
        self.models.iter().filter_map(|(role, model)| Some((*role, fold::description(model)?))).collect()
    }

    /// The five models as they were read.
    pub(super) fn models(&self) -> &[(Role, ModelProto)] {
        &self.models
    }

    /// The five models one by one, for a check.
    pub fn raw_models(&self) -> RawModels {
        let dims = self.dims();
        let raw = |(role, model): &(Role, ModelProto)| {
            RawModel::new(*role, model, self.manifest.models.output(*role).map(OutputKind::from), dims)
        };
        RawModels { models: self.models.iter().map(raw).collect(), dims, classes: self.classes().len() }
    }

    /// By how much ln p(y|x1), ln p(y|x2) and ln p(y|x1, x2) may exceed 0 by rounding, in nats.
    pub fn log_prob_rounding_nats(&self) -> [f64; 3] {
        let of = |role| self.models.iter().find(|(r, _)| *r == role).map(|(_, model)| raw::rounding(model));
        [Role::Classifier1, Role::Classifier2, Role::Classifier12].map(|role| of(role).unwrap_or_default())
    }

    /// The five models as one program for an engine.
    pub fn program(&self) -> Program {
        let models: Vec<_> = self
            .models
            .iter()
            .map(|(role, model)| fuse::RoleModel {
                role: *role,
                model,
                logits: self.manifest.models.get(*role).2,
            })
            .collect();
        fuse::fuse(&models, self.dims(), self.classes().len())
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

type Refusal<Field> = (Field, String);

fn parse(bytes: &[u8]) -> std::result::Result<Manifest, Refusal<Option<String>>> {
    // The version first: a newer format may not parse.
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| (None, format!("not valid JSON: {e}")))?;
    let version = value.get("format_version").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|v| v > u64::from(FORMAT_VERSION)) {
        return Err((
            Some("format_version".into()),
            format!(
                "format {} is newer than this program reads ({FORMAT_VERSION}); update lsmi-etl",
                version.unwrap_or_default()
            ),
        ));
    }
    serde_path_to_error::deserialize(value).map_err(|e| {
        (Some(e.path().to_string()), format!("{}; compare with schemas/bundle.schema.json", e.inner()))
    })
}

fn validate(manifest: &Manifest) -> std::result::Result<(), Refusal<String>> {
    let refuse = |field: &str, what: &str| Err((field.to_owned(), what.to_owned()));
    for (m, modality) in manifest.modalities.iter().enumerate() {
        if modality.dim == 0 {
            return refuse(&format!("modalities[{m}].dim"), "must be positive");
        }
        if modality.units == Units::Centred && modality.mean_h_nats.is_none_or(|h| !h.is_finite()) {
            return refuse(&format!("modalities[{m}].mean_h_nats"), "centred units need the mean of h");
        }
    }
    if manifest.modalities[0].units != manifest.modalities[1].units {
        return refuse("modalities[1].units", "both modalities must have the same convention");
    }
    let (classes, prior) = (&manifest.label.classes, &manifest.label.prior);
    let distinct: HashSet<_> = classes.iter().collect();
    if classes.len() < 2 || distinct.len() != classes.len() {
        return refuse("label.classes", "must be two or more classes, all different");
    }
    let kind = |class: &Class| std::mem::discriminant(class);
    if classes.iter().any(|c| kind(c) != kind(&classes[0])) {
        return refuse("label.classes", "must be all integers, all strings or all booleans");
    }
    if prior.len() != classes.len() {
        return refuse("label.prior", "must have one probability a class");
    }
    let sum: f64 = prior.iter().sum();
    if prior.iter().any(|p| p.is_nan() || *p <= 0.0) || (sum - 1.0).abs() > 1e-6 {
        return refuse("label.prior", "must be positive probabilities that sum to one");
    }
    Ok(())
}
