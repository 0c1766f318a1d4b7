//! Where a shell's results go: to the screen, or to a file until it is finished.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::dataset::Staged;
use crate::error::{Error, Result};
use crate::sql::{Format, Layout, Session};

/// A file that results are written to; it appears when it is finished.
pub(super) struct FileSink {
    path: PathBuf,
    staged: Staged,
    format: Option<Format>,
    rows: u64,
}

/// What became of a statement, and of the file.
pub(super) enum After {
    /// More results may follow.
    Open(FileSink),
    /// It holds one result and is finished.
    Finished,
}

impl FileSink {
    /// Begins a file.
    ///
    /// # Errors
    /// As for [`Staged::create`].
    pub(super) fn create(path: &str, overwrite: bool) -> Result<Self> {
        let path = PathBuf::from(path);
        let staged = Staged::create(&path, overwrite)?;
        Ok(Self { format: Format::of(&path), path, staged, rows: 0 })
    }

    /// Runs statements into the file, in the format that its ending tells, or else in
    /// the layout's. A failure that leaves half a result behind ends the file.
    ///
    /// # Errors
    /// As for [`Session::run`]; with the file itself where it can go on.
    pub(super) fn run(
        mut self,
        session: &Session,
        sql: &str,
        layout: &Layout,
        stop: &AtomicBool,
    ) -> std::result::Result<(u64, After), (Error, Option<Self>)> {
        let layout = Layout { format: self.format.unwrap_or(layout.format), width: None, ..*layout };
        match self.write(session, sql, &layout, stop) {
            Ok(rows) if layout.format.is_binary() && rows.is_some() => {
                self.rows += rows.unwrap_or_default();
                match self.finish() {
                    Ok(()) => Ok((rows.unwrap_or_default(), After::Finished)),
                    Err(error) => Err((error, None)),
                }
            }
            Ok(rows) => {
                self.rows += rows.unwrap_or_default();
                Ok((rows.unwrap_or_default(), After::Open(self)))
            }
            Err((error, true)) => {
                tracing::warn!("{} is given up: it would hold half a result", self.path.display());
                Err((error, None))
            }
            Err((error, false)) => Err((error, Some(self))),
        }
    }

    /// Rows written, `None` where there was no result; or the error and whether a part
    /// of a result is in the file.
    fn write(
        &self,
        session: &Session,
        sql: &str,
        layout: &Layout,
        stop: &AtomicBool,
    ) -> std::result::Result<Option<u64>, (Error, bool)> {
        let before = self.staged.bytes().map_err(|error| (error, false))?;
        let writer = self.staged.writer().map_err(|error| (error, false))?;
        let mut out = BufWriter::with_capacity(1 << 16, writer);
        let ran = session.run(sql, layout, &mut out, stop);
        let flushed = out.flush();
        drop(out);
        let wrote = flushed.is_err() || self.staged.bytes().map_or(true, |now| now > before);
        match ran {
            Ok(rows) => Ok(wrote.then_some(rows)),
            Err(error) => Err((error, wrote)),
        }
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
    let layout = Layout { width: super::terminal_width(), ..*layout };
    let ran = session.run(sql, &layout, &mut out, stop);
    // Rows before a failure are the user's.
    let _ = out.flush();
    ran
}
