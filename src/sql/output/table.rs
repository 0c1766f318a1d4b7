//! Encoders of text tables: boxed columns and Markdown. Both truncate long lists, such as embeddings,
//! in their cells, and escape what a terminal would obey.

use std::fmt::Write;
use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{
    ArrayFormatter, ArrayFormatterFactory, DisplayIndex, FormatOptions, FormatResult,
};
use datafusion::arrow::util::pretty::pretty_format_batches_with_schema;

use crate::printable::escape_controls;

use super::column_widths::{self, TextColumn};
use super::flat_columns::flat_columns;
use super::format::Layout;
use super::row_encoder::RowEncoder;

/// Lists longer than this show their first [`LISTED_VALUES`] values and their length.
const LONGEST_LIST: usize = 8;
const LISTED_VALUES: usize = 3;
/// A struct of more fields than these is shown as rows, where it is of the only row.
const MOST_FIELDS_OF_A_CELL: usize = 4;

/// An encoder of boxed columns. It buffers all rows, because every row affects the column widths.
pub(super) struct TableEncoder {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    limit: Option<usize>,
    width: Option<usize>,
}

impl TableEncoder {
    pub(super) fn new(schema: SchemaRef, layout: &Layout) -> Self {
        let Layout { max_table_rows: limit, width, .. } = *layout;
        Self { schema, batches: Vec::new(), rows: 0, limit, width }
    }

    /// Every cell as text.
    fn columns(&self) -> Result<Vec<TextColumn>, ArrowError> {
        let mut columns: Vec<TextColumn> = self
            .schema
            .fields()
            .iter()
            .map(|field| TextColumn { name: escape_controls(field.name()).into_owned(), cells: Vec::new() })
            .collect();
        let options = cell_options();
        for batch in &self.batches {
            for (column, formatter) in columns.iter_mut().zip(formatters(batch.columns(), &options)?) {
                for row in 0..batch.num_rows() {
                    let cell = formatter.value(row).to_string();
                    column.cells.push(escape_controls(&cell).into_owned());
                }
            }
        }
        Ok(columns)
    }

    /// Whether the only row has a struct of many fields, which no cell can show.
    fn is_one_row_of_fields(&self) -> bool {
        let is_wide = |field: &FieldRef| match field.data_type() {
            DataType::Struct(fields) => fields.len() > MOST_FIELDS_OF_A_CELL,
            _ => false,
        };
        self.rows == 1 && self.schema.fields().iter().any(is_wide)
    }

    /// A row for each value of the only row.
    fn values(&self) -> Result<Vec<TextColumn>, ArrowError> {
        let mut names = TextColumn { name: "column".to_owned(), cells: Vec::new() };
        let mut values = TextColumn { name: "value".to_owned(), cells: Vec::new() };
        let options = cell_options();
        for batch in &self.batches {
            let (flat, arrays): (Vec<String>, Vec<ArrayRef>) = flat_columns(batch)?.into_iter().unzip();
            names.cells.extend(flat.iter().map(|name| escape_controls(name).into_owned()));
            for formatter in formatters(&arrays, &options)? {
                values.cells.push(escape_controls(&formatter.value(0).to_string()).into_owned());
            }
        }
        Ok(vec![names, values])
    }

    fn text(&self) -> Result<String, ArrowError> {
        let all = self.schema.fields().len();
        if all == 0 {
            return Ok(pretty_format_batches_with_schema(self.schema.clone(), &[])?.to_string());
        }
        let columns = match self.is_one_row_of_fields() {
            true => self.values()?,
            false => self.columns()?,
        };
        let (all, limit) = (columns.len(), self.width.unwrap_or(usize::MAX));
        let (text, shown) = column_widths::table(columns, limit)?;
        if shown < all {
            tracing::warn!("{shown} of {all} columns fit; a wider terminal or --format csv shows all");
        }
        Ok(text)
    }
}

impl RowEncoder for TableEncoder {
    fn encode(&mut self, batch: &RecordBatch, _: &mut Vec<u8>) -> Result<(), ArrowError> {
        let room = self.limit.map_or(usize::MAX, |limit| limit - self.rows);
        let batch = batch.slice(0, batch.num_rows().min(room));
        self.rows += batch.num_rows();
        if batch.num_rows() > 0 {
            self.batches.push(batch);
        }
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        text.extend_from_slice(self.text()?.as_bytes());
        text.push(b'\n');
        if self.is_full() {
            tracing::warn!(
                "the table stops after {} rows; --max-rows 0 shows all, and --format csv streams them",
                self.rows
            );
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.rows >= limit)
    }
}

