//! Checks of a footer: its bytes before the Parquet crate reserves memory for what they claim, and
//! its numbers against the file. All commands make them, so that they agree on which files are bad.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place, Result};
use crate::storage::SourceFile;

use super::column_names::column_name;
use super::thrift::{Fields, I32, LIST, Read, STRUCT, Stop, walk_struct};

/// Rows that are decoded at once, at least.
const BATCH_ROWS: u64 = 8192;
/// Bytes of fixed-length values that are decoded at once, at most: a decoder reserves them before
/// it reads a value.
const BATCH_BYTES: u64 = 4 << 30;

/// Deepest nesting of a schema. Types and their conversion nest as deep on the stack.
const MAX_SCHEMA_DEPTH: usize = 128;

/// Checks that the lists and strings in a footer's bytes lie within them, and that its schema is a tree
/// of the elements that it has.
///
/// # Errors
/// [`ParquetError::General`].
pub(crate) fn check_footer_bytes(bytes: &[u8]) -> ParquetResult<()> {
    check_bytes(bytes, "footer")?;
    let what = "the schema in the footer claims more columns than it has, or nests them too deeply";
    check_schema(bytes).map_err(|_| ParquetError::General(what.to_owned()))
}

/// The fields of the format's structs that are looked at.
const SCHEMA: (i64, u8) = (2, LIST);
const NUM_CHILDREN: (i64, u8) = (5, I32);

