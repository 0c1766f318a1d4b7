//! Small sound inputs of each target, to be mutated: Parquet files of several encodings and codecs,
//! Arrow streams and files, and what the fixture holds.

use std::fs;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Float32Array, Int32Array,
    Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int8Type};
use arrow::ipc::CompressionType;
use arrow::ipc::root_as_message;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

use crate::harness::files::{batch, replaced, vectors};
use crate::harness::rows;

use super::targets::Fixture;

/// Rows of a seed.
const ROWS: usize = 120;

/// A sound input, and the parts of it that are worth a mutation.
pub struct Seed {
    pub bytes: Vec<u8>,
    /// Footers, headers and lengths.
    pub parts: Vec<Range<usize>>,
    /// Whether the bytes end with the length of a Parquet footer.
    pub is_parquet: bool,
}

impl Seed {
    fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), parts: Vec::new(), is_parquet: false }
    }

    fn parquet(bytes: Vec<u8>) -> Self {
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        // Twice: what is behind them follows from the footer.
        let mut parts = vec![end - length..end, end - length..end];
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&bytes::Bytes::from(bytes.clone()), options).unwrap();
        let metadata = metadata.metadata();
        for (at, group) in metadata.row_groups().iter().enumerate() {
            for (leaf, chunk) in group.columns().iter().enumerate() {
                let start = chunk.byte_range().0 as usize;
                parts.push(start..start + 60);
                let pages = metadata.offset_index().map(|index| index[at][leaf].page_locations().as_slice());
                parts.extend(
                    pages
                        .unwrap_or_default()
                        .iter()
                        .map(|page| page.offset as usize..page.offset as usize + 60),
                );
                let index = chunk.offset_index_offset().zip(chunk.offset_index_length());
                parts.extend(index.map(|(start, length)| start as usize..start as usize + length as usize));
            }
        }
        parts.iter_mut().for_each(|part| part.end = part.end.min(bytes.len()));
        Self { bytes, parts, is_parquet: true }
    }

    /// A stream or a file of Arrow's: the metadata of its messages, and the beginnings of its buffers.
    fn arrow(bytes: Vec<u8>) -> Self {
        let mut parts = Vec::new();
        let mut at = bytes.windows(4).position(|found| found == [0xff; 4]).unwrap();
        while let Some(length) = bytes.get(at + 4..at + 8).filter(|_| bytes[at..at + 4] == [0xff; 4]) {
            let length = i32::from_le_bytes(length.try_into().unwrap()) as usize;
            let body = at + 8 + length;
            parts.push(at..body);
            let Ok(message) = root_as_message(&bytes[at + 8..body]) else { break };
            let batch = message.header_as_record_batch();
            let batch = batch.or_else(|| message.header_as_dictionary_batch().and_then(|found| found.data()));
            let buffers = batch.and_then(|batch| batch.buffers()).into_iter().flatten();
            parts.extend(
                buffers.map(|buffer| body + buffer.offset() as usize..body + buffer.offset() as usize + 24),
            );
            at = body + message.bodyLength() as usize;
        }
        if bytes.starts_with(b"ARROW1") {
            parts.push(at..bytes.len());
        }
        parts.iter_mut().for_each(|part| part.end = part.end.min(bytes.len()));
        Self { bytes, parts, is_parquet: false }
    }
}

/// The seeds of a target, and the files of the folder `LSMI_ETL_FUZZ_SEEDS` that are of its kind.
pub fn seeds(target: &str, fixture: &Fixture) -> Vec<Seed> {
    let [manifest, model] = fixture.bundle_files();
    let mut seeds = match target {
        "parquet" => {
            let mut seeds: Vec<_> = parquet_files().into_iter().map(Seed::parquet).collect();
            seeds.push(Seed::parquet(fixture.annotated()));
            seeds
        }
        "stream" => streams().into_iter().map(Seed::arrow).collect(),
        "arrow_file" => arrow_files().into_iter().map(Seed::arrow).collect(),
        "manifest" => vec![Seed::plain(manifest)],
        "model" => vec![Seed::plain(model)],
        "pipeline" => PIPELINES.iter().map(|text| Seed::plain(*text)).collect(),
        "journal" => vec![Seed::plain(fixture.journal())],
        _ => QUERIES.iter().map(|text| Seed::plain(*text)).collect(),
    };
    let Some(folder) = std::env::var_os("LSMI_ETL_FUZZ_SEEDS") else { return seeds };
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    seeds.extend(files.filter_map(|path| {
        let bytes = fs::read(&path).unwrap();
        match (target, path.extension()?.to_str()?) {
            ("parquet", "parquet") => Some(Seed::parquet(bytes)),
            ("stream", "arrows") | ("arrow_file", "arrow") => Some(Seed::arrow(bytes)),
            _ => None,
        }
    }));
    seeds
}

