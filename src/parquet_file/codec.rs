//! Decompression of pages into memory that is used again: the codecs that are so fast that the Parquet
//! crate's fresh, zeroed memory costs as much as they do. The others are left to the crate.

use std::cell::RefCell;

use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result as ParquetResult};

thread_local! {
    /// A context takes 100 kB, which it would cost as much to set up for each page as some pages take.
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Whether [`decompress`] knows a codec.
pub(super) fn is_fast(codec: Compression) -> bool {
    matches!(codec, Compression::SNAPPY | Compression::ZSTD(_) | Compression::LZ4_RAW)
}

/// Fills `out`, which is as long as the page says that it is without compression.
///
/// # Errors
/// Those of the codec; [`ParquetError::EOF`] where the bytes make another length.
pub(super) fn decompress(codec: Compression, stored: &[u8], out: &mut [u8]) -> ParquetResult<()> {
    let length = match codec {
        // A page of nulls alone stores nothing, not even the codec's frame.
        _ if out.is_empty() => 0,
        Compression::SNAPPY => snap::raw::Decoder::new().decompress(stored, out)?,
        Compression::ZSTD(_) => ZSTD.with_borrow_mut(|context| {
            let context = match context {
                Some(context) => context,
                None => context.insert(zstd::bulk::Decompressor::new()?),
            };
            context.decompress_to_buffer(stored, out)
        })?,
        Compression::LZ4_RAW => lz4_flex::block::decompress_into(stored, out)
            .map_err(|error| ParquetError::External(Box::new(error)))?,
        other => return Err(ParquetError::NYI(format!("{other}"))),
    };
    match length == out.len() {
        true => Ok(()),
        false => Err(ParquetError::EOF(format!("a page is {length} bytes and not {}", out.len()))),
    }
}
