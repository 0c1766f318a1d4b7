//! The output that is there before a run: whether the same work made it, and if not, why not.

use crate::error::{Error, Result};
use crate::output::{Extent, has_columns_of};
use crate::parquet_file::Input;
use crate::printable::shown;
use crate::provenance::{Provenance, Recognition};
use crate::storage::exists;

use super::compute::FileJob;
use super::rejects::is_rejects;

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
    /// Looks for the output of a job. It holds the columns of the input from which it was made, so that
    /// they can be compared with those of the input as it is now: all of them where the input may be
    /// newer than the output or where that is asked for (a file that is delivered again is most often
    /// the same), else a sample, since times tell nothing of a folder that was put in another's place.
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
        let provenance = match job.identity.recognise(&found, options.adjust.name()) {
            Recognition::Same(provenance) => provenance,
            Recognition::Other(why) => return Ok(Self::Other(why)),
        };
        let (made_of, made) = (job.input.file(), found.file());
        let may_be_newer = made_of.may_be_newer(made);
        if may_be_newer {
            let (input, output) = (shown(job.paths.input), shown(output));
            tracing::info!("{input} was written again after {output} was made: comparing their columns");
        }
        let extent = match options.verify_inputs || may_be_newer {
            true => Extent::Whole,
            false if made_of.shares_clock(made) => return Ok(Self::Same(provenance)),
            false => Extent::Sample,
        };
        let same = has_columns_of(&found, &job.input, extent, &|| job.run.check_stop());
        Ok(match same.map_err(|error| made_of.or_input_changed(error))? {
            true => Self::Same(provenance),
            false => Self::Other(Recognition::INPUT_CHANGED.to_owned()),
        })
    }

    /// The provenance of the output, where it exists with all that belongs to it, made by the same work with
    /// this shift.
    ///
    /// # Errors
    /// Of the store.
    pub(super) fn done(&self, job: &FileJob<'_>, shift_nats: Option<f64>) -> Result<Option<&Provenance>> {
        let has_rejects = job.paths.rejects.map_or(Ok(true), |path| is_rejects(path, job.run.options))?;
        Ok(self.same().filter(|found| has_rejects && found.shift_nats == shift_nats))
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
