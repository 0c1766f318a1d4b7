//! The format of a journal: a header with the identity of the work, then one frame a batch.
//! All numbers are little-endian.
//!
//! ```text
//! header  "LSMIJNL3", bytes of JSON u32, JSON, checksum [16]
//! frame   row group u32, first row u64, rows u32, bytes of bad rows u32, trained rows u32,
//!         checksum [16], each column's rows as f32, bad rows
//! bad row row in the batch u32, fate u8, bytes of label u32 (all ones: null), label
//! ```
//!
//! A checksum is the 128-bit XXH3 of all other bytes of its header or frame: it tells torn and damaged
//! frames, which need no cryptographic hash, at the rate of memory.

use xxhash_rust::xxh3::Xxh3Default;

use crate::annotate::batch::{BadRow, Batch};
use crate::samples::{Fate, Modality};

pub(super) const MAGIC: &[u8; 8] = b"LSMIJNL3";
/// The magic of all versions, without their number.
pub(super) const NAME: &[u8] = b"LSMIJNL";
pub(super) const CHECKSUM_BYTES: usize = 16;
/// A frame's fixed part before its checksum.
const FIELDS_BYTES: usize = 24;
/// A frame's fixed part.
pub(super) const HEAD_BYTES: usize = FIELDS_BYTES + CHECKSUM_BYTES;
const NULL_LABEL: u32 = u32::MAX;

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) row_group: u32,
    pub(super) first_row: u64,
    pub(super) rows: u32,
    pub(super) bad_bytes: u32,
    pub(super) trained_rows: u32,
    pub(super) checksum: [u8; CHECKSUM_BYTES],
}

impl Head {
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        Some(Self {
            row_group: cursor.u32()?,
            first_row: u64::from_le_bytes(*cursor.take(8)?.first_chunk()?),
            rows: cursor.u32()?,
            bad_bytes: cursor.u32()?,
            trained_rows: cursor.u32()?,
            checksum: *cursor.0.first_chunk()?,
        })
    }

    /// Bytes of one column.
    pub(super) fn column_bytes(&self) -> u64 {
        u64::from(self.rows) * 4
    }

    /// Bytes that follow this part.
    pub(super) fn body_bytes(&self, columns: usize) -> u64 {
        self.column_bytes() * columns as u64 + u64::from(self.bad_bytes)
    }
}

pub(super) fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3Default::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.digest128().to_le_bytes()
}

/// The bytes of a header around its JSON.
pub(super) fn header(json: &[u8]) -> Vec<u8> {
    let length = (json.len() as u32).to_le_bytes();
    [MAGIC, &length[..], json, &checksum(&[MAGIC, &length, json])].concat()
}

/// The bytes of a batch's frame, into `out`, which is cleared.
pub(super) fn encode(batch: &Batch, out: &mut Vec<u8>) {
    out.clear();
    out.extend((batch.row_group as u32).to_le_bytes());
    out.extend((batch.first_row as u64).to_le_bytes());
    out.extend((batch.rows as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend((batch.trained_rows as u32).to_le_bytes());
    out.extend([0; CHECKSUM_BYTES]);
    for column in &batch.columns {
        out.extend(column.iter().flat_map(|value| value.to_le_bytes()));
    }
    let body = out.len();
    for bad in &batch.bad {
        out.extend(bad.row.to_le_bytes());
        out.push(code(bad.fate));
        let label = bad.label.as_deref();
        out.extend(label.map_or(NULL_LABEL, |label| label.len() as u32).to_le_bytes());
        out.extend(label.unwrap_or_default().as_bytes());
    }
    let bad_bytes = (out.len() - body) as u32;
    out[16..20].copy_from_slice(&bad_bytes.to_le_bytes());
    let sum = checksum(&[&out[..FIELDS_BYTES], &out[HEAD_BYTES..]]);
    out[FIELDS_BYTES..HEAD_BYTES].copy_from_slice(&sum);
}

/// The batch of a frame, where its checksum holds.
pub(super) fn decode(head_bytes: &[u8; HEAD_BYTES], body: &[u8], columns: usize) -> Option<Batch> {
    let head = Head::parse(head_bytes)?;
    if checksum(&[head_bytes.get(..FIELDS_BYTES)?, body]) != head.checksum {
        return None;
    }
    let (values, bad) = body.split_at_checked(usize::try_from(head.column_bytes()).ok()? * columns)?;
    let rows = head.rows as usize;
    Some(Batch {
        row_group: head.row_group as usize,
        first_row: usize::try_from(head.first_row).ok()?,
        rows,
        columns: match rows {
            0 => vec![Vec::new(); columns],
            rows => values.chunks_exact(rows * 4).map(floats).collect(),
        },
        bad: bad_rows(bad)?,
        trained_rows: head.trained_rows as usize,
    })
}

/// The frame of a batch on its own.
pub(in crate::annotate) fn encode_frame(batch: &Batch) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(batch, &mut frame);
    frame
}

/// The batch of such a frame, where it is whole.
pub(in crate::annotate) fn decode_frame(frame: &[u8], columns: usize) -> Option<Batch> {
    let (head, body) = frame.split_first_chunk()?;
    let whole = Head::parse(head)?.body_bytes(columns) == body.len() as u64;
    whole.then(|| decode(head, body, columns)).flatten()
}

/// Values from their bytes.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The bad rows of a frame.
pub(super) fn bad_rows(bytes: &[u8]) -> Option<Vec<BadRow>> {
    let mut cursor = Cursor(bytes);
    let mut rows = Vec::new();
    while !cursor.0.is_empty() {
        let row = cursor.u32()?;
        let fate = fate(*cursor.take(1)?.first()?)?;
        let label = match cursor.u32()? {
            NULL_LABEL => None,
            length => Some(String::from_utf8(cursor.take(length as usize)?.to_vec()).ok()?),
        };
        rows.push(BadRow { row, fate, label });
    }
    Some(rows)
}

/// A fate's number: of two modalities its place among the reasons, from 1; then three for each further one.
fn code(fate: Fate) -> u8 {
    match fate {
        Fate::Good => 0,
        Fate::NullLabel => 1,
        Fate::UnknownLabel => 2,
        Fate::NullEmbedding(Modality(m)) => of_embedding(0, m),
        Fate::WrongLength(Modality(m)) => of_embedding(1, m),
        Fate::NonFinite(Modality(m)) => of_embedding(2, m),
        Fate::NonFiniteResult => 9,
    }
}

fn of_embedding(kind: u8, modality: u8) -> u8 {
    match modality {
        0 | 1 => 3 + 2 * kind + modality,
        further => (further - 2).saturating_mul(3).saturating_add(10 + kind),
    }
}

fn fate(code: u8) -> Option<Fate> {
    let (kind, modality) = match code {
        1 => return Some(Fate::NullLabel),
        2 => return Some(Fate::UnknownLabel),
        9 => return Some(Fate::NonFiniteResult),
        3..=8 => ((code - 3) / 2, Modality((code - 3) % 2)),
        10..=15 => ((code - 10) % 3, Modality((code - 10) / 3 + 2)),
        _ => return None,
    };
    Some(match kind {
        0 => Fate::NullEmbedding(modality),
        1 => Fate::WrongLength(modality),
        _ => Fate::NonFinite(modality),
    })
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(bytes)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }
}
