//! The annotation of several files, one after the other: each is whole when the next begins,
//! so that finished files stay when a later one fails. A bad file is left out.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracing::Span;

use crate::error::{Error, Result};
use crate::provenance::Adjustment;
use crate::storage::{FilePair, Files, is_url, join_path};
use crate::threads::spawn_scoped;

use super::adjust::{self, MeasuredFile, Shift};
use super::bad_files::{BadFile, BadFiles};
use super::compute::{FileJob, FilePaths};
use super::file::OpenedFile;
use super::options::Adjust;
use super::run::Run;
use super::summary::{Summary, Totals};
use super::totals::FilesOutcome;

impl Run<'_> {
    /// Annotates files in their order, and calls `finished` after each. Folders of the
    /// outputs are created; the rejects of each file go below the folder that is named
    /// for them. Where all are to be shifted by one constant, the rows of all files are
    /// computed into journals before the first file is written; an output that was
    /// shifted by another constant is replaced, and its rows are computed again.
    ///
    /// A file whose content is at fault is left out, leaves nothing behind, and is named in the
    /// result, whose [`BadFiles::check`] enforces `--on-bad-file`. A constant is that of the other
    /// files.
    ///
    /// # Errors
    /// The first error that is not about the content of a file of a folder or glob ends the run;
    /// the files before it are whole. As for [`Run::file`];
    /// [`Error::CannotCreate`](crate::Error::CannotCreate) for a folder.
    pub fn files(&self, files: &Files, finished: impl FnMut(&Summary)) -> Result<Totals> {
        let start = Instant::now();
        let mut pass = Pass {
            run: self,
            files,
            finished,
            summaries: vec![None; files.pairs().len()],
            bad: BadFiles::default(),
        };
        let adjustment = match self.options.adjust {
            Adjust::None => pass.annotate_all().map(|()| None)?,
            Adjust::Dataset => Some(pass.annotate_adjusted()?),
        };
        let Pass { summaries, bad, .. } = pass;
        let engine = self.engine.describe().to_string();
        let outcome = FilesOutcome { bad, adjustment, engine, elapsed: start.elapsed(), cluster: None };
        Ok(Totals::of(files, self.bundle, summaries.iter().flatten(), outcome))
    }

    /// Annotates one of the files of a run on its own, as [`Self::files`] does with each, or as
    /// [`Self::file`] one that was named itself: where they are divided among processes. The rejects name
    /// the input otherwise than by its path, which may be another on the machine that reads it.
    ///
    /// # Errors
    /// As for [`Self::files`], without a shared constant.
    pub fn one_of(&self, name: &Path, pair: &FilePair, is_file: bool) -> Result<FileResult> {
        let rejects = self.rejects_of(pair, is_file);
        let paths = FilePaths { name, ..self.paths_of(pair, is_file, rejects.as_deref()) };
        self.result_of(paths, is_file)
    }

    pub(super) fn result_of(&self, paths: FilePaths<'_>, is_file: bool) -> Result<FileResult> {
        match self.annotate(paths, None) {
            Ok(summary) => Ok(FileResult::Done(Box::new(summary))),
            Err(error) if is_file => Err(error),
            Err(error) => {
                let file = BadFile::of(paths.input, error)?;
                FileJob::discard_journal(self, paths);
                Ok(FileResult::Bad(file))
            }
        }
    }

    /// The file for the rejects of a file; of one of many, below the folder that is named for them.
    pub(super) fn rejects_of(&self, pair: &FilePair, is_file: bool) -> Option<PathBuf> {
        let rejects = self.options.rejects.as_deref()?;
        Some(if is_file { rejects.to_owned() } else { join_path(rejects, &pair.relative) })
    }

    pub(super) fn paths_of<'b>(
        &self,
        pair: &'b FilePair,
        is_file: bool,
        rejects: Option<&'b Path>,
    ) -> FilePaths<'b> {
        let (input, output) = (&pair.input, &pair.output);
        FilePaths { name: input, input, output, rejects, creates_folders: !is_file, resumes_own: false }
    }
}

/// The result of one file of a folder or glob.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileResult {
    /// It is annotated, or was before.
    Done(Box<Summary>),
    /// It could not be annotated, and left nothing behind.
    Bad(BadFile),
}

/// A pass over the files: the summaries of those that are done, by their position, and those that
/// are bad.
struct Pass<'a, F> {
    run: &'a Run<'a>,
    files: &'a Files,
    finished: F,
    summaries: Vec<Option<Summary>>,
    bad: BadFiles,
}

