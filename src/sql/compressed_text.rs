//! Text that is compressed as a whole, such as a file called `.csv.gz`, as a stream of the text.

use std::io::{self, Write};

use bytes::Bytes;
use datafusion::object_store::{Error as StoreError, Result};
use flate2::write::MultiGzDecoder;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use zstd::stream::{raw, zio};

use crate::error::{Error, Place};
use crate::parquet_file::not_text;

/// Compressed bytes that are decompressed at a time: of gzip a thousand times as many may come of them, of zstd 32 000
/// times as many.
const STEP_BYTES: usize = 1 << 10;

/// How a file of text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The name without the ending of a compression, and that compression.
    pub(super) fn of_name(name: &str) -> (&str, Option<Self>) {
        match name.rsplit_once('.') {
            Some((text, ending)) if ending.eq_ignore_ascii_case("gz") => (text, Some(Self::Gzip)),
            Some((text, ending)) if ending.eq_ignore_ascii_case("zst") => (text, Some(Self::Zstd)),
            _ => (name, None),
        }
    }

    /// What is wrong with the beginning of a file that is not compressed so.
    fn misnamed(self, head: &[u8]) -> Option<String> {
        let magic: &[u8] = match self {
            Self::Gzip => b"\x1f\x8b",
            // Frames to be skipped, too.
            Self::Zstd if head.get(1..4) == Some(b"\x2a\x4d\x18") => return None,
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        };
        if head.len() < magic.len() || head.starts_with(magic) {
            return None;
        }
        let what = "is not compressed as the ending of its name says; rename it, or write it again";
        Some(not_text(head).unwrap_or_else(|| what.to_owned()))
    }
}

/// The bytes of the text of a file, decompressed where its name says that they are compressed.
///
/// # Errors
/// Those of the bytes; [`Error::BadData`] in a [`StoreError`] where they are not what the name says, or cut off.
pub(super) fn text_of(
    bytes: BoxStream<'static, Result<Bytes>>,
    name: &str,
) -> BoxStream<'static, Result<Bytes>> {
    let (_, Some(compression)) = Compression::of_name(name) else { return bytes };
    let name = name.to_owned();
    let told = move |what: String| StoreError::Generic {
        store: "text",
        source: Box::new(Error::bad_data(Place::file(&name), what)),
    };
    let mut text = CompressedText { compression, decoder: None };
    let ended = stream::once(ready(None));
    let steps = bytes.flat_map(|chunk| pieces(chunk, STEP_BYTES)).map(Some).chain(ended);
    let decompressed = steps.map(move |step| match step {
        Some(step) => text.next(Some(&step?)).map_err(&told),
        None => text.next(None).map_err(&told),
    });
    decompressed.filter(|text| ready(!text.as_ref().is_ok_and(Bytes::is_empty))).boxed()
}

/// The text of a file; a file without bytes has none.
struct CompressedText {
    compression: Compression,
    /// Once there are bytes.
    decoder: Option<Decoder>,
}

impl CompressedText {
    /// The text of the next bytes, or, of none, what is left at the end of the file; an error in words.
    fn next(&mut self, compressed: Option<&[u8]>) -> std::result::Result<Bytes, String> {
        let failed = |error: io::Error| {
            let error = error.to_string();
            let what = if error.contains("too much memory") {
                "its window is larger than 128 MiB, as of zstd --long=31; decompress it with the same option"
            } else if error.contains("gzip header") {
                "the file is damaged, or other bytes follow what is compressed; write it again"
            } else {
                "the file is damaged or cut off, write it again"
            };
            format!("cannot be decompressed: {error}; {what}")
        };
        let decoder = match (&mut self.decoder, compressed) {
            (Some(decoder), _) => decoder,
            (None, None) => return Ok(Bytes::new()),
            (decoder, Some(head)) => {
                self.compression.misnamed(head).map_or(Ok(()), Err)?;
                decoder.insert(Decoder::new(self.compression).map_err(failed)?)
            }
        };
        let text = match compressed {
            Some(compressed) => decoder.push(compressed),
            None => decoder.end(),
        };
        text.map_err(failed)
    }
}

