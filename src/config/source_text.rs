//! The text of a pipeline file and its line numbers, for errors that name the line and the key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::error::{Error, Result};
use crate::storage::{no_input, read_text};

/// The minimum Jaro-Winkler similarity of a suggested name.
const MIN_SIMILARITY: f64 = 0.7;

/// A pipeline file, or a file of SQL, as text.
#[derive(Debug)]
pub(super) struct SourceText {
    path: PathBuf,
    pub(super) text: String,
}

/// The line of each key by its path (`annotate.bundle`, `sql[0].query`).
pub(super) type KeyLines = BTreeMap<String, usize>;

impl SourceText {
    pub(super) fn open(path: &Path) -> Result<Self> {
        match read_text(path) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                let what = "it is not text; a pipeline file is TOML in UTF-8, which names its data as input; queries are SQL";
                Err(Error::Config(format!("{}: {what}", path.display())))
            }
            Err(source) => Err(no_input(path, source)),
        }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.bytes().take(offset);
        1 + before.filter(|byte| *byte == b'\n').count()
    }

    /// The line on which the text of a string begins. A multi-line string does not include the line
    /// break after its opening quotes.
    pub(super) fn first_line(&self, span: &Range<usize>) -> usize {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let opened = ["\"\"\"\n", "'''\n", "\"\"\"\r\n", "'''\r\n"];
        self.line(span.start) + usize::from(opened.iter().any(|quotes| written.starts_with(quotes)))
    }

    /// The file, the line and the key as text.
    pub(super) fn place(&self, line: usize, key: &str) -> String {
        let key = if key.is_empty() { String::new() } else { format!(", {key}") };
        format!("{}, line {line}{key}", self.path.display())
    }

    /// An error at a key.
    pub(super) fn error(&self, line: usize, key: &str, what: impl Display) -> Error {
        Error::Config(format!("{}: {what}", self.place(line, key)))
    }

    /// A syntax or type error of the TOML, at its key.
    pub(super) fn explain(&self, key: &str, error: &toml::de::Error) -> Error {
        let line = error.span().map_or(1, |span| self.line(span.start));
        // Serde puts names in backquotes, first the unexpected one.
        let mut names = error.message().split('`').skip(1).step_by(2);
        let found = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let message = error.message();
        if message.starts_with("unknown field") {
            // The path may or may not include the key already.
            let key = match key.rsplit('.').next() == Some(found) {
                true => key.to_owned(),
                false => join(key, found),
            };
            self.error(line, &key, format!("there is no such key{}", suggestion(found, &known)))
        } else if message.starts_with("unknown variant") {
            let or = known.join(", ");
            self.error(line, key, format!("{found:?} is none of {or}{}", similar_name(found, &known)))
        } else if message.starts_with("missing field") {
            self.error(line, &join(key, found), "it is missing")
        } else if message == "duplicate key" {
            let name = error.span().and_then(|span| self.text.get(span)).unwrap_or_default();
            self.error(line, &join(key, name), "duplicate key: it is above in the same table, too; omit one")
        } else if message.starts_with("invalid type: map, expected a sequence") && key == "sql" {
            self.error(line, key, "write [[sql]]: each step is a table of its own, and there may be several")
        } else if let Some((found, _)) = message.split_once(", expected a sequence")
            && let Some(text) = found.strip_prefix("invalid type: string ")
        {
            self.error(line, key, format!("it is a list: write [{text}]"))
        } else {
            self.error(line, key, message.replace('\n', " ").trim_end_matches('.'))
        }
    }

    /// Records the lines of all keys of a table and of nested tables.
    pub(super) fn collect_lines(&self, path: &str, value: &toml::Spanned<DeValue<'_>>, lines: &mut KeyLines) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let path = join(path, key.get_ref());
                    lines.insert(path.clone(), self.line(key.span().start));
                    self.collect_lines(&path, value, lines);
                }
            }
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    lines.insert(path.clone(), self.line(value.span().start));
                    self.collect_lines(&path, value, lines);
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

/// "; did you mean …" or, without a similar name, the list of names.
pub(super) fn suggestion(found: &str, known: &[&str]) -> String {
    match similar_name(found, known) {
        meant if meant.is_empty() && !known.is_empty() => format!("; the keys here are {}", known.join(", ")),
        meant => meant,
    }
}

/// "; did you mean …" if one of the names is similar.
fn similar_name(found: &str, known: &[&str]) -> String {
    let similarity = |name: &&&str| strsim::jaro_winkler(found, name);
    let best = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best.filter(|name| similarity(name) > MIN_SIMILARITY) {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}
