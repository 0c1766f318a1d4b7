//! The rejects file: rows without values as a Parquet file, with the place, the reason and the
//! label of each.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::storage::{Output, Staged, exists};

use super::batch::BadRow;
use super::options::AnnotateOptions;

/// A writer of rejects. The file appears under its name when it is finished.
pub(super) struct Rejects {
    staged: Staged,
    writer: ArrowWriter<Box<dyn Output>>,
    file: String,
}

impl Rejects {
    /// Begins the rejects of the input called `file`; encrypted with the key of the input's
    /// footer where the input is encrypted. `replaces_own` says that rejects of an earlier run may be
    /// replaced, but nothing else.
    pub(super) fn create(
        path: &Path,
        options: &AnnotateOptions,
        replaces_own: bool,
        file: String,
        input: Option<&Input>,
    ) -> Result<Self> {
        let overwrite = options.overwrite || replaces_own && is_rejects(path, options)?;
        let staged = Staged::create(path, overwrite)?;
        let place = Place::file(path.display());
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        if let Some(encryption) = input.map(Input::uniform_encryption).transpose()?.flatten() {
            properties = properties.with_file_encryption_properties(encryption);
        }
        let writer = ArrowWriter::try_new(staged.writer()?, schema(), Some(properties.build()))
            .map_err(|e| failed(place, e))?;
        Ok(Self { staged, writer, file })
    }

    /// Adds the bad rows of a batch of a row group; `before` is the number of rows of the file
    /// before the batch.
    pub(super) fn push(&mut self, row_group: usize, before: u64, bad: &[BadRow]) -> Result<()> {
        if bad.is_empty() {
            return Ok(());
        }
        let (mut file, mut group, mut row) = (StringBuilder::new(), Int64Builder::new(), Int64Builder::new());
        let (mut reason, mut label) = (StringBuilder::new(), StringBuilder::new());
        for bad in bad {
            file.append_value(&self.file);
            group.append_value(row_group as i64);
            row.append_value((before + u64::from(bad.row)) as i64);
            reason.append_value(bad.fate.name());
            label.append_option(bad.label.as_deref());
        }
        let batch = RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(file.finish()),
                Arc::new(group.finish()),
                Arc::new(row.finish()),
                Arc::new(reason.finish()),
                Arc::new(label.finish()),
            ],
        );
        let batch = batch.map_err(|e| Error::Internal(e.to_string()))?;
        let place = Place::file(self.staged.path().display());
        self.writer.write(&batch).map_err(|e| failed(place, e))
    }

    /// Writes the footer and renames the file.
    pub(super) fn finish(self) -> Result<()> {
        let place = Place::file(self.staged.path().display());
        self.writer.close().map_err(|e| failed(place, e))?;
        self.staged.commit()
    }
}

/// Whether there is a file of rejects.
///
/// # Errors
/// Of the store.
pub(super) fn is_rejects(path: &Path, options: &AnnotateOptions) -> Result<bool> {
    if !exists(path)? {
        return Ok(false);
    }
    match Input::open_with(path, options.keys.as_ref()) {
        Ok(found) => Ok(found.schema().fields() == schema().fields()),
        Err(error @ Error::Transient { .. }) => Err(error),
        Err(_) => Ok(false),
    }
}

fn failed(place: Place, error: ParquetError) -> Error {
    Error::io(place, "write", std::io::Error::other(error))
}

fn schema() -> Arc<Schema> {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let number = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        text("file"),
        number("row_group"),
        number("row"),
        text("reason"),
        Field::new("label", DataType::Utf8, true),
    ]))
}