fn check_schema(bytes: &[u8]) -> Read<()> {
    let mut fields = Fields::new(bytes, bytes.len());
    while let Some(field) = fields.next()? {
        if field != SCHEMA {
            fields.skip(field.1)?;
            continue;
        }
        // Children that are still to come, of each group that is open.
        let mut open: Vec<u64> = Vec::new();
        fields.list(|element, element_type, elements| {
            let children = match element_type {
                STRUCT => element.nested(children)?,
                other => return element.skip(other),
            };
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            match children {
                0 => {}
                children if children < elements && open.len() < MAX_SCHEMA_DEPTH => open.push(children),
                _ => return Err(Stop::Invalid),
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The children of an element of a schema.
fn children(element: &mut Fields<'_>) -> Read<u64> {
    let mut children = 0;
    while let Some(field) = element.next()? {
        match field {
            NUM_CHILDREN => children = u64::from(element.u32()?),
            (_, other) => element.skip(other)?,
        }
    }
    Ok(children)
}

/// As [`check_footer_bytes`], for the offset indexes in bytes at `start` of the file.
///
/// # Errors
/// [`ParquetError::General`].
pub(crate) fn check_offset_indexes(indexes: &[Range<u64>], start: u64, bytes: &[u8]) -> ParquetResult<()> {
    let within = |index: &Range<u64>| {
        let from = usize::try_from(index.start.checked_sub(start)?).ok()?;
        bytes.get(from..usize::try_from(index.end.checked_sub(start)?).ok()?)
    };
    indexes.iter().filter_map(within).try_for_each(|bytes| check_bytes(bytes, "page index"))
}

fn check_bytes(bytes: &[u8], what: &str) -> ParquetResult<()> {
    let claims = |_| ParquetError::General(format!("the {what} claims more than its bytes hold"));
    walk_struct(bytes).map(drop).map_err(claims)
}

/// The offset indexes of a file, as ranges of its bytes; not those that are encrypted.
pub(crate) fn offset_indexes(metadata: &ParquetMetaData) -> Vec<Range<u64>> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let range = |chunk: &ColumnChunkMetaData| {
        let start = u64::try_from(chunk.offset_index_offset()?).ok()?;
        let length = u64::try_from(chunk.offset_index_length()?).ok()?;
        Some(start..start.checked_add(length)?)
    };
    chunks.filter(|chunk| chunk.crypto_metadata().is_none()).filter_map(range).collect()
}

/// Checks the pages of offset indexes: they begin with row 0, follow each other, and end within the row
/// group. A query passes over pages by these numbers.
///
/// # Errors
/// [`ParquetError::General`] with row group and column.
pub(crate) fn check_indexed_rows(metadata: &ParquetMetaData) -> ParquetResult<()> {
    let indexes = metadata.offset_index().into_iter().flatten();
    for (number, (group, indexes)) in metadata.row_groups().iter().zip(indexes).enumerate() {
        for (leaf, index) in indexes.iter().enumerate() {
            let rows: Vec<i64> = index.page_locations().iter().map(|page| page.first_row_index).collect();
            let in_order = rows.is_sorted() && rows.first().is_none_or(|first| *first == 0);
            if !in_order || rows.last().is_some_and(|last| *last > group.num_rows()) {
                let name = column_name(metadata, leaf);
                return Err(ParquetError::General(format!(
                    "row group {number}, column {name:?}: the page index has pages of rows {:?} in a group of {} rows",
                    rows.iter().take(8).collect::<Vec<_>>(),
                    group.num_rows()
                )));
            }
        }
    }
    Ok(())
}

/// Checks the numbers of a footer: rows that are not negative and add up, and column chunks that lie
/// within the file.
///
/// # Errors
/// [`Error::BadData`] with file, row group and column.
pub(crate) fn check_footer(metadata: &ParquetMetaData, file_bytes: u64, file: &Place) -> Result<()> {
    let mut rows = 0_i64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let place = || file.clone().row_group(index);
        if group.num_rows() < 0 {
            let what = format!("has {} rows by its footer", group.num_rows());
            return Err(damaged(place(), &what));
        }
        rows = rows.saturating_add(group.num_rows());
        for (leaf, chunk) in group.columns().iter().enumerate() {
            check_chunk(chunk, group.num_rows().unsigned_abs(), file_bytes)
                .map_err(|what| damaged(place().column(column_name(metadata, leaf)), &what))?;
        }
    }
    let promised = metadata.file_metadata().num_rows();
    if promised == rows {
        Ok(())
    } else {
        let what = format!("has {promised} rows by its footer, and {rows} in its row groups");
        Err(damaged(file.clone(), &what))
    }
}

fn damaged(place: Place, what: &str) -> Error {
    Error::bad_data(place, format!("{what}; the file is damaged or cut off, write it again"))
}

fn check_chunk(chunk: &ColumnChunkMetaData, rows: u64, file_bytes: u64) -> std::result::Result<(), String> {
    // Of another file, which is refused elsewhere; of a cipher, which authenticates it.
    if chunk.file_path().is_some() || chunk.crypto_metadata().is_some() {
        return Ok(());
    }
    if chunk.num_values() < 0 || chunk.uncompressed_size() < 0 {
        return Err("has a negative size by the footer".to_owned());
    }
    if !is_inside(chunk, file_bytes) {
        return Err("is said to lie beyond the end of the file".to_owned());
    }
    let indexes = [
        (chunk.column_index_offset(), chunk.column_index_length()),
        (chunk.offset_index_offset(), chunk.offset_index_length()),
    ];
    let is_in_file = |(start, length): (Option<i64>, Option<i32>)| {
        let (Some(start), Some(length)) = (start, length) else { return true };
        let range = u64::try_from(start).ok().zip(u64::try_from(length).ok());
        range.is_some_and(|(start, length)| start.checked_add(length).is_some_and(|end| end <= file_bytes))
    };
    if !indexes.into_iter().all(is_in_file) {
        return Err("has a page index that is said to lie beyond the end of the file".to_owned());
    }
    let descriptor = chunk.column_descr();
    let length = u64::try_from(descriptor.type_length()).unwrap_or(0);
    if descriptor.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY
        && length.saturating_mul(rows.min(BATCH_ROWS)) > BATCH_BYTES
    {
        return Err(format!("has {rows} values of {length} bytes each by the footer"));
    }
    Ok(())
}

fn is_inside(chunk: &ColumnChunkMetaData, file_bytes: u64) -> bool {
    let data = chunk.data_page_offset();
    let length = chunk.compressed_size();
    let ends_inside = |start: i64| {
        let end = if start < 0 || length < 0 { None } else { start.checked_add(length) };
        end.and_then(|end| u64::try_from(end).ok()).is_some_and(|end| end <= file_bytes)
    };
    // A reader begins at the dictionary, also where that is said to lie behind the data.
    let dictionary = chunk.dictionary_page_offset().filter(|offset| *offset > 0);
    dictionary.is_none_or(ends_inside) && ends_inside(dictionary.unwrap_or(data).min(data))
}

/// A reader of footers and page indexes that checks their bytes as they pass.
pub(super) struct FooterReader<'a> {
    file: &'a SourceFile,
    /// None while the footer is read.
    indexes: Option<Vec<Range<u64>>>,
}

impl<'a> FooterReader<'a> {
    /// A reader of the footer.
    pub(super) fn of_footer(file: &'a SourceFile) -> Self {
        Self { file, indexes: None }
    }

    /// A reader of the page index of a file with this footer.
    pub(super) fn of_page_index(file: &'a SourceFile, footer: &ParquetMetaData) -> Self {
        Self { file, indexes: Some(offset_indexes(footer)) }
    }
}

impl Length for FooterReader<'_> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for FooterReader<'_> {
    type T = <SourceFile as ChunkReader>::T;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if self.indexes.is_none() {
            // Several readers read it.
            self.file.announce_end(start);
        }
        let bytes = self.file.get_bytes(start, length)?;
        match &self.indexes {
            None => check_footer_bytes(&bytes)?,
            Some(indexes) => check_offset_indexes(indexes, start, &bytes)?,
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    /// The bytes of a footer with a version and a schema, of elements with a name and so many children.
    fn schema_bytes(children: &[u32]) -> Vec<u8> {
        let varint = |mut value: u32, bytes: &mut Vec<u8>| {
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        };
        let mut bytes = vec![1 << 4 | I32, 4, 1 << 4 | LIST, 0xf << 4 | STRUCT];
        varint(children.len() as u32, &mut bytes);
        for children in children {
            bytes.extend([4 << 4 | 8, 1, b'a', 1 << 4 | I32]);
            // Zigzag.
            varint(children * 2, &mut bytes);
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_schema_is_a_tree_of_its_elements() {
        for fine in [&[][..], &[0], &[2, 0, 0], &[3, 1, 0, 2, 0, 0, 0]] {
            assert!(check_footer_bytes(&schema_bytes(fine)).is_ok(), "{fine:?}");
        }
        for claims in [&[1][..], &[1 << 30, 0], &[1, (1 << 30) - 1]] {
            let error = check_footer_bytes(&schema_bytes(claims)).unwrap_err().to_string();
            assert!(error.contains("claims more columns"), "{claims:?}: {error}");
        }
        let deep = |depth: usize| [vec![1; depth], vec![0]].concat();
        assert!(check_footer_bytes(&schema_bytes(&deep(MAX_SCHEMA_DEPTH))).is_ok());
        assert!(check_footer_bytes(&schema_bytes(&deep(100_000))).is_err());
    }

    /// A footer of one column `a` in row groups of these rows, each with this chunk offset and size.
    fn footer(rows: i64, groups: &[(i64, i64, i64)]) -> ParquetMetaData {
        let schema = parse_message_type("message m { required fixed_len_byte_array(4) a; }").unwrap();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let groups = groups.iter().map(|&(rows, offset, bytes)| {
            let chunk = ColumnChunkMetaData::builder(schema.column(0))
                .set_compression(Compression::UNCOMPRESSED)
                .set_data_page_offset(offset)
                .set_total_compressed_size(bytes)
                .set_num_values(rows.max(0));
            let group = RowGroupMetaData::builder(schema.clone()).set_num_rows(rows);
            group.set_column_metadata(vec![chunk.build().unwrap()]).build().unwrap()
        });
        let groups = groups.collect();
        ParquetMetaData::new(FileMetaData::new(2, rows, None, None, schema.clone(), None), groups)
    }

    fn checked(rows: i64, groups: &[(i64, i64, i64)]) -> String {
        match check_footer(&footer(rows, groups), 1000, &Place::file("f")) {
            Ok(()) => String::new(),
            Err(error) => {
                assert_eq!(error.exit_code(), 65);
                error.to_string()
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_named_with_their_place() {
        assert_eq!(checked(7, &[(3, 4, 100), (4, 104, 896)]), "");
        assert_eq!(checked(0, &[]), "");
        assert!(
            checked(3, &[(3, 4, 1000)]).starts_with("f, row group 0, column \"a\": is said to lie beyond")
        );
        assert!(checked(3, &[(3, -4, 100)]).contains("beyond the end"));
        assert!(checked(3, &[(3, i64::MAX, 100)]).contains("beyond the end"));
        let good = footer(3, &[(3, 104, 100)]);
        let chunk = good.row_group(0).column(0);
        for (dictionary, is_right) in [(4, true), (0, true), (950, false)] {
            let chunk =
                chunk.clone().into_builder().set_dictionary_page_offset(Some(dictionary)).build().unwrap();
            assert_eq!(is_inside(&chunk, 1000), is_right, "{dictionary}");
        }
        let negative = checked(-2, &[(1, 4, 10), (-3, 14, 10)]);
        assert!(negative.starts_with("f, row group 1: has -3 rows by its footer"), "{negative}");
        assert!(checked(8, &[(3, 4, 10), (4, 14, 10)]).contains("8 rows by its footer, and 7 in its row"));
    }

    #[test]
    fn an_offset_index_is_found_in_the_bytes_that_hold_it() {
        // A list of 2³¹ − 1 page locations.
        let claim = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7, 0];
        let bytes = [&[0_u8; 10][..], &claim, &[0; 10]].concat();
        let check = |index: Range<u64>| check_offset_indexes(&[index], 500, &bytes);
        assert!(check(510..518).is_err());
        assert!(check(500..501).is_ok());
        // Elsewhere in the file.
        assert!(check(0..8).is_ok() && check(518..1000).is_ok());
    }
}
