//! Opening a Parquet file: its footer, its schema, and the place of each column.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
};
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Place, Result};

use super::column::Named;
use super::encryption::tells_of_encryption;
use super::fault;
use super::file::InputFile;

/// An open Parquet file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Input {
    file: InputFile,
    arrow: ArrowReaderMetadata,
}

impl Input {
    /// Opens a file, by its path or URL, and reads its footer and page index.
    ///
    /// # Errors
    /// [`Error::NoInput`] where there is no such file, [`Error::BadData`] where it
    /// is not Parquet, is cut off, or is encrypted; for a URL also
    /// [`Error::Transient`], [`Error::Usage`] and [`Error::Config`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = InputFile::open(path)?;
        let place = Place::file(path.display());
        recognise(&file, &place)?;
        // As a mask, the encoding statistics would be lost to whoever copies the footer.
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_metadata_options(Some(options))
            .parse_and_finish(&file)
            .map_err(|error| fault::parquet(place.clone(), "read", error))?;
        check_not_encrypted(&file, &place)?;
        let arrow = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
            .map_err(|error| fault::parquet(place, "read", error))?;
        Ok(Self { file, arrow })
    }

    /// The file underneath.
    pub fn file(&self) -> &InputFile {
        &self.file
    }

    /// The footer, with page indexes where the file has them.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.arrow.metadata()
    }

    /// The schema in Arrow's types.
    pub fn schema(&self) -> &SchemaRef {
        self.arrow.schema()
    }

    /// Rows in all row groups.
    pub fn rows(&self) -> u64 {
        self.metadata().row_groups().iter().map(|group| group.num_rows().unsigned_abs()).sum()
    }

    /// Rows in one row group; none where there is no such row group.
    pub fn rows_in(&self, row_group: usize) -> usize {
        let groups = self.metadata().row_groups();
        groups.get(row_group).map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// This file, as a place for errors.
    pub fn place(&self) -> Place {
        Place::file(self.file.path().display())
    }

    /// A top-level column by its exact name: its position and its field.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the nearest column and all there are.
    pub fn column(&self, name: &str) -> Result<(usize, &FieldRef)> {
        Named(self.schema()).find(name).map_err(|what| Error::bad_data(self.place().column(name), what))
    }

    /// Fails where the file has been changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        self.file.verify_unchanged()
    }

    pub(super) fn arrow(&self) -> &ArrowReaderMetadata {
        &self.arrow
    }
}

/// Says in plain words what a file is that is not Parquet.
fn recognise(file: &InputFile, place: &Place) -> Result<()> {
    let magic = |offset: u64| -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        let reader = file.get_read(offset).map_err(|error| fault::parquet(place.clone(), "read", error))?;
        let mut limited = reader.take(4);
        let mut filled = 0;
        while filled < bytes.len() {
            match limited.read(bytes.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(source) => return Err(fault::io(place.clone(), "read", source)),
            }
        }
        Ok(bytes)
    };
    let head = magic(0)?;
    let tail = magic(file.bytes().saturating_sub(4))?;
    let what = match (&head, &tail) {
        (b"PAR1", b"PAR1") if file.bytes() >= 12 => return Ok(()),
        (b"PARE", _) => "is an encrypted Parquet file; decrypt it first",
        (b"PAR1", _) => "is a Parquet file that is cut off: its footer is missing; write it again",
        _ => "is not a Parquet file",
    };
    Err(Error::bad_data(place.clone(), what))
}

/// Refuses a file whose footer can be read but some of whose columns cannot.
fn check_not_encrypted(file: &InputFile, place: &Place) -> Result<()> {
    let read = |offset, length| {
        file.get_bytes(offset, length).map_err(|error| fault::parquet(place.clone(), "read", error))
    };
    let end = file.bytes().saturating_sub(8);
    let length = read(end, 4)?.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let footer = read(end.saturating_sub(u64::from(length)), usize::try_from(length).unwrap_or(0))?;
    if tells_of_encryption(&footer) {
        return Err(Error::bad_data(place.clone(), "has encrypted columns; decrypt them first"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_parquet_is_said_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.parquet");
        for (bytes, expected) in [
            (&b"a,b\n1,2\n"[..], "is not a Parquet file"),
            (b"", "is not a Parquet file"),
            (b"PAR1 and then nothing", "cut off"),
            (b"PAR1", "cut off"),
            (b"PARE..........PARE", "encrypted"),
            (b"PAR1....\xff\xff\xff\x7fPAR1", "damaged"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = Input::open(&path).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("f.parquet"), "{error}");
        }
        assert_eq!(Input::open(&folder.path().join("none")).unwrap_err().exit_code(), 66);
    }
}
