//! Lines from the terminal: editing, history and completion by rustyline.

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
use crate::sql::Session;

use super::complete::complete;
use super::{command, lexer};

const HISTORY_ENTRIES: usize = 10_000;

/// What came from the terminal.
#[derive(Debug)]
pub(super) enum Line {
    /// A command, or statements up to a semicolon.
    Text(String),
    /// Ctrl-C: what was typed is gone.
    Cleared,
    /// Ctrl-D, or the terminal went away.
    End,
}

/// An editor over a session, whose names it completes.
pub(super) struct Lines<'a> {
    editor: Editor<Assistant<'a>, FileHistory>,
    history: Option<PathBuf>,
}

impl<'a> Lines<'a> {
    /// Opens the terminal and the history of earlier shells.
    ///
    /// # Errors
    /// [`Error::Io`] where the terminal cannot be used.
    pub(super) fn open(session: &'a Session) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .auto_add_history(true)
            .max_history_size(HISTORY_ENTRIES)
            .map_err(terminal)?
            .build();
        let history = FileHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(terminal)?;
        editor.set_helper(Some(Assistant { session }));
        let history = history_file();
        if let Some(path) = &history {
            // None yet, the first time.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Waits for what is typed.
    ///
    /// # Errors
    /// [`Error::Io`] of the terminal.
    pub(super) fn read(&mut self) -> Result<Line> {
        match self.editor.readline("lsmi> ") {
            Ok(text) => {
                self.remember();
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(terminal(error)),
        }
    }

    /// Writes what was typed to the history, now: the shell may be killed.
    fn remember(&mut self) {
        let Some(path) = &self.history else { return };
        let folder = path.parent().map(std::fs::create_dir_all);
        let written = match folder {
            Some(Err(error)) => Err(ReadlineError::Io(error)),
            _ => self.editor.append_history(path),
        };
        if let Err(error) = written {
            tracing::warn!("{}: the history is not kept: {error}", path.display());
            self.history = None;
        }
    }
}

fn terminal(error: ReadlineError) -> Error {
    Error::io(Place::file("the terminal"), "read", std::io::Error::other(error.to_string()))
}

/// Where the history is: the user's folder for what programs leave behind, by each
/// system's convention.
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

/// What rustyline asks while somebody types.
struct Assistant<'a> {
    session: &'a Session,
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = complete(line, pos, self.session);
        let pairs = found.into_iter().map(|one| Pair { display: one.shown, replacement: one.replacement });
        Ok((start, pairs.collect()))
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        // A command with a mistake in it is whole, too: the shell says what is wrong.
        let is_command = !matches!(command::parse(text), Ok(None));
        Ok(match is_command || lexer::is_whole(text) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Highlighter for Assistant<'_> {}

impl Helper for Assistant<'_> {}