/// Embeddings and a label, with nulls, and columns of many types beside them.
fn table() -> RecordBatch {
    let base = rows(ROWS);
    let lists = |name: &str| {
        let rows = vectors(&base, name).into_iter().enumerate();
        let rows = rows.map(|(row, list)| {
            if row % 11 == 5 { None } else { list.map(|list| list.into_iter().map(Some).collect::<Vec<_>>()) }
        });
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows)) as ArrayRef
    };
    let numbers = || (0..ROWS as i64).map(|row| (row % 7 != 3).then_some(row * 7919 % 50));
    let words = || numbers().map(|number| number.map(|number| format!("word {number}")));
    let text: DictionaryArray<Int8Type> = words()
        .map(|word| word.map(|word| word[..6].to_owned()))
        .collect::<Vec<_>>()
        .iter()
        .map(Option::as_deref)
        .collect();
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..ROWS {
        map.keys().append_value(format!("k{}", row % 3));
        map.values().append_value("v");
        map.append(row % 5 != 0).unwrap();
    }
    let floats: ArrayRef = Arc::new(Float32Array::from_iter(numbers().map(|n| n.map(|n| n as f32 / 3.0))));
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter(numbers().map(|n| n.map(|n| n > 9))));
    let pair = StructArray::from(vec![
        (Arc::new(Field::new("f", DataType::Float32, true)), Arc::clone(&floats)),
        (Arc::new(Field::new("b", DataType::Boolean, true)), Arc::clone(&flags)),
    ]);
    let money = Decimal128Array::from_iter(numbers().map(|n| n.map(i128::from)));
    batch(&[
        ("x1", lists("x1")),
        ("x2", lists("x2")),
        ("y", base.column_by_name("y").unwrap().clone()),
        ("n", Arc::new(Int64Array::from_iter(numbers()))),
        ("i", Arc::new(Int32Array::from_iter(numbers().map(|n| n.map(|n| n as i32))))),
        ("t", Arc::new(StringArray::from_iter(words()))),
        ("v", Arc::new(StringViewArray::from_iter(words()))),
        ("d", Arc::new(text)),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter(numbers()))),
        ("money", Arc::new(money.with_precision_and_scale(20, 2).unwrap())),
        ("flag", flags),
        ("pair", Arc::new(pair)),
        ("map", Arc::new(map.finish())),
    ])
}

/// The same with embeddings of half precision, and of fixed length.
fn halves() -> RecordBatch {
    let base = rows(ROWS);
    let lists = |name: &str| {
        let values = vectors(&base, name).into_iter().flatten().flatten().map(f16::from_f32);
        let values = arrow::array::Float16Array::from_iter_values(values);
        let item = Arc::new(Field::new("item", DataType::Float16, true));
        let nulls = (0..ROWS).map(|row| row % 9 != 4).collect::<Vec<_>>();
        Arc::new(arrow::array::FixedSizeListArray::new(item, 4, Arc::new(values), Some(nulls.into())))
            as ArrayRef
    };
    replaced(&replaced(&base, "x1", lists("x1")), "x2", lists("x2"))
}

/// The same with embeddings of double precision, and of the bytes of rows.
fn doubles() -> RecordBatch {
    let base = rows(ROWS);
    let lists = vectors(&base, "x1").into_iter().map(|row| {
        row.map(|values| values.into_iter().map(|value| Some(f64::from(value))).collect::<Vec<_>>())
    });
    let lists = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)) as ArrayRef;
    let bytes = vectors(&base, "x2")
        .into_iter()
        .map(|row| row.map(|values| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>()));
    let bytes = FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).unwrap();
    replaced(&replaced(&base, "x1", lists), "x2", Arc::new(bytes))
}

