//! The interactive shell of `lsmi-etl sql`: a read-eval-print loop with history, completion and
//! meta-commands in the notation of psql and datafusion-cli.
//!
//! It is built on rustyline, as datafusion-cli is, but not on the `datafusion-cli` crate, which
//! adds DataFusion's default features (Avro, every compression, cryptographic functions), the
//! AWS SDK besides object_store, and another allocator; and whose shell has a fixed set of
//! formats and commands, no completion of files or columns, and not the errors of this program.

mod complete;
mod line_editor;
mod meta_command;
mod sink;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::sql::{Format, Layout, Session, SqlRequest, is_blank, is_complete};
use crate::storage::{no_input, read_text};

use self::line_editor::{Line, LineEditor};
use self::meta_command::MetaCommand;
use self::sink::{FileSink, SinkState};
use super::output;

/// The maximum depth of files that execute files.
const MAX_INCLUDE_DEPTH: usize = 16;

/// Runs the shell until the user quits. Ctrl-C sets `stop`.
///
/// # Errors
/// [`Error::Io`] of the terminal, and those of opening the request's tables. Errors of a
/// statement are logged, and the shell continues.
pub(super) fn run(request: &SqlRequest, overwrite: bool, stop: &AtomicBool) -> Result<()> {
    let session = Session::open(request)?;
    let mut shell = Shell {
        session: &session,
        layout: request.layout,
        file: None,
        is_once: false,
        timing: None,
        overwrite,
        stop,
    };
    output::print(concat!(
        "lsmi-etl ",
        env!("CARGO_PKG_VERSION"),
        ", SQL of DataFusion; \\? for help, \\q to quit\n"
    ))?;
    let mut editor = LineEditor::open(&session)?;
    loop {
        let text = match editor.read()? {
            Line::Text(text) => text,
            Line::Cleared => continue,
            Line::End => break,
        };
        stop.store(false, Ordering::Relaxed);
        match shell.execute(&text, 0) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Quit) => break,
            Err(Error::Interrupted) => tracing::warn!("cancelled"),
            Err(error) => tracing::error!("{error}"),
        }
    }
    shell.close()
}

/// Whether the shell continues after an input.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Quit,
}

struct Shell<'a> {
    session: &'a Session,
    layout: Layout,
    file: Option<FileSink>,
    /// Whether the file takes the next statements alone, also where they fail.
    is_once: bool,
    /// Whether rows and time stand under each result; under tables alone where it is not set.
    timing: Option<bool>,
    overwrite: bool,
    stop: &'a AtomicBool,
}

