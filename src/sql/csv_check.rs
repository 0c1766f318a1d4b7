//! The look at a delimited file while it is read: a quoted field that does not end, for which a reader takes the rest of
//! the file; values that are cut off to their column's type.

use std::collections::HashSet;

use bytes::Bytes;
use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};

use crate::error::{Error, Place, Result};

use super::csv_quotes::CsvQuotes;
use super::inferred_types::unfit_field;
use super::table_format::CsvLayout;
use super::text_check::TextCheck;
use super::text_values::{is_exact, may_cut};

/// The most bytes of a date, a time or a decimal.
const FIELD_BYTES: usize = 256;

/// The look at one file.
pub(super) struct CsvCheck {
    file: String,
    quotes: CsvQuotes,
    /// Where there are columns whose values may be cut off.
    fields: Option<CsvFields>,
}

impl CsvCheck {
    /// The look at a file of which these columns are read.
    pub(super) fn new(file: String, layout: CsvLayout, schema: &SchemaRef, read: &HashSet<usize>) -> Self {
        let may_cut = |(at, field): (usize, &FieldRef)| read.contains(&at) && may_cut(field.data_type());
        let looked_at: Vec<bool> = schema.fields().iter().enumerate().map(may_cut).collect();
        let fields = looked_at.contains(&true).then(|| CsvFields::new(layout, schema, looked_at));
        Self { file, quotes: CsvQuotes::new(layout.delimiter), fields }
    }
}

impl TextCheck for CsvCheck {
    fn pass(&mut self, chunk: Bytes) -> Result<Bytes> {
        self.quotes.push(&chunk);
        match &mut self.fields {
            Some(fields) => fields.push(&chunk, &self.file).map(|()| chunk),
            None => Ok(chunk),
        }
    }

    fn end(&mut self) -> Result<()> {
        if let Some(what) = self.quotes.unclosed() {
            return Err(Error::bad_data(Place::file(&self.file), what));
        }
        // The last field may have no line break behind it.
        self.fields.as_mut().map_or(Ok(()), |fields| fields.push(&[], &self.file))
    }
}

/// The fields of the columns whose values may be cut off.
struct CsvFields {
    reader: Reader,
    layout: CsvLayout,
    schema: SchemaRef,
    /// By column.
    looked_at: Vec<bool>,
    /// The record, from 1 on; 0 is the header.
    record: usize,
    column: usize,
    field: Vec<u8>,
    length: usize,
    /// Whether the field has more bytes.
    is_longer: bool,
}

impl CsvFields {
    fn new(layout: CsvLayout, schema: &SchemaRef, looked_at: Vec<bool>) -> Self {
        let reader = ReaderBuilder::new().delimiter(layout.delimiter).build();
        let record = usize::from(!layout.has_header);
        let schema = SchemaRef::clone(schema);
        let field = vec![0; FIELD_BYTES];
        Self { reader, layout, schema, looked_at, record, column: 0, field, length: 0, is_longer: false }
    }

    /// Takes the next bytes; none at the end of the file.
    fn push(&mut self, chunk: &[u8], file: &str) -> Result<()> {
        let mut rest = chunk;
        loop {
            let mut beyond = [0; FIELD_BYTES];
            let free = match self.is_longer {
                false => self.field.get_mut(self.length..).unwrap_or_default(),
                true => &mut beyond,
            };
            let (result, read, written) = self.reader.read_field(rest, free);
            rest = rest.get(read..).unwrap_or_default();
            self.length += if self.is_longer { 0 } else { written };
            match result {
                ReadFieldResult::OutputFull => self.is_longer = true,
                ReadFieldResult::Field { record_end } => {
                    self.look(file)?;
                    (self.length, self.is_longer) = (0, false);
                    self.column += 1;
                    if record_end {
                        (self.record, self.column) = (self.record + 1, 0);
                    }
                }
                ReadFieldResult::InputEmpty if rest.is_empty() && !chunk.is_empty() => return Ok(()),
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::End => return Ok(()),
            }
        }
    }

    fn look(&self, file: &str) -> Result<()> {
        let is_looked_at = self.record > 0 && self.looked_at.get(self.column) == Some(&true);
        let Some(field) = self.schema.fields().get(self.column).filter(|_| is_looked_at) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(self.field.get(..self.length).unwrap_or_default());
        if !self.is_longer && (text.is_empty() || is_exact(&text, field.data_type())) {
            return Ok(());
        }
        let shown = if self.is_longer { format!("{text}…") } else { text.into_owned() };
        let unfit = unfit_field((&shown, self.record, self.column), self.layout, &self.schema, file);
        unfit.map_or(Ok(()), Err)
    }
}
