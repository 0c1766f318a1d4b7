//! What the looks at files of text have in common.

use bytes::Bytes;

use crate::error::Result;

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
