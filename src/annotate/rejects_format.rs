//! The formats of a file of rejects, by the ending of its name: Parquet, unless it says CSV or lines of JSON.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Place, Result};
use crate::printable::push_field;
use crate::storage::{FileEnding, Output, SourceFile, io_errors};

/// Bytes of the head of a file in which its format is looked for.
const HEAD_BYTES: u64 = 1 << 10;

/// The format of a file of rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RejectsFormat {
    Parquet,
    Csv,
    Ndjson,
}

impl RejectsFormat {
    /// That of a name.
    pub(super) fn of(path: &Path) -> Self {
        match FileEnding::of(path) {
            Some(FileEnding::Csv) => Self::Csv,
            Some(FileEnding::Ndjson) => Self::Ndjson,
            _ => Self::Parquet,
        }
    }

    /// Whether a text begins as rejects of this schema do. Without rejects, there is no line of JSON.
    ///
    /// # Errors
    /// Of reading.
    pub(super) fn is_head_of(self, path: &Path, schema: &SchemaRef) -> Result<bool> {
        let file = SourceFile::open(path)?;
        let bytes = usize::try_from(file.bytes().min(HEAD_BYTES)).unwrap_or(0);
        let head = file.get_bytes(0, bytes);
        let head = head.map_err(|error| io_errors::parquet(Place::file(path.display()), "read", error))?;
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let first = names.first().copied().unwrap_or_default();
        Ok(match self {
            Self::Parquet => false,
            Self::Csv => head.starts_with(names.join(",").as_bytes()),
            Self::Ndjson => head.is_empty() || head.starts_with(format!("{{\"{}\":", first).as_bytes()),
        })
    }
}

/// A writer of one of the formats.
pub(super) enum RejectsWriter {
    Parquet(Box<ArrowWriter<Box<dyn Output>>>),
    Csv(BufWriter<Box<dyn Output>>),
    Ndjson(Box<LineDelimitedWriter<BufWriter<Box<dyn Output>>>>),
}

impl RejectsWriter {
    /// Begins a file of this schema.
    pub(super) fn begin(
        format: RejectsFormat,
        out: Box<dyn Output>,
        schema: SchemaRef,
        encryption: Option<Arc<FileEncryptionProperties>>,
    ) -> io::Result<Self> {
        Ok(match format {
            RejectsFormat::Parquet => {
                let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
                if let Some(encryption) = encryption {
                    properties = properties.with_file_encryption_properties(encryption);
                }
                let writer = ArrowWriter::try_new(out, schema, Some(properties.build()));
                Self::Parquet(Box::new(writer.map_err(of_parquet)?))
            }
            RejectsFormat::Csv => {
                let mut out = BufWriter::new(out);
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                writeln!(out, "{}", names.join(","))?;
                Self::Csv(out)
            }
            RejectsFormat::Ndjson => Self::Ndjson(Box::new(LineDelimitedWriter::new(BufWriter::new(out)))),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            Self::Parquet(writer) => writer.write(batch).map_err(of_parquet),
            Self::Csv(out) => out.write_all(csv_lines(batch).as_bytes()),
            Self::Ndjson(writer) => writer.write(batch).map_err(of_arrow),
        }
    }

    /// Writes what is left.
    pub(super) fn close(self) -> io::Result<()> {
        match self {
            Self::Parquet(writer) => writer.close().map(drop).map_err(of_parquet),
            Self::Csv(mut out) => out.flush(),
            Self::Ndjson(mut writer) => {
                writer.finish().map_err(of_arrow)?;
                writer.into_inner().flush()
            }
        }
    }
}

/// The rows as lines of CSV.
fn csv_lines(batch: &RecordBatch) -> String {
    let mut lines = String::new();
    for row in 0..batch.num_rows() {
        for (position, column) in batch.columns().iter().enumerate() {
            if position > 0 {
                lines.push(',');
            }
            if column.is_null(row) {
                continue;
            }
            if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
                lines.push_str(&numbers.value(row).to_string());
            } else if let Some(texts) = column.as_string_opt::<i32>() {
                push_field(&mut lines, texts.value(row), ',');
            }
        }
        lines.push('\n');
    }
    lines
}

fn of_parquet(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

fn of_arrow(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        error => io::Error::other(error),
    }
}

/// The refusal of a text with labels of an encrypted file.
pub(super) fn refuse_text_of_encrypted(path: &Path) -> Error {
    Error::Usage(format!(
        "{}: the input is encrypted, and its rejects are encrypted with it, which a text is not; name it .parquet",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn an_empty_label_is_told_from_none() {
        let labels = [Some(""), None, Some("a,b"), Some("say \"a\""), Some("c"), Some("two\nlines")];
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("row", Arc::new(Int64Array::from_iter_values(0..6)) as _, false),
            ("label", Arc::new(StringArray::from_iter(labels)) as _, true),
        ])
        .unwrap();
        assert_eq!(csv_lines(&batch), "0,\"\"\n1,\n2,\"a,b\"\n3,\"say \"\"a\"\"\"\n4,c\n5,\"two\nlines\"\n");
    }
}
