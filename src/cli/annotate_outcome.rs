//! What came of annotating, of one file or of several.

use schemars::JsonSchema;
use serde::Serialize;

use crate::annotate::{BadFiles, Summary, Totals};
use crate::bundle::Bundle;
use crate::config::AnnotateSettings;
use crate::error::Result;

use super::annotate_texts::{are_trained, log_summary, log_totals};

/// The summary of annotating.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    /// One file or stream.
    One(Box<Summary>),
    /// Several files, or a share of them.
    Many(Box<Totals>),
}

impl Outcome {
    /// Whether there was nothing to compute.
    pub(super) fn had_nothing_to_do(&self) -> bool {
        let is_skipped = match self {
            Self::One(summary) => summary.skipped,
            Self::Many(totals) => totals.skipped_files + totals.bad_files.len() == totals.files,
        };
        is_skipped || self.rows() == 0
    }

    /// Rows of all files, computed by this run or an earlier one.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::One(summary) => summary.rows,
            Self::Many(totals) => totals.rows,
        }
    }

    /// Enforces `--on-bad-file`.
    ///
    /// # Errors
    /// As for [`BadFiles::check`].
    pub(super) fn check_bad_files(&self, settings: &AnnotateSettings) -> Result<()> {
        match self {
            Self::One(_) => Ok(()),
            Self::Many(totals) => check_bad_files(&totals.bad_files, totals.files, settings, "done"),
        }
    }

    /// Logs the summary of a run with the models of this bundle.
    pub(super) fn log(&self, bundle: &Bundle) {
        let (reduced, trained, good) = match self {
            Self::One(summary) => {
                log_summary(summary, bundle.classes());
                (summary.reduced_rows, summary.trained_rows, summary.fates.good)
            }
            Self::Many(totals) => {
                log_totals(totals, bundle.classes());
                (totals.reduced_rows, totals.trained_rows, totals.fates.good)
            }
        };
        let is_by_hash = bundle.training_rows().is_some() && bundle.row_key().is_empty();
        // Where none of the other rows was trained on, neither were these.
        let may_be_trained = reduced == Some(good) || are_trained(trained.unwrap_or(0), good);
        if is_by_hash && reduced > Some(0) && may_be_trained {
            tracing::warn!(
                "rows that lack a modality are evaluated as fresh ones: the bundle knows its training rows by the \
                 hash of all embeddings, so that those among them look better than they are; fit with --key, and \
                 they are known by it"
            );
        }
    }
}

/// Enforces `--on-bad-file`; `others` says what became of the other files.
///
/// # Errors
/// As for [`BadFiles::check`].
pub(super) fn check_bad_files(
    bad: &BadFiles,
    of: usize,
    settings: &AnnotateSettings,
    others: &str,
) -> Result<()> {
    bad.check(of, settings.on_bad_file, settings.files_per_job.is_some(), others)
}