impl<F: FnMut(&Summary)> Pass<'_, F> {
    /// Annotates the files in turn. While one of a store is computed, the next are opened, of which each waits for
    /// several answers.
    fn annotate_all(&mut self) -> Result<()> {
        /// The first pieces of so many are in memory.
        const AHEAD: usize = 2;
        let (run, pairs) = (self.run, self.files.pairs());
        // A named file of this pass is one of a share of many.
        let rejects: Vec<Option<PathBuf>> = pairs.iter().map(|pair| run.rejects_of(pair, false)).collect();
        let paths =
            |index: usize| Some(run.paths_of(pairs.get(index)?, false, rejects.get(index)?.as_deref()));
        std::thread::scope(|scope| {
            let mut ahead = VecDeque::new();
            for index in 0..pairs.len() {
                run.check_stop()?;
                let Some(paths_of_this) = paths(index) else { continue };
                let opened = ahead.pop_front().map(ScopedJoinHandle::join).and_then(std::thread::Result::ok);
                let opened = opened.unwrap_or_else(|| OpenedFile::open(run, paths_of_this));
                while let Some(next) = paths(index + 1 + ahead.len())
                    && ahead.len() < AHEAD
                    && is_url(next.input)
                {
                    let span = Span::current();
                    let open = move || span.in_scope(|| OpenedFile::open_ahead(run, next));
                    // Without a thread it is opened in its turn.
                    let Ok(thread) = spawn_scoped(scope, open) else { break };
                    ahead.push_back(thread);
                }
                match opened.annotate(None) {
                    Ok(summary) => {
                        run.progress.end(&summary);
                        self.set_done(index, summary);
                    }
                    Err(error) => self.leave_out(paths_of_this, error)?,
                }
            }
            Ok(())
        })
    }

    /// Annotates with one shift for all files. Returns it with the means before and after it.
    fn annotate_adjusted(&mut self) -> Result<Adjustment> {
        let measure = |run: &Run<'_>, paths: FilePaths<'_>| run.measure(paths);
        let mut measured = Vec::new();
        for pair in self.files.pairs() {
            measured.push(self.of_file(pair, measure)?);
        }
        let adjustment = self.annotate_shifted(&mut measured);
        // Only now: a file may have been written more than once.
        self.summaries.iter().flatten().for_each(|summary| self.run.progress.end(summary));
        adjustment
    }

    /// The second pass. A fault outside the columns of the samples is found only here: the shift
    /// is then computed without the file, and outputs of another shift are written again.
    fn annotate_shifted(&mut self, measured: &mut [Option<MeasuredFile>]) -> Result<Adjustment> {
        let mut shared = adjustment(measured);
        'shift: loop {
            for index in without_output_first(measured) {
                let (pair, file) = (self.files.pairs().get(index), measured.get_mut(index));
                let (Some(pair), Some(file)) = (pair, file) else { continue };
                let Some(done) = file else { continue };
                let shift = Shift { adjustment: shared, measured: done };
                if let Some(summary) = self.of_file(pair, |run, paths| run.annotate(paths, Some(shift)))? {
                    if !summary.skipped {
                        done.set_written(shared.shift_nats);
                    }
                    self.set_done(index, summary);
                    continue;
                }
                *file = None;
                let before = std::mem::replace(&mut shared, adjustment(measured));
                if shared.shift_nats != before.shift_nats {
                    tracing::info!(
                        "the shift without it is {:.4} nats; outputs with the shift of before, {:.4}, are written again",
                        shared.shift_nats,
                        before.shift_nats
                    );
                    continue 'shift;
                }
            }
            return Ok(shared);
        }
    }

    fn set_done(&mut self, index: usize, summary: Summary) {
        (self.finished)(&summary);
        if let Some(place) = self.summaries.get_mut(index) {
            *place = Some(summary);
        }
    }

    /// Does the work on a file; `None` where it is bad.
    ///
    /// # Errors
    /// The errors that end the run.
    fn of_file<T>(
        &mut self,
        pair: &FilePair,
        work: impl FnOnce(&Run<'_>, FilePaths<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.run.check_stop()?;
        // A named file of this pass is one of a share of many.
        let rejects = self.run.rejects_of(pair, false);
        let paths = self.run.paths_of(pair, false, rejects.as_deref());
        match work(self.run, paths) {
            Ok(done) => Ok(Some(done)),
            Err(error) => self.leave_out(paths, error).map(|()| None),
        }
    }

    /// Goes on without a bad file.
    ///
    /// # Errors
    /// The error, where it ends the run.
    fn leave_out(&mut self, paths: FilePaths<'_>, error: Error) -> Result<()> {
        if self.files.is_file() {
            return Err(error);
        }
        let file = self.bad.add(paths.input, error)?;
        self.run.progress.bad(&file);
        FileJob::discard_journal(self.run, paths);
        Ok(())
    }
}

/// The positions of the files, those without an output first: one of them may be bad, and the
/// shift of the others is then the one that their outputs have.
fn without_output_first(measured: &[Option<MeasuredFile>]) -> Vec<usize> {
    let has_output =
        |index: usize| measured.get(index).and_then(Option::as_ref).map(MeasuredFile::has_output);
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by_key(|index| has_output(*index));
    order
}

/// The shift of the measured files together.
fn adjustment(measured: &[Option<MeasuredFile>]) -> Adjustment {
    adjust::adjustment(measured.iter().flatten().map(|file| file.unshifted))
}
