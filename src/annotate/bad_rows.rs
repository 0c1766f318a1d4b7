//! The policy for bad rows: enforces `--on-bad-row` and `--max-bad-rows` on computed rows and on
//! rows that are replayed from a journal.

use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::interaction::Quantity;
use crate::printable::counted;
use crate::samples::{Fate, FateCounts, Roles, class_examples};

use super::batch::{BadRow, Batch};
use super::options::{AnnotateOptions, MaxBadRows, OnBadRow};
use super::row_origin::{Groups, RowOrigin};
use super::row_stats::RowStats;

/// The policy for the bad rows of one input, and the statistics of all of its rows.
#[derive(Debug)]
pub(super) struct BadRowPolicy<'a> {
    options: &'a AnnotateOptions,
    roles: Roles,
    origin: RowOrigin,
    row_stats: RowStats,
}

impl<'a> BadRowPolicy<'a> {
    pub(super) fn new(
        options: &'a AnnotateOptions,
        roles: &Roles,
        origin: RowOrigin,
        columns: &[Quantity],
    ) -> Self {
        let row_stats = RowStats::new(columns, roles.embeddings().count());
        Self { options, roles: roles.clone(), origin, row_stats }
    }

    /// Where the rows come from.
    pub(super) fn origin(&self) -> &RowOrigin {
        &self.origin
    }

    /// The counts and moments of the rows so far.
    pub(super) fn row_stats(&self) -> &RowStats {
        &self.row_stats
    }

    /// Counts a batch and returns its own counts.
    ///
    /// # Errors
    /// [`Error::BadRows`] where there are more bad rows than allowed.
    pub(super) fn take(&mut self, batch: &Batch) -> Result<FateCounts> {
        if self.options.on_bad_row == OnBadRow::Fail
            && let Some(bad) = batch.bad.first()
        {
            return Err(self.bad_row(batch, bad));
        }
        let fates = self.row_stats.take(batch);
        match self.options.max_bad_rows {
            Some(MaxBadRows::Rows(most)) if self.row_stats.fates().bad() > most => Err(self.too_many_bad()),
            _ => Ok(fates),
        }
    }

    /// Checks the share of bad rows, when all have been counted.
    ///
    /// # Errors
    /// [`Error::BadRows`].
    pub(super) fn finish(&self) -> Result<()> {
        match self.options.max_bad_rows {
            Some(most) if most.is_exceeded_by(self.row_stats.fates()) => Err(self.too_many_bad()),
            _ => Ok(()),
        }
    }

    fn too_many_bad(&self) -> Error {
        let limit = self.options.max_bad_rows.map(|most| most.to_string()).unwrap_or_default();
        let kept = match self.origin.groups {
            Groups::OfFile => ": complete row groups are kept, and --rejects FILE then lists bad rows",
            Groups::OfStream => ", with --rejects FILE, which then lists them",
        };
        let unknown = match self.row_stats.unknown_labels() {
            [] => String::new(),
            labels => {
                let (met, known) = (class_examples(labels), self.roles.class_examples());
                format!(" (unknown labels: {met}; the bundle's classes: {known})")
            }
        };
        let what = format!(
            "{} of {} rows so far are bad ({}), more than --max-bad-rows {limit}{unknown}; correct them or raise \
             it{kept}",
            self.row_stats.fates().bad(),
            self.row_stats.fates().rows(),
            self.row_stats.fates().reasons(),
        );
        Error::BadRows { place: self.origin.place.clone(), what }
    }

    fn bad_row(&self, batch: &Batch, bad: &BadRow) -> Error {
        let value = match (bad.fate, &bad.label) {
            (Fate::UnknownLabel, Some(label)) => {
                let label = class_examples([label]);
                format!(" ({label}; the bundle's classes: {})", self.roles.class_examples())
            }
            _ => String::new(),
        };
        let (place, row) = self.origin.row(batch.row_group, batch.first_row + bad.row as usize);
        let what = format!(
            "{row} is bad: {}{value}; correct it, or give --on-bad-row null to leave such rows without values",
            bad.fate,
        );
        let place = match self.roles.column_of(bad.fate) {
            Some(column) => place.column(column),
            None => place,
        };
        Error::BadRows { place, what }
    }
}

/// Enforces both options on the rows of an output that an earlier run has made.
///
/// # Errors
/// [`Error::BadRows`] of the input.
pub(super) fn check_done(
    options: &AnnotateOptions,
    fates: &FateCounts,
    input: &Place,
    output: &Path,
) -> Result<()> {
    let broken = match options.max_bad_rows.filter(|most| most.is_exceeded_by(fates)) {
        Some(most) => format!("more than --max-bad-rows {most}; correct them or raise it"),
        None if options.on_bad_row == OnBadRow::Fail && fates.bad() > 0 => {
            "which --on-bad-row fail does not accept; correct them, or give --on-bad-row null".to_owned()
        }
        None => return Ok(()),
    };
    let (bad, rows) = (fates.bad(), counted(fates.rows(), "row"));
    let what = format!(
        "{} is made already, and {bad} of {rows} are bad ({}), {broken}",
        output.display(),
        fates.reasons()
    );
    Err(Error::BadRows { place: input.clone(), what })
}
