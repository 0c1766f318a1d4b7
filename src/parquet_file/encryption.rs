//! Encrypted files: read with the user's keys, and what another file takes to be
//! encrypted in the same way. EncryptionKeys that a key service has wrapped must be unwrapped by
//! the user: what the file says of its keys is carried over, so that readers which ask
//! the service for them can read the output as well.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::encryption::decrypt::{DecryptionPropertiesBuilder, FileDecryptionProperties, KeyRetriever};
use parquet::encryption::encrypt::{EncryptionPropertiesBuilder, FileEncryptionProperties};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::column_crypto_metadata::ColumnCryptoMetaData;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

use super::encryption_keys::EncryptionKeys;

/// How a file is encrypted.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    keys: EncryptionKeys,
    /// What the file says of its footer's key.
    pub(crate) footer_metadata: Option<Vec<u8>>,
    /// Whether the footer is to be read by everybody, and signed with the footer's key.
    pub(crate) open_footer: bool,
}

/// A leaf column's key, and what the file says of it.
type ColumnKey<'a> = (&'a [u8], Option<&'a [u8]>);

impl Encryption {
    /// Reads a footer with keys, through `parse`. None for a file that is not encrypted.
    ///
    /// # Errors
    /// [`Error::BadData`] where these are not its keys, [`Error::Io`].
    pub(crate) fn read(
        keys: &EncryptionKeys,
        open_footer: bool,
        place: &Place,
        parse: impl Fn(Arc<FileDecryptionProperties>, PageIndexPolicy) -> ParquetResult<ParquetMetaData>,
    ) -> Result<(ParquetMetaData, Option<Self>)> {
        let refused = |error| refused(place, error);
        // The Parquet crate takes the lengths and ordinals of an encrypted footer on trust.
        let parse = |properties, page_index| {
            catch_unwind(AssertUnwindSafe(|| parse(properties, page_index)))
                .unwrap_or_else(|_| Err(ParquetError::General("the footer makes no sense".to_owned())))
        };
        // Only a retriever is told what the file says of its footer's key.
        let seen = Arc::new(FooterKey { key: keys.footer.clone(), metadata: Mutex::new(None) });
        let mut properties = FileDecryptionProperties::with_key_retriever(seen.clone());
        if let Some(prefix) = &keys.aad_prefix {
            properties = properties.with_aad_prefix(prefix.clone());
        }
        let metadata = parse(properties.build().map_err(refused)?, PageIndexPolicy::Skip).map_err(refused)?;
        let footer_metadata = seen.metadata.lock().unwrap_or_else(PoisonError::into_inner).take();
        if open_footer && !is_any_column_encrypted(&metadata) {
            let plain = parse(with_footer_key(keys).build().map_err(refused)?, PageIndexPolicy::Optional);
            return Ok((plain.map_err(refused)?, None));
        }
        let columns = paths_with_keys(&metadata);

        let mut properties = with_footer_key(keys);
        let mut page_index = PageIndexPolicy::Optional;
        for path in columns {
            match keys.column(path) {
                Some(key) => properties = properties.with_column_key(&path.join("."), key.clone()),
                // The index would need the key as well.
                None => page_index = PageIndexPolicy::Skip,
            }
        }
        let metadata = parse(properties.build().map_err(refused)?, page_index).map_err(refused)?;
        let footer_metadata = footer_metadata.filter(|metadata| !metadata.is_empty());
        Ok((metadata, Some(Self { keys: keys.clone(), footer_metadata, open_footer })))
    }

    /// Fails where a column has a key of its own that was not given.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the column.
    pub(crate) fn check_keys(&self, metadata: &ParquetMetaData, place: Place) -> Result<()> {
        match paths_with_keys(metadata).into_iter().find(|path| self.keys.column(path).is_none()) {
            None => Ok(()),
            Some(path) => {
                let what = "is encrypted with a key of its own; add that to column_keys in the file of --parquet-keys";
                Err(Error::bad_data(place.column(path.join(".")), what))
            }
        }
    }

