//! Names of columns and tables as a query writes them: quoted where they are not lower-case words.

use datafusion::sql::sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER,
    RESERVED_FOR_TABLE_ALIAS,
};

/// Words of expressions, which the parser does not take for names.
const EXPRESSIONS: [Keyword; 10] = [
    Keyword::CASE,
    Keyword::CAST,
    Keyword::NOT,
    Keyword::NULL,
    Keyword::TRUE,
    Keyword::FALSE,
    Keyword::ALL,
    Keyword::ANY,
    Keyword::DISTINCT,
    Keyword::EXISTS,
];

/// A table name, quoted where SQL requires it.
pub(super) fn quoted_table(name: &str) -> String {
    match is_bare(name) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "''")),
    }
}

/// A name of a column or table, quoted where SQL requires it.
pub fn quoted_name(name: &str) -> String {
    match is_bare(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Whether a name needs no quotes: it is a lower-case word, and none that an expression or a clause begins or ends with.
fn is_bare(name: &str) -> bool {
    !is_reserved(name)
        && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit())
}

fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let Ok(at) = ALL_KEYWORDS.binary_search(&upper.as_str()) else { return false };
    let Some(keyword) = ALL_KEYWORDS_INDEX.get(at) else { return false };
    RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
        || RESERVED_FOR_TABLE_ALIAS.contains(keyword)
        || RESERVED_FOR_IDENTIFIER.contains(keyword)
        || EXPRESSIONS.contains(keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        assert_eq!((quoted_name("i_12"), quoted_name("Label")), ("i_12".into(), "\"Label\"".into()));
        assert_eq!((quoted_name("a\"b"), quoted_name("1st")), ("\"a\"\"b\"".into(), "\"1st\"".into()));
        assert_eq!((quoted_name("order"), quoted_name("case")), ("\"order\"".into(), "\"case\"".into()));
        for bare in ["label", "y", "value", "id", "text", "image", "date", "split"] {
            assert_eq!(quoted_name(bare), bare);
        }
        assert_eq!((quoted_table("t"), quoted_table("it's.csv")), ("t".into(), "'it''s.csv'".into()));
    }
}
