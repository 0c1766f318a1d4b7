//! Values of CSV and JSON that are not of the types that were inferred from the first rows: what they are told as, and
//! how the file is read nevertheless.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::DataFusionError;

use crate::error::{Error, Place};
use crate::printable::quoted_name;

use super::merged_schema::sql_type;
use super::table_format::{CsvLayout, TableFormat};

/// The rows of a file by which the types of its columns are inferred.
pub(super) const INFERRED_ROWS: usize = 1000;

/// The most columns that a statement in a message names.
const LISTED: usize = 12;

/// The error of a value that is not of its column's type, where it is one.
pub(super) fn unfit_value(
    error: &DataFusionError,
    format: TableFormat,
    schema: &Schema,
    file: &str,
) -> Option<Error> {
    match format {
        TableFormat::Csv(layout) => {
            let text = error.to_string();
            of_csv(&text, layout, schema, file).or_else(|| of_null(&text, file))
        }
        TableFormat::Json(_) => {
            let text = error.to_string();
            of_json(&text, file).or_else(|| of_null(&text, file))
        }
        TableFormat::Parquet | TableFormat::Arrow => None,
    }
}

fn of_csv(text: &str, layout: CsvLayout, schema: &Schema, file: &str) -> Option<Error> {
    let (_, rest) = text.split_once("Error while parsing value '")?;
    let (value, rest) = rest.split_once("' as type '")?;
    let (_, rest) = rest.split_once("' for column ")?;
    let (column, rest) = rest.split_once(" at line ")?;
    let row: String = rest.chars().take_while(char::is_ascii_digit).collect();
    unfit_field((value, row.parse().ok()?, column.parse().ok()?), layout, schema, file)
}

/// The error of a value of a row and column of CSV that is not of the column's type; none where there is no such column.
pub(super) fn unfit_field(
    (value, row, column): (&str, usize, usize),
    layout: CsvLayout,
    schema: &Schema,
    file: &str,
) -> Option<Error> {
    let field = schema.fields().get(column)?;
    let shown = |(at, field): (usize, &Field)| {
        let data_type = match field.data_type() {
            _ if at == column => None,
            DataType::Timestamp(..) => Some("TIMESTAMP".to_owned()),
            other => sql_type(other),
        };
        let data_type = data_type.as_deref().unwrap_or("VARCHAR");
        format!("{} {data_type}", quoted_name(field.name()))
    };
    let fields = schema.fields().iter().map(AsRef::as_ref).enumerate();
    let columns: Vec<String> = match schema.fields().len() {
        0..=LISTED => fields.map(shown).collect(),
        _ => vec!["…".to_owned(), shown((column, field)), "…".to_owned()],
    };
    let what = format!(
        "{value:?} in row {row} is no {}, the column's type, as declared or that of the values in the first \
         {INFERRED_ROWS} rows; to read them as text, declare it so: CREATE EXTERNAL TABLE t ({}) STORED AS CSV LOCATION \
         '{}'{}",
        field.data_type(),
        columns.join(", "),
        file.replace('\'', "''"),
        options(layout),
    );
    Some(Error::bad_data(Place::file(file).column(field.name()), what))
}

/// A null where none may be.
fn of_null(text: &str, file: &str) -> Option<Error> {
    let what = "has no value somewhere in a column that is declared NOT NULL; declare it without";
    let is_null =
        text.contains("declared as non-nullable") || text.contains("unmasked nulls in non-nullable");
    is_null.then(|| Error::bad_data(Place::file(file), what))
}

/// The clause of options with which CREATE EXTERNAL TABLE reads a layout.
fn options(layout: CsvLayout) -> String {
    let delimiter = match layout.delimiter {
        b',' => None,
        b'\t' => Some("'format.delimiter' E'\\t'".to_owned()),
        other => Some(format!("'format.delimiter' '{}'", char::from(other).to_string().replace('\'', "''"))),
    };
    let header = (!layout.has_header).then(|| "'format.has_header' 'false'".to_owned());
    match delimiter.into_iter().chain(header).collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        options => format!(" OPTIONS ({})", options.join(", ")),
    }
}

fn of_json(text: &str, file: &str) -> Option<Error> {
    let (_, rest) = text.split_once("whilst decoding field ")?;
    let what = format!(
        "field {}, its type, as declared or that of its values in the first rows; write values of one type, as texts \
         where they differ",
        rest.replace("whilst decoding field ", "")
    );
    Some(Error::bad_data(Place::file(file), what))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::TimeUnit;
    use datafusion::arrow::error::ArrowError;

    use super::super::table_format::JsonFields;
    use super::*;

    fn told(error: ArrowError, format: TableFormat, columns: &[(&str, DataType)]) -> Option<String> {
        let fields = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        unfit_value(&error.into(), format, &schema, "it's.csv").map(|error| error.to_string())
    }

    #[test]
    fn a_late_value_is_told_with_the_statement_that_reads_it() {
        let late = || {
            ArrowError::ParseError(
                "Error while parsing value 'abc' as type 'Int64' for column 1 at line 1501. Row data: '[1500,abc]'"
                    .to_owned(),
            )
        };
        let time = DataType::Timestamp(TimeUnit::Second, None);
        let columns =
            [("id", DataType::Float64), ("V", DataType::Int64), ("at", time), ("t", DataType::Utf8)];
        assert_eq!(
            told(late(), TableFormat::Csv(CsvLayout::TSV), &columns).unwrap(),
            "it's.csv, column \"V\": \"abc\" in row 1501 is no Int64, the column's type, as declared or that of \
             the values in the first 1000 rows; to read them as text, declare it so: CREATE EXTERNAL TABLE t (id DOUBLE, \
             \"V\" VARCHAR, at TIMESTAMP, t VARCHAR) STORED AS CSV LOCATION 'it''s.csv' OPTIONS ('format.delimiter' E'\\t')"
        );
        let many = vec![("v", DataType::Int64); 13];
        assert!(
            told(late(), TableFormat::Csv(CsvLayout::CSV), &many)
                .unwrap()
                .contains("t (…, v VARCHAR, …) STORED")
        );
        assert_eq!(told(late(), TableFormat::Arrow, &columns), None);
    }

    #[test]
    fn a_field_of_json_is_named() {
        let json = |text: &str| {
            told(ArrowError::JsonError(text.to_owned()), TableFormat::Json(JsonFields::Inferred), &[])
        };
        let unfit =
            json("whilst decoding field 'a': whilst decoding field 'b': failed to parse \"x\" as Int64");
        assert!(unfit.unwrap().contains("csv: field 'a': 'b': failed to parse \"x\" as Int64, its type"));
        assert_eq!(json("expected value at line 1 column 5"), None);
    }
}
