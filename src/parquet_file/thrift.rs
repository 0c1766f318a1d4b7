//! A cursor over structs of Thrift's compact protocol, in which Parquet writes its metadata. It
//! allocates nothing: a list that claims more elements than the bytes can hold is found by
//! walking it, before the Parquet crate reserves memory for its elements.

/// Deepest nesting of structs and lists. A footer has eight levels.
const MAX_DEPTH: usize = 16;

/// The reason why a struct was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end.
    End,
    Invalid,
}

pub(super) type Read<T> = Result<T, Stop>;

/// Types of the compact protocol.
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Walks over the struct at the start of `bytes`, and returns its length.
pub(super) fn walk_struct(bytes: &[u8]) -> Read<usize> {
    let mut fields = Fields::new(bytes, bytes.len());
    fields.skip(STRUCT)?;
    Ok(fields.position())
}

/// The fields of a struct, one after the other.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    last_id: i64,
    depth: usize,
    /// Longest struct that is accepted.
    limit_bytes: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the struct at the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8], limit_bytes: usize) -> Self {
        Self { bytes, at: 0, last_id: 0, depth: 0, limit_bytes }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The number and type of the next field; none at the end of the struct.
    pub(super) fn next(&mut self) -> Read<Option<(i64, u8)>> {
        let byte = self.byte()?;
        let (delta, field_type) = (byte >> 4, byte & 0xf);
        if field_type == 0 {
            return Ok(None);
        }
        self.last_id = match delta {
            0 => self.integer()?,
            delta => self.last_id.checked_add(i64::from(delta)).ok_or(Stop::Invalid)?,
        };
        Ok(Some((self.last_id, field_type)))
    }

    /// Reads a field that is a struct itself.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let outer = std::mem::take(&mut self.last_id);
        let nested = self.deeper(read)?;
        self.last_id = outer;
        Ok(nested)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::Invalid);
        }
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn byte(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::Invalid)
    }

    /// A signed number in zigzag encoding.
    fn integer(&mut self) -> Read<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        i32::try_from(self.integer()?).map_err(|_| Stop::Invalid)
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        u32::try_from(self.i32()?).map_err(|_| Stop::Invalid)
    }

    fn advance(&mut self, bytes: u64) -> Read<()> {
        let bytes = usize::try_from(bytes).map_err(|_| Stop::Invalid)?;
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.limit_bytes).ok_or(Stop::Invalid)?;
        if end > self.bytes.len() {
            return Err(Stop::End);
        }
        self.at = end;
        Ok(())
    }

    /// Skips the value of a field.
    pub(super) fn skip(&mut self, field_type: u8) -> Read<()> {
        match field_type {
            TRUE | FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.advance(8),
            BINARY => {
                let bytes = self.varint()?;
                self.advance(bytes)
            }
            LIST | SET => self.list(|fields, element_type, _| fields.skip_element(element_type)),
            MAP => self.deeper(Self::skip_map),
            STRUCT => self.nested(|fields| {
                while let Some((_, field_type)) = fields.next()? {
                    fields.skip(field_type)?;
                }
                Ok(())
            }),
            UUID => self.advance(16),
            _ => Err(Stop::Invalid),
        }
    }

    /// Reads a field that is a list: `read` is given the type of the next element and how many there are.
    pub(super) fn list(&mut self, mut read: impl FnMut(&mut Self, u8, u64) -> Read<()>) -> Read<()> {
        self.deeper(|fields| {
            let byte = fields.byte()?;
            let count = match byte >> 4 {
                15 => fields.varint()?,
                count => u64::from(count),
            };
            (0..count).try_for_each(|_| read(fields, byte & 0xf, count))
        })
    }

    fn skip_map(&mut self) -> Read<()> {
        let count = self.varint()?;
        let types = if count == 0 { 0 } else { self.byte()? };
        for _ in 0..count {
            self.skip_element(types >> 4)?;
            self.skip_element(types & 0xf)?;
        }
        Ok(())
    }

    /// Skips an element, which takes a byte or more: a boolean, too, unlike that of a field.
    fn skip_element(&mut self, element_type: u8) -> Read<()> {
        match element_type {
            TRUE | FALSE => self.advance(1),
            other => self.skip(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_that_claims_more_than_the_bytes_hold_ends_them() {
        // Field 1: a list of 2³¹ − 1 structs, of which two are there.
        let claim = [1 << 4 | LIST, 0xf << 4 | STRUCT, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0];
        assert_eq!(walk_struct(&claim), Err(Stop::End));
        let honest = [1 << 4 | LIST, 2 << 4 | STRUCT, 0, 0, 0];
        assert_eq!(walk_struct(&honest), Ok(honest.len()));
        assert_eq!(walk_struct(&[1 << 4 | BINARY, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]), Err(Stop::Invalid));
        // A map of one string to a number.
        let map = [1 << 4 | MAP, 1, BINARY << 4 | I32, 2, b'a', b'b', 8, 0];
        assert_eq!(walk_struct(&map), Ok(map.len()));
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = [[1 << 4 | STRUCT].repeat(10_000), vec![0; 10_001]].concat();
        assert_eq!(walk_struct(&deep), Err(Stop::Invalid));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            _ = walk_struct(&bytes);
        }
    }
}
