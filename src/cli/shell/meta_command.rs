//! Meta-commands of the shell (`\d`, `.tables`): their parser and their help. Those after a backslash are as in psql, those
//! after a point as in duckdb and sqlite.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::sql::Format;

/// A command to the shell itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MetaCommand {
    Quit,
    Help,
    /// All tables, or the columns of one table.
    Describe(Option<String>),
    /// All functions, or those whose names contain a text.
    Functions(Option<String>),
    /// On, off, or toggle.
    Timing(Option<bool>),
    /// Output to a file, or back to stdout.
    Output(Option<String>),
    /// Output of the next statements alone to a file.
    Once(String),
    Format(Option<Format>),
    /// Between a line for each value and the table.
    Expanded,
    /// Maximum number of rows that a table prints; 0 for all.
    Rows(usize),
    /// A file to execute, and the command as it was typed.
    Include {
        command: String,
        path: String,
    },
}

/// The names of the commands, for help and completion.
pub(super) const COMMANDS: [(&str, &str, &str); 11] = [
    ("\\d", "[NAME]", "list tables and views, or the columns of a table or a file"),
    ("\\df", "[TEXT]", "list functions, or those with TEXT in their names"),
    ("\\f", "FORMAT", "set the output format: table, line, csv, tsv, json, ndjson, markdown, …"),
    ("\\x", "", "show a line for each value, or the table again"),
    ("\\pset", "format F | rows N", "set the format, or the number of rows that a table prints, 0 for all"),
    ("\\o", "[FILE]", "write results to FILE; without FILE, close it and print results here"),
    ("\\i", "FILE", "execute the statements in a file"),
    ("\\timing", "[on|off]", "print the number of rows and the duration of each statement"),
    ("\\?", "", "print this help; also \\h and help"),
    ("\\q", "", "quit; also quit, exit and Ctrl-D"),
    ("\\h", "", "help"),
];

/// The help text, which lists every command.
pub(super) fn help() -> String {
    let mut text = String::from(
        "SQL ends in a semicolon and may span several lines. A quoted file name is a table:\n  \
         SELECT label, avg(r) FROM 'out.parquet' GROUP BY label;\n\n",
    );
    for (name, argument, what) in COMMANDS.iter().filter(|(name, ..)| *name != "\\h") {
        let usage = format!("{name} {argument}");
        text.push_str(&format!("  {usage:26}{what}\n"));
    }
    text.push_str(
        "\n.tables, .schema [NAME], .mode FORMAT, .read FILE, .output [FILE], .once FILE, .maxrows N, .timer on|off, .help and .quit \
         do the same.\n\nTab completes names and, in quotes, files. Ctrl-C cancels a query or clears the input; \
         the arrow keys and\nCtrl-R search the history.\n",
    );
    text
}

/// Parses a command; `None` for SQL.
///
/// # Errors
/// [`Error::Usage`] for an unknown command after a backslash.
pub(super) fn parse(text: &str) -> Result<Option<MetaCommand>> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(['\\', '.']) else {
        return Ok(match text.trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
            "help" => Some(MetaCommand::Help),
            "quit" | "exit" => Some(MetaCommand::Quit),
            _ => None,
        });
    };
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let name = name.trim_end_matches(';');
    let argument = argument.trim().trim_end_matches(';').trim_end();
    let argument = (!argument.is_empty()).then(|| argument.to_owned());
    let (typed, name) = match text.starts_with('.') {
        true => (format!(".{name}"), of_point(name)?),
        false => (format!("\\{name}"), name),
    };
    Ok(Some(match (name, argument) {
        ("x", _) => MetaCommand::Expanded,
        ("q" | "quit" | "exit", _) => MetaCommand::Quit,
        ("?" | "h" | "help", _) => MetaCommand::Help,
        ("d" | "dt" | "dv" | "d+", name) => MetaCommand::Describe(name.map(unquoted)),
        ("df", text) => MetaCommand::Functions(text.map(unquoted)),
        ("timing", None) => MetaCommand::Timing(None),
        ("timing", Some(value)) => MetaCommand::Timing(Some(switch(&typed, &value)?)),
        ("o", file) => MetaCommand::Output(file.map(unquoted)),
        ("once", Some(file)) => MetaCommand::Once(unquoted(file)),
        ("f", None) => MetaCommand::Format(None),
        ("f", Some(value)) => MetaCommand::Format(Some(format(&value)?)),
        ("pset", Some(setting)) => set(&typed, &setting)?,
        ("maxrows", Some(rows)) => MetaCommand::Rows(row_count(&typed, &rows)?),
        ("i", Some(file)) => MetaCommand::Include { command: typed, path: unquoted(file) },
        ("i" | "pset" | "maxrows" | "once", None) => {
            return Err(Error::Usage(format!("{typed} needs an argument; \\? lists what each takes")));
        }
        _ => return Err(Error::Usage(format!("unknown command {typed}; \\? lists all"))),
    }))
}

