//! Parsing of statements, with a limit on how deep they nest: parsers, planners and evaluators recurse,
//! and an overflow of the stack ends the process.

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{Error, Result};

use super::caret::with_caret;
use super::clauses::normalize_clauses;
use super::errors::convert_error;
use super::lexer::tokens;
use super::summarized_rows::without_summarize;

/// Operators in a row, each of which nests the ones before it. [`STACK_BYTES`] and the stacks of
/// the query's threads hold this many.
const MOST_OPERATORS: usize = 5_000;
/// Stack for statements of the most operators. Memory is taken as it is used.
const STACK_BYTES: usize = 256 << 20;

/// Parses statements; SUMMARIZE is the query of what it is of. The result may nest deeply: it has to be used and dropped within
/// [`with_deep_stack`].
///
/// # Errors
/// [`Error::Usage`] where the text is not valid SQL, chains more than 5 000 operators, or has a clause that would be passed
/// over.
pub(super) fn parse(sql: &str) -> Result<VecDeque<Statement>> {
    let (sql, _) = without_summarize(sql);
    let sql = sql.as_ref();
    if longest_chain(sql) > MOST_OPERATORS {
        return Err(Error::Usage(format!(
            "SQL: more than {MOST_OPERATORS} operators in a row; write a list as IN (…), rows as VALUES and a sum of \
             columns as several"
        )));
    }
    let mut statements = parsed_text(sql)?;
    statements.iter_mut().try_for_each(normalize_clauses).map_err(|e| with_caret(e, sql))?;
    Ok(statements)
}

/// The statements of a text as they stand.
///
/// # Errors
/// [`Error::Usage`] where the text is not valid SQL.
pub(super) fn parsed_text(sql: &str) -> Result<VecDeque<Statement>> {
    let unparsed = |e| with_caret(with_options_advised(convert_error(e, ""), sql), sql);
    DFParser::parse_sql(sql).map_err(unparsed)
}

/// Says how options of COPY are written, where they stand as PostgreSQL and DuckDB have them.
fn with_options_advised(error: Error, sql: &str) -> Error {
    let is_copy = sql.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("copy"));
    match error {
        Error::Usage(text) if is_copy && text.contains("end of statement or ;, found: (") => {
            Error::Usage(format!("{text}; options of COPY stand in OPTIONS (…)"))
        }
        error => error,
    }
}

/// Runs work on a stack that holds the deepest statement.
pub(super) fn with_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, work)
}

/// The most operators that follow each other in one expression or chain of queries. A comma, a bracket
/// and the parts of CASE begin another; comparisons do not nest without AND and OR.
fn longest_chain(sql: &str) -> usize {
    let (mut open, mut longest) = (vec![0_usize], 0);
    for token in tokens(sql) {
        match token.token {
            Token::LParen | Token::LBracket => open.push(0),
            Token::RParen | Token::RBracket => _ = open.pop(),
            Token::Comma | Token::SemiColon => _ = open.last_mut().map(|chain| *chain = 0),
            Token::Word(word) if matches!(word.keyword, Keyword::WHEN | Keyword::THEN | Keyword::ELSE) => {
                _ = open.last_mut().map(|chain| *chain = 0);
            }
            token if is_operator(&token) => {
                if let Some(chain) = open.last_mut() {
                    *chain += 1;
                    longest = longest.max(*chain);
                }
            }
            _ => {}
        }
    }
    longest
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::JOIN
                | Keyword::COLLATE
        ),
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::Ampersand
        | Token::Pipe
        | Token::Caret
        | Token::ShiftLeft
        | Token::ShiftRight
        | Token::DoubleColon
        | Token::ExclamationMark
        | Token::Tilde
        | Token::Arrow
        | Token::LongArrow => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Layout, Session, SqlRequest};
    use super::*;

    fn run(sql: &str) -> Result<u64> {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        session.run(sql, &Layout::default(), &mut Vec::new(), &AtomicBool::new(false))
    }

    #[test]
    fn chains_are_counted_within_one_expression() {
        for (sql, chain) in [
            ("SELECT 1", 0),
            ("SELECT a OR b AND c, d + 1", 2),
            ("SELECT (a + b) * (c + d + e + f) - 1", 3),
            ("VALUES (-1, -2), (-3, -4)", 1),
            ("SELECT CASE WHEN a OR b THEN c + 1 WHEN d THEN e ELSE f - 1 END", 1),
            ("SELECT 'a or b or c' || \"x or y\" -- or or\n", 1),
            ("SELECT 1 UNION SELECT 2 UNION SELECT 3; SELECT 1 + 1", 2),
            ("SELECT 'open", 0),
        ] {
            assert_eq!(longest_chain(sql), chain, "{sql}");
        }
    }

    #[test]
    fn deep_statements_are_run_or_refused() {
        let chain = |n: usize, operator: &str| vec!["x"; n].join(operator);
        let select = |expression: &str| format!("SELECT {expression} FROM (SELECT true AS x) AS t");
        assert_eq!(run(&select(&chain(1_500, " OR "))).unwrap(), 1);
        for deep in [
            select(&chain(20_000, " OR ")),
            select(&chain(20_000, " + ")),
            vec!["SELECT 1"; 20_000].join(" UNION ALL "),
        ] {
            let error = run(&deep).unwrap_err();
            assert!(error.exit_code() == 64 && error.to_string().contains("more than 5000"), "{error}");
        }
        assert_eq!(
            run(&format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000))).unwrap_err().exit_code(),
            64
        );
    }
}
