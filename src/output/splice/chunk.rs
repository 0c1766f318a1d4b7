//! The footer's metadata of a column chunk, adapted to the chunk's copy in another file.

use parquet::basic::ColumnOrder;
use parquet::bloom_filter::Sbbf;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use crate::storage::block_writer::BlockWriter;

/// The length of "PAR1", before which no page starts.
const MAGIC_BYTES: i64 = 4;

/// The metadata of a column chunk that was written.
pub(super) struct Chunk {
    pub(super) metadata: ColumnChunkMetaData,
    pub(super) bloom_filter: Option<Sbbf>,
    pub(super) column_index: Option<ColumnIndexMetaData>,
    pub(super) offset_index: Option<OffsetIndexMetaData>,
}

impl Chunk {
    /// Its offset in the file.
    pub(super) fn start(&self) -> i64 {
        self.metadata.dictionary_page_offset().unwrap_or(self.metadata.data_page_offset())
    }

    /// Adds `shift` to all offsets.
    pub(super) fn shifted(mut self, shift: i64) -> ParquetResult<Self> {
        let old = &self.metadata;
        let mut new = ColumnChunkMetaData::builder(old.column_descr_ptr())
            .set_compression_codec(old.compression_codec())
            .set_encodings_mask(*old.encodings_mask())
            .set_total_compressed_size(old.compressed_size())
            .set_total_uncompressed_size(old.uncompressed_size())
            .set_num_values(old.num_values())
            .set_data_page_offset(old.data_page_offset() + shift)
            .set_dictionary_page_offset(old.dictionary_page_offset().map(|offset| offset + shift))
            .set_unencoded_byte_array_data_bytes(old.unencoded_byte_array_data_bytes())
            .set_repetition_level_histogram(old.repetition_level_histogram().cloned())
            .set_definition_level_histogram(old.definition_level_histogram().cloned());
        if let Some(statistics) = old.statistics() {
            new = new.set_statistics(statistics.clone());
        }
        if let Some(statistics) = old.geo_statistics() {
            new = new.set_geo_statistics(Box::new(statistics.clone()));
        }
        if let Some(statistics) = old.page_encoding_stats() {
            new = new.set_page_encoding_stats(statistics.clone());
        }
        self.metadata = new.build()?;
        for page in self.offset_index.iter_mut().flat_map(|index| &mut index.page_locations) {
            page.offset += shift;
        }
        Ok(self)
    }

    /// Writes the bloom filter, if there is one.
    pub(super) fn write_bloom_filter(&mut self, out: &mut BlockWriter) -> ParquetResult<()> {
        let Some(filter) = self.bloom_filter.take() else { return Ok(()) };
        let start = out.position();
        filter.write(&mut *out)?;
        let length = i32::try_from(out.position() - start)?;
        let builder = self.metadata.clone().into_builder();
        self.metadata = builder
            .set_bloom_filter_offset(Some(offset(start)?))
            .set_bloom_filter_length(Some(length))
            .build()?;
        Ok(())
    }
}

/// A column chunk's metadata without the parts that are invalid in another file.
pub(super) fn portable(
    chunk: &ColumnChunkMetaData,
    order: ColumnOrder,
) -> ParquetResult<ColumnChunkMetaData> {
    let mut builder = chunk.clone().into_builder();
    if let Some(dictionary) = chunk.dictionary_page_offset() {
        if dictionary < MAGIC_BYTES {
            // Some writers set 0 where there is no dictionary.
            builder = builder.set_dictionary_page_offset(None);
        } else if chunk.data_page_offset() < dictionary {
            // A chunk without a value has a dictionary but no data page. The offset of the
            // missing page is set behind the dictionary: shifting it would make it negative.
            builder = builder.set_data_page_offset(dictionary + chunk.compressed_size());
        }
    }
    if !is_ordered(order) && chunk.statistics().is_some_and(|found| !found.is_min_max_deprecated()) {
        builder = builder.clear_statistics();
    }
    builder.build()
}

/// Whether minima and maxima are in the type's own order, the only one that the output's
/// footer can declare.
pub(super) fn is_ordered(order: ColumnOrder) -> bool {
    matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))
}

/// A position as the signed number that Parquet uses.
pub(super) fn offset(position: u64) -> ParquetResult<i64> {
    Ok(i64::try_from(position)?)
}
