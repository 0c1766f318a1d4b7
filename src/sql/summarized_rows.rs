//! What statements SUMMARIZE are of, which SQL's parser does not know.

use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexer::{is_space, offset, tokens};

/// The words that begin a query and no name of a table.
const QUERIES: [&str; 3] = ["select", "with", "values"];

/// A text in which each SUMMARIZE is the query of all that it is of, and for each statement, as it stands behind
/// FROM, what is summarised.
pub(super) fn without_summarize(sql: &str) -> (Cow<'_, str>, Vec<Option<String>>) {
    let tokens = tokens(sql);
    let (mut text, mut end) = (String::new(), 0);
    let mut of_statements = Vec::new();
    for statement in tokens.split(|token| token.token == Token::SemiColon) {
        let words: Vec<_> = statement.iter().filter(|token| !is_space(&token.token)).collect();
        let Some(first) = words.first() else { continue };
        let rows = summarized(sql, &words);
        let span =
            words.last().and_then(|last| Some(offset(sql, first.span.start)?..offset(sql, last.span.end)?));
        if let (Some(rows), Some(span)) = (&rows, span) {
            text.push_str(sql.get(end..span.start).unwrap_or_default());
            text.push_str(&format!("SELECT * FROM {rows}"));
            end = span.end;
        }
        of_statements.push(rows);
    }
    match end {
        0 => (Cow::Borrowed(sql), of_statements),
        _ => (Cow::Owned(text + sql.get(end..).unwrap_or_default()), of_statements),
    }
}

/// What a statement of these words summarises, as it stands behind FROM.
fn summarized(sql: &str, words: &[&TokenWithSpan]) -> Option<String> {
    let is_word = |token: &Token, text: &str| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(text));
    let (summarize, rest) = words.split_first()?;
    let first = rest.first().filter(|_| is_word(&summarize.token, "summarize"))?;
    let text = sql.get(offset(sql, first.span.start)?..offset(sql, rest.last()?.span.end)?)?;
    let is_query = QUERIES.iter().any(|query| is_word(&first.token, query));
    Some(if is_query { format!("({text}) AS summarized") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_or_a_query() {
        for sql in ["SELECT 1", "SUMMARIZE", "SELECT 'summarize v'", "'", ""] {
            let (text, rows) = without_summarize(sql);
            assert!(text == sql && rows.iter().all(Option::is_none), "{sql}");
        }
        for (sql, rows) in [
            ("SUMMARIZE 'a b.parquet';", "'a b.parquet'"),
            ("SUMMARIZE v ; -- all", "v"),
            ("\n summarize\n  SELECT 1 AS a;", "(SELECT 1 AS a) AS summarized"),
        ] {
            assert_eq!(without_summarize(sql).1, [Some(rows.to_owned())], "{sql}");
        }
    }

    #[test]
    fn it_may_be_one_of_several_statements() {
        let (text, rows) =
            without_summarize("SELECT ';ä';; SUMMARIZE v;\nSUMMARIZE SELECT 1 AS a -- one\n; SELECT 2");
        assert_eq!(
            text,
            "SELECT ';ä';; SELECT * FROM v;\nSELECT * FROM (SELECT 1 AS a) AS summarized -- one\n; SELECT 2"
        );
        assert_eq!(rows, [None, Some("v".into()), Some("(SELECT 1 AS a) AS summarized".into()), None]);
    }
}
