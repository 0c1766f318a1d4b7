//! Page headers, as far as a check of the pages needs them: the Parquet crate keeps its own to
//! itself. They are structs of Thrift's compact protocol.

use super::thrift::{FALSE, Fields, I32, Read, STRUCT, Stop, TRUE};

/// Longest header that is accepted. Its statistics may hold whole values.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// The kind of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Data,
    Index,
    Dictionary,
    DataV2,
}

/// The header of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub(super) kind: PageKind,
    /// Bytes of the page behind its header.
    pub(super) stored_bytes: u32,
    /// The same without compression.
    pub(super) plain_bytes: u32,
    /// CRC-32 of the stored bytes.
    pub(super) checksum: Option<u32>,
    /// Values of a data page, nulls included, or of a dictionary page.
    pub(crate) values: Option<u32>,
    /// Rows of a data page of version 2.
    pub(super) rows: Option<u32>,
    /// Nulls of a data page of version 2.
    pub(super) nulls: Option<u32>,
    /// Parquet's number of a data page's encoding.
    pub(crate) encoding: Option<u32>,
    /// Parquet's numbers of the encodings of definition and repetition levels, in a page of
    /// version 1.
    pub(crate) level_encodings: Option<[u32; 2]>,
    /// Bytes of repetition and definition levels in front of the values, in a page of version 2.
    pub(crate) level_bytes: Option<[u32; 2]>,
    /// Whether a page of version 2 is compressed, where its column chunk is.
    pub(super) is_compressed: bool,
}

/// The result of parsing the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header, and its length in bytes.
    Complete(PageHeader, usize),
    /// The bytes end within the header.
    Incomplete,
    /// The bytes are no page header.
    Invalid,
}

impl PageHeader {
    /// Parses the header at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Parsed {
        let mut fields = Fields::new(bytes, MAX_HEADER_BYTES);
        match read(&mut fields) {
            Ok(header) => Parsed::Complete(header, fields.position()),
            Err(Stop::End) if bytes.len() < MAX_HEADER_BYTES => Parsed::Incomplete,
            Err(_) => Parsed::Invalid,
        }
    }

    /// Whether the page has so many nulls, as far as its header says: that of a page of version 2 does.
    pub(crate) fn has_nulls(&self, nulls: usize) -> bool {
        self.nulls.is_none_or(|counted| counted as usize == nulls)
    }

    /// Whether the page holds rows.
    pub(super) fn is_data(&self) -> bool {
        matches!(self.kind, PageKind::Data | PageKind::DataV2)
    }
}

fn read(fields: &mut Fields<'_>) -> Read<PageHeader> {
    let (mut kind, mut stored_bytes, mut plain_bytes, mut checksum) = (None, None, None, None);
    let mut data: [Option<DataHeader>; 2] = [None, None];
    let (mut has_index, mut dictionary_values) = (false, None);
    while let Some((id, field_type)) = fields.next()? {
        match (id, field_type) {
            (1, I32) => kind = Some(fields.i32()?),
            (2, I32) => plain_bytes = Some(fields.u32()?),
            (3, I32) => stored_bytes = Some(fields.u32()?),
            (4, I32) => checksum = Some(fields.i32()?.cast_unsigned()),
            (5, STRUCT) => data[0] = Some(fields.nested(data_page)?),
            (8, STRUCT) => data[1] = Some(fields.nested(data_page_v2)?),
            (6, STRUCT) => has_index = fields.skip(STRUCT).map(|()| true)?,
            (7, STRUCT) => dictionary_values = fields.nested(dictionary_page)?,
            (_, other) => fields.skip(other)?,
        }
    }
    let [v1, v2] = data;
    let (kind, data) = match kind {
        Some(0) if v1.is_some() => (PageKind::Data, v1),
        Some(1) if has_index => (PageKind::Index, None),
        Some(2) if dictionary_values.is_some() => (PageKind::Dictionary, None),
        Some(3) if v2.is_some() => (PageKind::DataV2, v2),
        _ => return Err(Stop::Invalid),
    };
    Ok(PageHeader {
        kind,
        stored_bytes: stored_bytes.ok_or(Stop::Invalid)?,
        plain_bytes: plain_bytes.ok_or(Stop::Invalid)?,
        checksum,
        values: data.as_ref().map(|data| data.values).or(dictionary_values),
        rows: data.as_ref().and_then(|data| data.rows),
        nulls: data.as_ref().and_then(|data| data.nulls),
        encoding: data.as_ref().map(|data| data.encoding),
        level_encodings: data.as_ref().and_then(|data| data.level_encodings),
        level_bytes: data.as_ref().and_then(|data| data.level_bytes),
        is_compressed: data.is_none_or(|data| data.is_compressed),
    })
}

/// The part of a header that only data pages have.
struct DataHeader {
    values: u32,
    rows: Option<u32>,
    nulls: Option<u32>,
    encoding: u32,
    level_encodings: Option<[u32; 2]>,
    level_bytes: Option<[u32; 2]>,
    is_compressed: bool,
}

fn data_page(fields: &mut Fields<'_>) -> Read<DataHeader> {
    let [mut values, mut encoding, mut definition, mut repetition] = [None; 4];
    while let Some((id, field_type)) = fields.next()? {
        match (id, field_type) {
            (1, I32) => values = Some(fields.u32()?),
            (2, I32) => encoding = Some(fields.u32()?),
            (3, I32) => definition = Some(fields.u32()?),
            (4, I32) => repetition = Some(fields.u32()?),
            (_, other) => fields.skip(other)?,
        }
    }
    Ok(DataHeader {
        values: values.ok_or(Stop::Invalid)?,
        rows: None,
        nulls: None,
        encoding: encoding.ok_or(Stop::Invalid)?,
        level_encodings: Some([definition.ok_or(Stop::Invalid)?, repetition.ok_or(Stop::Invalid)?]),
        level_bytes: None,
        is_compressed: true,
    })
}

