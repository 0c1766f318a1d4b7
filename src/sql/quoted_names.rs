//! Names of columns and tables as a query writes them: quoted where they are not lower-case words.

/// A table name, quoted where SQL requires it.
pub(super) fn quoted_table(name: &str) -> String {
    match is_bare(name) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "''")),
    }
}

/// A name of a column or table, quoted where SQL requires it.
pub(super) fn quoted_name(name: &str) -> String {
    match is_bare(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn is_bare(name: &str) -> bool {
    name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        assert_eq!((quoted_name("i_12"), quoted_name("Label")), ("i_12".into(), "\"Label\"".into()));
        assert_eq!((quoted_name("a\"b"), quoted_name("1st")), ("\"a\"\"b\"".into(), "\"1st\"".into()));
        assert_eq!((quoted_table("t"), quoted_table("it's.csv")), ("t".into(), "'it''s.csv'".into()));
    }
}
