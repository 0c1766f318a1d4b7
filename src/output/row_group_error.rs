//! The reasons why a row group was not written, before file and row group are known.

use parquet::errors::ParquetError;

use crate::error::Error;

/// The reason why a row group was not written.
pub(super) enum RowGroupError {
    /// An error that names its place already.
    Located(Error),
    /// An error of the Parquet crate, of the input or of the output.
    Parquet(ParquetError),
    /// New columns that do not fit the row group, a bug of the caller.
    Mismatch(String),
}

impl RowGroupError {
    /// Adds the row group; `locate` adds the place to an error of the Parquet crate.
    pub(super) fn into_error(self, row_group: usize, locate: impl FnOnce(ParquetError) -> Error) -> Error {
        match self {
            Self::Located(error) => error,
            Self::Parquet(error) => locate(error),
            Self::Mismatch(what) => Error::Internal(format!("row group {row_group}: {what}")),
        }
    }
}

impl From<Error> for RowGroupError {
    fn from(error: Error) -> Self {
        Self::Located(error)
    }
}

impl From<ParquetError> for RowGroupError {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}
