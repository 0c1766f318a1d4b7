//! The shift of `--adjust dataset`. All rows are computed before the first is written, since the
//! shift depends on the means of all. A first pass leaves the files' journals, the second is the
//! ordinary one with the shift given. A written file keeps its means before the shift in its
//! footer, so that the next run can compare the shift without computing the rows.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::interaction::{Interaction, Moments, dataset_shift};
use crate::printable::shown;
use crate::provenance::{Adjustment, Provenance, UnshiftedMeans};
use crate::storage::Staged;

use super::compute::{FileComputation, FileJob, FilePaths, PageChecks};
use super::existing_output::ExistingOutput;
use super::run::Run;
use super::summary::ResumedWork;

/// The first pass's result for one file.
#[derive(Debug, Clone)]
pub(super) struct MeasuredFile {
    pub(super) unshifted: UnshiftedMeans,
    /// The cost of computing its rows; `None` where its output exists already.
    pub(super) computed: Option<MeasuringPass>,
    existing: Option<Provenance>,
}

impl MeasuredFile {
    /// Whether an output of the same work exists, with any shift.
    pub(super) fn has_output(&self) -> bool {
        self.existing.is_some()
    }

    /// Notes that the second pass has written the output with this shift.
    pub(super) fn set_written(&mut self, shift_nats: f64) {
        self.existing = Some(Provenance { shift_nats: Some(shift_nats), ..Provenance::default() });
        self.computed = None;
    }
}

/// The cost of the first pass over a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct MeasuringPass {
    pub(super) resumed: ResumedWork,
    pub(super) elapsed: Duration,
}

/// The constant of the dataset, and the result of the first pass for one of its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift<'a> {
    pub(super) adjustment: Adjustment,
    pub(super) measured: &'a MeasuredFile,
}

impl Shift<'_> {
    /// The constant, in nats.
    pub(super) fn nats(&self) -> f64 {
        self.adjustment.shift_nats
    }

    /// Whether the output exists and was shifted by another constant.
    pub(super) fn replaces_output(&self) -> bool {
        self.measured.existing.as_ref().is_some_and(|existing| existing.shift_nats != Some(self.nats()))
    }
}

/// The shift of the files together. Its last bits depend on their order.
pub(super) fn adjustment(files: impl IntoIterator<Item = UnshiftedMeans>) -> Adjustment {
    let mut all = [Moments::default(); 4];
    for UnshiftedMeans { rows, means } in files {
        for (all, mean) in all.iter_mut().zip(means) {
            all.merge(&Moments::from_state([rows as f64, mean, 0.0, mean, mean]));
        }
    }
    // Where no row is good, there is nothing to shift.
    let [r, u1, u2, s] = all.map(|moments| moments.mean().unwrap_or(0.0));
    let before = Interaction { r, u1, u2, s };
    let shift_nats = dataset_shift(&before);
    Adjustment { shift_nats, before: before.into(), after: before.shifted(shift_nats).into() }
}

impl Run<'_> {
    /// Computes a file into its journal, which stays; the means of an output that the same
    /// work has made with any shift are read from its footer instead.
    ///
    /// # Errors
    /// As for [`Run::file`].
    pub(super) fn measure(&self, paths: FilePaths<'_>) -> Result<MeasuredFile> {
        let _span = tracing::info_span!("measure", input = %shown(paths.input)).entered();
        let start = Instant::now();
        let job = FileJob::open(self, paths)?;
        let existing = ExistingOutput::find(&job)?;
        if let Some(found) = existing.same()
            && let Some(unshifted) = found.unshifted
        {
            return Ok(MeasuredFile { unshifted, computed: None, existing: Some(found.clone()) });
        }
        job.create_folders()?;
        let staged = Staged::create(paths.output, self.options.overwrite);
        drop(staged.map_err(|error| existing.explain(&job, error))?);
        let mut computation = FileComputation::begin(&job, self.options.restart, PageChecks::WhileReading)?;
        computation.plan_reads(None);
        let resumed = computation.resumed;
        if let Some(rejects) = paths.rejects
            && resumed.rows == 0
        {
            drop(Staged::create(rejects, self.options.overwrite)?);
        }
        self.begin(job.input.place().file, Some(job.input.rows()), resumed.rows);
        if let Err(error) = computation.run().and_then(|()| computation.check_share()) {
            return Err(computation.or_cause(error)?);
        }
        let computed = Some(MeasuringPass { resumed, elapsed: start.elapsed() });
        Ok(MeasuredFile { unshifted: computation.row_stats().unshifted(), computed, existing: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_weigh_as_many_as_their_rows() {
        let file = |rows, u1| UnshiftedMeans { rows, means: [1.0, u1, 0.5, 0.25] };
        let one = adjustment([file(30, -0.2), file(0, f64::NAN), file(10, 0.2)]);
        assert!((one.before.u1 + 0.1).abs() < 1e-15 && (one.shift_nats + 0.1).abs() < 1e-15, "{one:?}");
        assert!(one.after.u1.abs() < 1e-15 && (one.after.r - 0.9).abs() < 1e-15, "{one:?}");
        assert_eq!(adjustment([]).shift_nats, 0.0);
        assert_eq!(adjustment([file(7, -0.3)]).before.u1, -0.3);
    }
}
