//! Columns with the name of a word of SQL, which a query has to quote: what the parser says of one without quotes
//! is about something else.

use datafusion::sql::sqlparser::tokenizer::{Location, Token};

use crate::error::Error;
use crate::printable::{is_reserved, quoted_name};

use super::caret::parsers_place;
use super::lexer::{is_space, tables_named, tokens};

/// Tokens before the place at which the parser stops, among which the column is.
const TOKENS_BEFORE: usize = 3;

/// Adds to the parser's error the advice to quote a column, where one of the tables has a column of that name.
/// `columns` are those of a table or file.
pub(super) fn with_quotes_advised(error: Error, sql: &str, columns: impl Fn(&str) -> Vec<String>) -> Error {
    let Error::Usage(text) = &error else { return error };
    let (head, marked) = text.split_once('\n').unwrap_or((text, ""));
    if parsers_place(head).is_none() && !head.ends_with("found: EOF") {
        return error;
    }
    let words = reserved_words_near(sql, parsers_place(head));
    if words.is_empty() {
        return error;
    }
    let tables = tables_named(sql);
    // Stores are not asked for the sake of a hint.
    let columns = tables.iter().filter(|table| !table.contains("://")).flat_map(|table| columns(table));
    let column =
        columns.into_iter().find(|column| words.iter().any(|word| word.eq_ignore_ascii_case(column)));
    let Some(column) = column else { return error };
    let advice = format!(
        "{head}; {column} is a word of SQL, and as a column it stands in quotes: {}",
        quoted_name(&column)
    );
    Error::Usage(if marked.is_empty() { advice } else { format!("{advice}\n{marked}") })
}

/// The words at and before a place that are names only in quotes; at the end where there is no place.
fn reserved_words_near(sql: &str, place: Option<(usize, usize)>) -> Vec<String> {
    let tokens = tokens(sql);
    let tokens: Vec<_> = tokens.iter().filter(|token| !is_space(&token.token)).collect();
    let place = place.map(|(line, column)| Location { line: line as u64, column: column as u64 });
    let at = tokens.iter().take_while(|token| place.is_none_or(|place| token.span.start < place)).count();
    let near = tokens.iter().take(at + 1).skip(at.saturating_sub(TOKENS_BEFORE));
    near.filter_map(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() && is_reserved(&word.value) => {
            Some(word.value.clone())
        }
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

    use super::super::{Layout, Session, SqlRequest};
    use super::*;
    use crate::error::Result;
    use crate::sql::Format;

    fn run(session: &Session, sql: &str) -> Result<String> {
        let mut out = Vec::new();
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        session.run(sql, &layout, &mut out, &AtomicBool::new(false))?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_word_of_sql_is_a_column_as_it_is_written_here() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let names: Vec<String> = ALL_KEYWORDS.iter().map(|word| word.to_ascii_lowercase()).collect();
        let columns = names.iter().zip(0..).map(|(name, k)| format!("{k} AS \"{name}\""));
        run(&session, &format!("CREATE TABLE words AS SELECT {}", columns.collect::<Vec<_>>().join(", ")))
            .unwrap();
        for (name, k) in names.iter().zip(0..) {
            let name = quoted_name(name);
            let sql =
                format!("SELECT {name} AS k, 0 + {name} AS sum FROM words WHERE {name} >= 0 ORDER BY {name}");
            assert_eq!(run(&session, &sql).unwrap(), format!("k,sum\n{k},{k}\n"), "{name}");
        }
    }

    #[test]
    fn a_word_of_sql_that_is_a_column_is_told_to_be_quoted() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        run(&session, "CREATE VIEW t AS SELECT 1 AS top, 2 AS \"exists\", 3 AS \"Interval\"").unwrap();
        for (sql, column) in [
            ("SELECT top FROM t", "\"top\""),
            ("SELECT 1,\n  exists FROM t", "\"exists\""),
            ("SELECT 1 FROM t WHERE exists > 0", "\"exists\""),
            ("SELECT 1 FROM t WHERE INTERVAL > 0", "\"Interval\""),
        ] {
            let error = run(&session, sql).unwrap_err().to_string();
            let first = error.lines().next().unwrap();
            assert!(first.ends_with(&format!("stands in quotes: {column}")), "{sql}: {error}");
        }
        for sql in ["SELECT trim FROM t", "SELECT top FROM absent", "SELECT 1 FROM t WHERE 1 1", "SELECT"] {
            let error = run(&session, sql).unwrap_err().to_string();
            assert!(!error.contains("in quotes:"), "{sql}: {error}");
        }
    }
}
