//! The SQL query of one row by its place in its file, and the command that runs it.

/// The query of the row at this position from 0, without the columns of embeddings.
pub(super) fn row_query(file: &str, row: u64, embeddings: &[String]) -> String {
    let hidden = embeddings.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
    let exclude = if hidden.is_empty() { String::new() } else { format!(" EXCLUDE ({hidden})") };
    format!("SELECT *{exclude} FROM {} WHERE file_row_index() = {row}", identifier(file))
}

/// The command that runs a query, for a POSIX shell.
pub(super) fn command(query: &str) -> String {
    format!("lsmi-etl sql '{}'", query.replace('\'', r"'\''"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_sql_and_the_shell() {
        assert_eq!(row_query("a.parquet", 7, &[]), r#"SELECT * FROM "a.parquet" WHERE file_row_index() = 7"#);
        let query = row_query("it's \"a\".parquet", 0, &["x1".to_owned(), "x\"2".to_owned()]);
        assert_eq!(
            query,
            r#"SELECT * EXCLUDE ("x1", "x""2") FROM "it's ""a"".parquet" WHERE file_row_index() = 0"#
        );
        assert!(command(&query).starts_with("lsmi-etl sql 'SELECT * EXCLUDE"), "{}", command(&query));
        assert!(command(&query).contains(r#"FROM "it'\''s ""a"".parquet""#), "{}", command(&query));
    }
}
