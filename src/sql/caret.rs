//! The line of a text under which a caret marks the word that an error is about.

use std::fmt::Write;

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::Error;

use super::lexer::tokens;

/// Characters of the line that are shown, around the mark.
const SHOWN_CHARS: usize = 100;
/// What follows the name of a file that is not there.
const CANNOT_OPEN: &str = ": cannot open the input: ";
/// What precedes the text of the line.
const MARGIN: &str = "    ";

/// Adds the line of a statement that an error of it is about, as far as its words tell the place.
pub fn with_caret(error: Error, sql: &str) -> Error {
    let Error::Usage(text) = error else { return error };
    match place(&text, sql).and_then(|(line, column, length)| marked(sql, line, column, length)) {
        Some(marked) if !text.contains('\n') => Error::Usage(format!("{text}\n{marked}")),
        _ => Error::Usage(text),
    }
}

/// A line of a text with carets under some of its characters; line and column count from 1. `None` where there
/// is no such line.
fn marked(text: &str, line: usize, column: usize, length: usize) -> Option<String> {
    let chars: Vec<char> = text.lines().nth(line.checked_sub(1)?)?.chars().collect();
    let at = column.checked_sub(1)?.min(chars.len());
    // Long lines are cut to a window, and blanks in front left out.
    let indent = chars.iter().take_while(|c| c.is_whitespace()).count().min(at);
    let first = if at >= indent + SHOWN_CHARS { at - SHOWN_CHARS / 2 } else { indent };
    let shown = chars.iter().skip(first).take(SHOWN_CHARS);
    let shown: String = shown.map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let mut out = format!("{MARGIN}{}\n{MARGIN}", shown.trim_end());
    let most = SHOWN_CHARS.saturating_sub(at - first).max(1);
    // Writing to a string does not fail.
    let _ = write!(out, "{}{}", " ".repeat(at - first), "^".repeat(length.clamp(1, most)));
    Some(out)
}

/// Line, column and length of what the message is about: the parser names the place, the planner the word.
fn place(message: &str, sql: &str) -> Option<(usize, usize, usize)> {
    let tokens = tokens(sql);
    let length = |line: usize, column: usize| {
        let starts = |at: &&_| is_at(at, line, column);
        let token = tokens.iter().map(|token| (&token.token, token.span.start)).find(|(_, at)| starts(&at));
        token.map_or(1, |(token, _)| token.to_string().chars().count())
    };
    if let Some((line, column)) = parsers_place(message) {
        return Some((line, column, length(line, column)));
    }
    let (name, is_one_of_several) = named(message)?;
    let is_column = message.contains("there is no column ");
    let is_word = |token: &Token| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        // A table, and no column.
        Token::SingleQuotedString(text) => text == name && !is_column,
        Token::Whitespace(_) => false,
        sign => sign.to_string() == name,
    };
    let mut all = tokens.iter().filter(|token| is_word(&token.token));
    let found = all.next()?;
    if is_one_of_several && all.next().is_some() {
        return None;
    }
    let at = found.span.start;
    let (line, column) = (usize::try_from(at.line).ok()?, usize::try_from(at.column).ok()?);
    Some((line, column, found.token.to_string().chars().count()))
}

/// Line and column, from 1, at which the parser says that it stopped.
pub(super) fn parsers_place(message: &str) -> Option<(usize, usize)> {
    let (_, rest) = message.rsplit_once(" at Line: ")?;
    let (line, column) = rest.split_once(", Column: ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((digits(line)?, digits(column)?))
}

fn is_at(at: &datafusion::sql::sqlparser::tokenizer::Location, line: usize, column: usize) -> bool {
    usize::try_from(at.line) == Ok(line) && usize::try_from(at.column) == Ok(column)
}

/// The name or sign that a message begins with, and whether it may stand at other places, too, that are in order.
fn named(message: &str) -> Option<(&str, bool)> {
    let message = message.strip_prefix("SQL: ").unwrap_or(message);
    let after = |prefix: &str, ends: &[char]| {
        let rest = message.strip_prefix(prefix)?;
        Some(rest.split(ends).next().unwrap_or(rest))
    };
    let bare = |prefix: &str| after(prefix, &[';', ' ']);
    let missing = bare("there is no column ")
        .or_else(|| bare("there is no function "))
        .or_else(|| bare("there is no table "))
        .or_else(|| bare("there is no type "));
    // A column that is there may stand at other places, where it is in order.
    let present = bare("column ").map(|name| (name, true));
    if let Some((name, is_one_of_several)) = missing.map(|name| (name, false)).or(present) {
        // Behind the name of its table.
        return Some((name.rsplit('.').next().unwrap_or(name).trim_matches('"'), is_one_of_several));
    }
    if let Some((file, _)) = message.split_once(CANNOT_OPEN) {
        return Some((file, false));
    }
    if let Some(name) = bare("function ").or_else(|| bare("operator ")) {
        return Some((name, true));
    }
    // The word of a statement.
    bare("")
        .filter(|word| word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase()))
        .map(|word| (word, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &str, sql: &str) -> String {
        with_caret(Error::Usage(message.to_owned()), sql).to_string().replacen(message, "", 1)
    }

    #[test]
    fn the_word_is_marked_in_its_line() {
        assert_eq!(
            shown("SQL: there is no column rr; did you mean r?", "SELECT 1,\n  avg(rr) FROM t"),
            "\n    avg(rr) FROM t\n        ^^"
        );
        let parsed = "SQL: expected: an SQL statement, found: SELEC at Line: 1, Column: 3";
        assert_eq!(shown(parsed, "  SELEC 1"), "\n    SELEC 1\n    ^^^^^");
        assert_eq!(
            shown("SQL: there is no function avgg; did you mean avg?", "SELECT AVGG(r) FROM t"),
            "\n    SELECT AVGG(r) FROM t\n           ^^^^"
        );
        assert_eq!(
            shown("there is no table t; …", "SELECT 1 FROM t"),
            "\n    SELECT 1 FROM t\n                  ^"
        );
        assert_eq!(
            shown("no.csv: cannot open the input: …", "SELECT 1 FROM 'no.csv'"),
            "\n    SELECT 1 FROM 'no.csv'\n                  ^^^^^^^^"
        );
        let of_table = "there is no column t.\"K\"; the columns are: k";
        assert_eq!(shown(of_table, "SELECT t.\"K\""), "\n    SELECT t.\"K\"\n             ^^^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_word() {
        let sql = format!("SELECT {} rr {} FROM t", "a, ".repeat(300), ", b".repeat(300));
        let shown = shown("there is no column rr; …", &sql);
        let lines: Vec<&str> = shown.lines().skip(1).collect();
        assert!(lines[0].chars().count() <= SHOWN_CHARS + MARGIN.len());
        let caret = lines[1].find('^').unwrap();
        assert_eq!(&lines[0][caret..caret + 2], "rr");
    }

    #[test]
    fn where_the_place_is_unknown_there_is_no_mark() {
        for (message, sql) in [
            ("SQL: something else", "SELECT 1"),
            ("there is no column zz; …", "SELECT 1"),
            ("SQL: found: EOF at Line: 9, Column: 1", "SELECT"),
            ("there is no column a; …\nb", "SELECT a"),
        ] {
            assert_eq!(shown(message, sql), "");
        }
        assert!(matches!(with_caret(Error::Interrupted, "SELECT 1"), Error::Interrupted));
    }
}
