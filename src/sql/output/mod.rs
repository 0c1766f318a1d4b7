//! Encoders of query results, one file for each family of formats.

mod binary;
mod caught_encoder;
mod cells;
mod column_widths;
mod delimited;
mod encoding;
mod flat_columns;
mod format;
mod json;
mod line;
mod plain_schema;
mod results;
mod row_encoder;
mod table;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use self::caught_encoder::CaughtEncoder;

pub(super) use cells::{CellOptions, Cells};
pub(super) use encoding::Encoding;
pub use format::{Format, Layout};
pub use results::Results;
pub(super) use row_encoder::RowEncoder;
pub(super) use table::cell_options;

/// The encoder of a result.
pub(super) fn row_encoder(encoding: &Encoding, schema: SchemaRef) -> Result<Box<dyn RowEncoder>, ArrowError> {
    Ok(Box::new(CaughtEncoder::new(|| of_format(encoding, schema))?))
}

fn of_format(encoding: &Encoding, schema: SchemaRef) -> Result<Box<dyn RowEncoder>, ArrowError> {
    let Encoding { layout, header, delimiter, parquet } = encoding;
    let delimited = |usual| {
        let delimiter = delimiter.map_or(usual, char::from);
        delimited::DelimitedEncoder::new(schema.clone(), delimiter, *header)
    };
    Ok(match layout.format {
        Format::Table => Box::new(table::TableEncoder::new(schema, layout)),
        Format::Line => Box::new(line::LineEncoder::default()),
        Format::Csv => Box::new(delimited(',')),
        Format::Tsv => Box::new(delimited('\t')),
        Format::Json => Box::new(json::JsonArrayEncoder::new()),
        Format::Ndjson => Box::new(json::JsonLinesEncoder::new()),
        Format::Markdown => Box::new(table::MarkdownEncoder::new(schema)),
        Format::Arrow => Box::new(binary::ArrowStreamEncoder::new(&schema)?),
        Format::ArrowFile => Box::new(binary::ArrowFileEncoder::new(&schema)?),
        Format::Parquet => Box::new(binary::ParquetEncoder::new(&schema, *parquet)?),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, DictionaryArray, FixedSizeListArray, Float64Array, Int64Array, NullArray, RecordBatch,
        StringArray,
    };
    use datafusion::arrow::datatypes::{Float32Type, Int32Type};

    use super::*;

    fn batch() -> RecordBatch {
        let long = (0..9).map(|i| Some(i as f32 / 2.0));
        let lists = [Some(long.collect::<Vec<_>>()), None];
        RecordBatch::try_from_iter_with_nullable([
            ("label", Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef, true),
            ("r", Arc::new(Float64Array::from(vec![Some(0.5), None])), true),
            ("name", Arc::new(StringArray::from(vec!["a|b,c", "say \"hi\""])), true),
            ("x1", Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(lists, 9)), true),
        ])
        .unwrap()
    }

    fn write(format: Format, batches: &[RecordBatch], max_table_rows: Option<usize>) -> String {
        let layout = Layout { format, max_table_rows, width: None };
        let mut rows = row_encoder(&Encoding::of(layout), batch().schema()).unwrap();
        let mut text = Vec::new();
        for batch in batches {
            rows.encode(batch, &mut text).unwrap();
        }
        rows.finish(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_line_is_a_value() {
        let text = write(Format::Line, &[batch()], None);
        let first =
            "label = 7\n    r = 0.5\n name = a|b,c\n   x1 = [0.0, 0.5, 1.0, …] (9)\n\nlabel = 8\n    r = \n";
        assert!(text.starts_with(first), "{text}");
        assert_eq!(text.lines().count(), 9);
    }

    #[test]
    fn csv_has_one_header_and_quotes_what_needs_it() {
        let text = write(Format::Csv, &[batch(), batch()], None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "label,r,name,x1");
        assert_eq!(lines[1], "7,0.5,\"a|b,c\",\"[0.0,0.5,1.0,1.5,2.0,2.5,3.0,3.5,4.0]\"");
        assert_eq!(lines[2], "8,,\"say \"\"hi\"\"\",");
        assert_eq!(write(Format::Csv, &[], None), "label,r,name,x1\n");
        assert!(write(Format::Tsv, &[batch()], None).starts_with("label\tr\tname\tx1\n7\t0.5\ta|b,c\t"));
    }

    #[test]
    fn csv_tells_an_empty_text_from_null() {
        let encoded = |columns: Vec<(&str, ArrayRef)>| {
            let batch = RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, column)| (name, column, true)),
            )
            .unwrap();
            let layout = Layout { format: Format::Csv, ..Layout::default() };
            let mut text = Vec::new();
            row_encoder(&Encoding::of(layout), batch.schema()).unwrap().encode(&batch, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let texts = || Arc::new(StringArray::from(vec![Some(""), None, Some("a")])) as ArrayRef;
        let keys: DictionaryArray<Int32Type> = [Some("b"), Some(""), None].into_iter().collect();
        let columns = vec![
            ("t", texts()),
            ("k", Arc::new(keys) as ArrayRef),
            ("n", Arc::new(NullArray::new(3)) as ArrayRef),
        ];
        assert_eq!(encoded(columns), "t,k,n\n\"\",b,\n,\"\",\na,,\n");
        // An empty line would be no row.
        assert_eq!(encoded(vec![("t", texts())]), "t\n\"\"\n\"\"\na\n");
    }

    #[test]
    fn json_is_one_array_and_keeps_nulls() {
        let value: serde_json::Value =
            serde_json::from_str(&write(Format::Json, &[batch(), batch()], None)).unwrap();
        let rows = value.as_array().unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[2]["label"], 7);
        assert_eq!(rows[0]["x1"].as_array().unwrap().len(), 9);
        assert!(rows[1].as_object().unwrap()["r"].is_null());
        assert_eq!(write(Format::Json, &[], None), "[]\n");
        let lines = write(Format::Ndjson, &[batch(), batch()], None);
        assert_eq!(lines.lines().count(), 4);
        for line in lines.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(write(Format::Ndjson, &[], None), "");
    }

    #[test]
    fn a_table_cuts_long_lists_and_stops_at_its_limit() {
        let text = write(Format::Table, &[batch(), batch()], Some(3));
        assert_eq!(text.lines().count(), 3 + 4, "{text}");
        assert!(text.contains("[0.0, 0.5, 1.0, …] (9)"), "{text}");
        assert_eq!(write(Format::Table, &[batch(), batch()], None).lines().count(), 4 + 4);
        assert_eq!(write(Format::Table, &[], None).lines().count(), 4);
    }

    #[test]
    fn controls_are_escaped_where_a_person_reads_and_exact_elsewhere() {
        let odd = "\u{1b}[2J\u{7}\u{0}\u{9b}1m\u{202e}x";
        let cells: ArrayRef = Arc::new(StringArray::from(vec![odd]));
        let batch = RecordBatch::try_from_iter([(odd, cells)]).unwrap();
        let write = |format, width| {
            let layout = Layout { format, width, ..Layout::default() };
            let mut rows = row_encoder(&Encoding::of(layout), batch.schema()).unwrap();
            let mut text = Vec::new();
            rows.encode(&batch, &mut text).unwrap();
            rows.finish(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        for (format, width) in [(Format::Table, None), (Format::Table, Some(80)), (Format::Markdown, None)] {
            let text = write(format, width);
            assert_eq!(text.matches("\\u{1b}[2J\\u{7}\\0\\u{9b}1m\\u{202e}x").count(), 2, "{text}");
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
        for format in [Format::Csv, Format::Tsv] {
            assert_eq!(write(format, None).matches(odd).count(), 2);
        }
        let row: serde_json::Value = serde_json::from_str(&write(Format::Ndjson, None)).unwrap();
        assert_eq!(row[odd], odd);
    }

    #[test]
    fn a_table_keeps_to_its_width() {
        let layout = Layout { width: Some(40), ..Layout::default() };
        let mut rows = row_encoder(&Encoding::of(layout), batch().schema()).unwrap();
        let mut text = Vec::new();
        rows.encode(&batch(), &mut text).unwrap();
        rows.finish(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 40) && text.contains('…'), "{text}");
    }

    #[test]
    fn an_ending_tells_the_format() {
        use clap::ValueEnum;

        assert_eq!(Format::of("a/b.PARQUET".as_ref()), Some(Format::Parquet));
        assert_eq!(Format::of("s3://data/b.arrows".as_ref()), Some(Format::Arrow));
        assert_eq!(Format::of("b.xlsx".as_ref()), None);
        for format in Format::value_variants() {
            assert_eq!(format.to_possible_value().unwrap().get_name(), format.name());
        }
    }

    #[test]
    fn markdown_aligns_numbers_and_escapes_bars() {
        let text = write(Format::Markdown, &[batch()], None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| label | r | name | x1 |");
        assert_eq!(lines[1], "|---:|---:|:---|:---|");
        assert_eq!(lines[2], "| 7 | 0.5 | a\\|b,c | [0.0, 0.5, 1.0, …] (9) |");
        assert_eq!(lines[3], "| 8 |  | say \"hi\" |  |");
    }
}
