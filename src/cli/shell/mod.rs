//! The shell of `lsmi-etl sql`: statements typed one after another, with history,
//! completion and a few commands of its own, in the words of psql and datafusion-cli.
//!
//! It is built on rustyline, as datafusion-cli is, and not on the `datafusion-cli`
//! crate itself: that brings DataFusion's default features (Avro, every compression,
//! cryptographic functions), the AWS SDK beside the stores that annotate uses, and
//! another allocator, while its shell knows a fixed set of formats and commands, no
//! completion of files or columns, and none of this program's errors.

mod command;
mod complete;
mod editor;
mod lexer;
mod sink;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{Error, Place, Result};
use crate::sql::{Layout, Session, SqlRequest};

use self::command::Command;
use self::editor::{Line, Lines};
use self::sink::{FileSink, State};
use super::output;

/// Files that may include one another.
const DEEPEST: usize = 16;

/// Runs the shell until its user leaves. `stop` is set by Ctrl-C.
///
/// # Errors
/// [`Error::Io`] of the terminal, and those of opening the request's tables. What a
/// statement does wrong is said, and the shell goes on.
pub(super) fn run(request: &SqlRequest, overwrite: bool, stop: &AtomicBool) -> Result<()> {
    let session = Session::open(request)?;
    let mut shell =
        Shell { session: &session, layout: request.layout, file: None, timing: false, overwrite, stop };
    output::print(concat!(
        "lsmi-etl ",
        env!("CARGO_PKG_VERSION"),
        ", SQL of DataFusion; \\? for help, \\q to leave\n"
    ))?;
    let mut lines = Lines::open(&session)?;
    loop {
        let text = match lines.read()? {
            Line::Text(text) => text,
            Line::Cleared => continue,
            Line::End => break,
        };
        stop.store(false, Ordering::Relaxed);
        match shell.take(&text, 0) {
            Ok(Next::More) => {}
            Ok(Next::Leave) => break,
            Err(Error::Interrupted) => tracing::warn!("cancelled"),
            Err(error) => tracing::error!("{error}"),
        }
    }
    shell.close()
}

/// The width of the terminal that stdout is, if it is one.
pub(super) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// What follows a line.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    More,
    Leave,
}

struct Shell<'a> {
    session: &'a Session,
    layout: Layout,
    file: Option<FileSink>,
    timing: bool,
    overwrite: bool,
    stop: &'a AtomicBool,
}

impl Shell<'_> {
    /// Does what a command or a text of statements says.
    fn take(&mut self, text: &str, depth: usize) -> Result<Next> {
        match command::parse(text)? {
            Some(command) => return self.obey(command, depth),
            None if lexer::is_blank(text) => {}
            None => self.query(text)?,
        }
        Ok(Next::More)
    }

    fn obey(&mut self, command: Command, depth: usize) -> Result<Next> {
        match command {
            Command::Quit => return Ok(Next::Leave),
            Command::Help => output::print(&command::help())?,
            Command::Describe(None) => self.list()?,
            Command::Describe(Some(name)) => self.describe(&name)?,
            Command::Functions(text) => self.functions(text.as_deref().unwrap_or_default())?,
            Command::Timing(value) => {
                self.timing = value.unwrap_or(!self.timing);
                output::print(if self.timing { "timing is on\n" } else { "timing is off\n" })?;
            }
            Command::Format(Some(format)) => self.layout.format = format,
            Command::Format(None) => output::print(&format!("format is {}\n", self.layout.format.name()))?,
            Command::Rows(rows) => self.layout.max_table_rows = (rows > 0).then_some(rows),
            Command::Output(path) => {
                self.close()?;
                self.file = path.map(|path| FileSink::create(&path, self.overwrite)).transpose()?;
            }
            Command::Include(path) => return self.include(&path, depth + 1),
        }
        Ok(Next::More)
    }

    fn query(&mut self, sql: &str) -> Result<()> {
        let started = Instant::now();
        let rows = match self.file.take() {
            None => sink::to_screen(self.session, sql, &self.layout, self.stop)?,
            Some(mut file) => {
                let ran = file.run(self.session, sql, &self.layout, self.stop);
                match file.state() {
                    State::Open => self.file = Some(file),
                    State::Full => file.finish()?,
                    State::Broken => file.give_up(),
                }
                ran?
            }
        };
        if self.timing {
            let noun = if rows == 1 { "row" } else { "rows" };
            output::print(&format!("{rows} {noun} in {:.3} s\n", started.elapsed().as_secs_f64()))?;
        }
        Ok(())
    }

    /// Shows the rows of a statement of the shell's own here, whatever the user's go to.
    fn show(&self, sql: &str) -> Result<u64> {
        let layout = Layout { max_table_rows: None, ..Layout::default() };
        sink::to_screen(self.session, sql, &layout, self.stop)
    }

    fn list(&self) -> Result<()> {
        if self.session.tables().is_empty() {
            return output::print(
                "no tables have a name yet; a file's name in quotes is a table ('out.parquet'), and\n\
                 CREATE VIEW name AS SELECT * FROM 'out.parquet' gives it another\n",
            );
        }
        self.show(
            "SELECT table_name AS name, lower(table_type) AS kind FROM information_schema.tables \
             WHERE table_schema <> 'information_schema' ORDER BY name",
        )
        .map(drop)
    }

    fn describe(&self, name: &str) -> Result<()> {
        let known = self.session.tables().iter().any(|table| table == &name.to_ascii_lowercase());
        let name = if known { name.to_ascii_lowercase() } else { name.to_owned() };
        self.show(&format!("DESCRIBE \"{}\"", name.replace('"', "\"\""))).map(drop)
    }

    fn functions(&self, text: &str) -> Result<()> {
        let text = text.to_ascii_lowercase().replace('\'', "''");
        self.show(&format!(
            "SELECT DISTINCT routine_name AS name, lower(function_type) AS kind, syntax_example AS usage \
             FROM information_schema.routines WHERE strpos(routine_name, '{text}') > 0 ORDER BY name, usage"
        ))
        .map(drop)
    }

    /// Runs a file of statements and commands, up to the first that fails.
    fn include(&mut self, path: &str, depth: usize) -> Result<Next> {
        if depth > DEEPEST {
            return Err(Error::Usage(format!("{path}: \\i goes too deep; does the file include itself?")));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::NoInput { place: Place::file(path), source })?;
        let mut statement = String::new();
        for line in text.lines() {
            let begins = lexer::is_blank(&statement);
            if begins && !matches!(command::parse(line), Ok(None)) {
                if self.take(line, depth)? == Next::Leave {
                    return Ok(Next::Leave);
                }
                continue;
            }
            statement.push_str(line);
            statement.push('\n');
            if !lexer::is_blank(&statement) && lexer::is_whole(&statement) {
                self.take(&std::mem::take(&mut statement), depth)?;
            }
        }
        // The last may lack its semicolon.
        self.take(&statement, depth)
    }

    /// Finishes the file that results go to.
    fn close(&mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), FileSink::finish)
    }
}
