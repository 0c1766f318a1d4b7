//! The results that one output holds so far, and which others may follow them.

use datafusion::arrow::datatypes::Schema;

use crate::error::{Error, Result};

use super::format::Format;

/// The results that an output holds.
#[derive(Debug, Default)]
pub struct Results {
    is_file: bool,
    /// The columns of the last result.
    columns: Option<Vec<String>>,
}

impl Results {
    /// A stream for a reader who sees where one text ends and the next begins; binary formats hold one result.
    pub(in crate::sql) fn of_stream() -> Self {
        Self::default()
    }

    /// A file, which other programs read as one table.
    pub fn of_file() -> Self {
        Self { is_file: true, columns: None }
    }

    /// Whether a result of these columns, which is the next, begins with a header.
    ///
    /// # Errors
    /// [`Error::Usage`] where the format has no place for it behind the others.
    pub(in crate::sql) fn next_has_header(&self, format: Format, schema: &Schema) -> Result<bool> {
        let Some(columns) = &self.columns else { return Ok(true) };
        if format.is_binary() || (self.is_file && format.is_one_value()) {
            return Err(Error::Usage(format!(
                "{} holds one result and these statements have several; run them one by one",
                format.name()
            )));
        }
        if !self.is_file || !format.is_delimited() {
            return Ok(true);
        }
        let others = names(schema);
        if *columns == others {
            return Ok(false);
        }
        Err(Error::Usage(format!(
            "{} has one header, and this result has other columns ({}) than the file ({}); write it to a file of its \
             own (.output FILE in the shell)",
            format.name(),
            others.join(", "),
            columns.join(", ")
        )))
    }

    /// Checks that there was a result, before a file without any takes the place of another.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn require_any(&self) -> Result<()> {
        match &self.columns {
            Some(_) => Ok(()),
            None => Err(Error::Usage(
                "the statements give no rows for the output; end them with a SELECT, or leave the output out"
                    .to_owned(),
            )),
        }
    }

    /// Notes that a result of these columns is written.
    pub(in crate::sql) fn hold(&mut self, schema: &Schema) {
        self.columns = Some(names(schema));
    }
}

fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Field};

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_one_table_and_a_stream_several_texts() {
        let (mut file, mut stream) = (Results::of_file(), Results::of_stream());
        for results in [&mut file, &mut stream] {
            assert!(results.next_has_header(Format::Parquet, &schema(&["a"])).unwrap());
            results.hold(&schema(&["a", "b"]));
            for format in [Format::Arrow, Format::ArrowFile, Format::Parquet] {
                let error = results.next_has_header(format, &schema(&["a", "b"])).unwrap_err();
                assert!(error.exit_code() == 64 && error.to_string().contains("holds one result"), "{error}");
            }
            for format in [Format::Table, Format::Line, Format::Markdown, Format::Ndjson] {
                assert!(results.next_has_header(format, &schema(&["c"])).unwrap());
            }
        }
        for format in [Format::Csv, Format::Tsv] {
            assert!(!file.next_has_header(format, &schema(&["a", "b"])).unwrap());
            let error = file.next_has_header(format, &schema(&["b", "a"])).unwrap_err();
            assert!(error.to_string().contains("other columns (b, a) than the file (a, b)"), "{error}");
            assert!(stream.next_has_header(format, &schema(&["c"])).unwrap());
        }
        assert!(file.next_has_header(Format::Json, &schema(&["a", "b"])).is_err());
        assert!(stream.next_has_header(Format::Json, &schema(&["c"])).unwrap());
    }
}
