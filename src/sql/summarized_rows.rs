//! What a statement SUMMARIZE is of, which SQL's parser does not know.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

/// The words that begin a query and no name of a table.
const QUERIES: [&str; 3] = ["select", "with", "values"];

/// What is summarised, as it stands behind FROM.
pub(super) fn summarized(sql: &str) -> Option<String> {
    // A text that is no SQL is reported by the parser.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let mut words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let is_word = |token: &Token, text: &str| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(text));
    words.next().filter(|token| is_word(&token.token, "summarize"))?;
    let rest: Vec<_> = words.collect();
    let rest = match rest.split_last() {
        Some((last, before)) if last.token == Token::SemiColon => before,
        _ => &rest,
    };
    let first = rest.first()?;
    if rest.iter().any(|token| token.token == Token::SemiColon) {
        return None;
    }
    let text = sql.get(offset(sql, first.span.start)?..offset(sql, rest.last()?.span.end)?)?;
    let is_query = QUERIES.iter().any(|query| is_word(&first.token, query));
    Some(if is_query { format!("({text}) AS summarized") } else { text.to_owned() })
}

/// The byte of a text at which a place is, whose line and column count from 1.
fn offset(text: &str, place: Location) -> Option<usize> {
    let (line, column) = (usize::try_from(place.line).ok()?, usize::try_from(place.column).ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let chars = text.get(before..)?.chars().take(column.checked_sub(1)?);
    Some(before + chars.map(char::len_utf8).sum::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_or_a_query() {
        for sql in ["SELECT 1", "SUMMARIZE", "SUMMARIZE v; SELECT 1", "SELECT 'summarize v'", "'"] {
            assert_eq!(summarized(sql), None, "{sql}");
        }
        assert_eq!(summarized("SUMMARIZE 'a b.parquet';").as_deref(), Some("'a b.parquet'"));
        assert_eq!(summarized("SUMMARIZE v ; -- all").as_deref(), Some("v"));
        let query = summarized("\n summarize\n  SELECT 1 AS a;").unwrap();
        assert_eq!(query, "(SELECT 1 AS a) AS summarized");
    }
}
