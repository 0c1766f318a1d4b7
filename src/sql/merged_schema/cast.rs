//! Casts between types as SQL writes them.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// How SQL casts a column to a type, for advice; none for types that no text names.
pub(super) fn cast(column: &str, kind: &DataType) -> Option<String> {
    let is_plain = column.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        && !column.starts_with(|first: char| first.is_ascii_digit());
    let column = if is_plain { column.to_owned() } else { format!("\"{}\"", column.replace('"', "\"\"")) };
    if let Some(name) = sql_type(kind) {
        return Some(format!("CAST({column} AS {name})"));
    }
    let name = kind.to_string();
    name.parse::<DataType>()
        .is_ok_and(|parsed| parsed == *kind)
        .then(|| format!("arrow_cast({column}, '{name}')"))
}

/// SQL's own name of a type.
pub(in crate::sql) fn sql_type(kind: &DataType) -> Option<String> {
    Some(match kind {
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Decimal128(precision, scale @ 0..) => format!("DECIMAL({precision}, {scale})"),
        // Of 38 digits at most, DECIMAL is the smaller type.
        DataType::Decimal256(precision @ 39.., scale @ 0..) => format!("DECIMAL({precision}, {scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use DataType::{Decimal128, Int64, Timestamp, UInt8};

    use super::*;

    #[test]
    fn casts_that_are_advised_are_sql() {
        let ms = TimeUnit::Millisecond;
        let context = datafusion::prelude::SessionContext::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (kind, expected) in [
            (DataType::Binary, "CAST(v AS BYTEA)"),
            (Decimal128(10, 2), "CAST(v AS DECIMAL(10, 2))"),
            (DataType::Decimal256(50, 2), "CAST(v AS DECIMAL(50, 2))"),
            (UInt8, "CAST(v AS TINYINT UNSIGNED)"),
            (DataType::Duration(ms), "arrow_cast(v, 'Duration(ms)')"),
            (DataType::Time32(ms), "arrow_cast(v, 'Time32(ms)')"),
            (Timestamp(ms, Some("UTC".into())), "arrow_cast(v, 'Timestamp(ms, \"UTC\")')"),
        ] {
            assert_eq!(cast("v", &kind).as_deref(), Some(expected));
            let sql = format!("SELECT {expected} FROM (SELECT arrow_cast(NULL, '{kind}') AS v) AS t");
            runtime.block_on(context.sql(&sql)).unwrap();
        }
        assert_eq!(cast("A b", &Int64).as_deref(), Some("CAST(\"A b\" AS BIGINT)"));
    }
}
