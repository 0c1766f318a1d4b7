//! A Parquet output whose row groups and key-values come from an input: the order of the row
//! groups, the key-values, the first write error, and the commit. Shared by the splicing and
//! the re-encoding writer.

use arrow::datatypes::Field;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::KeyValue;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, check_new_fields};
use crate::storage::block_writer::{BlockWriter, FirstError};
use crate::storage::{Staged, io_errors};

use super::key_values;

/// Parquet numbers row groups with 16 bits, of which one is the sign.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// An output file that is being written, and its input.
pub(super) struct OutputFile {
    input: Input,
    staged: Staged,
    failure: FirstError,
    key_values: Vec<KeyValue>,
    /// The names of those that are not the input's.
    own_keys: Vec<String>,
    row_groups: usize,
}

impl OutputFile {
    /// Begins a copy of `input` with `new_fields`. `key_values` replace the input's of the
    /// same keys. The returned writer takes the file's bytes.
    ///
    /// # Errors
    /// [`Error::Usage`] where the input has a column of a new name already;
    /// [`Error::BadData`] where its Arrow schema is damaged; [`Error::Io`].
    pub(super) fn create(
        input: &Input,
        staged: Staged,
        new_fields: &[Field],
        key_values: &[KeyValue],
    ) -> Result<(Self, BlockWriter)> {
        check_new_fields(input.schema(), &input.place(), new_fields)?;
        let old = input.metadata().file_metadata().key_value_metadata();
        let own_keys = key_values.iter().map(|pair| pair.key.clone()).collect();
        let key_values = key_values::extend(old.map_or(&[], Vec::as_slice), new_fields, key_values)
            .map_err(|what| Error::bad_data(input.place(), what))?;
        let (sink, failure) = BlockWriter::new(staged.writer()?);
        Ok((Self { input: input.clone(), staged, failure, key_values, own_keys, row_groups: 0 }, sink))
    }

    /// The input.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The output, as a place for errors.
    pub(super) fn place(&self) -> Place {
        Place::file(self.staged.path().display())
    }

    /// The block writer's first error, with its place. It takes precedence over the Parquet crate's
    /// error, which has only its kind or no cause at all.
    pub(super) fn write_error(&self, place: Place) -> Option<Error> {
        self.failure.take().map(|source| io_errors::io(place, "write", source))
    }

    /// Fails where `index` is not the next row group of the input.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn check_next(&self, index: usize) -> Result<()> {
        if index != self.row_groups || index >= self.input.metadata().num_row_groups() {
            return Err(Error::Internal(format!("row group {index} after {}", self.row_groups)));
        }
        Ok(())
    }

    /// Counts a row group that was written.
    pub(super) fn advance(&mut self) {
        self.row_groups += 1;
    }

    /// Replaces or adds a key-value of the footer.
    pub(super) fn set_key_value(&mut self, key: &str, value: String) {
        self.key_values.retain(|old| old.key != key);
        self.own_keys.push(key.to_owned());
        self.key_values.push(KeyValue::new(key.to_owned(), value));
    }

    /// Takes the key-values out, for the footer, which is written once all row groups are.
    ///
    /// # Errors
    /// [`Error::Internal`] where row groups are missing.
    pub(super) fn take_key_values(&mut self) -> Result<Vec<KeyValue>> {
        let expected = self.input.metadata().num_row_groups();
        if self.row_groups != expected {
            let what = format!("{} of {expected} row groups were written", self.row_groups);
            return Err(Error::Internal(what));
        }
        let key_values = std::mem::take(&mut self.key_values);
        key_values::with_schema_metadata(key_values, &self.own_keys)
            .map_err(|what| Error::bad_data(self.input.place(), what))
    }

    /// Makes sure that the footer was `written` and the input is unchanged, and gives the
    /// output its name. Returns its size in bytes. The block writer is dropped before, which
    /// writes its last block.
    ///
    /// # Errors
    /// [`Error::Transient`] where the input was changed meanwhile, [`Error::Io`],
    /// [`Error::OutputExists`].
    pub(super) fn commit<T>(self, written: ParquetResult<T>) -> Result<u64> {
        let place = self.place();
        if let Some(error) = self.write_error(place.clone()) {
            return Err(error);
        }
        written.map_err(|error| io_errors::parquet(place, "write", error))?;
        self.input.verify_unchanged()?;
        let bytes = self.staged.bytes()?;
        self.staged.commit()?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for OutputFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputFile")
            .field("input", &self.input.file().path())
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

/// Fails where the row groups of an input cannot be numbered, or lie in another file.
pub(super) fn check_row_groups(input: &Input) -> Result<()> {
    let groups = input.metadata().row_groups();
    if groups.len() > MAX_ROW_GROUPS {
        let what = format!(
            "has {} row groups, Parquet numbers {MAX_ROW_GROUPS}; write fewer, larger ones",
            groups.len()
        );
        return Err(Error::bad_data(input.place(), what));
    }
    for (index, group) in groups.iter().enumerate() {
        if let Some(chunk) = group.columns().iter().find(|chunk| chunk.file_path().is_some()) {
            let place = input.place().row_group(index).column(chunk.column_path().string());
            return Err(Error::bad_data(place, "its data are in another file; write the file again as one"));
        }
    }
    Ok(())
}
