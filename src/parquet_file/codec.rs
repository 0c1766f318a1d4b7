//! Decompression of pages into memory that is used again. The other codecs (Brotli, LZ4 in Hadoop's
//! frames) are left to the Parquet crate, whose fresh, zeroed memory costs little beside them.

use std::cell::RefCell;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result as ParquetResult};

use super::snappy;

thread_local! {
    /// A context takes 100 kB, which it would cost as much to set up for each page as some pages take.
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static DEFLATE: RefCell<Option<libdeflater::Decompressor>> = const { RefCell::new(None) };
}

/// Whether [`decompress`] knows a codec.
pub(super) fn is_fast(codec: Compression) -> bool {
    matches!(codec, Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_) | Compression::LZ4_RAW)
}

/// Fills `out`, which is as long as the page says that it is without compression.
///
/// # Errors
/// Those of the codec; [`ParquetError::EOF`] where the bytes make another length.
pub(super) fn decompress(codec: Compression, stored: &[u8], out: &mut [u8]) -> ParquetResult<()> {
    let length = match codec {
        // A page of nulls alone stores nothing, not even the codec's frame.
        _ if out.is_empty() => 0,
        // What the faster decoders do not take, the others decompress, or tell what is wrong with it.
        Compression::SNAPPY if snappy::decompress(stored, out) => out.len(),
        Compression::SNAPPY => snap::raw::Decoder::new().decompress(stored, out)?,
        Compression::GZIP(_) if is_one_member(stored, out) => out.len(),
        Compression::GZIP(_) => members(stored, out)?,
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

/// Decompresses the first member of a gzip file; whether it fills `out`.
fn is_one_member(stored: &[u8], out: &mut [u8]) -> bool {
    DEFLATE.with_borrow_mut(|context| {
        let context = context.get_or_insert_with(libdeflater::Decompressor::new);
        context.gzip_decompress(stored, out) == Ok(out.len())
    })
}

/// Decompresses all members. Returns their bytes, at most one more than `out` has.
fn members(stored: &[u8], out: &mut [u8]) -> ParquetResult<usize> {
    let mut members = MultiGzDecoder::new(stored);
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match members.read(rest)? {
            0 => return Ok(filled),
            more => filled += more,
        }
    }
    Ok(filled + members.read(&mut [0])?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(vec![], flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decompressed(stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
        let mut out = vec![0; length];
        decompress(Compression::GZIP(Default::default()), stored, &mut out)
            .map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn gzip_of_one_member_and_of_several() {
        assert_eq!(decompressed(&gzip(b"a page"), 6).unwrap(), b"a page");
        // Hadoop's writers split long pages.
        let several = [gzip(b"a page"), gzip(b""), gzip(b" in three parts")].concat();
        assert_eq!(decompressed(&several, 21).unwrap(), b"a page in three parts");
    }

    #[test]
    fn gzip_of_another_length_or_damaged_is_an_error() {
        for length in [5, 7] {
            let message = decompressed(&gzip(b"a page"), length).unwrap_err();
            assert!(message.contains(&format!("a page is 6 bytes and not {length}")), "{message}");
        }
        let stored = gzip(&b"a page".repeat(100));
        assert!(decompressed(&stored[..stored.len() / 2], 600).is_err());
        let checksum = stored.len() - 8;
        let damaged: Vec<u8> =
            stored.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == checksum)).collect();
        assert!(decompressed(&damaged, 600).is_err());
        assert!(decompressed(b"not gzip", 600).is_err());
    }
}
