//! The splicing writer: a copy of a Parquet file with columns appended. The old column chunks are
//! copied byte for byte, and everything the format lets a copy keep is kept: dictionaries,
//! encodings, compression, statistics, size statistics, page indexes, bloom filters, sorting
//! columns, key-values, the schema with its field ids, and `created_by`, from which readers infer
//! the quirks of the pages' writer.
//!
//! Not kept, since the Parquet crate does not read them: key-values of single
//! column chunks, page indexes of a file in which only some columns have them.
//! Column orders other than the type's own cannot be written: columns of another
//! order, or of none, lose their minima and maxima. Encrypted files cannot be
//! spliced at all; [`Reencoder`](super::reencode::Reencoder) writes those.
//!
//! A large column chunk keeps its offset within a page (of memory and disk), so that the
//! system can copy it without passing it through user space (zero-copy); up to one page of
//! zeros is written before it as padding.

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::Field;
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::reader::ChunkReader;
use parquet::schema::types::SchemaDescPtr;

use crate::error::{Place, Result};
use crate::parquet_file::{Checksums, Input, catch_panics};
use crate::storage::block_writer::BlockWriter;
use crate::storage::{SourceFile, Staged, io_errors, temporary_folder};

use self::chunk::{Chunk, is_ordered, offset, portable};
use self::footer::SplicedRowGroup;
use self::new_columns::NewColumnEncoder;
use super::appended_columns::{AppendedColumns, extended_schema};
use super::output_file::{OutputFile, check_row_groups};
use super::row_group_error::RowGroupError;

mod chunk;
mod footer;
mod new_columns;

/// Writes a copy of an input with more columns, row group by row group.
pub struct SpliceWriter {
    file: OutputFile,
    /// The input's bytes: a clone, which reads ahead for itself.
    source: SourceFile,
    schema: SchemaDescPtr,
    new_columns: NewColumnEncoder,
    out: BlockWriter,
    row_groups: Vec<SplicedRowGroup>,
}

impl SpliceWriter {
    /// Starts a file with the columns of `input` and then `new_fields`, nullable
    /// Float32 or Int32. `key_values` replace the input's of the same keys.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) where the input has a column of a new name
    /// already; [`Error::BadData`](crate::Error::BadData) where it cannot be spliced;
    /// [`Error::Io`](crate::Error::Io).
    pub fn new(input: &Input, staged: Staged, new_fields: &[Field], key_values: &[KeyValue]) -> Result<Self> {
        check_row_groups(input)?;
        let spill_folder = temporary_folder(staged.path());
        let (file, mut out) = OutputFile::create(input, staged, new_fields, key_values)?;
        let parse = |error| io_errors::parquet(input.place(), "read", error);
        let schema = input.metadata().file_metadata().schema();
        let schema = extended_schema(schema, new_fields).map_err(parse)?;
        let new_columns = NewColumnEncoder::new(input, new_fields, &spill_folder).map_err(parse)?;
        // It stays in the block writer's memory: no write can fail yet.
        out.write_all(b"PAR1").map_err(|error| parse(error.into()))?;
        Ok(Self {
            file,
            source: input.file().clone(),
            schema: Arc::new(schema),
            new_columns,
            out,
            row_groups: Vec::new(),
        })
    }

    /// Copies the next row group, `index`; `append` then appends the rows of its new columns.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where row groups come out of order or
    /// the columns have another number of rows than the row group;
    /// [`Error::Io`](crate::Error::Io) and [`Error::BadData`](crate::Error::BadData) of
    /// the input or the output; those of `append`.
    pub fn row_group(
        &mut self,
        index: usize,
        append: impl FnOnce(&mut AppendedColumns) -> Result<()>,
    ) -> Result<()> {
        self.file.check_next(index)?;
        let spliced = self.splice(index, append).map_err(|error| {
            // Reading and writing fail through the same calls; the block writer has recorded
            // whether it was a write.
            let read = Place { row_group: Some(index), ..self.file.input().place() };
            error.into_error(index, |error| {
                let write_error = self.file.write_error(self.file.place());
                write_error.unwrap_or_else(|| io_errors::parquet(read, "read", error))
            })
        })?;
        self.row_groups.push(spliced);
        self.file.advance();
        Ok(())
    }

    /// Replaces or adds a key-value of the footer, which is written last.
    pub fn set_key_value(&mut self, key: &str, value: String) {
        self.file.set_key_value(key, value);
    }

