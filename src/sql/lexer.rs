//! A lexer for SQL input that may be incomplete: finds the end of a statement, an open quote, and
//! the names of the tables.

/// The lexer's state at the end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndState {
    /// After a semicolon.
    Statement,
    /// Within a statement, or before one.
    Open,
    /// Within a statement and a parenthesis or bracket.
    Parenthesis,
    /// Within a quote of this kind, whose content begins at this byte.
    Quoted(char, usize),
    /// Within a block comment.
    Comment,
}

/// A token of SQL; comments are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Sign(char),
}

/// Whether a text can be executed: it ends in a semicolon, or is empty.
pub(super) fn is_complete(text: &str) -> bool {
    let (tokens, end) = scan(text);
    end == EndState::Statement || (tokens.is_empty() && end == EndState::Open)
}

/// Whether a text holds only white space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    scan(text).0.is_empty()
}

/// Splits a text into tokens and returns the state at its end.
pub(super) fn scan(text: &str) -> (Vec<Token<'_>>, EndState) {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let inside = at + c.len_utf8();
        let after = text.get(inside..).unwrap_or_default();
        at = match c {
            '\'' | '"' => {
                let Some(length) = after.find(c) else { return (tokens, EndState::Quoted(c, inside)) };
                tokens.push(Token::Quoted(after.get(..length).unwrap_or_default()));
                inside + length + 1
            }
            '-' if after.starts_with('-') => match after.find('\n') {
                Some(length) => inside + length + 1,
                None => text.len(),
            },
            '/' if after.starts_with('*') => match after.find("*/") {
                Some(length) => inside + length + 2,
                None => return (tokens, EndState::Comment),
            },
            c if is_word(c) => {
                let length = after.find(|c| !is_word(c)).unwrap_or(after.len());
                tokens.push(Token::Word(text.get(at..inside + length).unwrap_or_default()));
                inside + length
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(c));
                }
                inside
            }
        };
    }
    let end = match tokens.last() {
        Some(Token::Sign(';')) => EndState::Statement,
        _ if is_within(&tokens) => EndState::Parenthesis,
        _ => EndState::Open,
    };
    (tokens, end)
}

/// Whether a parenthesis or bracket of the last statement is open.
fn is_within(tokens: &[Token<'_>]) -> bool {
    let statement = tokens.rsplit(|token| *token == Token::Sign(';')).next().unwrap_or_default();
    let mut depth = 0_usize;
    for token in statement {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0
}

/// The tables that a text probably reads: names after `FROM`, `JOIN` and similar keywords, and
/// quoted names after a comma.
pub(super) fn tables(text: &str) -> Vec<&str> {
    const BEFORE: [&str; 7] = ["from", "join", "into", "update", "table", "describe", "desc"];
    let (tokens, _) = scan(text);
    let named = tokens.iter().zip(tokens.iter().skip(1)).filter_map(|(before, token)| {
        let after_word =
            matches!(before, Token::Word(word) if BEFORE.iter().any(|known| word.eq_ignore_ascii_case(known)));
        match token {
            Token::Word(name) | Token::Quoted(name) if after_word => Some(*name),
            Token::Quoted(name) if *before == Token::Sign(',') => Some(*name),
            _ => None,
        }
    });
    let mut names = Vec::new();
    for name in named {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether a character can be part of a name.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_in_a_semicolon_of_its_own() {
        for whole in
            ["SELECT 1;", "SELECT ';';", "SELECT 1; -- done", "a; b ;\n", "", "  -- nothing", "/* ; */"]
        {
            assert!(is_complete(whole), "{whole}");
        }
        for open in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1; SELECT", "/* ;", "SELECT \"a;"] {
            assert!(!is_complete(open), "{open}");
        }
        assert!(is_blank(" -- x\n/* y */ ") && !is_blank("x") && !is_blank(";"));
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(scan("FROM 'out").1, EndState::Quoted('\'', 6));
        assert_eq!(scan("FROM 'a' WHERE \"b").1, EndState::Quoted('"', 16));
        assert_eq!(scan("'it''s'").1, EndState::Open);
        assert_eq!(scan("SELECT 'ä' 'ö").1, EndState::Quoted('\'', 13));
    }

    #[test]
    fn tables_are_what_stands_after_from() {
        assert_eq!(tables("SELECT a FROM 'x.parquet' AS x JOIN t ON x.a = t.a"), ["x.parquet", "t"]);
        assert_eq!(tables("select 'v' from \"a b.csv\", 'c.csv' where d in ('e')"), ["a b.csv", "c.csv"]);
        assert_eq!(tables("SELECT 1"), Vec::<&str>::new());
    }
}
