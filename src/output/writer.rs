//! The writer of a copy with columns added: splices, or re-encodes where the input is
//! encrypted.

use arrow::datatypes::Field;
use parquet::file::metadata::KeyValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::parquet_file::Input;
use crate::storage::Staged;

use super::appended_columns::AppendedColumns;
use super::reencode::Reencoder;
use super::splice::SpliceWriter;

/// How the old columns reach the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopyMethod {
    /// Byte for byte.
    Spliced,
    /// Decoded and encoded again, since the input is encrypted.
    ReEncoded,
}

impl CopyMethod {
    /// The method for an input.
    pub fn of(input: &Input) -> Self {
        if input.encryption().is_some() { Self::ReEncoded } else { Self::Spliced }
    }

    /// The name in summaries and footers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spliced => "spliced",
            Self::ReEncoded => "re-encoded",
        }
    }
}

/// Writes a copy of an input with more columns, row group by row group.
#[derive(Debug)]
pub enum Writer {
    /// Copies the old columns.
    Splice(Box<SpliceWriter>),
    /// Encodes them again.
    Reencode(Box<Reencoder>),
}

impl Writer {
    /// Starts a file with the columns of `input` and then `new_fields`, nullable Float32
    /// or Int32, which were computed from the columns `like`. `key_values` replace the
    /// input's of the same keys. The output of an encrypted input is encrypted with the
    /// same keys.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) where the input has a column of a new name
    /// already; [`Error::BadData`](crate::Error::BadData) where it cannot be written in
    /// either way; [`Error::Io`](crate::Error::Io).
    pub fn new(
        input: &Input,
        staged: Staged,
        new_fields: &[Field],
        like: &[&str],
        key_values: &[KeyValue],
    ) -> Result<Self> {
        Ok(match input.encryption() {
            None => Self::Splice(Box::new(SpliceWriter::new(input, staged, new_fields, key_values)?)),
            Some(encryption) => Self::Reencode(Box::new(Reencoder::new(
                input, encryption, staged, new_fields, like, key_values,
            )?)),
        })
    }

    /// Writes the next row group, `index`: its old columns, and then the new ones, whose rows
    /// `append` appends.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where row groups come out of order or
    /// the columns have another number of rows than the row group;
    /// [`Error::Io`](crate::Error::Io) and [`Error::BadData`](crate::Error::BadData) of
    /// the input or the output; those of `append`.
    pub fn row_group(
        &mut self,
        index: usize,
        append: impl FnOnce(&mut AppendedColumns) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Splice(writer) => writer.row_group(index, append),
            Self::Reencode(writer) => writer.row_group(index, append),
        }
    }

    /// Replaces or adds a key-value of the footer, which is written last.
    pub fn set_key_value(&mut self, key: &str, value: String) {
        match self {
            Self::Splice(writer) => writer.set_key_value(key, value),
            Self::Reencode(writer) => writer.set_key_value(key, value),
        }
    }

    /// Writes the footer, makes sure that the input is unchanged, and gives the output its
    /// name. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Transient`](crate::Error::Transient) where the input was changed
    /// meanwhile, [`Error::Io`](crate::Error::Io),
    /// [`Error::OutputExists`](crate::Error::OutputExists).
    pub fn finish(self) -> Result<u64> {
        match self {
            Self::Splice(writer) => writer.finish(),
            Self::Reencode(writer) => writer.finish(),
        }
    }
}