fn write(rows: &RecordBatch, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let properties = properties
        .set_max_row_group_row_count(Some(80))
        .set_data_page_row_count_limit(30)
        .set_write_batch_size(10);
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

fn parquet_files() -> Vec<Vec<u8>> {
    let properties = WriterProperties::builder;
    let v2 = || properties().set_writer_version(WriterVersion::PARQUET_2_0);
    let plain = || properties().set_compression(Compression::UNCOMPRESSED).set_dictionary_enabled(false);
    let delta = plain()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_column_encoding("n".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding("i".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding("t".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("v".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_column_encoding("flag".into(), Encoding::RLE);
    let split = plain().set_encoding(Encoding::BYTE_STREAM_SPLIT);
    let of_base = |properties| write(&rows(ROWS), properties);
    vec![
        of_base(properties()),
        of_base(plain()),
        of_base(split),
        of_base(v2().set_compression(Compression::LZ4_RAW).set_bloom_filter_enabled(true)),
        write(&halves(), plain()),
        write(&halves(), v2().set_compression(Compression::GZIP(GzipLevel::default()))),
        write(&table(), properties().set_compression(Compression::SNAPPY)),
        write(&table(), v2().set_compression(Compression::ZSTD(ZstdLevel::default()))),
        write(
            &table(),
            properties()
                .set_compression(Compression::BROTLI(BrotliLevel::default()))
                .set_offset_index_disabled(true),
        ),
        write(&table(), delta),
        write(&doubles(), properties().set_compression(Compression::SNAPPY)),
        write(
            &doubles(),
            v2().set_encoding(Encoding::BYTE_STREAM_SPLIT)
                .set_dictionary_enabled(false)
                .set_compression(Compression::ZSTD(ZstdLevel::default())),
        ),
    ]
}

fn options(codec: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(codec).unwrap()
}

const CODECS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

fn streams() -> Vec<Vec<u8>> {
    let stream = |rows: &RecordBatch, codec| {
        let mut writer =
            StreamWriter::try_new_with_options(Vec::new(), rows.schema_ref(), options(codec)).unwrap();
        writer.write(&rows.slice(0, 70)).unwrap();
        writer.write(&rows.slice(70, ROWS - 70)).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    [table(), halves(), rows(ROWS)].iter().flat_map(|rows| CODECS.map(|codec| stream(rows, codec))).collect()
}

fn arrow_files() -> Vec<Vec<u8>> {
    let file = |rows: &RecordBatch, codec| {
        let mut writer =
            FileWriter::try_new_with_options(Vec::new(), rows.schema_ref(), options(codec)).unwrap();
        writer.write(rows).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    [table(), halves()].iter().flat_map(|rows| CODECS.map(|codec| file(rows, codec))).collect()
}

const PIPELINES: [&str; 2] = [
    "input = 'data/*.parquet'\noutput = '{{ here }}/out'\n[variables]\nlabel = 'y'\n[annotate]\nbundle = 'b'\nlabel = '{{ label }}'\n\
     columns = ['h1', 'i12']\nmax_bad_rows = '5%'\nmemory_limit = '512MiB'\n[engine]\nengine = 'embedded'\n[tables]\nextra = 'a.csv'\n\
     [[sql]]\nname = 'means'\nquery = 'SELECT avg(r) AS r FROM annotated'\noutput = 'means.csv'\n\
     [[sql]]\nname = 'check'\nquery = 'SELECT * FROM annotated WHERE r IS NULL'\nexpect = 'no_rows'\n[report]\noutput = 'report.html'\n",
    "input = 'a.parquet'\noutput = 'b.parquet'\n",
];

const QUERIES: [&str; 6] = [
    "SELECT y, avg(x1[1]) AS a, count(*) FROM 'FILE' WHERE y IN (1, 2) GROUP BY y HAVING count(*) > 1 ORDER BY a DESC LIMIT 5",
    "WITH t AS (SELECT * FROM 'FILE') SELECT a.y, CASE WHEN a.y > 1 THEN 'x' ELSE NULL END FROM t a LEFT JOIN t b ON a.y = b.y",
    "SELECT lsmi(x1, x2, y)['r'], lsmi_s(x1, x2, y), lsmi_summary(x1, x2, y) FROM 'FILE'",
    "SELECT sum(y) OVER (PARTITION BY y ORDER BY y ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), CAST('1.5' AS DECIMAL(5, 2)) FROM 'FILE'",
    "COPY (SELECT y FROM 'FILE' UNION ALL SELECT 1) TO 'nowhere/out.parquet'; CREATE VIEW v AS SELECT 1",
    "SELECT date_trunc('day', TIMESTAMP '2024-01-01'), array_agg(y), regexp_replace('a', 'b*', '$0') FROM 'FILE', unnest([1, 2])",
];
