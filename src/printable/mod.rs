//! Text for a person to read: errors, log lines, tables, prompts. Names, paths and cells of foreign
//! files are data; what a terminal would obey in them is escaped, names stand in SQL as its parser takes
//! them, and secrets in URLs are left out. Imports nothing.

mod controls;
mod counted;
mod delimited_field;
mod secrets;
mod sql_names;
mod store_reply;

use std::any::Any;
use std::fmt;
use std::path::Path;

pub use controls::{before_controls, escape_controls, escape_for_json, escape_line};
pub use counted::counted;
pub use delimited_field::push_field;
pub use secrets::redact;
pub use sql_names::{is_reserved, quoted_name, quoted_table};

/// A message as it may be shown: without secrets, its control characters escaped.
pub fn message(text: &str) -> String {
    escape_controls(&redact(text)).into_owned()
}

/// The first line of a panic's message.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it is inconsistent");
    text.lines().next().unwrap_or_default().to_owned()
}

/// A path or URL as it may be shown, on one line.
pub fn shown(path: &Path) -> Shown<'_> {
    Shown(path)
}

/// A path or URL as text without the secrets of a URL: for summaries and files, which hold it as it is
/// otherwise.
pub fn without_secrets(path: &Path) -> String {
    secrets::redact_path(&path.to_string_lossy()).into_owned()
}

/// The one type that prints paths and URLs; see [`shown`].
#[derive(Clone, Copy)]
pub struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string_lossy();
        f.pad(&escape_line(&secrets::redact_path(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_line_without_secrets() {
        let text = |path: &str| shown(Path::new(path)).to_string();
        assert_eq!(text("in/a b.parquet"), "in/a b.parquet");
        assert_eq!(text("a\u{1b}]0;x\u{7}\nb"), "a\\u{1b}]0;x\\u{7}\\nb");
        assert_eq!(text("https://me:pa ss@host/a?sig=a b"), "https://***@host/a?sig=***");
    }

    #[test]
    fn a_message_keeps_its_lines() {
        let text = "cannot read http://u:p@host/a\u{9b}2J:\n\tgone";
        assert_eq!(message(text), "cannot read http://***@host/a\\u{9b}2J:\n\tgone");
    }
}
