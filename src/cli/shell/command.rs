//! What may be typed in the shell beside SQL.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::sql::Format;

/// Something for the shell itself to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Quit,
    Help,
    /// All tables, or one table's columns.
    Describe(Option<String>),
    /// Functions, all or those with a text in their name.
    Functions(Option<String>),
    /// On, off, or the other of the two.
    Timing(Option<bool>),
    /// Results to a file, or back to the screen.
    Output(Option<String>),
    Format(Option<Format>),
    /// Rows that a table shows; 0 for all.
    Rows(usize),
    Include(String),
}

/// The commands, for help and completion.
pub(super) const COMMANDS: [(&str, &str, &str); 10] = [
    ("\\d", "[NAME]", "tables and views, or the columns of one or of a file"),
    ("\\df", "[TEXT]", "functions, or those with TEXT in their names"),
    ("\\f", "FORMAT", "how rows are written: table, csv, tsv, json, ndjson, markdown, …"),
    ("\\pset", "format F | rows N", "the same; or how many rows a table shows, 0 for all"),
    ("\\o", "[FILE]", "write results to a file from now on; without one, finish it and show them here"),
    ("\\i", "FILE", "run the statements in a file"),
    ("\\timing", "[on|off]", "say how long each statement takes"),
    ("\\?", "", "this help; \\h and help too"),
    ("\\q", "", "leave; quit, exit and Ctrl-D too"),
    ("\\h", "", "help"),
];

/// The help, which names every command.
pub(super) fn help() -> String {
    let mut text = String::from(
        "SQL ends in a semicolon and may take several lines. A file's name in quotes is a table:\n  \
         SELECT label, avg(r) FROM 'out.parquet' GROUP BY label;\n\n",
    );
    for (name, argument, what) in COMMANDS.iter().filter(|(name, ..)| *name != "\\h") {
        let usage = format!("{name} {argument}");
        text.push_str(&format!("  {usage:26}{what}\n"));
    }
    text.push_str(
        "\nTab completes names and, in quotes, files. Ctrl-C stops a query or clears what was typed; \
         the arrow keys and\nCtrl-R find what was typed before.\n",
    );
    text
}

/// Reads a command; `None` for SQL.
///
/// # Errors
/// [`Error::Usage`] for a backslash with something unknown.
pub(super) fn parse(text: &str) -> Result<Option<Command>> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('\\') else {
        return Ok(match text.trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
            "help" => Some(Command::Help),
            "quit" | "exit" => Some(Command::Quit),
            _ => None,
        });
    };
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let name = name.trim_end_matches(';');
    let argument = argument.trim().trim_end_matches(';').trim_end();
    let argument = (!argument.is_empty()).then(|| argument.to_owned());
    Ok(Some(match (name, argument) {
        ("q" | "quit" | "exit", _) => Command::Quit,
        ("?" | "h" | "help", _) => Command::Help,
        ("d", name) => Command::Describe(name.map(unquoted)),
        ("df", text) => Command::Functions(text.map(unquoted)),
        ("timing", None) => Command::Timing(None),
        ("timing", Some(value)) => Command::Timing(Some(switch(&value)?)),
        ("o", file) => Command::Output(file.map(unquoted)),
        ("f", None) => Command::Format(None),
        ("f", Some(value)) => Command::Format(Some(format(&value)?)),
        ("pset", Some(setting)) => set(&setting)?,
        ("i", Some(file)) => Command::Include(unquoted(file)),
        ("i" | "pset", None) => return Err(Error::Usage(format!("\\{name} needs more; \\? says what"))),
        _ => return Err(Error::Usage(format!("there is no command \\{name}; \\? lists them"))),
    }))
}

fn set(setting: &str) -> Result<Command> {
    let (name, value) = setting.split_once(char::is_whitespace).unwrap_or((setting, ""));
    match (name, value.trim()) {
        ("format", "") => Ok(Command::Format(None)),
        ("format", value) => Ok(Command::Format(Some(format(value)?))),
        ("rows", value) => match value.parse() {
            Ok(rows) => Ok(Command::Rows(rows)),
            Err(_) => Err(Error::Usage("\\pset rows takes a number; 0 for all".to_owned())),
        },
        (name, _) => Err(Error::Usage(format!("\\pset knows format and rows, not {name}"))),
    }
}

/// The names of the formats.
pub(super) fn formats() -> Vec<&'static str> {
    Format::value_variants().iter().map(|format| format.name()).collect()
}

fn format(value: &str) -> Result<Format> {
    Format::from_str(value, true).map_err(|_| {
        Error::Usage(format!("there is no format {value}; take one of {}", formats().join(", ")))
    })
}

fn switch(value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(Error::Usage("\\timing takes on, off or nothing".to_owned())),
    }
}

fn unquoted(text: String) -> String {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_sql() {
        let command = |text: &str| parse(text).unwrap();
        assert_eq!(command("SELECT 1;"), None);
        assert_eq!(command(" exit ;"), Some(Command::Quit));
        assert_eq!(command("\\d"), Some(Command::Describe(None)));
        assert_eq!(command("\\d 'a b.parquet';"), Some(Command::Describe(Some("a b.parquet".to_owned()))));
        assert_eq!(command("\\o"), Some(Command::Output(None)));
        assert_eq!(command("\\pset format CSV"), Some(Command::Format(Some(Format::Csv))));
        assert_eq!(command("\\timing on"), Some(Command::Timing(Some(true))));
        for wrong in ["\\x", "\\f xlsx", "\\i", "\\timing perhaps", "\\pset rows few"] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 64, "{wrong}");
        }
    }

    #[test]
    fn help_names_every_command() {
        for (name, ..) in COMMANDS {
            assert!(help().contains(name), "{name}");
            let needs = if ["\\i", "\\pset"].contains(&name) { "rows 5" } else { "" };
            assert!(parse(&format!("{name} {needs}")).unwrap().is_some());
        }
    }
}
