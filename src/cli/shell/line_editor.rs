//! A line editor on the terminal with history and completion, built on rustyline.

use std::env;
use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::error::{Error, Place, Result};
use crate::printable::{before_controls, escape_line};
use crate::sql::Session;

use super::complete::complete;
use super::{lexer, meta_command};

const HISTORY_ENTRIES: usize = 10_000;

/// An input from the terminal.
#[derive(Debug)]
pub(super) enum Line {
    /// A meta-command, or statements up to a semicolon.
    Text(String),
    /// Ctrl-C cleared the input.
    Cleared,
    /// Ctrl-D, or the terminal was closed.
    End,
}

/// A line editor that completes the names of a session.
pub(super) struct LineEditor<'a> {
    editor: Editor<EditorHelper<'a>, FileHistory>,
    history: Option<PathBuf>,
}

impl<'a> LineEditor<'a> {
    /// Opens the terminal and loads the history.
    ///
    /// # Errors
    /// [`Error::Io`] where the terminal cannot be used.
    pub(super) fn open(session: &'a Session) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .auto_add_history(true)
            .max_history_size(HISTORY_ENTRIES)
            .map_err(terminal_error)?
            .build();
        let history = FileHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(terminal_error)?;
        editor.set_helper(Some(EditorHelper { session }));
        let history = history_file();
        if let Some(path) = &history {
            // The file does not exist in the first session.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Reads one input.
    ///
    /// # Errors
    /// [`Error::Io`] of the terminal.
    pub(super) fn read(&mut self) -> Result<Line> {
        match self.editor.readline("lsmi> ") {
            Ok(text) => {
                self.append_history();
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(terminal_error(error)),
        }
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

/// The callbacks of rustyline: completion and validation of the input.
struct EditorHelper<'a> {
    session: &'a Session,
}

impl Completer for EditorHelper<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = complete(line, pos, self.session);
        let pairs = found.into_iter().map(|one| Pair {
            display: escape_line(&one.shown).into_owned(), // The line is drawn as it is.
            replacement: before_controls(&one.replacement).to_owned(),
        });
        Ok((start, pairs.collect()))
    }
}

impl Validator for EditorHelper<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        // A malformed meta-command is complete, too: the shell reports its error.
        let is_command = !matches!(meta_command::parse(text), Ok(None));
        Ok(match is_command || lexer::is_complete(text) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for EditorHelper<'_> {
    type Hint = String;
}

impl Highlighter for EditorHelper<'_> {}

impl Helper for EditorHelper<'_> {}