fn data_page_v2(fields: &mut Fields<'_>) -> Read<DataHeader> {
    let [mut values, mut nulls, mut rows, mut encoding, mut definition, mut repetition] = [None; 6];
    let mut is_compressed = true;
    while let Some((id, field_type)) = fields.next()? {
        match (id, field_type) {
            (1, I32) => values = Some(fields.u32()?),
            (2, I32) => nulls = Some(fields.u32()?),
            (3, I32) => rows = Some(fields.u32()?),
            (4, I32) => encoding = Some(fields.u32()?),
            (5, I32) => definition = Some(fields.u32()?),
            (6, I32) => repetition = Some(fields.u32()?),
            (7, TRUE | FALSE) => is_compressed = field_type == TRUE,
            (_, other) => fields.skip(other)?,
        }
    }
    if nulls.zip(values).is_none_or(|(nulls, values)| nulls > values) {
        return Err(Stop::Invalid);
    }
    Ok(DataHeader {
        values: values.ok_or(Stop::Invalid)?,
        rows: Some(rows.ok_or(Stop::Invalid)?),
        nulls,
        encoding: encoding.ok_or(Stop::Invalid)?,
        level_encodings: None,
        level_bytes: Some([repetition.ok_or(Stop::Invalid)?, definition.ok_or(Stop::Invalid)?]),
        is_compressed,
    })
}

/// The values of a dictionary page, if its part of the header is whole. They are plain, by either of two numbers.
fn dictionary_page(fields: &mut Fields<'_>) -> Read<Option<u32>> {
    let [mut values, mut encoding] = [None; 2];
    while let Some((id, field_type)) = fields.next()? {
        match (id, field_type) {
            (1, I32) => values = Some(fields.u32()?),
            (2, I32) => encoding = Some(fields.u32()?),
            (_, other) => fields.skip(other)?,
        }
    }
    Ok(values.filter(|_| matches!(encoding, Some(0 | 2))))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Appends a field of type i32.
    fn field(out: &mut Vec<u8>, delta: u8, value: i32) {
        out.push(delta << 4 | I32);
        let mut value = (value << 1 ^ value >> 31).cast_unsigned();
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// A plain data page of version 1 with a header, as a writer lays it out.
    pub(crate) fn page(body: &[u8], values: i32, checksum: Option<u32>) -> Vec<u8> {
        let mut out = Vec::new();
        field(&mut out, 1, 0);
        field(&mut out, 1, body.len() as i32);
        field(&mut out, 1, body.len() as i32);
        if let Some(checksum) = checksum {
            field(&mut out, 1, checksum.cast_signed());
        }
        out.push(if checksum.is_some() { 1 } else { 2 } << 4 | STRUCT);
        field(&mut out, 1, values);
        field(&mut out, 1, 0);
        field(&mut out, 1, 3);
        field(&mut out, 1, 3);
        // Statistics: a null count of 0, a maximum of 3 bytes.
        out.extend([1 << 4 | STRUCT, 3 << 4 | 6, 0, 2 << 4 | 8, 3, 7, 7, 7, 0]);
        out.extend([0, 0]);
        out.extend(body);
        out
    }

    /// A dictionary page with a header.
    pub(crate) fn dictionary(body: &[u8], values: i32, encoding: i32) -> Vec<u8> {
        let mut out = Vec::new();
        field(&mut out, 1, 2);
        field(&mut out, 1, body.len() as i32);
        field(&mut out, 1, body.len() as i32);
        out.push(4 << 4 | STRUCT);
        field(&mut out, 1, values);
        field(&mut out, 1, encoding);
        out.extend([0, 0]);
        out.extend(body);
        out
    }

    #[test]
    fn the_values_of_a_dictionary_are_plain() {
        for (encoding, is_read) in [(0, true), (2, true), (3, false), (8, false)] {
            let parsed = PageHeader::parse(&dictionary(&[0; 40], 10, encoding));
            let complete = matches!(&parsed, Parsed::Complete(header, _) if header.values == Some(10));
            assert_eq!((complete, matches!(parsed, Parsed::Invalid)), (is_read, !is_read), "{encoding}");
        }
    }

    #[test]
    fn a_header_is_read_with_and_without_a_checksum() {
        for checksum in [None, Some(0), Some(u32::MAX), Some(0x8123_4567)] {
            let bytes = page(&[1; 300], 75, checksum);
            let header = PageHeader {
                kind: PageKind::Data,
                stored_bytes: 300,
                plain_bytes: 300,
                checksum,
                values: Some(75),
                rows: None,
                nulls: None,
                encoding: Some(0),
                level_encodings: Some([3, 3]),
                level_bytes: None,
                is_compressed: true,
            };
            assert_eq!(PageHeader::parse(&bytes), Parsed::Complete(header, bytes.len() - 300));
            for end in 0..bytes.len() - 300 {
                assert_eq!(PageHeader::parse(&bytes[..end]), Parsed::Incomplete, "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            _ = PageHeader::parse(&bytes);
        }

        #[test]
        fn flipped_bits_are_survived(at in 0_usize..40, bit in 0..8) {
            let mut bytes = page(&[1; 30], 7, Some(5));
            bytes[at] ^= 1_u8 << bit;
            _ = PageHeader::parse(&bytes);
        }
    }
}
