//! The values of a column as text, for formats that have nothing but texts: lists, structs and maps are JSON.

use datafusion::arrow::array::Array;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// How values become text.
pub(in crate::sql) struct CellOptions {
    plain: FormatOptions<'static>,
    json: EncoderOptions,
}

impl Default for CellOptions {
    fn default() -> Self {
        Self { plain: FormatOptions::default(), json: EncoderOptions::default().with_explicit_nulls(true) }
    }
}

/// The values of a column as text.
pub(in crate::sql) struct Cells<'a> {
    texts: Texts<'a>,
    nulls: Option<NullBuffer>,
}

enum Texts<'a> {
    Plain(ArrayFormatter<'a>),
    Json { encoder: NullableEncoder<'a>, bytes: Vec<u8> },
}

impl<'a> Cells<'a> {
    /// # Errors
    /// Of a type that has no text.
    pub(in crate::sql) fn of(
        field: &'a FieldRef,
        column: &'a dyn Array,
        options: &'a CellOptions,
    ) -> Result<Self, ArrowError> {
        let texts = match is_nested(field.data_type()) {
            true => Texts::Json { encoder: make_encoder(field, column, &options.json)?, bytes: Vec::new() },
            false => Texts::Plain(ArrayFormatter::try_new(column, &options.plain)?),
        };
        Ok(Self { texts, nulls: column.logical_nulls() })
    }

    pub(in crate::sql) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value of a row; nothing of null.
    ///
    /// # Errors
    /// Of a value that has no text.
    pub(in crate::sql) fn push(&mut self, row: usize, text: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            return Ok(());
        }
        match &mut self.texts {
            Texts::Plain(formatter) => formatter.value(row).write(text)?,
            Texts::Json { encoder, bytes } => {
                bytes.clear();
                encoder.encode(row, bytes);
                text.push_str(std::str::from_utf8(bytes).map_err(|e| ArrowError::JsonError(e.to_string()))?);
            }
        }
        Ok(())
    }
}

/// Whether values have parts, also those of a dictionary.
fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        DataType::RunEndEncoded(_, values) => is_nested(values.data_type()),
        DataType::Union(..) => false,
        other => other.is_nested(),
    }
}
