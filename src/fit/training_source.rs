//! The rows of a fit: its files, and the columns that are read of them.

use crate::bundle::Class;
use crate::error::{Place, Result};
use crate::samples::{ColumnRequest, FateCounts};

use super::progress::FitProgress;
use super::row_reader::{TrainingRow, read_rows};
use super::training_files::TrainingFiles;

/// Files and columns.
pub(super) struct TrainingSource<'a> {
    pub files: &'a TrainingFiles<'a>,
    /// The embeddings, the label and its classes.
    pub request: &'a ColumnRequest<'a>,
    /// Column whose equal values keep rows in one fold.
    pub group: Option<&'a str>,
    /// Rows with a label, whatever their embeddings.
    pub labelled_rows: u64,
}

impl TrainingSource<'_> {
    /// Visits all usable rows, and returns the fates of all.
    ///
    /// # Errors
    /// Those of reading and of `visit`; [`Interrupted`](crate::Error::Interrupted).
    pub(super) fn read(
        &self,
        progress: &dyn FitProgress,
        visit: &mut dyn FnMut(&TrainingRow<'_>) -> Result<()>,
    ) -> Result<FateCounts> {
        let mut fates = FateCounts::default();
        let interrupted = || progress.interrupted();
        self.files
            .for_each(|input| read_rows(input, self.request, self.group, &interrupted, &mut fates, visit))?;
        if fates.bad() > 0 {
            let (bad, reasons) = (fates.bad(), fates.reasons());
            tracing::warn!("{bad} of {} rows can't be used and are left out: {reasons}", fates.rows());
        }
        Ok(fates)
    }

    /// The inputs as given, for messages.
    pub(super) fn place(&self) -> Place {
        self.files.place()
    }

    /// The classes.
    pub(super) fn classes(&self) -> &[Class] {
        self.request.classes
    }

    /// The embeddings' lengths.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.request.x.iter().map(|(_, dim)| *dim).collect()
    }

    /// The embeddings' columns.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.request.x.iter().map(|(column, _)| column.as_str()).collect()
    }
}
