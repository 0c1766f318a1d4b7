//! A Parquet file with the rows of an Arrow IPC stream, for a reader that needs them twice.

use std::fs::File;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

use super::BatchSource;
use super::parquet_types::check_storable;

/// Writes all rows of a stream to a new file, uncompressed.
///
/// # Errors
/// Those of reading the stream; [`Error::BadData`] where a type has no place in Parquet;
/// [`Error::CannotCreate`] and [`Error::Io`] of the file.
pub fn write_stream_file(stream: BatchSource<'_>, path: &Path) -> Result<()> {
    check_storable(stream.schema(), stream.place())?;
    let failed = |error| io_errors::parquet(Place::file(path.display()), "write", error);
    let file = File::create_new(path).map_err(|source| Error::CannotCreate { path: path.into(), source })?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(65_536))
        .build();
    let mut writer = ArrowWriter::try_new(file, stream.schema().clone(), Some(properties)).map_err(failed)?;
    for batch in stream {
        writer.write(&batch?.rows).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}
