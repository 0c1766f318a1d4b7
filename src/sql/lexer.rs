//! Tokens of SQL text, by the tokenizer of SQL's parser, also of a text that is not complete: where statements end,
//! what is open at the end, and the names of the tables.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// The state at the end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndState {
    /// After a semicolon.
    Statement,
    /// Within a statement, or before one.
    Open,
    /// Within a statement and a parenthesis or bracket.
    Parenthesis,
    /// Within a quote of this kind, whose content begins at this byte; `$` of dollar quotes.
    Quoted(char, usize),
    /// Within a block comment.
    Comment,
}

/// The tokens of a text, white space and comments among them; none of a text that is no SQL, which the parser reports.
pub(super) fn tokens(sql: &str) -> Vec<TokenWithSpan> {
    Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap_or_default()
}

/// The tokens up to the one that is not complete, or that SQL does not have.
fn tokens_read(sql: &str) -> Vec<TokenWithSpan> {
    let mut tokens = Vec::new();
    // What is not read tells the failure.
    let _ = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location_into_buf(&mut tokens);
    tokens
}

/// The byte of a text at which a place is, whose line and column count from 1.
pub(super) fn offset(text: &str, place: Location) -> Option<usize> {
    let (line, column) = (usize::try_from(place.line).ok()?, usize::try_from(place.column).ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let chars = text.get(before..)?.chars().take(column.checked_sub(1)?);
    Some(before + chars.map(char::len_utf8).sum::<usize>())
}

/// Whether a token stands for nothing.
pub(super) fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::EOF)
}

/// Whether a text can be executed: it ends in a semicolon, or is empty.
pub fn is_complete(text: &str) -> bool {
    match end_state(text) {
        EndState::Statement => true,
        EndState::Open => is_blank(text),
        _ => false,
    }
}

/// Whether a text holds only white space and comments.
pub fn is_blank(text: &str) -> bool {
    let tokens = tokens_read(text);
    tokens.iter().all(|token| is_space(&token.token)) && unread(text, &tokens).1.is_empty()
}

/// The state at the end of a text.
pub fn end_state(text: &str) -> EndState {
    let tokens = tokens_read(text);
    match unread(text, &tokens) {
        (_, "") => {}
        (at, rest) => return open_token(at, rest),
    }
    let signs: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !is_space(token)).collect();
    match signs.last() {
        Some(Token::SemiColon) => EndState::Statement,
        _ if is_within(&signs) => EndState::Parenthesis,
        _ => EndState::Open,
    }
}

/// What the tokenizer has not read, and the byte at which it begins.
fn unread<'a>(text: &'a str, tokens: &[TokenWithSpan]) -> (usize, &'a str) {
    let at = tokens.last().map_or(Some(0), |last| offset(text, last.span.end)).unwrap_or(text.len());
    (at, text.get(at..).unwrap_or_default())
}

/// The state within a token that begins at a byte and does not end, or is none.
fn open_token(at: usize, rest: &str) -> EndState {
    if rest.starts_with("/*") {
        return EndState::Comment;
    }
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '`')) {
        return EndState::Quoted(quote, at + quote.len_utf8());
    }
    if let Some((tag, _)) = rest.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
        return EndState::Quoted('$', at + tag.len() + 2);
    }
    // Before the quote there may be letters that say what it holds: E'…', X'…', U&'…'.
    match rest.find('\'') {
        Some(letters) if letters < 3 => EndState::Quoted('\'', at + letters + 1),
        _ if rest.trim_end().ends_with(';') => EndState::Statement,
        _ => EndState::Open,
    }
}

/// Whether a parenthesis or bracket of the last statement is open.
fn is_within(tokens: &[&Token]) -> bool {
    let statement = tokens.rsplit(|token| **token == Token::SemiColon).next().unwrap_or_default();
    let mut depth = 0_usize;
    for token in statement {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0
}

/// The tables that a text probably reads: names after `FROM`, `JOIN` and similar keywords, and
/// quoted names after a comma.
pub fn tables_named(text: &str) -> Vec<String> {
    const BEFORE: [&str; 8] = ["from", "join", "into", "update", "table", "describe", "desc", "summarize"];
    let tokens = tokens_read(text);
    let tokens: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !is_space(token)).collect();
    let mut names: Vec<String> = Vec::new();
    for (before, token) in tokens.iter().zip(tokens.iter().skip(1)) {
        let is_after_word = matches!(before, Token::Word(word) if word.quote_style.is_none()
            && BEFORE.iter().any(|known| word.value.eq_ignore_ascii_case(known)));
        let is_after_comma = **before == Token::Comma;
        let name = match token {
            Token::Word(word) if is_after_word || (is_after_comma && word.quote_style.is_some()) => {
                &word.value
            }
            Token::SingleQuotedString(name) if is_after_word || is_after_comma => name,
            _ => continue,
        };
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Whether a character can be part of a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_in_a_semicolon_of_its_own() {
        for whole in [
            "SELECT 1;",
            "SELECT ';';",
            "SELECT 1; -- done",
            "a; b ;\n",
            "",
            "  -- nothing",
            "/* ; */",
            "SELECT $$a;b$$;",
            "SELECT $t$;$$;$t$;",
            "SELECT E'\\';';",
            "SELECT 1_;",
        ] {
            assert!(is_complete(whole), "{whole}");
        }
        for open in [
            "SELECT 1",
            "SELECT ';",
            "SELECT 1 -- ;",
            "SELECT 1; SELECT",
            "/* ;",
            "SELECT \"a;",
            "SELECT $$a;",
            "SELECT $t$;$$;",
            "SELECT $$;$$",
            "SELECT E'\\';",
        ] {
            assert!(!is_complete(open), "{open}");
        }
        assert!(is_blank(" -- x\n/* y */ ") && !is_blank("x") && !is_blank(";"));
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(end_state("FROM 'out"), EndState::Quoted('\'', 6));
        assert_eq!(end_state("FROM 'a' WHERE \"b"), EndState::Quoted('"', 16));
        assert_eq!(end_state("'it''s'"), EndState::Open);
        assert_eq!(end_state("SELECT $tag$a; 'b"), EndState::Quoted('$', 12));
        assert_eq!(end_state("SELECT E'a"), EndState::Quoted('\'', 9));
        assert_eq!(end_state("SELECT 'ä' 'ö"), EndState::Quoted('\'', 13));
    }

    #[test]
    fn tables_are_what_stands_after_from() {
        assert_eq!(tables_named("SELECT a FROM 'x.parquet' AS x JOIN t ON x.a = t.a"), ["x.parquet", "t"]);
        assert_eq!(
            tables_named("select 'v' from \"a b.csv\", 'c.csv' where d in ('e')"),
            ["a b.csv", "c.csv"]
        );
        assert_eq!(tables_named("SELECT 1"), Vec::<String>::new());
    }
}
