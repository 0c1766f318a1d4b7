//! The output that is there before a run: whether the same work made it, and if not, why not.

use crate::error::{Error, Result};
use crate::output::has_columns_of;
use crate::parquet_file::Input;
use crate::printable::shown;
use crate::provenance::{Provenance, Recognition};
use crate::storage::exists;

use super::compute::FileJob;

/// The output that is there already.
#[derive(Debug)]
pub(super) enum ExistingOutput {
    /// There is none, or it does not matter.
    Ignored,
    /// The same work made it, with any shift.
    Same(Box<Provenance>),
    /// Other work made it, or none of ours: what it is, for a message.
    Other(String),
}

impl ExistingOutput {
    /// Looks for the output of a job. Where the input is newer than it, their columns are compared:
    /// a file that is delivered again is most often the same.
    ///
    /// # Errors
    /// Of the store; of reading the columns; [`Error::Interrupted`].
    pub(super) fn find(job: &FileJob<'_>) -> Result<Self> {
        let (output, options) = (job.paths.output, job.run.options);
        if options.overwrite || options.restart || !exists(output)? {
            return Ok(Self::Ignored);
        }
        let Ok(found) = Input::open_with(output, options.keys.as_ref()) else {
            return Ok(Self::Other("which can't be read as an output of annotate".to_owned()));
        };
        let found = found.ignoring_checksums(options.no_page_checksums);
        Ok(match job.identity.recognise(&found, options.adjust.name()) {
            Recognition::Same(provenance) => Self::Same(provenance),
            Recognition::Other(why) => Self::Other(why),
            Recognition::Older(provenance) => {
                let (input, output) = (shown(job.paths.input), shown(output));
                tracing::info!("{input} was written again after {output} was made: comparing their columns");
                let same = has_columns_of(&found, &job.input, &|| job.run.check_stop());
                if same.map_err(|error| job.input.file().or_input_changed(error))? {
                    Self::Same(provenance)
                } else {
                    Self::Other(Recognition::INPUT_CHANGED.to_owned())
                }
            }
        })
    }

    /// Whether the output exists with all that belongs to it, made by the same work with this shift.
    ///
    /// # Errors
    /// Of the store.
    pub(super) fn is_done(&self, job: &FileJob<'_>, shift_nats: Option<f64>) -> Result<bool> {
        let has_rejects = job.paths.rejects.map_or(Ok(true), exists)?;
        Ok(has_rejects && self.same().is_some_and(|found| found.shift_nats == shift_nats))
    }

    /// The provenance of the output, where the same work made it.
    pub(super) fn same(&self) -> Option<&Provenance> {
        match self {
            Self::Same(provenance) => Some(provenance),
            Self::Ignored | Self::Other(_) => None,
        }
    }

    /// The error of an output that exists, with the reason why it is not what the job would write.
    pub(super) fn explain(&self, job: &FileJob<'_>, error: Error) -> Error {
        let path = match error {
            Error::OutputExists(path) if job.paths.rejects != Some(&path) => path,
            error => return error,
        };
        match (self, job.paths.rejects) {
            (Self::Other(why), _) => Error::OtherOutput { path, why: why.clone() },
            (Self::Same(_), Some(rejects)) => {
                let why = format!("made by the same work, but without {}", rejects.display());
                Error::OtherOutput { path, why }
            }
            _ => Error::OutputExists(path),
        }
    }
}