    /// What encrypts another file in the same way: `old` is the footer of this one,
    /// `schema` the other's, whose leaves are the old ones and then new ones. The new
    /// ones get the key of the first encrypted one of the top-level columns `like`, and
    /// none where none of them is encrypted.
    ///
    /// # Errors
    /// Those of the Parquet crate.
    pub(crate) fn same_for(
        &self,
        old: &ParquetMetaData,
        schema: &SchemaDescriptor,
        like: &[usize],
    ) -> ParquetResult<Arc<FileEncryptionProperties>> {
        let leaves = old.file_metadata().schema_descr().num_columns();
        let keys: Vec<Option<ColumnKey<'_>>> = (0..leaves).map(|leaf| self.key_of(old, leaf)).collect();
        let mut properties = self.builder().with_plaintext_footer(self.open_footer);
        // Without keys of columns, the footer's key encrypts all of them.
        let all_by_footer = paths_with_keys(old).is_empty() && keys.iter().all(Option::is_some);
        if all_by_footer || old.num_row_groups() == 0 {
            return properties.build();
        }
        let old_schema = old.file_metadata().schema_descr();
        let of_root = |root: &usize| {
            (0..leaves).find(|leaf| old_schema.get_column_root_idx(*leaf) == *root && keys[*leaf].is_some())
        };
        let new = like.iter().find_map(of_root).and_then(|leaf| keys[leaf]);
        let all = keys.iter().copied().chain(std::iter::repeat(new));
        for (column, key) in schema.columns().iter().zip(all) {
            let name = column.path().string();
            properties = match key {
                Some((key, Some(metadata))) => {
                    properties.with_column_key_and_metadata(&name, key.to_vec(), metadata.to_vec())
                }
                Some((key, None)) => properties.with_column_key(&name, key.to_vec()),
                None => properties,
            };
        }
        properties.build()
    }

    /// What encrypts all of another file with the footer's key.
    ///
    /// # Errors
    /// Those of the Parquet crate.
    pub(crate) fn uniform(&self) -> ParquetResult<Arc<FileEncryptionProperties>> {
        self.builder().build()
    }

    fn builder(&self) -> EncryptionPropertiesBuilder {
        let mut properties = FileEncryptionProperties::builder(self.keys.footer.clone());
        if let Some(metadata) = &self.footer_metadata {
            properties = properties.with_footer_key_metadata(metadata.clone());
        }
        match &self.keys.aad_prefix {
            Some(prefix) => properties.with_aad_prefix(prefix.clone()),
            None => properties,
        }
    }

    fn key_of<'a>(&'a self, old: &'a ParquetMetaData, leaf: usize) -> Option<ColumnKey<'a>> {
        match old.row_groups().iter().find_map(|group| group.column(leaf).crypto_metadata())? {
            ColumnCryptoMetaData::ENCRYPTION_WITH_FOOTER_KEY => {
                Some((self.keys.footer.as_slice(), self.footer_metadata.as_deref()))
            }
            ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column) => {
                // `check_keys` has found them all.
                let key = self.keys.column(&column.path_in_schema).unwrap_or(&self.keys.footer);
                Some((key.as_slice(), column.key_metadata.as_deref()))
            }
        }
    }
}

fn with_footer_key(keys: &EncryptionKeys) -> DecryptionPropertiesBuilder {
    let properties = FileDecryptionProperties::builder(keys.footer.clone());
    match &keys.aad_prefix {
        Some(prefix) => properties.with_aad_prefix(prefix.clone()),
        None => properties,
    }
}

/// Whether a footer that everybody can read tells of columns that not everybody can.
pub(crate) fn is_any_column_encrypted(metadata: &ParquetMetaData) -> bool {
    let mut chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks.any(|chunk| chunk.crypto_metadata().is_some())
}

/// The leaf columns with keys of their own.
fn paths_with_keys(metadata: &ParquetMetaData) -> BTreeSet<&Vec<String>> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let paths = chunks.filter_map(|chunk| match chunk.crypto_metadata()? {
        ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column) => Some(&column.path_in_schema),
        ColumnCryptoMetaData::ENCRYPTION_WITH_FOOTER_KEY => None,
    });
    paths.collect()
}

fn refused(place: &Place, error: ParquetError) -> Error {
    if matches!(error, ParquetError::External(_)) {
        return io_errors::parquet(place.clone(), "read", error);
    }
    let text = error.to_string();
    let what = if text.contains("AAD unique file identifier") {
        "is encrypted in a way of its own (DuckDB's), which the Parquet format does not know; write it with another \
         program"
            .to_owned()
    } else {
        let text = text.replace("Parquet error: ", "");
        format!("cannot be read with the keys of --parquet-keys: {text}; check the keys and the AAD prefix")
    };
    Error::bad_data(place.clone(), what)
}

/// Gives the footer's key to whoever asks first, who is the footer, and nothing to others.
struct FooterKey {
    key: Vec<u8>,
    metadata: Mutex<Option<Vec<u8>>>,
}

impl KeyRetriever for FooterKey {
    fn retrieve_key(&self, metadata: &[u8]) -> ParquetResult<Vec<u8>> {
        let mut seen = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some() {
            return Err(ParquetError::General("not the footer's key".to_owned()));
        }
        *seen = Some(metadata.to_vec());
        Ok(self.key.clone())
    }
}
