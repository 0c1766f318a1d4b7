//! Parquet modular encryption: decryption of footers with the user's keys, and properties
//! that encrypt another file in the same way. The user must unwrap keys that a key service
//! has wrapped. Key metadata is copied to the output, so that readers which use the service
//! can read it, too.

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

/// The encryption of a file.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    keys: EncryptionKeys,
    /// Key metadata of the footer key.
    pub(crate) footer_key_metadata: Option<Vec<u8>>,
    /// Whether the footer is plaintext, signed with the footer key.
    pub(crate) plaintext_footer: bool,
}

/// Key and key metadata of a leaf column.
type ColumnKey<'a> = (&'a [u8], Option<&'a [u8]>);

impl Encryption {
    /// Reads a footer with keys, through `parse`. `None` if the file is not encrypted.
    ///
    /// # Errors
    /// [`Error::BadData`] if the keys do not match, [`Error::Io`].
    pub(crate) fn read(
        keys: &EncryptionKeys,
        plaintext_footer: bool,
        place: &Place,
        parse: impl Fn(Arc<FileDecryptionProperties>, PageIndexPolicy) -> ParquetResult<ParquetMetaData>,
    ) -> Result<(ParquetMetaData, Option<Self>)> {
        let failed = |error| decryption_error(place, error);
        // The Parquet crate does not validate lengths and ordinals of an encrypted footer, and
        // panics.
        let parse = |properties, page_index| {
            catch_unwind(AssertUnwindSafe(|| parse(properties, page_index)))
                .unwrap_or_else(|_| Err(ParquetError::General("the footer is inconsistent".to_owned())))
        };
        // The crate passes key metadata to a key retriever only.
        let retriever = Arc::new(FooterKeyRetriever { key: keys.footer.clone(), metadata: Mutex::new(None) });
        let mut properties = FileDecryptionProperties::with_key_retriever(retriever.clone());
        if let Some(prefix) = &keys.aad_prefix {
            properties = properties.with_aad_prefix(prefix.clone());
        }
        let metadata = parse(properties.build().map_err(failed)?, PageIndexPolicy::Skip).map_err(failed)?;
        let footer_key_metadata = retriever.metadata.lock().unwrap_or_else(PoisonError::into_inner).take();
        if plaintext_footer && !is_any_column_encrypted(&metadata) {
            let plain = parse(with_footer_key(keys).build().map_err(failed)?, PageIndexPolicy::Optional);
            return Ok((plain.map_err(failed)?, None));
        }
        let columns = paths_with_keys(&metadata);

        let mut properties = with_footer_key(keys);
        let mut page_index = PageIndexPolicy::Optional;
        for path in columns {
            match keys.column(path) {
                Some(key) => properties = properties.with_column_key(&path.join("."), key.clone()),
                // The page index is encrypted with the same key.
                None => page_index = PageIndexPolicy::Skip,
            }
        }
        let metadata = parse(properties.build().map_err(failed)?, page_index).map_err(failed)?;
        let footer_key_metadata = footer_key_metadata.filter(|metadata| !metadata.is_empty());
        Ok((metadata, Some(Self { keys: keys.clone(), footer_key_metadata, plaintext_footer })))
    }

    /// Checks that the keys cover all columns with their own key.
    ///
    /// # Errors
    /// [`Error::BadData`] with a column whose key is missing.
    pub(crate) fn check_keys(&self, metadata: &ParquetMetaData, place: Place) -> Result<()> {
        match paths_with_keys(metadata).into_iter().find(|path| self.keys.column(path).is_none()) {
            None => Ok(()),
            Some(path) => {
                let what = "is encrypted with a key of its own; add that to column_keys in the file of --parquet-keys";
                Err(Error::bad_data(place.column(path.join(".")), what))
            }
        }
    }

    /// Properties that encrypt another file in the same way. `old` is the footer of this file;
    /// `schema` is that of the other one, with the leaves of this file and then new ones. New
    /// leaves get the key of the first encrypted column among the top-level columns `like`,
    /// and stay plaintext if there is none.
    ///
    /// # Errors
    /// Errors of the Parquet crate.
    pub(crate) fn properties_for_copy(
        &self,
        old: &ParquetMetaData,
        schema: &SchemaDescriptor,
        like: &[usize],
    ) -> ParquetResult<Arc<FileEncryptionProperties>> {
        let leaves = old.file_metadata().schema_descr().num_columns();
        let keys: Vec<Option<ColumnKey<'_>>> = (0..leaves).map(|leaf| self.key_of(old, leaf)).collect();
        let mut properties = self.builder().with_plaintext_footer(self.plaintext_footer);
        // Properties without column keys encrypt all columns with the footer key.
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

    /// Properties that encrypt all of another file with the footer key.
    ///
    /// # Errors
    /// Errors of the Parquet crate.
    pub(crate) fn uniform_properties(&self) -> ParquetResult<Arc<FileEncryptionProperties>> {
        self.builder().build()
    }

    fn builder(&self) -> EncryptionPropertiesBuilder {
        let mut properties = FileEncryptionProperties::builder(self.keys.footer.clone());
        if let Some(metadata) = &self.footer_key_metadata {
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
                Some((self.keys.footer.as_slice(), self.footer_key_metadata.as_deref()))
            }
            ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column) => {
                // `check_keys` guarantees the key.
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

/// Whether a plaintext footer lists encrypted columns.
pub(crate) fn is_any_column_encrypted(metadata: &ParquetMetaData) -> bool {
    let mut chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks.any(|chunk| chunk.crypto_metadata().is_some())
}

/// The leaf columns with their own keys.
fn paths_with_keys(metadata: &ParquetMetaData) -> BTreeSet<&Vec<String>> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let paths = chunks.filter_map(|chunk| match chunk.crypto_metadata()? {
        ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column) => Some(&column.path_in_schema),
        ColumnCryptoMetaData::ENCRYPTION_WITH_FOOTER_KEY => None,
    });
    paths.collect()
}

fn decryption_error(place: &Place, error: ParquetError) -> Error {
    if matches!(error, ParquetError::External(_)) {
        return io_errors::parquet(place.clone(), "read", error);
    }
    let text = error.to_string();
    let what = if text.contains("AAD unique file identifier") {
        "is encrypted with DuckDB's own scheme, which is not part of the Parquet format; write it with another \
         program"
            .to_owned()
    } else {
        let text = text.replace("Parquet error: ", "");
        format!("cannot be read with the keys of --parquet-keys: {text}; check the keys and the AAD prefix")
    };
    Error::bad_data(place.clone(), what)
}

/// A key retriever that returns the footer key to the first request, which is the footer's,
/// and an error to later ones.
struct FooterKeyRetriever {
    key: Vec<u8>,
    metadata: Mutex<Option<Vec<u8>>>,
}

impl KeyRetriever for FooterKeyRetriever {
    fn retrieve_key(&self, metadata: &[u8]) -> ParquetResult<Vec<u8>> {
        let mut first = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_some() {
            return Err(ParquetError::General("not the footer's key".to_owned()));
        }
        *first = Some(metadata.to_vec());
        Ok(self.key.clone())
    }
}
