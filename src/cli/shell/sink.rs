//! Where a shell's results go: to the screen, or to a file until it is finished.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::sql::{Format, Layout, Session};
use crate::storage::Staged;

use super::super::output;

/// A file that results are written to; it appears when it is finished.
pub(super) struct FileSink {
    path: PathBuf,
    staged: Staged,
    format: Option<Format>,
    rows: u64,
    state: State,
}

/// What may become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// More results may follow.
    Open,
    /// It holds the one result that its format allows.
    Full,
    /// It holds half a result.
    Broken,
}

impl FileSink {
    /// Begins a file.
    ///
    /// # Errors
    /// As for [`Staged::create`].
    pub(super) fn create(path: &str, overwrite: bool) -> Result<Self> {
        let path = PathBuf::from(path);
        let staged = Staged::create(&path, overwrite)?;
        Ok(Self { format: Format::of(&path), path, staged, rows: 0, state: State::Open })
    }

    /// Runs statements into the file, in the format that its ending tells, or else in
    /// the layout's, and gives the number of rows.
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
        let layout = Layout { format: self.format.unwrap_or(layout.format), width: None, ..*layout };
        let before = self.staged.bytes()?;
        let mut out = BufWriter::with_capacity(1 << 16, self.staged.writer()?);
        let ran = session.run(sql, &layout, &mut out, stop);
        let flushed = out.flush();
        drop(out);
        let wrote = flushed.is_err() || self.staged.bytes().map_or(true, |now| now > before);
        self.state = match &ran {
            Err(_) if wrote => State::Broken,
            Ok(_) if wrote && layout.format.is_binary() => State::Full,
            _ => State::Open,
        };
        let rows = ran?;
        self.rows += if wrote { rows } else { 0 };
        Ok(rows)
    }

    /// What became of the file.
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// As for [`Staged::commit`].
    pub(super) fn finish(self) -> Result<()> {
        self.staged.commit()?;
        tracing::info!("{}: {} rows", self.path.display(), self.rows);
        Ok(())
    }

    /// Gives the file up.
    pub(super) fn give_up(self) {
        tracing::warn!("{} is given up: it would hold half a result", self.path.display());
    }
}

/// Runs statements and shows their rows here.
///
/// # Errors
/// As for [`Session::run`]; [`Error::Usage`] for a format that is no text.
pub(super) fn to_screen(session: &Session, sql: &str, layout: &Layout, stop: &AtomicBool) -> Result<u64> {
    if layout.format.is_binary() {
        let name = layout.format.name();
        return Err(Error::Usage(format!("{name} is not for a terminal; \\o FILE first, or \\f table")));
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let layout = Layout { width: output::terminal_width(), ..*layout };
    let ran = session.run(sql, &layout, &mut out, stop);
    // Rows before a failure are the user's.
    let _ = out.flush();
    ran
}
