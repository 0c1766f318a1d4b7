//! Opening a Parquet file: its footer, its schema, and the place of each column.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
};
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Place, Result};
use crate::storage::{InputFile, io_errors};

use super::column_names::Named;
use super::encryption::{Encryption, is_any_column_encrypted};
use super::encryption_keys::EncryptionKeys;

/// An open Parquet file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Input {
    file: InputFile,
    arrow: ArrowReaderMetadata,
    encryption: Option<Arc<Encryption>>,
}

impl Input {
    /// Opens a file, by its path or URL, and reads its footer and page index.
    ///
    /// # Errors
    /// [`Error::NoInput`] where there is no such file, [`Error::BadData`] where it
    /// is not Parquet, is cut off, or is encrypted; for a URL also
    /// [`Error::Transient`], [`Error::Usage`] and [`Error::Config`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, None)
    }

    /// Opens a file that may be encrypted with these keys. Whether they are all that its
    /// columns need is for [`Input::check_keys`].
    ///
    /// # Errors
    /// As for [`Input::open`]; [`Error::BadData`] where the footer has another key.
    pub fn open_with(path: &Path, keys: Option<&EncryptionKeys>) -> Result<Self> {
        let file = InputFile::open(path)?;
        Self::over(file.clone(), path, keys).map_err(|error| file.unless_changed(error))
    }

    fn over(file: InputFile, path: &Path, keys: Option<&EncryptionKeys>) -> Result<Self> {
        let place = Place::file(path.display());
        let open_footer = recognise(&file, &place)? == Footer::Open;
        let (metadata, encryption) = match keys {
            Some(keys) => {
                Encryption::read(keys, open_footer, &place, |keys, index| parse(&file, Some(keys), index))?
            }
            None if open_footer => {
                let whole = parse(&file, None, PageIndexPolicy::Optional).or_else(|error| {
                    // The page index of encrypted columns can't be read; their footer can.
                    match parse(&file, None, PageIndexPolicy::Skip) {
                        Ok(footer) if is_any_column_encrypted(&footer) => Ok(footer),
                        _ => Err(io_errors::parquet(place.clone(), "read", error)),
                    }
                });
                (whole?, None)
            }
            None => {
                return Err(Error::bad_data(place, "is encrypted; give its keys with --parquet-keys FILE"));
            }
        };
        if encryption.is_none() && is_any_column_encrypted(&metadata) {
            let what = "has encrypted columns; give their keys with --parquet-keys FILE";
            return Err(Error::bad_data(place, what));
        }
        let arrow = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
            .map_err(|error| io_errors::parquet(place, "read", error))?;
        Ok(Self { file, arrow, encryption: encryption.map(Arc::new) })
    }

    /// Fails where the keys are not all that the columns need.
    ///
    /// # Errors
    /// [`Error::BadData`] that names a column.
    pub fn check_keys(&self) -> Result<()> {
        let check = |encryption: &Arc<Encryption>| encryption.check_keys(self.metadata(), self.place());
        self.encryption.as_ref().map_or(Ok(()), check)
    }

    /// Whether statistics of encrypted columns would stand in a footer that everybody can
    /// read.
    pub fn has_open_footer_of_secrets(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.open_footer)
    }

    /// What encrypts a file beside the output with the key of this one's footer, where
    /// this one is encrypted.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn encryption_for_others(&self) -> Result<Option<Arc<FileEncryptionProperties>>> {
        let uniform = |encryption: &Arc<Encryption>| encryption.uniform();
        self.encryption.as_ref().map(uniform).transpose().map_err(|e| Error::Internal(e.to_string()))
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

    /// Bytes of the column chunks of one row group; none where there is no such row group.
    pub fn stored_bytes_in(&self, row_group: usize) -> u64 {
        let groups = self.metadata().row_groups();
        groups.get(row_group).map_or(0, |group| group.compressed_size().unsigned_abs())
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

    /// The footer's bytes as they stand in the file.
    ///
    /// # Errors
    /// [`Error::BadData`], [`Error::Io`].
    pub fn footer(&self) -> Result<Bytes> {
        let end = self.file.bytes().saturating_sub(8);
        let read = |offset, length| {
            let bytes = self.file.get_bytes(offset, length);
            bytes.map_err(|error| io_errors::parquet(self.place(), "read", error))
        };
        let length = read(end, 4)?.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        read(end.saturating_sub(u64::from(length)), length as usize)
    }

    /// Fails where the file has been changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        self.file.verify_unchanged()
    }

    pub(crate) fn arrow(&self) -> &ArrowReaderMetadata {
        &self.arrow
    }

    pub(crate) fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_deref()
    }
}

fn parse(
    file: &InputFile,
    decryption: Option<Arc<FileDecryptionProperties>>,
    page_index: PageIndexPolicy,
) -> ParquetResult<ParquetMetaData> {
    // As a mask, the encoding statistics would be lost to whoever copies the footer.
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    ParquetMetaDataReader::new()
        .with_page_index_policy(page_index)
        .with_metadata_options(Some(options))
        .with_decryption_properties(decryption)
        .parse_and_finish(file)
}

/// Who can read a footer.
#[derive(Debug, PartialEq)]
enum Footer {
    Open,
    Encrypted,
}

/// Says in plain words what a file is that is not Parquet.
fn recognise(file: &InputFile, place: &Place) -> Result<Footer> {
    let magic = |offset: u64| -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(4);
        let reader =
            file.get_read(offset).map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
        let read = reader.take(4).read_to_end(&mut bytes);
        read.map_err(|source| io_errors::io(place.clone(), "read", source))?;
        Ok(bytes)
    };
    let head = magic(0)?;
    let tail = magic(file.bytes().saturating_sub(4))?;
    let what = match (&head[..], &tail[..]) {
        (b"PAR1", b"PAR1") if file.bytes() >= 12 => return Ok(Footer::Open),
        (b"PARE", b"PARE") if file.bytes() >= 12 => return Ok(Footer::Encrypted),
        (b"PAR1" | b"PARE", _) => "is a Parquet file that is cut off: its footer is missing; write it again",
        _ => "is not a Parquet file",
    };
    Err(Error::bad_data(place.clone(), what))
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
