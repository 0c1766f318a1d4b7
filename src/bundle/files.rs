//! The files of a bundle, wherever it lies: reads a file by its name and checks it against the
//! manifest. Models of folds are read a second time when the first row needs them, so that they
//! take no memory until then.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::storage::{TEXT_BYTES, is_url, near_path};

use super::check;
use super::manifest::{FilterFile, MANIFEST, Manifest, ModelFile};
use super::role::Role;
use super::sha256::sha256_hex;
use super::training_rows::RowFilter;

/// Limit of a model: that of its format, Protocol Buffers.
pub(super) const MODEL_BYTES: u64 = i32::MAX as u64;
/// Limit of a filter, of two thousand million rows.
const FILTER_BYTES: u64 = 4 << 30;

/// The limit of a file of a bundle, by its name.
pub fn most_bytes(file: &str) -> u64 {
    match Path::new(file).extension().and_then(|ending| ending.to_str()) {
        Some("onnx") => MODEL_BYTES,
        Some("rows") => FILTER_BYTES,
        _ => TEXT_BYTES,
    }
}

/// Reads a file of a bundle by its name; `None` where it does not exist.
type ReadFile = dyn Fn(&str) -> Result<Option<Vec<u8>>> + Send + Sync;

/// The files of a bundle.
#[derive(Clone)]
pub(super) struct BundleFiles {
    place: PathBuf,
    read: Arc<ReadFile>,
}

impl fmt::Debug for BundleFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleFiles").field("place", &self.place).finish_non_exhaustive()
    }
}

impl BundleFiles {
    /// `place` names the bundle in messages.
    pub(super) fn new(
        place: &Path,
        read: impl Fn(&str) -> Result<Option<Vec<u8>>> + Send + Sync + 'static,
    ) -> Self {
        Self { place: place.to_owned(), read: Arc::new(read) }
    }

    /// The name of the bundle in messages.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// An error about a file, and perhaps a field of the manifest.
    pub(super) fn refuse(&self, file: &str, field: Option<String>, what: String) -> Error {
        Error::Bundle { bundle: self.place.clone(), file: file.to_owned(), field, what }
    }

    /// The bytes of the manifest.
    pub(super) fn manifest(&self) -> Result<Vec<u8>> {
        (self.read)(MANIFEST)?.ok_or_else(|| {
            let near = near_path(&self.place, |folder| folder.join(MANIFEST).is_file());
            let is_relative = self.place.is_relative() && !is_url(&self.place);
            let more = match (near, std::env::current_dir()) {
                (Some(near), _) => format!("; did you mean {}?", shown(&near)),
                (None, Ok(here)) if is_relative => format!(" from the folder {};", shown(&here)),
                (None, _) => ";".to_owned(),
            };
            let what = format!("not found{more} `lsmi-etl fit` writes a bundle, --bundle DIR names another");
            self.refuse(MANIFEST, None, what)
        })
    }

    /// Reads a model and checks it against its role.
    ///
    /// # Errors
    /// [`Error::Bundle`] with the file and the field; those of reading.
    pub(super) fn model(&self, manifest: &Manifest, role: Role, fold: Option<usize>) -> Result<ModelProto> {
        let Some((place, model)) = manifest.model(role, fold) else {
            return Err(Error::Internal(format!("no {} in the bundle", role.file_name(fold))));
        };
        let field = match manifest.format_version {
            0 | 1 => format!("models.{role}"),
            _ => format!("models[{place}]"),
        };
        let ModelFile { file, sha256, .. } = model;
        let bytes = self.checked(file, sha256, &field)?;
        let refuse = |what| self.refuse(file, Some(format!("{field}.file")), what);
        let model = ModelProto::decode(&bytes[..])
            .map_err(|e| refuse(format!("not an ONNX model: {e}; restore the file")))?;
        check::check(role, &model, &manifest.dims(), manifest.label.classes.len()).map_err(refuse)?;
        Ok(model)
    }

    /// Reads the filter at a place of the manifest.
    ///
    /// # Errors
    /// As for [`Self::model`].
    pub(super) fn filter(&self, place: usize, filter: &FilterFile) -> Result<RowFilter> {
        let FilterFile { file, rows, sha256, .. } = filter;
        let field = format!("training_rows.filters[{place}]");
        let bytes = self.checked(file, sha256, &field)?;
        let read = RowFilter::parse(&bytes)
            .map_err(|what| self.refuse(file, Some(format!("{field}.file")), what))?;
        if read.rows() != *rows {
            let what = format!("the file holds {} rows, the manifest says {rows}", read.rows());
            return Err(self.refuse(file, Some(format!("{field}.rows")), what));
        }
        Ok(read)
    }

    /// The bytes of a file with this hash; `field` is its entry in the manifest.
    fn checked(&self, file: &str, sha256: &str, field: &str) -> Result<Vec<u8>> {
        let field = |name: &str| Some(format!("{field}.{name}"));
        if Path::new(file).file_name().is_none_or(|name| name != file) {
            let what = "must be a file name in the bundle's directory".to_owned();
            return Err(self.refuse(MANIFEST, field("file"), what));
        }
        let bytes = (self.read)(file)?.ok_or_else(|| {
            self.refuse(file, field("file"), "not found; restore it or fit again".to_owned())
        })?;
        let found = sha256_hex(&bytes);
        if found != sha256 {
            let what = format!(
                "the file has changed since the bundle was made (SHA-256 {found}); restore it, or make the bundle \
                 again with `lsmi-etl bundle pack`"
            );
            return Err(self.refuse(file, field("sha256"), what));
        }
        Ok(bytes)
    }
}