/// A streaming encoder of Markdown tables.
pub(super) struct MarkdownEncoder {
    schema: SchemaRef,
    header: bool,
}

impl MarkdownEncoder {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, header: true }
    }

    fn header(&mut self, text: &mut Vec<u8>) {
        if std::mem::take(&mut self.header) {
            let fields = self.schema.fields();
            row(text, fields.iter().map(|field| field.name().clone()));
            for field in fields {
                text.extend_from_slice(if field.data_type().is_numeric() { b"|---:" } else { b"|:---" });
            }
            text.extend_from_slice(b"|\n");
        }
    }
}

impl RowEncoder for MarkdownEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.header(text);
        let options = cell_options();
        let columns = formatters(batch.columns(), &options)?;
        for index in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.value(index).try_to_string());
            row(text, cells.collect::<Result<Vec<_>, _>>()?.into_iter());
        }
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.header(text);
        Ok(())
    }
}

fn row(text: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for cell in cells {
        text.extend_from_slice(b"| ");
        let line = cell.replace('|', "\\|").replace(['\n', '\r'], " ");
        text.extend_from_slice(escape_controls(&line).as_bytes());
        text.push(b' ');
    }
    text.extend_from_slice(b"|\n");
}

/// Formatters of the cells of columns.
pub(super) fn formatters<'a>(
    columns: &'a [ArrayRef],
    options: &FormatOptions<'a>,
) -> Result<Vec<ArrayFormatter<'a>>, ArrowError> {
    let formatter =
        |column: &'a ArrayRef| match ListFormatterFactory.create_array_formatter(column, options, None)? {
            Some(formatter) => Ok(formatter),
            None => ArrayFormatter::try_new(column, options),
        };
    columns.iter().map(formatter).collect()
}

/// How cells are written.
pub(in crate::sql) fn cell_options() -> FormatOptions<'static> {
    FormatOptions::default().with_display_error(true).with_formatter_factory(Some(&ListFormatterFactory))
}

/// A factory of formatters that truncate long lists.
#[derive(Debug)]
struct ListFormatterFactory;

impl ArrayFormatterFactory for ListFormatterFactory {
    fn create_array_formatter<'f>(
        &self,
        array: &'f dyn Array,
        options: &FormatOptions<'f>,
        _: Option<&'f Field>,
    ) -> Result<Option<ArrayFormatter<'f>>, ArrowError> {
        let (values, range): (_, Box<dyn Fn(usize) -> Range<usize>>) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                (list.values(), Box::new(|i| offsets[i] as usize..offsets[i + 1] as usize))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                (list.values(), Box::new(|i| offsets[i] as usize..offsets[i + 1] as usize))
            }
            DataType::FixedSizeList(_, length) => {
                let length = *length as usize;
                (array.as_fixed_size_list().values(), Box::new(move |i| i * length..(i + 1) * length))
            }
            _ => return Ok(None),
        };
        let values = ArrayFormatter::try_new(values.as_ref(), options)?;
        let list = TruncatedList { array, range, values, null: options.null() };
        Ok(Some(ArrayFormatter::new(Box::new(list), options.safe())))
    }
}

/// A list column whose long values are truncated.
struct TruncatedList<'a> {
    array: &'a dyn Array,
    range: Box<dyn Fn(usize) -> Range<usize> + 'a>,
    values: ArrayFormatter<'a>,
    null: &'a str,
}

impl DisplayIndex for TruncatedList<'_> {
    fn write(&self, index: usize, f: &mut dyn Write) -> FormatResult {
        if self.array.is_null(index) {
            f.write_str(self.null)?;
            return Ok(());
        }
        let range = (self.range)(index);
        let length = range.len();
        let shown = if length > LONGEST_LIST { LISTED_VALUES } else { length };
        f.write_char('[')?;
        for (position, value) in range.take(shown).enumerate() {
            f.write_str(if position == 0 { "" } else { ", " })?;
            self.values.value(value).write(f)?;
        }
        match length > shown {
            true => write!(f, ", …] ({length})")?,
            false => f.write_char(']')?,
        }
        Ok(())
    }
}
