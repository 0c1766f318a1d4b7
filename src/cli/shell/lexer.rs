//! What can be seen of SQL while it is typed: whether a text is whole, where its open
//! quote is, and which tables it names.

/// Where a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After a semicolon.
    Statement,
    /// Amid a statement, or before one.
    Open,
    /// In a quote of this kind, whose content begins at this byte.
    Quoted(char, usize),
    /// In a block comment.
    Comment,
}

/// What a text is made of, comments left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Sign(char),
}

/// Whether a text can run: it ends in a semicolon, or holds nothing at all.
pub(super) fn is_whole(text: &str) -> bool {
    let (tokens, end) = scan(text);
    end == End::Statement || (tokens.is_empty() && end == End::Open)
}

/// Whether a text holds nothing but space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    scan(text).0.is_empty()
}

/// Cuts a text into tokens and says where it ends.
pub(super) fn scan(text: &str) -> (Vec<Token<'_>>, End) {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let inside = at + c.len_utf8();
        let after = text.get(inside..).unwrap_or_default();
        at = match c {
            '\'' | '"' => {
                let Some(length) = after.find(c) else { return (tokens, End::Quoted(c, inside)) };
                tokens.push(Token::Quoted(after.get(..length).unwrap_or_default()));
                inside + length + 1
            }
            '-' if after.starts_with('-') => match after.find('\n') {
                Some(length) => inside + length + 1,
                None => text.len(),
            },
            '/' if after.starts_with('*') => match after.find("*/") {
                Some(length) => inside + length + 2,
                None => return (tokens, End::Comment),
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
    let end = if tokens.last() == Some(&Token::Sign(';')) { End::Statement } else { End::Open };
    (tokens, end)
}

/// The tables that a text reads, as far as can be seen: what stands after `FROM`,
/// `JOIN` and the like, or after a comma.
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

/// Whether a letter is one of a name's.
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
            assert!(is_whole(whole), "{whole}");
        }
        for open in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1; SELECT", "/* ;", "SELECT \"a;"] {
            assert!(!is_whole(open), "{open}");
        }
        assert!(is_blank(" -- x\n/* y */ ") && !is_blank("x") && !is_blank(";"));
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(scan("FROM 'out").1, End::Quoted('\'', 6));
        assert_eq!(scan("FROM 'a' WHERE \"b").1, End::Quoted('"', 16));
        assert_eq!(scan("'it''s'").1, End::Open);
        assert_eq!(scan("SELECT 'ä' 'ö").1, End::Quoted('\'', 13));
    }

    #[test]
    fn tables_are_what_stands_after_from() {
        assert_eq!(tables("SELECT a FROM 'x.parquet' AS x JOIN t ON x.a = t.a"), ["x.parquet", "t"]);
        assert_eq!(tables("select 'v' from \"a b.csv\", 'c.csv' where d in ('e')"), ["a b.csv", "c.csv"]);
        assert_eq!(tables("SELECT 1"), Vec::<&str>::new());
    }
}