/// The command after a backslash that one after a point is.
fn of_point(name: &str) -> Result<&str> {
    Ok(match name {
        "tables" | "schema" | "columns" => "d",
        "functions" => "df",
        "mode" => "f",
        "read" => "i",
        "output" => "o",
        "timer" => "timing",
        "maxrows" | "once" => name,
        "help" | "quit" | "exit" => name,
        _ => return Err(Error::Usage(format!("unknown command .{name}; .help lists all"))),
    })
}

fn set(typed: &str, setting: &str) -> Result<MetaCommand> {
    let (name, value) = setting.split_once(char::is_whitespace).unwrap_or((setting, ""));
    match (name, value.trim()) {
        ("format", "") => Ok(MetaCommand::Format(None)),
        ("format", value) => Ok(MetaCommand::Format(Some(format(value)?))),
        ("rows", value) => Ok(MetaCommand::Rows(row_count(&format!("{typed} rows"), value)?)),
        (name, _) => Err(Error::Usage(format!("{typed} sets format or rows, not {name}"))),
    }
}

fn row_count(typed: &str, value: &str) -> Result<usize> {
    value.parse().map_err(|_| Error::Usage(format!("{typed} takes a number; 0 for all")))
}

/// The names of the formats.
pub(super) fn formats() -> Vec<&'static str> {
    Format::value_variants().iter().map(|format| format.name()).collect()
}

fn format(value: &str) -> Result<Format> {
    Format::from_str(value, true)
        .map_err(|_| Error::Usage(format!("unknown format {value}; use one of {}", formats().join(", "))))
}

fn switch(typed: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(Error::Usage(format!("{typed} takes on, off or nothing"))),
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
        assert_eq!(command(" exit ;"), Some(MetaCommand::Quit));
        assert_eq!(command("\\d"), Some(MetaCommand::Describe(None)));
        assert_eq!(
            command("\\d 'a b.parquet';"),
            Some(MetaCommand::Describe(Some("a b.parquet".to_owned())))
        );
        assert_eq!(command("\\o"), Some(MetaCommand::Output(None)));
        assert_eq!(command("\\pset format CSV"), Some(MetaCommand::Format(Some(Format::Csv))));
        assert_eq!(command("\\timing on"), Some(MetaCommand::Timing(Some(true))));
        assert_eq!(command("\\x"), Some(MetaCommand::Expanded));
        assert_eq!(command(".tables"), Some(MetaCommand::Describe(None)));
        assert_eq!(command(".mode line"), Some(MetaCommand::Format(Some(Format::Line))));
        assert_eq!(
            command(".read a.sql;"),
            Some(MetaCommand::Include { command: ".read".to_owned(), path: "a.sql".to_owned() })
        );
        assert_eq!(command(".once a.csv"), Some(MetaCommand::Once("a.csv".to_owned())));
        assert_eq!(command("\\dt"), Some(MetaCommand::Describe(None)));
        assert_eq!(command(".maxrows 5"), Some(MetaCommand::Rows(5)));
        assert_eq!(command(".timer off"), Some(MetaCommand::Timing(Some(false))));
        assert_eq!(command(".quit"), Some(MetaCommand::Quit));
        for wrong in [".nope", ".once", "\\y", "\\f xlsx", "\\i", "\\timing perhaps", "\\pset rows few"] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 64, "{wrong}");
        }
        for (wrong, begins) in [
            (".read", ".read needs"),
            ("\\i", "\\i needs"),
            (".timer perhaps", ".timer takes"),
            (".maxrows few", ".maxrows takes"),
            ("\\pset rows few", "\\pset rows takes"),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with(begins), "{error}");
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
