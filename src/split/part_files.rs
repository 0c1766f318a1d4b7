//! The files of the parts, which appear under their names when all of them are complete.

use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use parquet::file::metadata::KeyValue;

use crate::error::{Error, Result};
use crate::output::{BatchSource, NewColumns, RowWriter};
use crate::parquet_file::Input;
use crate::printable::{shown, without_secrets};
use crate::samples;
use crate::storage::{FileEnding, NewFolders, Staged, exists, remove};

use super::options::SplitOptions;
use super::origin::is_of;
use super::part::Part;
use super::summary::PartSummary;

/// Bytes of a row group of a part, which is in memory while it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// The files of the parts, being written.
pub(super) struct PartFiles {
    files: Vec<PartFile>,
    /// Whether they take the places of other parts.
    overwrite: bool,
    /// Behind the files, which leave the folder first.
    _folders: NewFolders,
}

struct PartFile {
    part: Part,
    path: PathBuf,
    rows: u64,
    writer: RowWriter,
}

impl PartFiles {
    /// Begins the files, with the columns and key-values of the first input; encrypted with the key of
    /// its footer where it is encrypted.
    pub(super) fn create(
        first: &Input,
        folder: &Path,
        options: &SplitOptions,
        origin: KeyValue,
    ) -> Result<Self> {
        let what = "it is the folder of train.parquet and test.parquet";
        FileEnding::check(folder, None, what, "name it without an ending")?;
        let stale = Part::Validation.file(folder);
        if options.validation == 0.0 && exists(&stale)? {
            let what = format!(
                "{} is the part of another split, whose rows would be in the new parts, too; remove it, or give \
                 --validation",
                stale.display()
            );
            return Err(Error::Usage(what));
        }
        let folders = NewFolders::above(&Part::Train.file(folder))?;
        let dense = samples::embedding_columns(first)?;
        let encryption = first.uniform_encryption()?;
        let overwrite = options.overwrite || is_incomplete(folder, options, &origin)?;
        let key_values = [origin];
        let files = options.parts().map(|part| {
            let path = part.file(folder);
            let staged = Staged::create(&path, overwrite)?;
            let rows = BatchSource::of_file(first, 1);
            let unchanged = NewColumns { fields: &[], key_values: &key_values };
            let writer =
                RowWriter::file(&rows, unchanged, staged, &dense, ROW_GROUP_BYTES, encryption.clone())?;
            Ok(PartFile { part, path, rows: 0, writer })
        });
        Ok(Self { files: files.collect::<Result<_>>()?, overwrite, _folders: folders })
    }

    /// Writes each row of a batch to its part.
    pub(super) fn write(&mut self, rows: &RecordBatch, parts: &[Part]) -> Result<()> {
        for file in &mut self.files {
            let is_of_part: BooleanArray = parts.iter().map(|part| Some(*part == file.part)).collect();
            let chosen =
                filter_record_batch(rows, &is_of_part).map_err(|error| Error::Internal(error.to_string()))?;
            if chosen.num_rows() > 0 {
                file.rows += chosen.num_rows() as u64;
                file.writer.write(&chosen, Vec::new())?;
            }
        }
        Ok(())
    }

    /// Completes all files, then gives them their names. Parts of an earlier split are removed before the first has its name:
    /// a run that ends in between leaves some of the new ones, and none beside an old one whose rows are in both.
    pub(super) fn finish(self, rows: u64) -> Result<Vec<PartSummary>> {
        let closed = self.files.into_iter().map(|file| {
            let PartFile { part, path, rows, writer } = file;
            Ok((part, path, rows, writer.close()?))
        });
        let closed = closed.collect::<Result<Vec<_>>>()?;
        let replaced = closed.iter().skip(1).filter(|_| self.overwrite);
        replaced.map(|(_, path, ..)| path).try_for_each(|path| remove(path))?;
        let published = closed.into_iter().map(|(part, path, of_part, file)| {
            Ok(PartSummary {
                part: part.name().to_owned(),
                file: without_secrets(&path).into(),
                rows: of_part,
                share: of_part as f64 / rows.max(1) as f64,
                bytes: file.publish()?,
            })
        });
        published.collect()
    }
}

/// Whether some of the parts are there, and not all, and those are of the same split: a run ended while it
/// published them.
fn is_incomplete(folder: &Path, options: &SplitOptions, origin: &KeyValue) -> Result<bool> {
    let paths: Vec<PathBuf> = options.parts().map(|part| part.file(folder)).collect();
    let mut there = Vec::new();
    for path in &paths {
        if exists(path)? {
            there.push(path);
        }
    }
    let is_incomplete = !there.is_empty()
        && there.len() < paths.len()
        && there.iter().all(|path| is_of(path, origin, options));
    if is_incomplete {
        tracing::info!("completing the parts in {}, of which a run has left some", shown(folder));
    }
    Ok(is_incomplete)
}
