//! Opening of Parquet files: magic, footer, page index, schema and encryption.

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
use crate::storage::{SourceFile, io_errors};

use super::column_names::ColumnNames;
use super::decoder_panics::catch_panics;
use super::encryption::{Encryption, is_any_column_encrypted};
use super::encryption_keys::EncryptionKeys;
use super::footer::{FooterReader, check_footer};
use super::foreign_format::{HEAD_BYTES, not_parquet};

/// An open Parquet file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Input {
    file: SourceFile,
    arrow: ArrowReaderMetadata,
    encryption: Option<Arc<Encryption>>,
    defers_checksums: bool,
    ignores_checksums: bool,
}

impl Input {
    /// Opens a file by its path or URL, and reads its footer and page index.
    ///
    /// # Errors
    /// [`Error::NoInput`] if it does not exist, [`Error::BadData`] if it is not Parquet,
    /// truncated or encrypted; for a URL also
    /// [`Error::Transient`], [`Error::Usage`] and [`Error::Config`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, None)
    }

    /// Opens a file that may be encrypted with these keys. [`Input::check_keys`] checks that
    /// they cover its columns.
    ///
    /// # Errors
    /// As for [`Input::open`]; [`Error::BadData`] if the footer has another key.
    pub fn open_with(path: &Path, keys: Option<&EncryptionKeys>) -> Result<Self> {
        Self::of_file(&SourceFile::open(path)?, keys)
    }

    /// As [`Input::open_with`], of a file that is open.
    ///
    /// # Errors
    /// As for [`Input::open_with`].
    pub(crate) fn of_file(file: &SourceFile, keys: Option<&EncryptionKeys>) -> Result<Self> {
        Self::read(file.clone(), keys).map_err(|error| file.or_input_changed(error))
    }

    fn read(file: SourceFile, keys: Option<&EncryptionKeys>) -> Result<Self> {
        let place = Place::file(file.path().display());
        let plaintext_footer = footer_kind(&file, &place)? == FooterKind::Plaintext;
        let parse = |keys, index| parse(&file, plaintext_footer, keys, index);
        let (metadata, encryption) = match keys {
            Some(keys) => {
                Encryption::read(keys, plaintext_footer, &place, |keys, index| parse(Some(keys), index))?
            }
            None if plaintext_footer => {
                let whole = parse(None, PageIndexPolicy::Optional).or_else(|error| {
                    // The page index of encrypted columns is unreadable; their footer is not.
                    match parse(None, PageIndexPolicy::Skip) {
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
        Self::checked(file, Arc::new(metadata), encryption.map(Arc::new))
    }

    /// An open file whose metadata were read before.
    ///
    /// # Errors
    /// [`Error::BadData`] if they do not fit the file.
    pub(crate) fn with_metadata(file: SourceFile, metadata: Arc<ParquetMetaData>) -> Result<Self> {
        Self::checked(file, metadata, None)
    }

    fn checked(
        file: SourceFile,
        metadata: Arc<ParquetMetaData>,
        encryption: Option<Arc<Encryption>>,
    ) -> Result<Self> {
        let place = Place::file(file.path().display());
        check_footer(&metadata, file.bytes(), &place)?;
        let arrow = catch_panics(|| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()))
            .map_err(|error| io_errors::parquet(place, "read", error))?;
        Ok(Self { file, arrow, encryption, defers_checksums: false, ignores_checksums: false })
    }

    /// Checks that the keys cover all columns.
    ///
    /// # Errors
    /// [`Error::BadData`] with a column whose key is missing.
    pub fn check_keys(&self) -> Result<()> {
        let check = |encryption: &Arc<Encryption>| encryption.check_keys(self.metadata(), self.place());
        self.encryption.as_ref().map_or(Ok(()), check)
    }

    /// Whether the file is encrypted with a plaintext footer, which would reveal statistics of
    /// encrypted columns.
    pub fn has_plaintext_footer_of_encrypted(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.plaintext_footer)
    }

    /// Properties that encrypt another file with this file's footer key (uniform encryption),
    /// if this file is encrypted.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn uniform_encryption(&self) -> Result<Option<Arc<FileEncryptionProperties>>> {
        let uniform = |encryption: &Arc<Encryption>| encryption.uniform_properties();
        self.encryption.as_ref().map(uniform).transpose().map_err(|e| Error::Internal(e.to_string()))
    }

    /// The same file for a reader beside a copy of it, which compares all pages with their
    /// checksums: pages that are read in part only need not be.
    pub fn with_deferred_checksums(&self) -> Self {
        Self { defers_checksums: true, ..self.clone() }
    }

    /// The same file, whose pages are compared with their checksums or, if `ignores` is set, taken
    /// for pages without any.
    #[must_use]
    pub fn ignoring_checksums(self, ignores: bool) -> Self {
        Self { ignores_checksums: ignores, ..self }
    }

    pub(crate) fn ignores_checksums(&self) -> bool {
        self.ignores_checksums
    }

    /// Whether pages may be read in part although they have checksums.
    pub(crate) fn defers_checksums(&self) -> bool {
        self.defers_checksums
    }

    /// The underlying file.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The footer, with the page index if the file has one.
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

    /// Rows in a row group; 0 if it does not exist.
    pub fn rows_in(&self, row_group: usize) -> usize {
        let groups = self.metadata().row_groups();
        groups.get(row_group).map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Compressed size of a row group's column chunks; 0 if it does not exist.
    pub fn stored_bytes_in(&self, row_group: usize) -> u64 {
        let groups = self.metadata().row_groups();
        groups.get(row_group).map_or(0, |group| group.compressed_size().unsigned_abs())
    }

    /// The file as the place of an error.
    pub fn place(&self) -> Place {
        Place::file(self.file.path().display())
    }

    /// Position and field of a top-level column, by its exact name.
    ///
    /// # Errors
    /// [`Error::BadData`] with the most similar name and all names.
    pub fn column(&self, name: &str) -> Result<(usize, &FieldRef)> {
        ColumnNames(self.schema()).find(name).map_err(|what| Error::bad_data(self.place().column(name), what))
    }

    /// The raw bytes of the footer.
    ///
    /// # Errors
    /// [`Error::BadData`], [`Error::Io`]; [`Error::Transient`] where the file was changed meanwhile.
    pub fn footer(&self) -> Result<Bytes> {
        self.read_footer().map_err(|error| self.file.or_input_changed(error))
    }

    fn read_footer(&self) -> Result<Bytes> {
        let end = self.file.bytes().saturating_sub(8);
        let read = |offset, length| {
            let bytes = self.file.get_bytes(offset, length);
            bytes.map_err(|error| io_errors::parquet(self.place(), "read", error))
        };
        let length = read(end, 4)?.first_chunk().copied().map(u32::from_le_bytes);
        let length = length.ok_or_else(|| Error::Internal("four bytes were read as fewer".to_owned()))?;
        read(end.saturating_sub(u64::from(length)), length as usize)
    }

    /// Checks that the file has not changed since it was opened.
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
    file: &SourceFile,
    plaintext_footer: bool,
    decryption: Option<Arc<FileDecryptionProperties>>,
    page_index: PageIndexPolicy,
) -> ParquetResult<ParquetMetaData> {
    // A mask would lose the encoding statistics, which the copy of a footer needs.
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Skip)
        .with_metadata_options(Some(options))
        .with_decryption_properties(decryption.clone());
    let footer = catch_panics(|| match plaintext_footer {
        true => reader.parse_and_finish(&FooterReader::of_footer(file)),
        false => reader.parse_and_finish(file),
    })?;
    if page_index == PageIndexPolicy::Skip {
        return Ok(footer);
    }
    let index = FooterReader::of_page_index(file, &footer);
    let mut reader = ParquetMetaDataReader::new_with_metadata(footer)
        .with_page_index_policy(page_index)
        .with_decryption_properties(decryption);
    catch_panics(|| {
        reader.read_page_indexes(&index)?;
        reader.finish()
    })
}

/// The kind of a footer, by the file's magic.
#[derive(Debug, PartialEq)]
enum FooterKind {
    Plaintext,
    Encrypted,
}

/// Reads both ends. Its errors distinguish a truncated Parquet file from another format.
fn footer_kind(file: &SourceFile, place: &Place) -> Result<FooterKind> {
    let read = |offset: u64, length: u64| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader =
            file.get_read(offset).map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
        let read = reader.take(length).read_to_end(&mut bytes);
        read.map_err(|source| io_errors::io(place.clone(), "read", source))?;
        Ok(bytes)
    };
    // Both at once from a store, and the end for all who read the footer.
    file.announce_end(file.bytes());
    let head = read(0, HEAD_BYTES)?;
    let tail = read(file.bytes().saturating_sub(4), 4)?;
    match (not_parquet(file.path(), &head, &tail, file.bytes()), &tail[..]) {
        (Some(what), _) => Err(Error::bad_data(place.clone(), what)),
        (None, b"PARE") => Ok(FooterKind::Encrypted),
        (None, _) => Ok(FooterKind::Plaintext),
    }
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
            (b"", "is not a Parquet file: it is empty (0 bytes)"),
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