impl Shell<'_> {
    /// Executes a meta-command or SQL statements.
    fn execute(&mut self, text: &str, depth: usize) -> Result<Flow> {
        match meta_command::parse(text)? {
            Some(command) => return self.run_command(command, depth),
            None if is_blank(text) => {}
            None => self.run_sql(text)?,
        }
        Ok(Flow::Continue)
    }

    fn run_command(&mut self, command: MetaCommand, depth: usize) -> Result<Flow> {
        match command {
            MetaCommand::Quit => return Ok(Flow::Quit),
            MetaCommand::Help => output::print(&meta_command::help())?,
            MetaCommand::Describe(None) => self.list_tables()?,
            MetaCommand::Describe(Some(name)) => self.describe(&name)?,
            MetaCommand::Functions(text) => self.functions(text.as_deref().unwrap_or_default())?,
            MetaCommand::Timing(value) => {
                let timing = value.unwrap_or(!self.timing.unwrap_or(true));
                self.timing = Some(timing);
                output::print(if timing { "timing is on\n" } else { "timing is off\n" })?;
            }
            MetaCommand::Format(Some(format)) => self.layout.format = format,
            MetaCommand::Format(None) => {
                output::print(&format!("format is {}\n", self.layout.format.name()))?
            }
            MetaCommand::Expanded => {
                self.layout.format =
                    if self.layout.format == Format::Line { Format::Table } else { Format::Line };
                output::print(&format!("format is {}\n", self.layout.format.name()))?;
            }
            MetaCommand::Rows(rows) => self.layout.max_table_rows = (rows > 0).then_some(rows),
            MetaCommand::Once(path) => {
                self.close()?;
                self.file = Some(FileSink::create(&path, self.overwrite)?);
                self.is_once = true;
            }
            MetaCommand::Output(path) => {
                self.close()?;
                self.is_once = false;
                self.file = path.map(|path| FileSink::create(&path, self.overwrite)).transpose()?;
            }
            MetaCommand::Include { command, path } => return self.include((&command, &path), depth + 1),
        }
        Ok(Flow::Continue)
    }

    fn run_sql(&mut self, sql: &str) -> Result<()> {
        let started = Instant::now();
        let rows = match self.file.take() {
            None => sink::run_to_stdout(self.session, sql, &self.layout, self.stop)?,
            Some(mut file) => {
                let ran = file.run(self.session, sql, &self.layout, self.stop);
                match file.state() {
                    SinkState::Open if !self.is_once => self.file = Some(file),
                    SinkState::Full => file.finish()?,
                    SinkState::Open if ran.is_ok() => file.finish()?,
                    SinkState::Open | SinkState::Broken => file.discard(),
                }
                ran?
            }
        };
        let is_for_reading = matches!(self.layout.format, Format::Table | Format::Line);
        if self.timing.unwrap_or(is_for_reading) {
            let noun = if rows == 1 { "row" } else { "rows" };
            output::print(&format!("{rows} {noun} in {:.3} s\n", started.elapsed().as_secs_f64()))?;
        }
        Ok(())
    }

    /// Prints the rows of a statement of the shell itself to stdout, also while \o is active.
    fn show(&self, sql: &str) -> Result<u64> {
        let layout = Layout { max_table_rows: None, ..Layout::default() };
        sink::run_to_stdout(self.session, sql, &layout, self.stop)
    }

    fn list_tables(&self) -> Result<()> {
        if self.session.tables().is_empty() {
            return output::print(
                "no tables have a name yet; a quoted file name is a table ('out.parquet'), and\n\
                 CREATE VIEW name AS SELECT * FROM 'out.parquet' names it\n",
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
        let shown = self.show(&format!("DESCRIBE \"{}\"", name.replace('"', "\"\""))).map(drop);
        // Nobody has typed the line that a caret would be under.
        shown.map_err(|error| match error {
            Error::Usage(text) => Error::Usage(text.lines().next().unwrap_or_default().to_owned()),
            error => error,
        })
    }

    fn functions(&self, text: &str) -> Result<()> {
        let text = text.to_ascii_lowercase().replace('\'', "''");
        self.show(&format!(
            "SELECT DISTINCT routine_name AS name, lower(function_type) AS kind, syntax_example AS usage \
             FROM information_schema.routines WHERE strpos(routine_name, '{text}') > 0 ORDER BY name, usage"
        ))
        .map(drop)
    }

    /// Executes a file of statements and meta-commands, up to the first that fails.
    fn include(&mut self, (command, path): (&str, &str), depth: usize) -> Result<Flow> {
        if depth > MAX_INCLUDE_DEPTH {
            return Err(Error::Usage(format!(
                "{path}: {command} is nested too deep; does the file execute itself?"
            )));
        }
        let text = read_text(Path::new(path)).map_err(|source| no_input(Path::new(path), source))?;
        let (mut statement, mut first) = (String::new(), 1);
        for (line, number) in text.lines().zip(1..) {
            let begins = is_blank(&statement) && is_complete(&statement);
            if begins {
                (first, statement) = (number, String::new());
            }
            if begins && !matches!(meta_command::parse(line), Ok(None)) {
                if self.execute_of_file(line, depth, (path, number))? == Flow::Quit {
                    return Ok(Flow::Quit);
                }
                continue;
            }
            statement.push_str(line);
            statement.push('\n');
            if !is_blank(&statement) && is_complete(&statement) {
                self.execute_of_file(&std::mem::take(&mut statement), depth, (path, first))?;
            }
        }
        // The last statement may lack its semicolon.
        self.execute_of_file(&statement, depth, (path, first))
    }

    /// Executes what begins at a line of a file, which an error names.
    fn execute_of_file(&mut self, text: &str, depth: usize, (path, line): (&str, usize)) -> Result<Flow> {
        // A file that this one includes has named its own line.
        let is_named = matches!(meta_command::parse(text), Ok(Some(MetaCommand::Include { .. })));
        self.execute(text, depth).map_err(|error| match error {
            error if is_named => error,
            Error::Usage(text) => Error::Usage(format!("{path}, line {line}: {text}")),
            Error::Interrupted => Error::Interrupted,
            error => {
                tracing::error!("{path}, line {line}: the statement has failed");
                error
            }
        })
    }

    /// Publishes the output file, if any.
    fn close(&mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), FileSink::finish)
    }
}
