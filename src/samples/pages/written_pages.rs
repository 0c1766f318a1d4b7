//! Files of pages that are assembled here: no writer of the Parquet crate cuts lists, or writes levels that
//! contradict the page's header.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::SchemaDescriptor;

pub(super) type List = Option<Vec<Option<f32>>>;

/// The repetition level, definition level and value of every element of an
/// optional list of optional elements.
pub(super) fn shred(lists: &[List]) -> Vec<(u8, u8, Option<f32>)> {
    let mut levels = Vec::new();
    for list in lists {
        match list.as_deref() {
            None => levels.push((0, 0, None)),
            Some([]) => levels.push((0, 1, None)),
            Some(items) => levels.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| (u8::from(i > 0), 2 + u8::from(item.is_some()), *item)),
            ),
        }
    }
    levels
}

/// Levels as runs of equal ones.
pub(super) fn encoded(levels: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for run in levels.chunk_by(|a, b| a == b) {
        let mut header = run.len() << 1;
        while header >= 0x80 {
            encoded.push((header & 0x7f) as u8 | 0x80);
            header >>= 7;
        }
        encoded.extend([header as u8, run[0]]);
    }
    encoded
}

/// A file whose v1 pages start in the middle of lists, as pyarrow's do.
pub(super) fn write_cut_pages(path: &Path, lists: &[List], cuts: &[usize]) {
    let items = shred(lists);
    let mut pages = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([items.len()]) {
        let page = &items[from..to];
        let mut bytes = Vec::new();
        let levels: [fn(&(u8, u8, Option<f32>)) -> u8; 2] = [|item| item.0, |item| item.1];
        for level in levels {
            let encoded = encoded(&page.iter().map(level).collect::<Vec<_>>());
            bytes.extend((encoded.len() as u32).to_le_bytes());
            bytes.extend(encoded);
        }
        bytes.extend(page.iter().filter_map(|item| item.2).flat_map(f32::to_le_bytes));
        pages.push(Page::DataPage {
            buf: bytes.into(),
            num_values: page.len() as u32,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        });
        from = to;
    }
    write_pages(path, lists.len(), items.len(), pages);
}

/// A v2 page of these encoded levels.
pub(super) fn page_of_levels(
    counts: [usize; 3],
    levels: [&[u8]; 2],
    values: &[u8],
    encoding: Encoding,
) -> Page {
    let [num_rows, num_values, num_nulls] = counts.map(|count| count as u32);
    Page::DataPageV2 {
        buf: Bytes::from([levels[0], levels[1], values].concat()),
        num_values,
        encoding,
        num_nulls,
        num_rows,
        def_levels_byte_len: levels[1].len() as u32,
        rep_levels_byte_len: levels[0].len() as u32,
        is_compressed: false,
        statistics: None,
    }
}

/// A file of one column of lists, in these pages.
pub(super) fn write_pages(path: &Path, rows: usize, values: usize, pages: Vec<Page>) {
    let schema = "message m { optional group x (LIST) { repeated group list { optional float element; } } }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let column = SchemaDescriptor::new(schema.clone()).column(0);
    let mut out = TrackedWrite::new(std::fs::File::create(path).unwrap());
    out.write_all(b"PAR1").unwrap();
    let start = out.bytes_written() as i64;
    let (mut dictionary, mut data) = (None, None);
    for page in pages {
        let at = out.bytes_written() as i64;
        match page {
            Page::DictionaryPage { .. } => dictionary = Some(at),
            _ => data = data.or(Some(at)),
        }
        let size = page.buffer().len();
        SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(page, size)).unwrap();
    }
    let length = out.bytes_written() as i64 - start;
    let metadata = ColumnChunkMetaData::builder(column)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
        .set_num_values(values as i64)
        .set_total_compressed_size(length)
        .set_total_uncompressed_size(length)
        .set_dictionary_page_offset(dictionary)
        .set_data_page_offset(data.unwrap())
        .build()
        .unwrap();
    let descriptor = Arc::new(SchemaDescriptor::new(schema));
    let group = RowGroupMetaData::builder(descriptor.clone())
        .set_num_rows(rows as i64)
        .set_column_metadata(vec![metadata])
        .build()
        .unwrap();
    let footer = FileMetaData::new(1, rows as i64, None, None, descriptor, None);
    let metadata = ParquetMetaData::new(footer, vec![group]);
    ParquetMetaDataWriter::new_with_tracked(out, &metadata).finish().unwrap();
}
