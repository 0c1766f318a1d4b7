//! What the looks at files of text have in common.

use bytes::Bytes;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{HEAD_BYTES, not_text};

/// The look at one file.
pub(super) trait TextCheck: Send {
    /// Takes the next bytes of the file, and gives those that its reader gets.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) with the file.
    fn pass(&mut self, chunk: Bytes) -> Result<Bytes>;

    /// The file has ended.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) with the file.
    fn end(&mut self) -> Result<()>;
}

/// Checks the beginning of a file: one that is compressed, or of a format with a reader of its own, would be told as
/// text that is damaged.
///
/// # Errors
/// [`Error::BadData`] with what it is.
pub(super) fn require_text(beginning: &[u8], file: &str) -> Result<()> {
    let head = beginning.get(..HEAD_BYTES as usize).unwrap_or(beginning);
    not_text(head).map_or(Ok(()), |what| Err(Error::bad_data(Place::file(file), what)))
}
