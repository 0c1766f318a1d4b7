//! `--adjust dataset`: all rows are computed before the first is written, since the
//! shift is made of the means of all. A first pass leaves the files' journals, the
//! second is the ordinary one with the shift given. A file that is written keeps its
//! means before the shift in its footer, so that the next run needs not compute it to
//! know whether the shift is still the same.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::interaction::{Interaction, Moments, dataset_shift};
use crate::storage::Staged;

use super::compute::{FileComputation, FileJob, Resumed};
use super::file::{Run, unless_changed};
use super::lineage::ExistingOutput;
use super::summary::Adjustment;

/// The good rows of a file and their means R, U1, U2, S before any shift, in nats. As
/// text it gives back the same numbers, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unshifted {
    pub(super) rows: u64,
    pub(super) means: [f64; 4],
}

impl fmt::Display for Unshifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, u1, u2, s] = self.means;
        write!(f, "{} {r} {u1} {u2} {s}", self.rows)
    }
}

impl FromStr for Unshifted {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut words = text.split(' ');
        let rows = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let means: Vec<f64> =
            words.map(|word| word.parse().map_err(|_| ())).collect::<std::result::Result<_, _>>()?;
        Ok(Self { rows, means: means.try_into().map_err(|_| ())? })
    }
}

/// What the first pass says of a file.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) unshifted: Unshifted,
    /// Where its rows were computed; else the output is there.
    pub(super) computed: Option<Measuring>,
    made: Option<ExistingOutput>,
}

/// What computing it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measuring {
    pub(super) resumed: Resumed,
    pub(super) elapsed: Duration,
}

/// The constant of the dataset, and what is known of one of its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift<'a> {
    pub(super) adjustment: Adjustment,
    pub(super) measured: &'a Measured,
}

impl Shift<'_> {
    /// Whether the output is there and shifted by another constant.
    pub(super) fn is_other(&self) -> bool {
        let made = self.measured.made.as_ref();
        made.is_some_and(|made| !made.is_shifted_by(Some(self.adjustment.shift_nats)))
    }
}

/// The shift of the files together. It depends on their order in its last bits.
pub(super) fn adjustment(files: impl IntoIterator<Item = Unshifted>) -> Adjustment {
    let mut all = [Moments::default(); 4];
    for Unshifted { rows, means } in files {
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
    /// Computes a file into its journal, which stays; an output that the same work has
    /// made with any shift is asked for its means instead.
    ///
    /// # Errors
    /// As for [`Run::file`].
    pub(super) fn measure(&self, input: &Path, output: &Path) -> Result<Measured> {
        let _span = tracing::info_span!("measure", input = %input.display()).entered();
        let start = Instant::now();
        let work = FileJob::new(self, input)?;
        if let Some(made) = work.made(output)?
            && let Some(unshifted) = made.unshifted
        {
            return Ok(Measured { unshifted, computed: None, made: Some(made) });
        }
        drop(Staged::create(output, self.options.overwrite)?);
        let source = work.source()?;
        let mut computing = FileComputation::begin(&work, &source, output, self.options.restart)?;
        let resumed = computing.resumed;
        if let Some(rejects) = &self.options.rejects
            && resumed.rows == 0
        {
            drop(Staged::create(rejects, self.options.overwrite)?);
        }
        self.progress.begin(self.begun(&work.opened, resumed.rows));
        if let Err(e) = computing.run(|_| Ok(())) {
            return Err(unless_changed(e, &work.opened, computing.journal)?);
        }
        let computed = Some(Measuring { resumed, elapsed: start.elapsed() });
        Ok(Measured { unshifted: computing.policy.row_stats.unshifted(), computed, made: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_gives_back_the_same_numbers() {
        let unshifted = Unshifted { rows: 12_345, means: [0.1 + 0.2, -1.0 / 3.0, 1e-300, 1.434_567_890_123] };
        assert_eq!(unshifted.to_string().parse(), Ok(unshifted));
        for wrong in ["", "3", "3 1 2 3", "3 1 2 3 4 5", "x 1 2 3 4", "3 1 2 3 x"] {
            assert_eq!(wrong.parse::<Unshifted>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn files_weigh_as_many_as_their_rows() {
        let file = |rows, u1| Unshifted { rows, means: [1.0, u1, 0.5, 0.25] };
        let one = adjustment([file(30, -0.2), file(0, f64::NAN), file(10, 0.2)]);
        assert!((one.before.u1 + 0.1).abs() < 1e-15 && (one.shift_nats + 0.1).abs() < 1e-15, "{one:?}");
        assert!(one.after.u1.abs() < 1e-15 && (one.after.r - 0.9).abs() < 1e-15, "{one:?}");
        assert_eq!(adjustment([]).shift_nats, 0.0);
        assert_eq!(adjustment([file(7, -0.3)]).before.u1, -0.3);
    }
}
