//! The lengths in the metadata of an Arrow IPC message, compared with the bytes that are there. A
//! decoder allocates what a length says before it reads a byte of the buffer, and an allocation
//! that fails ends the process.

use std::ops::Range;

use arrow::ipc::{CompressionType, Message, MessageHeader, RecordBatch, root_as_message};

/// The length of a buffer that compression would have made longer.
const NOT_COMPRESSED: i64 = -1;
/// Bytes of the uncompressed length in front of a compressed buffer.
const CLAIM_BYTES: usize = 8;
/// The longest header of a zstd frame.
const ZSTD_HEADER_BYTES: usize = 18;
/// What precedes a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A byte of an LZ4 block stands for at most 255 bytes. The smallest zstd block has 4 bytes and
/// stands for 2¹⁷, that is 2¹⁵ for each; the double leaves room for the frame's header.
const LARGEST_FACTOR: [(Codec, u64); 2] = [(Codec::Lz4, 255), (Codec::Zstd, 1 << 16)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Lz4,
    Zstd,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "LZ4",
            Self::Zstd => "zstd",
        }
    }
}

/// The plausible lengths of one message. Errors are fragments that say what is wrong.
#[derive(Debug)]
pub(crate) struct MessageLengths {
    body_bytes: u64,
    is_record_batch: bool,
    codec: Option<Codec>,
    /// The compressed buffers, as ranges of the body.
    compressed: Vec<Range<u64>>,
}

impl MessageLengths {
    /// Reads the metadata of a message and checks that its buffers lie within its body, which has
    /// `body_bytes` if the file says so elsewhere.
    ///
    /// # Errors
    /// A length that cannot be, or a body beyond `limit_bytes`.
    pub(crate) fn read(metadata: &[u8], body_bytes: Option<u64>, limit_bytes: u64) -> Result<Self, String> {
        let message = root_as_message(metadata).map_err(|e| format!("the metadata are damaged ({e})"))?;
        let said = length(message.bodyLength(), "a body")?;
        let body_bytes = body_bytes.unwrap_or(said);
        if body_bytes > limit_bytes {
            return Err(format!(
                "a body is said to have {body_bytes} bytes, and there is memory for {limit_bytes}"
            ));
        }
        let is_record_batch = message.header_type() == MessageHeader::RecordBatch;
        let mut lengths = Self { body_bytes, is_record_batch, codec: None, compressed: Vec::new() };
        if let Some(batch) = record_batch(&message)? {
            lengths.read_batch(&batch)?;
        }
        Ok(lengths)
    }

    fn read_batch(&mut self, batch: &RecordBatch<'_>) -> Result<(), String> {
        length(batch.length(), "a record batch")?;
        for node in batch.nodes().into_iter().flatten() {
            length(node.length(), "an array")?;
        }
        self.codec = match batch.compression().map(|compression| compression.codec()) {
            None => None,
            Some(CompressionType::LZ4_FRAME) => Some(Codec::Lz4),
            Some(CompressionType::ZSTD) => Some(Codec::Zstd),
            Some(other) => return Err(format!("the codec {} is unknown", other.0)),
        };
        for buffer in batch.buffers().into_iter().flatten() {
            let (start, bytes) =
                (length(buffer.offset(), "an offset")?, length(buffer.length(), "a buffer")?);
            let end = start.checked_add(bytes).filter(|end| *end <= self.body_bytes);
            let end = end.ok_or_else(|| {
                format!(
                    "a buffer of {bytes} bytes at {start} lies outside of its body of {}",
                    self.body_bytes
                )
            })?;
            if bytes > 0 && self.codec.is_some() {
                self.compressed.push(start..end);
            }
        }
        Ok(())
    }

    /// Bytes after the metadata.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether rows are in it, and not a schema or a dictionary.
    pub(crate) fn is_record_batch(&self) -> bool {
        self.is_record_batch
    }

    /// The parts of the body that [`Self::check_claims`] needs, in its order.
    pub(crate) fn claims(&self) -> Vec<Range<u64>> {
        let longest = (CLAIM_BYTES + ZSTD_HEADER_BYTES) as u64;
        let claim = |buffer: &Range<u64>| buffer.start..buffer.end.min(buffer.start + longest);
        self.compressed.iter().map(claim).collect()
    }

    /// Checks the uncompressed lengths that compressed buffers claim.
    ///
    /// # Errors
    /// A length that the codec cannot make of so few bytes, or all of them beyond `limit_bytes`.
    pub(crate) fn check_claims<B: AsRef<[u8]>>(&self, claims: &[B], limit_bytes: u64) -> Result<(), String> {
        let Some(codec) = self.codec else { return Ok(()) };
        let mut total = 0_u64;
        for (buffer, claim) in self.compressed.iter().zip(claims) {
            let claim = check_claim(codec, buffer.end - buffer.start, claim.as_ref())?;
            total = total.saturating_add(claim);
        }
        if total > limit_bytes {
            return Err(format!(
                "its buffers are said to have {total} bytes uncompressed, and there is memory for {limit_bytes}"
            ));
        }
        Ok(())
    }
}