/// A chunk in pieces of at most so many bytes, one after the other.
pub(super) fn pieces(
    chunk: Result<Bytes>,
    most_bytes: usize,
) -> stream::Iter<impl Iterator<Item = Result<Bytes>>> {
    let mut rest = Some(chunk);
    stream::iter(std::iter::from_fn(move || match rest.take()? {
        Ok(mut bytes) if bytes.len() > most_bytes => {
            let step = bytes.split_to(most_bytes);
            rest = Some(Ok(bytes));
            Some(Ok(step))
        }
        last => Some(last),
    }))
}

/// A decompressor of one or more streams in a row.
enum Decoder {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(zio::Writer<Vec<u8>, raw::Decoder<'static>>),
}

impl Decoder {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => Self::Zstd(zio::Writer::new(Vec::new(), raw::Decoder::new()?)),
        })
    }

    fn push(&mut self, compressed: &[u8]) -> io::Result<Bytes> {
        let text = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(compressed)?;
                std::mem::take(decoder.get_mut())
            }
            Self::Zstd(decoder) => {
                decoder.write_all(compressed)?;
                decoder.flush()?;
                std::mem::take(decoder.writer_mut())
            }
        };
        Ok(text.into())
    }

    /// What is left when all has been pushed.
    fn end(&mut self) -> io::Result<Bytes> {
        let text = match self {
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                std::mem::take(decoder.get_mut())
            }
            Self::Zstd(decoder) => {
                decoder.finish()?;
                std::mem::take(decoder.writer_mut())
            }
        };
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression as Level;
    use flate2::write::GzEncoder;
    use futures::executor::block_on;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The text of a file whose bytes come in chunks of a size.
    fn read(name: &str, bytes: &[u8], chunk: usize) -> std::result::Result<Vec<u8>, String> {
        let chunks: Vec<_> = bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let text: Vec<_> = block_on(text_of(stream::iter(chunks).boxed(), name).collect());
        let text: std::result::Result<Vec<Bytes>, _> = text.into_iter().collect();
        text.map(|text| text.concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn streams_in_a_row_are_one_text() {
        let text: Vec<u8> = (0..40_000).flat_map(|row| format!("{row},{}\n", row % 7).into_bytes()).collect();
        let (one, two) = text.split_at(30_001);
        let gzipped = [gzip(one), gzip(b""), gzip(two)].concat();
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        let zstds = [zstd(one), zstd(two)].concat();
        for chunk in [1, 7, 4096, 1 << 20] {
            assert!(read("t.csv.gz", &gzipped, chunk).unwrap() == text, "{chunk}");
            assert!(read("t.json.ZST", &zstds, chunk).unwrap() == text, "{chunk}");
            assert!(read("t.csv", &text, chunk).unwrap() == text, "{chunk}");
        }
    }

    #[test]
    fn what_is_cut_off_or_not_compressed_is_told() {
        let gzipped = gzip(b"id\n1\n2\n");
        let zstd = zstd::encode_all(&b"id\n1\n2\n"[..], 1).unwrap();
        for cut in 1..gzipped.len() {
            assert!(read("t.csv.gz", &gzipped[..cut], 8).is_err(), "{cut}");
        }
        for cut in 1..zstd.len() {
            assert!(read("t.csv.zst", &zstd[..cut], 8).is_err(), "{cut}");
        }
        for name in ["t.csv.gz", "t.csv.zst"] {
            let told = |bytes: &[u8]| read(name, bytes, 64).unwrap_err();
            let plain = told(b"id,name\n1,a\n");
            assert!(
                plain.contains(&format!("{name}: is not compressed as the ending of its name says")),
                "{plain}"
            );
            assert!(told(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
            assert_eq!(read(name, b"", 64).unwrap(), b"");
        }
        assert!(read("t.csv.zst", &gzipped, 64).unwrap_err().contains("is compressed as a whole by gzip"));
    }
}
