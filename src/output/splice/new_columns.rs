//! The column chunks of the new columns of a spliced row group. They are encoded into a row group of
//! their own, whose column chunks then follow the copied ones.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::basic::{Compression, GzipLevel};
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{SchemaDescPtr, Type};

use crate::error::Place;
use crate::output::appended_columns::{AppendedColumns, extended_schema, statistics_level, writable};
use crate::output::row_group_error::RowGroupError;
use crate::output::spill::SpillStoreFactory;
use crate::parquet_file::Input;
use crate::storage::block_writer::BlockWriter;

use super::chunk::{Chunk, offset};

/// Encodes the new columns of one row group after the other as column chunks.
pub(super) struct NewColumnEncoder {
    fields: Vec<FieldRef>,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    encoders: ArrowRowGroupWriterFactory,
}

impl NewColumnEncoder {
    /// An encoder whose pages spill to a file in a folder.
    pub(super) fn new(input: &Input, new_fields: &[Field], spill_folder: &Path) -> ParquetResult<Self> {
        let name = input.metadata().file_metadata().schema().name();
        let schema = Arc::new(extended_schema(&Type::group_type_builder(name).build()?, new_fields)?);
        let properties = Arc::new(page_properties(input));
        // The factory takes schema and properties from a writer, and no more.
        let (root, fields) = (schema.root_schema_ptr(), Schema::new(new_fields.to_vec()));
        let writer = SerializedFileWriter::new(io::sink(), root, Arc::clone(&properties))?;
        let spills = Arc::new(SpillStoreFactory { folder: spill_folder.to_owned() });
        let encoders = ArrowRowGroupWriterFactory::new(&writer, Arc::new(fields));
        let encoders = encoders.with_page_store_factory(spills);
        Ok(Self { fields: new_fields.iter().cloned().map(Arc::new).collect(), schema, properties, encoders })
    }

    /// Begins the new columns of a row group of the output, `place`.
    pub(super) fn begin(&self, ordinal: i16, place: Place) -> ParquetResult<AppendedColumns> {
        let encoders = self.encoders.create_column_writers(usize::try_from(ordinal)?)?;
        Ok(AppendedColumns::new(&self.fields, encoders, place))
    }

    /// Writes the column chunks of `columns`, which have `rows` rows.
    pub(super) fn finish(
        &self,
        out: &mut BlockWriter,
        columns: AppendedColumns,
        rows: usize,
        ordinal: i16,
    ) -> Result<Vec<Chunk>, RowGroupError> {
        // The crate counts from the start of the writer that it is given.
        let shift = offset(out.position())?;
        let mut out = TrackedWrite::new(out);
        let mut written = None;
        let on_close = |_: &mut TrackedWrite<_>,
                        group: RowGroupMetaData,
                        _: Vec<Option<Sbbf>>,
                        column_index: Vec<Option<ColumnIndexMetaData>>,
                        offset_index: Vec<Option<OffsetIndexMetaData>>| {
            written = Some((group, column_index, offset_index));
            Ok(())
        };
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let mut writer =
            SerializedRowGroupWriter::new(schema, properties, &mut out, ordinal, Some(Box::new(on_close)));
        columns.finish(&mut writer, rows)?;
        writer.close()?;
        out.flush().map_err(ParquetError::from)?;
        let (group, column_index, offset_index) =
            written.ok_or_else(|| RowGroupError::Mismatch("it was not closed".to_owned()))?;
        let chunks = group.columns().iter().cloned().zip(column_index.into_iter().zip(offset_index));
        let chunks = chunks.map(|(metadata, (column_index, offset_index))| {
            Chunk { metadata, bloom_filter: None, column_index, offset_index }.shifted(shift)
        });
        Ok(chunks.collect::<ParquetResult<_>>()?)
    }
}

/// The compression of the input's first column; a page index where the input has one (a file has it
/// in all columns or in none); v1 pages, which every reader supports.
fn page_properties(input: &Input) -> WriterProperties {
    let metadata = input.metadata();
    let first = metadata.row_groups().first().and_then(|group| group.columns().first());
    let compression = match first.map_or(Compression::UNCOMPRESSED, |chunk| writable(chunk.compression())) {
        // The usual level takes 5 % of the time of a run and saves 2 of 13 bytes a row.
        Compression::GZIP(_) => Compression::GZIP(GzipLevel::try_new(1).unwrap_or_default()),
        other => other,
    };
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_dictionary_enabled(false)
        .set_compression(compression)
        .set_statistics_enabled(statistics_level(input))
        .set_offset_index_disabled(metadata.offset_index().is_none())
        .build()
}
