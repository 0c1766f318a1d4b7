//! Text that is compressed as a whole, such as a file called `.csv.gz`, as a stream of the text.

use std::io::{self, Write};

use bytes::Bytes;
use datafusion::object_store::{Error as StoreError, Result};
use flate2::write::MultiGzDecoder;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use zstd::stream::{raw, zio};

use crate::error::{Error, Place};

/// Compressed bytes that are decompressed at a time: a thousand times as many may come of them.
const STEP_BYTES: usize = 16 << 10;

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
    let failed = move |error: io::Error| {
        let what = format!(
            "cannot be decompressed, as the ending of its name wants it: {error}; rename the file if it is not \
             compressed, else write it again"
        );
        StoreError::Generic { store: "text", source: Box::new(Error::bad_data(Place::file(&name), what)) }
    };
    let mut decoder = Decoder::new(compression);
    let ended = stream::once(ready(None));
    let text = bytes.flat_map(steps).map(Some).chain(ended).filter_map(move |step| {
        ready(match (step, &mut decoder) {
            (Some(Err(error)), _) => Some(Err(error)),
            (Some(Ok(step)), Ok(decoder)) => Some(decoder.push(&step).map_err(&failed)),
            (None, Ok(decoder)) => Some(decoder.end().map_err(&failed)),
            (_, Err(error)) => Some(Err(failed(io::Error::new(error.kind(), error.to_string())))),
        })
    });
    text.filter(|text| ready(!text.as_ref().is_ok_and(Bytes::is_empty))).boxed()
}

/// A chunk in pieces, one after the other.
fn steps(chunk: Result<Bytes>) -> stream::Iter<impl Iterator<Item = Result<Bytes>>> {
    let mut rest = Some(chunk);
    stream::iter(std::iter::from_fn(move || match rest.take()? {
        Ok(mut bytes) if bytes.len() > STEP_BYTES => {
            let step = bytes.split_to(STEP_BYTES);
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
            let told = read(name, b"id,name\n1,a\n", 64).unwrap_err();
            assert!(told.contains(&format!("{name}: cannot be decompressed")), "{told}");
        }
    }
}
