//! The look at a delimited file while it is read: a quoted field that does not end, for which a reader takes the rest of
//! the file; values that are cut off to their column's type.

use bytes::Bytes;
use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use datafusion::arrow::datatypes::SchemaRef;

use crate::error::{Error, Place, Result};

use super::checked_text::TextCheck;
use super::csv_quotes::CsvQuotes;
use super::inferred_types::unfit_field;
use super::table_format::CsvLayout;
use super::text_values::{is_exact, may_cut};

/// Bytes of a field that are looked at: longer ones are neither dates nor numbers.
const FIELD_BYTES: usize = 256;

/// The look at one file.
pub(super) struct CsvCheck {
    file: String,
    quotes: CsvQuotes,
    /// Where there are columns whose values may be cut off.
    fields: Option<CsvFields>,
}

impl CsvCheck {
    pub(super) fn new(file: String, layout: CsvLayout, schema: &SchemaRef) -> Self {
        let may_cut = schema.fields().iter().any(|field| may_cut(field.data_type()));
        let fields = may_cut.then(|| CsvFields::new(layout, schema));
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
    /// The record, from 1 on; 0 is the header.
    record: usize,
    column: usize,
    field: Vec<u8>,
    length: usize,
}

impl CsvFields {
    fn new(layout: CsvLayout, schema: &SchemaRef) -> Self {
        let reader = ReaderBuilder::new().delimiter(layout.delimiter).build();
        let record = usize::from(!layout.has_header);
        let schema = SchemaRef::clone(schema);
        Self { reader, layout, schema, record, column: 0, field: vec![0; FIELD_BYTES], length: 0 }
    }

    /// Takes the next bytes; none at the end of the file.
    fn push(&mut self, chunk: &[u8], file: &str) -> Result<()> {
        let mut rest = chunk;
        loop {
            let free = self.field.get_mut(self.length..).unwrap_or_default();
            let (result, read, written) = self.reader.read_field(rest, free);
            rest = rest.get(read..).unwrap_or_default();
            self.length += written;
            match result {
                // Of a longer field only the end is looked at, which is no value either.
                ReadFieldResult::OutputFull => self.length = 1,
                ReadFieldResult::Field { record_end } => {
                    self.look(file)?;
                    self.length = 0;
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
        let field = self.schema.fields().get(self.column).filter(|_| self.record > 0);
        let text = self.field.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let unfit = match (field, text) {
            (Some(field), Some(text)) if !text.is_empty() && !is_exact(text, field.data_type()) => {
                unfit_field((text, self.record, self.column), self.layout, &self.schema, file)
            }
            _ => None,
        };
        unfit.map_or(Ok(()), Err)
    }
}
