//! The rejects file: rows without values, with the place, the reason and the label of each.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};

use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::storage::{Staged, exists};

use super::batch::BadRow;
use super::options::AnnotateOptions;
use super::rejects_format::{RejectsFormat, RejectsWriter, refuse_text_of_encrypted};

/// A writer of rejects. The file appears under its name when it is finished.
pub(super) struct Rejects {
    staged: Staged,
    writer: RejectsWriter,
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
        let encryption = input.map(Input::uniform_encryption).transpose()?.flatten();
        let format = RejectsFormat::of(path);
        if encryption.is_some() && format != RejectsFormat::Parquet {
            return Err(refuse_text_of_encrypted(path));
        }
        let writer = RejectsWriter::begin(format, staged.writer()?, schema(), encryption);
        let writer = writer.map_err(|e| Error::io(place, "write", e))?;
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
        self.writer.write(&batch).map_err(|e| Error::io(place, "write", e))
    }

    /// Writes the footer and renames the file.
    pub(super) fn finish(self) -> Result<()> {
        let place = Place::file(self.staged.path().display());
        self.writer.close().map_err(|e| Error::io(place, "write", e))?;
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
    let format = RejectsFormat::of(path);
    if format != RejectsFormat::Parquet {
        return format.is_head_of(path, &schema());
    }
    match Input::open_with(path, options.keys.as_ref()) {
        Ok(found) => Ok(found.schema().fields() == schema().fields()),
        Err(error @ Error::Transient { .. }) => Err(error),
        Err(_) => Ok(false),
    }
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