    /// Writes the footer, makes sure that the input is unchanged, and gives the output its
    /// name. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Transient`](crate::Error::Transient) where the input was changed meanwhile,
    /// [`Error::Io`](crate::Error::Io), [`Error::OutputExists`](crate::Error::OutputExists).
    pub fn finish(mut self) -> Result<u64> {
        let key_values = self.file.take_key_values()?;
        let old = self.file.input().metadata().file_metadata();
        let (out, schema, row_groups) = (self.out, self.schema, self.row_groups);
        let written = catch_panics(|| footer::write(out, old, schema, key_values, row_groups));
        self.file.commit(written)
    }

    fn splice(
        &mut self,
        index: usize,
        append: impl FnOnce(&mut AppendedColumns) -> Result<()>,
    ) -> std::result::Result<SplicedRowGroup, RowGroupError> {
        let mismatch = |what: &str| RowGroupError::Mismatch(what.to_owned());
        let metadata = Arc::clone(self.file.input().metadata());
        let group = metadata.row_group(index);
        let rows = self.file.input().rows_in(index);
        let ordinal = i16::try_from(index).map_err(|_| mismatch("beyond 16 bits"))?;
        let mut chunks = Vec::with_capacity(self.schema.num_columns());
        for position in 0..group.num_columns() {
            chunks.push(catch_panics(|| self.copy(index, position))?);
        }
        let mut columns = self.new_columns.begin(ordinal, self.file.place().row_group(index))?;
        append(&mut columns)?;
        chunks.extend(self.new_columns.finish(&mut self.out, columns, rows, ordinal)?);
        for chunk in &mut chunks {
            chunk.write_bloom_filter(&mut self.out)?;
        }
        let schema = Arc::clone(&self.schema);
        Ok(catch_panics(|| SplicedRowGroup::new(group, ordinal, schema, chunks))?)
    }

    /// Copies the bytes of an old column chunk.
    fn copy(&mut self, row_group: usize, position: usize) -> ParquetResult<Chunk> {
        let old = self.file.input().metadata();
        let order = old.file_metadata().column_order(position);
        let metadata = portable(old.row_group(row_group).column(position), order)?;
        let column_index = old.column_index().filter(|_| is_ordered(order));
        let chunk = Chunk {
            bloom_filter: self.bloom_filter(row_group, &metadata)?,
            column_index: column_index.and_then(|all| all.get(row_group)?.get(position)).cloned(),
            offset_index: old.offset_index().and_then(|all| all.get(row_group)?.get(position)).cloned(),
            metadata,
        };
        let from = u64::try_from(chunk.start())?;
        let bytes = u64::try_from(chunk.metadata.compressed_size())?;
        self.out.align(from, bytes)?;
        let shift = offset(self.out.position())? - chunk.start();
        let copied = self.copy_checked(row_group, position, from, bytes)?;
        if copied != bytes {
            return Err(ParquetError::EOF(format!("a column chunk of {bytes} bytes ends after {copied}")));
        }
        chunk.shifted(shift)
    }
}

impl SpliceWriter {
    /// The bloom filter of a column chunk. A damaged one is left out: readers do without.
    fn bloom_filter(&self, row_group: usize, chunk: &ColumnChunkMetaData) -> ParquetResult<Option<Sbbf>> {
        match catch_panics(|| Sbbf::read_from_column_chunk(chunk, &self.source)) {
            Err(error @ ParquetError::External(_)) => Err(error),
            Err(error) => {
                let place = self.file.input().place().row_group(row_group);
                let place = place.column(chunk.column_path().string());
                tracing::warn!("{place}: its bloom filter is damaged and left out ({error})");
                Ok(None)
            }
            read => read,
        }
    }

    /// Copies the bytes of a column chunk. Pages with checksums pass through this program's
    /// memory and are checked; others need not.
    fn copy_checked(
        &mut self,
        row_group: usize,
        position: usize,
        from: u64,
        bytes: u64,
    ) -> ParquetResult<u64> {
        if let SourceFile::Remote(file) = &self.source {
            // Everything behind is copied, too.
            file.will_need(from..file.bytes());
        }
        let Some(chunk) = self.file.input().column_chunk(row_group, position) else {
            return self.out.copy(&self.source, from, bytes);
        };
        if self.out.may_splice(&self.source, bytes) && chunk.checksums(&self.source)? == Checksums::Absent {
            return self.out.copy(&self.source, from, bytes);
        }
        let mut pages = chunk.check_while_reading(self.source.get_read(from)?);
        let copied = self.out.copy_from(&mut pages, bytes)?;
        let located = |error| ParquetError::External(Box::new(error));
        // A damaged header does not show whether the pages have checksums; other pages do.
        if copied == bytes
            && pages.finish().map_err(located)? == Checksums::Unknown
            && self.file.input().has_page_checksums().map_err(located)?
        {
            return Err(located(chunk.unreadable_header()));
        }
        Ok(copied)
    }
}

impl std::fmt::Debug for SpliceWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpliceWriter").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
