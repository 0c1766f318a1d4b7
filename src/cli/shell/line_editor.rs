//! A line editor on the terminal with history and completion, built on rustyline.

use std::env;
use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::error::{Error, Place, Result};
use crate::printable::{before_controls, escape_line};
use crate::sql::{EndState, Session, end_state, is_complete};

use super::complete::complete;
use super::meta_command;

const HISTORY_ENTRIES: usize = 10_000;
/// The prompt of a statement's first line.
const PROMPT: &str = "lsmi> ";

/// An input from the terminal.
#[derive(Debug)]
pub(super) enum Line {
    /// A meta-command, or statements up to a semicolon.
    Text(String),
    /// Ctrl-C dropped the line and the statement that it belongs to.
    Cleared,
    /// Ctrl-D, or the terminal was closed.
    End,
}

/// A line editor that completes the names of a session. The lines of an unfinished statement have a prompt of
/// their own, which says what is open.
pub(super) struct LineEditor<'a> {
    editor: Editor<EditorHelper<'a>, FileHistory>,
    history: Option<PathBuf>,
    /// The lines of a statement that is not complete, each with its end.
    statement: String,
}

impl<'a> LineEditor<'a> {
    /// Opens the terminal and loads the history.
    ///
    /// # Errors
    /// [`Error::Io`] where the terminal cannot be used.
    pub(super) fn open(session: &'a Session) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_ENTRIES)
            .map_err(terminal_error)?
            .build();
        let history = FileHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(terminal_error)?;
        editor.set_helper(Some(EditorHelper { session, before: String::new() }));
        let history = history_file();
        if let Some(path) = &history {
            // The file does not exist in the first session.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history, statement: String::new() })
    }

    /// Reads one input, of as many lines as it takes. A command after a backslash is one between the lines of a
    /// statement, too, which goes on after it.
    ///
    /// # Errors
    /// [`Error::Io`] of the terminal.
    pub(super) fn read(&mut self) -> Result<Line> {
        loop {
            if let Some(helper) = self.editor.helper_mut() {
                helper.before.clone_from(&self.statement);
            }
            let line = match self.editor.readline(prompt(&self.statement)) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => {
                    self.statement.clear();
                    return Ok(Line::Cleared);
                }
                Err(ReadlineError::Eof) => return Ok(Line::End),
                // What was typed is gone; the shell and what it has collected stay.
                Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    tracing::error!("the line is no UTF-8 text; type it again");
                    self.statement.clear();
                    return Ok(Line::Cleared);
                }
                Err(error) => return Err(terminal_error(error)),
            };
            if is_command(&self.statement, &line) {
                self.add_history(&line)?;
                return Ok(Line::Text(line));
            }
            self.statement.push_str(&line);
            if is_complete(&self.statement) {
                let statement = std::mem::take(&mut self.statement);
                self.add_history(&statement)?;
                return Ok(Line::Text(statement));
            }
            self.statement.push('\n');
        }
    }

    fn add_history(&mut self, input: &str) -> Result<()> {
        self.editor.add_history_entry(input).map_err(terminal_error)?;
        self.append_history();
        Ok(())
    }

    /// Appends the input to the history file at once, since the shell may be killed.
    fn append_history(&mut self) {
        let Some(path) = &self.history else { return };
        let folder = path.parent().map(std::fs::create_dir_all);
        let written = match folder {
            Some(Err(error)) => Err(ReadlineError::Io(error)),
            _ => self.editor.append_history(path),
        };
        if let Err(error) = written {
            tracing::warn!("{}: cannot write the history: {error}", path.display());
            self.history = None;
        }
    }
}

/// Whether a line after an unfinished statement, which may be empty, is a command to the shell. Malformed ones
/// are, too: the shell reports their errors.
fn is_command(statement: &str, line: &str) -> bool {
    match end_state(statement) {
        _ if statement.is_empty() => !matches!(meta_command::parse(line), Ok(None)),
        EndState::Quoted(..) | EndState::Comment => false,
        _ => line.trim_start().starts_with('\\'),
    }
}

/// The prompt of the line after these, as wide as the first.
fn prompt(statement: &str) -> &'static str {
    if statement.is_empty() {
        return PROMPT;
    }
    match end_state(statement) {
        EndState::Quoted('\'', _) => " ..'> ",
        EndState::Quoted('$', _) => " ..$> ",
        EndState::Quoted(..) => " ..\"> ",
        EndState::Comment => " ..*> ",
        EndState::Parenthesis => " ..(> ",
        EndState::Statement | EndState::Open => " ...> ",
    }
}

fn terminal_error(error: ReadlineError) -> Error {
    Error::io(Place::file("the terminal"), "read", std::io::Error::other(error.to_string()))
}

/// The path of the history: in the user's state folder, by the convention of each system.
fn history_file() -> Option<PathBuf> {
    let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Some(path("HOME")?.join("Library/Application Support"))
    } else {
        path("XDG_STATE_HOME")
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(path("HOME")?.join(".local/state")))
    };
    Some(folder?.join("lsmi-etl/sql_history"))
}

/// The callbacks of rustyline: completion of the input.
struct EditorHelper<'a> {
    session: &'a Session,
    /// The lines before the one that is edited.
    before: String,
}

impl Completer for EditorHelper<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let text = format!("{}{line}", self.before);
        let (start, found) = complete(&text, self.before.len() + pos, self.session);
        // A quote that a line before has opened is not replaced.
        let Some(start) = start.checked_sub(self.before.len()) else { return Ok((pos, Vec::new())) };
        let pairs = found.into_iter().map(|one| Pair {
            display: escape_line(&one.shown).into_owned(), // The line is drawn as it is.
            replacement: before_controls(&one.replacement).to_owned(),
        });
        Ok((start, pairs.collect()))
    }
}

impl Validator for EditorHelper<'_> {}

impl Hinter for EditorHelper<'_> {
    type Hint = String;
}

impl Highlighter for EditorHelper<'_> {}

impl Helper for EditorHelper<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_says_what_is_open() {
        for (statement, shown) in [
            ("", PROMPT),
            ("SELECT 1\n", " ...> "),
            ("SELECT 1; SELECT\n", " ...> "),
            ("SELECT (1 +\n", " ..(> "),
            ("SELECT (1 + (2)\n", " ..(> "),
            ("SELECT (')'\n", " ..(> "),
            ("SELECT (1)\n", " ...> "),
            ("SELECT ('a\n", " ..'> "),
            ("SELECT \"a\n", " ..\"> "),
            ("SELECT $$a;\n", " ..$> "),
            ("SELECT $t$a;$$;\n", " ..$> "),
            ("SELECT 1 /* a\n", " ..*> "),
            ("SELECT 1 -- it's\n", " ...> "),
        ] {
            assert_eq!(prompt(statement), shown, "{statement}");
            assert_eq!(prompt(statement).len(), PROMPT.len());
        }
    }

    #[test]
    fn commands_stand_between_lines_but_not_in_quotes() {
        for (statement, line) in
            [("", "\\d"), ("", ".tables"), ("", "exit"), ("", "\\nope"), ("SELECT 1\n", " \\q")]
        {
            assert!(is_command(statement, line), "{statement}{line}");
        }
        for (statement, line) in [
            ("", "SELECT 1"),
            ("SELECT 'a\n", "\\q'"),
            ("/* a\n", "\\q"),
            ("SELECT 1 +\n", ".5"),
            ("SELECT\n", "exit"),
        ] {
            assert!(!is_command(statement, line), "{statement}{line}");
        }
    }
}
