//! Names of columns and tables as a query writes them: quoted where SQL's parser does not take the bare word for a name.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr, Statement, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER,
    RESERVED_FOR_TABLE_ALIAS,
};
use datafusion::sql::sqlparser::parser::Parser;

/// A table name, quoted where SQL requires it.
pub fn quoted_table(name: &str) -> String {
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

/// Whether a name is a word of SQL that has to be quoted as a name: one that begins or ends a clause, or that the
/// parser takes for something else at some place.
pub fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let Ok(at) = ALL_KEYWORDS.binary_search(&upper.as_str()) else { return false };
    let Some(keyword) = ALL_KEYWORDS_INDEX.get(at) else { return false };
    RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
        || RESERVED_FOR_TABLE_ALIAS.contains(keyword)
        || RESERVED_FOR_IDENTIFIER.contains(keyword)
        || !is_read_as_name(name)
}

/// Whether a name needs no quotes: it is a lower-case word, and no word of SQL that the parser takes for something else.
fn is_bare(name: &str) -> bool {
    name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit())
        && !is_reserved(name)
}

/// Whether the parser takes a word for a name wherever a query may have one of a column or table.
fn is_read_as_name(word: &str) -> bool {
    let is_word = |name: &Ident| name.value == word;
    let is_name = |expression: &Expr| matches!(expression, Expr::Identifier(name) if is_word(name));
    let sql = format!(
        "SELECT {word}, 1 + {word}, sum({word}) AS {word} FROM {word} WHERE {word} IS NULL GROUP BY {word} ORDER BY {word}"
    );
    let Some(select) = selected(&sql) else { return false };
    let is_alone =
        matches!(select.projection.first(), Some(SelectItem::UnnamedExpr(expression)) if is_name(expression));
    let is_operand = matches!(
        select.projection.get(1),
        Some(SelectItem::UnnamedExpr(Expr::BinaryOp { right, .. })) if is_name(right)
    );
    let is_condition = matches!(&select.selection, Some(Expr::IsNull(expression)) if is_name(expression));
    let is_table = matches!(
        select.from.first().map(|table| &table.relation),
        Some(TableFactor::Table { name, alias: None, .. }) if name.to_string() == word
    );
    is_alone && is_operand && is_condition && is_table
}

/// The clauses of a text that is one SELECT.
fn selected(sql: &str) -> Option<Select> {
    let statement = Parser::parse_sql(&GenericDialect {}, sql).ok()?.pop()?;
    let Statement::Query(query) = statement else { return None };
    match *query.body {
        SetExpr::Select(select) => Some(*select),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        assert_eq!((quoted_name("i_12"), quoted_name("Label")), ("i_12".into(), "\"Label\"".into()));
        assert_eq!((quoted_name("a\"b"), quoted_name("1st")), ("\"a\"\"b\"".into(), "\"1st\"".into()));
        for reserved in ["order", "top", "group", "null", "current_date", "from"] {
            assert_eq!(quoted_name(reserved), format!("\"{reserved}\""));
            assert!(is_reserved(&reserved.to_ascii_uppercase()));
        }
        for bare in ["label", "y", "value", "id", "text", "image", "date", "split", "count", "index"] {
            assert_eq!(quoted_name(bare), bare);
            assert!(!is_reserved(bare));
        }
        assert_eq!((quoted_table("t"), quoted_table("it's.csv")), ("t".into(), "'it''s.csv'".into()));
    }
}
