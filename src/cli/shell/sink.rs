//! Outputs of the shell: stdout, or a staged file that collects results until it is published.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::printable::{counted, shown};
use crate::sql::{Format, Layout, Results, Session};
use crate::storage::Staged;

use super::super::output;

/// A staged output file; it appears under its name when it is published.
pub(super) struct FileSink {
    path: PathBuf,
    staged: Staged,
    format: Option<Format>,
    results: Results,
    rows: u64,
    state: SinkState,
}

/// The state of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SinkState {
    /// More results may follow.
    Open,
    /// It holds the single result that its format allows.
    Full,
    /// It holds an incomplete result.
    Broken,
}

impl FileSink {
    /// Creates the staged file.
    ///
    /// # Errors
    /// As for [`Staged::create`] and [`Format::of_output`].
    pub(super) fn create(path: &str, overwrite: bool) -> Result<Self> {
        let path = PathBuf::from(path);
        let format = Format::of(&path);
        Format::of_output(&path, Some(format.unwrap_or_default()))?;
        let staged = Staged::create(&path, overwrite).map_err(|error| match error {
            Error::OutputExists(_) => {
                let way = "name another file, or begin the shell with --overwrite";
                Error::Usage(format!("{} exists; {way}", shown(&path)))
            }
            error => error,
        })?;
        Ok(Self { format, path, staged, results: Results::of_file(), rows: 0, state: SinkState::Open })
    }

    /// Runs statements with output to the file, in the format of its extension or else of the
    /// layout, and returns the number of rows.
    ///
    /// # Errors
    /// As for [`Session::run`].
    pub(super) fn run(
        &mut self,
        session: &Session,
        sql: &str,
        layout: &Layout,
        stop: &AtomicBool,
    ) -> Result<u64> {
        session.check_paths(sql, Some(&self.path), stop)?;
        let layout = Layout { format: self.format.unwrap_or(layout.format), width: None, ..*layout };
        let before = self.staged.bytes()?;
        let mut out = BufWriter::with_capacity(1 << 16, self.staged.writer()?);
        let ran = session.run_into(sql, &layout, (&mut out, &mut self.results), stop);
        let flushed = out.flush();
        drop(out);
        let wrote = flushed.is_err() || self.staged.bytes().map_or(true, |now| now > before);
        self.state = match &ran {
            Err(_) if wrote => SinkState::Broken,
            Ok(_) if wrote && layout.format.is_one_value() => SinkState::Full,
            _ => SinkState::Open,
        };
        let rows = ran?;
        self.rows += if wrote { rows } else { 0 };
        Ok(rows)
    }

    /// The state of the file.
    pub(super) fn state(&self) -> SinkState {
        self.state
    }

    /// Publishes the file under its name.
    ///
    /// # Errors
    /// As for [`Staged::commit`].
    pub(super) fn finish(self) -> Result<()> {
        self.staged.commit()?;
        tracing::info!("{}: {}", shown(&self.path), counted(self.rows, "row"));
        Ok(())
    }

    /// Discards the file.
    pub(super) fn discard(self) {
        tracing::warn!("{} is discarded, since its result is incomplete", shown(&self.path));
    }
}

/// Runs statements with output to stdout.
///
/// # Errors
/// As for [`Session::run`]; [`Error::Usage`] for a binary format.
pub(super) fn run_to_stdout(session: &Session, sql: &str, layout: &Layout, stop: &AtomicBool) -> Result<u64> {
    if layout.format.is_binary() {
        let name = layout.format.name();
        return Err(Error::Usage(format!("{name} is not for a terminal; \\o FILE first, or \\f table")));
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let layout = Layout { width: output::terminal_width(), ..*layout };
    let ran = session.run(sql, &layout, &mut out, stop);
    // Rows before a failure are still printed.
    let _ = out.flush();
    ran
}
