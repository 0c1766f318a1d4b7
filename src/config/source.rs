//! The text of a pipeline file, for errors that name the line and the key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::error::{Error, Place, Result};

/// Names no more alike than this are not suggested.
const ALIKE: f64 = 0.7;

/// A pipeline file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    pub(super) text: String,
}

/// EncryptionKeys by their paths (`annotate.bundle`, `sql[0].query`) and the lines they are on.
pub(super) type Lines = BTreeMap<String, usize>;

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                Err(Error::Config(format!("{}: it is not UTF-8 text", path.display())))
            }
            Err(source) => Err(Error::NoInput { place: Place::file(path.display()), source }),
        }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.bytes().take(offset);
        1 + before.filter(|byte| *byte == b'\n').count()
    }

    /// How the text of a value begins that is written over several lines: such a string does
    /// not hold the line break after its opening quotes.
    pub(super) fn first_line(&self, span: &Range<usize>) -> usize {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let opened = ["\"\"\"\n", "'''\n", "\"\"\"\r\n", "'''\r\n"];
        self.line(span.start) + usize::from(opened.iter().any(|quotes| written.starts_with(quotes)))
    }

    /// The file, a line and a key.
    pub(super) fn place(&self, line: usize, key: &str) -> String {
        let key = if key.is_empty() { String::new() } else { format!(", {key}") };
        format!("{}, line {line}{key}", self.path.display())
    }

    /// What is wrong with a key.
    pub(super) fn wrong(&self, line: usize, key: &str, what: impl Display) -> Error {
        Error::Config(format!("{}: {what}", self.place(line, key)))
    }

    /// An error of the TOML's syntax or types, at the key where it was met.
    pub(super) fn explain(&self, key: &str, error: &toml::de::Error) -> Error {
        let line = error.span().map_or(1, |span| self.line(span.start));
        // Serde gives names in backquotes: first the one that was met.
        let mut names = error.message().split('`').skip(1).step_by(2);
        let found = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let message = error.message();
        if message.starts_with("unknown field") {
            // The key itself may or may not be a part of the path already.
            let key = match key.rsplit('.').next() == Some(found) {
                true => key.to_owned(),
                false => join(key, found),
            };
            self.wrong(line, &key, format!("there is no such key{}", instead(found, &known)))
        } else if message.starts_with("unknown variant") {
            let or = known.join(", ");
            self.wrong(line, key, format!("{found:?} is none of {or}{}", similar(found, &known)))
        } else if message.starts_with("missing field") {
            self.wrong(line, &join(key, found), "it is missing")
        } else {
            self.wrong(line, key, message.replace('\n', " ").trim_end_matches('.'))
        }
    }

    /// The lines of all keys of a table, and of the tables in it.
    pub(super) fn lines(&self, path: &str, value: &toml::Spanned<DeValue<'_>>, lines: &mut Lines) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let path = join(path, key.get_ref());
                    lines.insert(path.clone(), self.line(key.span().start));
                    self.lines(&path, value, lines);
                }
            }
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    lines.insert(path.clone(), self.line(value.span().start));
                    self.lines(&path, value, lines);
                }
            }
            _ => {}
        }
    }
}

/// The path of a key in a table.
pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// "; did you mean …" or, where nothing is alike, what there is.
pub(super) fn instead(found: &str, known: &[&str]) -> String {
    match similar(found, known) {
        meant if meant.is_empty() && !known.is_empty() => format!("; the keys here are {}", known.join(", ")),
        meant => meant,
    }
}

/// "; did you mean …", where one of the names is alike.
fn similar(found: &str, known: &[&str]) -> String {
    let likeness = |name: &&&str| strsim::jaro_winkler(found, name);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|name| likeness(name) > ALIKE) {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}
