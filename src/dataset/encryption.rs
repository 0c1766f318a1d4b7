//! Whether a readable footer belongs to a file with encrypted columns. Built
//! without encryption, the Parquet crate passes over what says so, and a copy of
//! the file would lose the only way to its columns.

/// `FileMetaData.encryption_algorithm`, set where any column is encrypted.
const ENCRYPTION_ALGORITHM: i32 = 8;

/// Deeper nesting than any footer has.
const MAX_DEPTH: usize = 32;

/// Whether a footer (`FileMetaData` in Thrift's compact protocol) tells of
/// encrypted columns. A footer that makes no sense tells of nothing.
pub(super) fn tells_of_encryption(footer: &[u8]) -> bool {
    Compact(footer).finds(ENCRYPTION_ALGORITHM).unwrap_or(false)
}

/// Bytes in Thrift's compact protocol.
struct Compact<'a>(&'a [u8]);

impl Compact<'_> {
    /// Whether the struct that starts here has a field of this number.
    fn finds(&mut self, wanted: i32) -> Option<bool> {
        let mut id = 0;
        while let Some((next, kind)) = self.field(id)? {
            if next == wanted {
                return Some(true);
            }
            self.skip(kind, MAX_DEPTH)?;
            id = next;
        }
        Some(false)
    }

    /// The number and type of the field after field `id`, or that there is none.
    fn field(&mut self, id: i32) -> Option<Option<(i32, u8)>> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        Some(match byte >> 4 {
            _ if byte == 0 => None,
            0 => Some((self.id()?, kind)),
            delta => Some((id + i32::from(delta), kind)),
        })
    }

    /// A field's number, written where it is far from the one before.
    fn id(&mut self) -> Option<i32> {
        let zigzag = i32::from(u16::try_from(self.varint()?).ok()?);
        Some((zigzag >> 1) ^ -(zigzag & 1))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        // Ten bytes are possible; the last adds nothing to a length or a small number.
        self.byte().filter(|byte| *byte < 0x80).map(|_| value)
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    /// Passes over a value as it stands in a struct.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            // A boolean field's type is its value.
            1 | 2 => Some(()),
            _ => self.skip_value(kind, depth),
        }
    }

    /// Passes over a value as it stands in a list.
    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let header = self.byte()?;
                let length = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
                (0..length).try_for_each(|_| self.skip_value(header & 0x0f, depth))
            }
            11 => {
                let length = self.varint()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                (0..length).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth)?;
                    self.skip_value(kinds & 0x0f, depth)
                })
            }
            12 => {
                let mut id = 0;
                while let Some((next, kind)) = self.field(id)? {
                    self.skip(kind, depth)?;
                    id = next;
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    fn file() -> Vec<u8> {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let batch = RecordBatch::try_from_iter([("id", ids.clone()), ("other", ids)]).unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        for _ in 0..20 {
            writer.write(&batch).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        file
    }

    #[test]
    fn an_algorithm_in_the_footer_is_seen() {
        let mut file = file();
        let tail = file.split_off(file.len() - 8);
        let length = u32::from_le_bytes(*tail.first_chunk().unwrap());
        let start = file.len() - length as usize;
        assert!(!tells_of_encryption(&file[start..]));

        // Field 8 after field 7, in place of the struct's end: AES_GCM_V1 with no options.
        assert_eq!(file.pop(), Some(0));
        file.extend([0x1c, 0x1c, 0, 0, 0]);
        assert!(tells_of_encryption(&file[start..]));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.parquet");
        file.extend((length + 4).to_le_bytes());
        file.extend(b"PAR1");
        std::fs::write(&path, &file).unwrap();
        let error = crate::dataset::Input::open(&path).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("encrypted columns"), "{error}");
    }

    #[test]
    fn nonsense_is_survived() {
        for footer in [&[][..], &[0xff; 64], &[0x1c; 200], &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert!(!tells_of_encryption(footer));
        }
    }
}