/// The record batch in a message, or in its dictionary.
fn record_batch<'a>(message: &Message<'a>) -> Result<Option<RecordBatch<'a>>, String> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => return Ok(None),
    };
    match batch {
        Some(batch) => Ok(Some(batch)),
        None => Err("a message has no record batch".to_owned()),
    }
}

fn length(said: i64, of: &str) -> Result<u64, String> {
    u64::try_from(said).map_err(|_| format!("{of} is said to be {said}"))
}

/// Checks the claim at the beginning of a compressed buffer and returns it.
fn check_claim(codec: Codec, bytes: u64, head: &[u8]) -> Result<u64, String> {
    let Some((claim, frame)) = head.split_first_chunk::<CLAIM_BYTES>() else {
        return Err(format!("a compressed buffer has {bytes} bytes, fewer than its length takes"));
    };
    let claim = match i64::from_le_bytes(*claim) {
        NOT_COMPRESSED => return Ok(bytes),
        claim => length(claim, "the uncompressed length of a buffer")?,
    };
    let factor = LARGEST_FACTOR.iter().find(|(other, _)| *other == codec).map_or(1, |(_, factor)| *factor);
    if claim > bytes.saturating_mul(factor) {
        return Err(format!(
            "a compressed buffer of {bytes} bytes is said to have {claim} uncompressed, more than {} can make of it",
            codec.name()
        ));
    }
    match zstd_content_bytes(frame).filter(|content| codec == Codec::Zstd && claim > 0 && *content != claim) {
        Some(content) => Err(format!(
            "a compressed buffer is said to have {claim} bytes uncompressed, and its zstd frame says {content}"
        )),
        None => Ok(claim),
    }
}

/// The content size in a zstd frame's header (RFC 8878, section 3.1.1.1), where it has one.
fn zstd_content_bytes(frame: &[u8]) -> Option<u64> {
    let (descriptor, rest) = frame.strip_prefix(&ZSTD_MAGIC)?.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let window_bytes = usize::from(!is_single_segment);
    let dictionary_bytes = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let content_bytes = match descriptor >> 6 {
        0 if is_single_segment => 1,
        0 => return None,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let start = window_bytes + dictionary_bytes;
    let said = rest.get(start..start + content_bytes)?;
    let mut number = [0; 8];
    number.get_mut(..content_bytes)?.copy_from_slice(said);
    // Two bytes begin where one ends.
    Some(u64::from_le_bytes(number) + if content_bytes == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(claim: i64, frame: &[u8]) -> Vec<u8> {
        [&claim.to_le_bytes()[..], frame].concat()
    }

    #[test]
    fn what_a_codec_can_make_bounds_a_claim() {
        assert_eq!(check_claim(Codec::Lz4, 100, &head(25_000, b"")), Ok(25_000));
        assert_eq!(check_claim(Codec::Lz4, 100, &head(0, b"")), Ok(0));
        assert_eq!(check_claim(Codec::Lz4, 100, &head(-1, b"")), Ok(100));
        for (codec, claim) in [(Codec::Lz4, 26_000), (Codec::Zstd, 1 << 61), (Codec::Zstd, i64::MAX)] {
            let error = check_claim(codec, 100, &head(claim, b"")).unwrap_err();
            assert!(error.contains(&claim.to_string()) && error.contains(codec.name()), "{error}");
        }
        assert!(check_claim(Codec::Zstd, 100, &head(-2, b"")).unwrap_err().contains("said to be -2"));
        assert!(check_claim(Codec::Zstd, 7, &[0; 7]).unwrap_err().contains("7 bytes"));
    }

    #[test]
    fn a_zstd_frame_says_its_content() {
        for (frame, content) in [
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 200][..], Some(200)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x40, 0x9b], Some(40_000)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x80, 0, 0, 0, 2, 0], Some(1 << 17)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xe1, 9, 0, 0, 0, 0, 0, 0, 0, 0x20], Some(1 << 61)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0], None),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1], None),
            (b"other bytes", None),
        ] {
            assert_eq!(zstd_content_bytes(frame), content, "{frame:x?}");
        }
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x40, 0x9b];
        assert_eq!(check_claim(Codec::Zstd, 100, &head(40_000, &frame)), Ok(40_000));
        let error = check_claim(Codec::Zstd, 100, &head(40_001, &frame)).unwrap_err();
        assert!(error.contains("40001") && error.contains("40000"), "{error}");
    }
}
