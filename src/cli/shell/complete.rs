//! Completion for the shell: meta-commands after a backslash, files within quotes, and otherwise
//! columns of the tables in the statement, tables, functions and SQL keywords.

use std::path::Path;

use crate::printable::quoted_name;
use crate::sql::{EndState, Format, Session, end_state, is_word, tables_named};

use super::meta_command::{COMMANDS, formats};

/// A candidate: the text to display, and its replacement for the typed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) shown: String,
    pub(super) replacement: String,
}

impl Candidate {
    fn plain(text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { replacement: shown.clone(), shown }
    }
}

const KEYWORDS: [&str; 72] = [
    "ALL",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COLUMNS",
    "COPY",
    "CREATE",
    "CROSS",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTERNAL",
    "FALSE",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "REPLACE",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "STORED",
    "SUMMARIZE",
    "TABLE",
    "TABLES",
    "THEN",
    "TRUE",
    "UNION",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
];

/// The candidates at the byte `position` of the cursor, and the byte at which the text begins that
/// they replace.
pub(super) fn complete(line: &str, position: usize, session: &Session) -> (usize, Vec<Candidate>) {
    let (before, after) = line.split_at_checked(position).unwrap_or((line, ""));
    if before.trim_start().starts_with(['\\', '.']) {
        return command(before, session);
    }
    if let EndState::Quoted(quote, start) = end_state(before) {
        if quote == '$' {
            return (start, Vec::new());
        }
        let typed = before.get(start..).unwrap_or_default();
        let close = if after.starts_with(quote) { String::new() } else { quote.to_string() };
        let mut found = files(typed, &close, |name| Format::of(Path::new(name)).is_some());
        found.extend(
            session
                .tables()
                .into_iter()
                .filter(|table| quote == '"' && table.starts_with(typed))
                .map(|table| Candidate { replacement: format!("{table}{close}"), shown: table }),
        );
        return (start, found);
    }
    let start = before.rfind(|c| !is_word(c)).map_or(0, |last| {
        last + before.get(last..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let typed = before.get(start..).unwrap_or_default();
    (start, names(typed, line, session))
}

fn names(typed: &str, line: &str, session: &Session) -> Vec<Candidate> {
    let begins = |name: &str| {
        let head = name.chars().flat_map(char::to_lowercase);
        typed.chars().flat_map(char::to_lowercase).eq(head.take(typed.chars().count()))
    };
    let mut found = Vec::new();
    let named = tables_named(line);
    // Before FROM is typed, those of the tables that have a name.
    let tables_of_columns = if named.is_empty() && !typed.is_empty() { session.tables() } else { named };
    let columns = tables_of_columns.iter().flat_map(|table| columns(table, session));
    for name in columns.filter(|name| begins(name)) {
        let candidate = Candidate { replacement: quoted_name(&name), shown: name };
        if !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    if typed.is_empty() {
        return found;
    }
    let tables = session.tables().into_iter().filter(|name| begins(name));
    found.extend(tables.map(|name| Candidate { replacement: quoted_name(&name), shown: name }));
    let functions = session.functions().into_iter().filter(|name| begins(name));
    found.extend(functions.map(|name| Candidate { replacement: format!("{name}("), shown: name }));
    let lower = typed.chars().any(char::is_lowercase);
    let words = KEYWORDS.iter().filter(|word| begins(word));
    found.extend(
        words.map(|word| Candidate::plain(if lower { word.to_lowercase() } else { (*word).to_owned() })),
    );
    found
}

/// The columns of a table or a file. Object stores are not queried during completion.
fn columns(table: &str, session: &Session) -> Vec<String> {
    match table.contains("://") {
        true => Vec::new(),
        false => session.columns(table),
    }
}

fn command(before: &str, session: &Session) -> (usize, Vec<Candidate>) {
    let start = before.rfind(char::is_whitespace).map_or(0, |last| last + 1);
    let typed = before.get(start..).unwrap_or_default();
    let (quote, typed) = match typed.strip_prefix(['\'', '"']) {
        Some(rest) => (1, rest),
        None => (0, typed),
    };
    let close = typed_quote(before, start, quote);
    let words = |words: &[&str]| -> Vec<Candidate> {
        words.iter().filter(|word| word.starts_with(typed)).map(|word| Candidate::plain(*word)).collect()
    };
    let earlier: Vec<&str> = before.get(..start).unwrap_or_default().split_whitespace().collect();
    let found = match earlier.as_slice() {
        [] => words(&COMMANDS.map(|(name, ..)| name)),
        ["\\d"] => {
            let mut found = words(&session.tables().iter().map(String::as_str).collect::<Vec<_>>());
            found.extend(files(typed, &close, |name| Format::of(Path::new(name)).is_some()));
            found
        }
        ["\\df"] => words(&session.functions().iter().map(String::as_str).collect::<Vec<_>>()),
        ["\\f"] | ["\\pset", "format"] => words(&formats()),
        ["\\pset"] => words(&["format", "rows"]),
        ["\\timing"] => words(&["off", "on"]),
        ["\\i" | "\\o"] => files(typed, &close, |_| true),
        _ => Vec::new(),
    };
    (start + quote, found)
}

fn typed_quote(before: &str, start: usize, length: usize) -> String {
    before.get(start..start + length).unwrap_or_default().to_owned()
}

/// Files and folders whose paths begin with the typed text; `close` is appended to a file.
fn files(typed: &str, close: &str, wanted: impl Fn(&str) -> bool) -> Vec<Candidate> {
    let name_start = typed.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, head) = typed.split_at_checked(name_start).unwrap_or(("", typed));
    let path = match (folder, folder.strip_prefix("~/"), std::env::var("HOME")) {
        ("", ..) => ".".to_owned(),
        (_, Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => folder.to_owned(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with(head) || (name.starts_with('.') && head.is_empty()) {
            continue;
        }
        // Follows links: a link to a folder counts as a folder.
        if entry.path().is_dir() {
            let shown = format!("{name}/");
            found.push(Candidate { replacement: format!("{folder}{shown}"), shown });
        } else if wanted(&name) {
            found.push(Candidate { replacement: format!("{folder}{name}{close}"), shown: name });
        }
    }
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    found
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::sql::{Layout, SqlRequest};

    fn session() -> Session {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let make = "CREATE VIEW samples AS SELECT 1 AS label, 0.5 AS redundancy, 'a' AS \"Key\"";
        session.run(make, &Layout::default(), &mut Vec::new(), &AtomicBool::new(false)).unwrap();
        session
    }

    fn replacements(line: &str, session: &Session) -> (usize, Vec<String>) {
        let cursor = line.find('|').unwrap();
        let (start, found) = complete(&line.replace('|', ""), cursor, session);
        (start, found.into_iter().map(|candidate| candidate.replacement).collect())
    }

    #[test]
    fn columns_of_the_tables_come_first() {
        let session = session();
        assert_eq!(replacements("SELECT red| FROM samples", &session), (7, vec!["redundancy".to_owned()]));
        assert_eq!(replacements("SELECT | FROM samples", &session).1, ["label", "redundancy", "\"Key\""]);
        let (start, found) = replacements("SELECT avg(l|) FROM samples", &session);
        assert_eq!((start, found[0].as_str()), (11, "label"));
        assert_eq!(replacements("SELECT ke| FROM samples", &session).1, ["\"Key\""]);
        assert_eq!(replacements("SELECT redu|", &session).1, ["redundancy"]);
    }

    #[test]
    fn tables_functions_and_words_follow() {
        let session = session();
        assert_eq!(replacements("SELECT * FROM sampl|", &session).1, ["samples"]);
        assert!(replacements("SELECT approx_med|", &session).1.contains(&"approx_median(".to_owned()));
        assert_eq!(replacements("sel|", &session).1, ["select"]);
        assert_eq!(replacements("SEL|", &session).1, ["SELECT"]);
        assert!(replacements("|", &session).1.is_empty());
    }

    #[test]
    fn files_are_completed_within_quotes() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["out.parquet", "other.csv", "notes.pdf"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let session = session();
        let base = dir.path().display().to_string();
        let (start, found) = replacements(&format!("SELECT * FROM '{base}/|"), &session);
        assert_eq!(start, 15);
        let shown = ["folder/", "other.csv'", "out.parquet'"].map(|name| format!("{base}/{name}"));
        assert_eq!(found, shown);
        assert_eq!(
            replacements(&format!("FROM '{base}/ou|' WHERE"), &session).1,
            [format!("{base}/out.parquet")]
        );
        assert_eq!(replacements("SELECT \"sam|", &session).1, ["samples\""]);
    }

    #[test]
    fn commands_are_completed_with_what_they_take() {
        let session = session();
        assert_eq!(replacements("\\ti|", &session), (0, vec!["\\timing".to_owned()]));
        assert_eq!(replacements("\\f cs|", &session), (3, vec!["csv".to_owned()]));
        assert_eq!(replacements("\\d sam|", &session), (3, vec!["samples".to_owned()]));
        assert_eq!(replacements("\\pset format nd|", &session).1, ["ndjson"]);
    }
}
