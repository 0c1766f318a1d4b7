//! Arrow streams and files whose lengths lie: refused before anything of that length is
//! allocated, in every command that reads Arrow.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, root_as_message};

use crate::harness::files::listing;
use crate::harness::{Ran, bundle, lsmi, lsmi_in, query, refused, rows};

const CODECS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

fn options(codec: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(codec).unwrap()
}

fn stream(rows: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), rows.schema_ref(), options(codec)).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn file(rows: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let mut writer = FileWriter::try_new_with_options(Vec::new(), rows.schema_ref(), options(codec)).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// Where the numbers of the only record batch are: its body's length, its first buffer with bytes
/// (offset, then length), and that buffer's bytes.
struct Lengths {
    body_bytes: usize,
    buffer: usize,
    claim: usize,
}

/// The first place of a number behind another place.
fn find(bytes: &[u8], from: usize, number: &[u8]) -> usize {
    from + bytes[from..].windows(number.len()).position(|found| found == number).unwrap()
}

fn lengths(bytes: &[u8]) -> Lengths {
    // A file has its magic bytes and padding before what a stream begins with.
    let mut at = find(bytes, 0, &[0xff; 4]);
    loop {
        let length = i32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let (start, body) = (at + 8, at + 8 + length);
        let message = root_as_message(&bytes[start..body]).unwrap();
        let Some(batch) = message.header_as_record_batch() else {
            at = body + message.bodyLength() as usize;
            continue;
        };
        let buffers = batch.buffers().unwrap();
        let buffer = buffers.iter().find(|buffer| buffer.length() > 0).unwrap();
        let both = [buffer.offset().to_le_bytes(), buffer.length().to_le_bytes()].concat();
        return Lengths {
            body_bytes: find(bytes, start, &message.bodyLength().to_le_bytes()),
            buffer: find(bytes, start, &both),
            claim: body + buffer.offset() as usize,
        };
    }
}

fn set(bytes: &[u8], at: usize, number: i64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Copies with one length that lies.
fn lies(bytes: &[u8], codec: Option<CompressionType>) -> Vec<(String, Vec<u8>)> {
    let Lengths { body_bytes, buffer, claim } = lengths(bytes);
    let mut lies = Vec::new();
    for number in [-1, i64::MIN, 1 << 40, 1 << 61, i64::MAX] {
        lies.push((format!("body of {number}"), set(bytes, body_bytes, number)));
        lies.push((format!("buffer at {number}"), set(bytes, buffer, number)));
        lies.push((format!("buffer of {number}"), set(bytes, buffer + 8, number)));
        if codec.is_some() && number != -1 {
            lies.push((format!("claim of {number}"), set(bytes, claim, number)));
        }
    }
    if bytes.starts_with(b"ARROW1") {
        // The block in the footer: offset, length of the metadata, and that of the body.
        let body = &bytes[body_bytes..body_bytes + 8];
        let block = bytes.windows(8).rposition(|found| found == body).unwrap();
        for number in [-1, 1 << 40, i64::MAX] {
            lies.push((format!("footer's body of {number}"), set(bytes, block, number)));
            lies.push((format!("footer's offset of {number}"), set(bytes, block - 16, number)));
        }
        lies.push(("footer's metadata of -1".to_owned(), set(bytes, block - 8, -1)));
        let mut footer = bytes.to_vec();
        let at = bytes.len() - 10;
        footer[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
        lies.push(("footer of 2³¹ − 1".to_owned(), footer.clone()));
        footer[at..at + 4].copy_from_slice(&(-1_i32).to_le_bytes());
        lies.push(("footer of -1".to_owned(), footer));
        lies.push(("a half".to_owned(), bytes[..bytes.len() / 2].to_vec()));
    }
    lies
}

fn annotate(dir: &Path, stdin: &str) -> Ran {
    let mut command = lsmi();
    command.current_dir(dir).args(["annotate", "-", "out.parquet", "--bundle"]).arg(bundle());
    command.stdin(File::open(dir.join(stdin)).unwrap()).output().unwrap().into()
}

fn sql(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", sql])
}

#[test]
fn a_stream_whose_lengths_lie_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for codec in CODECS {
        let whole = stream(&rows(1000), codec);
        fs::write(dir.join("t.arrows"), &whole).unwrap();
        assert_eq!(query(dir, "SELECT count(y) AS n FROM 't.arrows'")["n"], 1000);
        for (what, bytes) in lies(&whole, codec) {
            fs::write(dir.join("t.arrows"), bytes).unwrap();
            let ran = annotate(dir, "t.arrows");
            assert!(ran.code == 65, "{codec:?}, {what}: {}", ran.stderr);
            refused(&ran, 65, &["stdin: ", "write"]);
            let ran = sql(dir, "SELECT * FROM 't.arrows'");
            assert!(ran.code == 65, "{codec:?}, {what}: {}", ran.stderr);
            refused(&ran, 65, &["t.arrows: ", "write"]);
            assert_eq!(listing(dir), ["t.arrows"], "{what}");
        }
    }
}

#[test]
fn a_file_whose_lengths_lie_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for codec in CODECS {
        let whole = file(&rows(1000), codec);
        fs::write(dir.join("t.arrow"), &whole).unwrap();
        assert_eq!(query(dir, "SELECT count(y) AS n FROM 't.arrow'")["n"], 1000);
        for (what, bytes) in lies(&whole, codec) {
            // A reader of files follows the footer, which need not agree.
            if what.starts_with("body of") {
                continue;
            }
            fs::write(dir.join("t.arrow"), bytes).unwrap();
            let ran = sql(dir, "SELECT * FROM 't.arrow'");
            assert!(ran.code == 65, "{codec:?}, {what}: {}", ran.stderr);
            refused(&ran, 65, &["t.arrow: ", "write"]);
        }
    }
}

#[test]
fn the_error_says_which_length_and_whose() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("data")).unwrap();
    let whole = stream(&rows(1000), Some(CompressionType::ZSTD));
    let claim = lengths(&whole).claim;
    fs::write(dir.join("data/1.arrows"), &whole).unwrap();
    fs::write(dir.join("data/2.arrows"), set(&whole, claim, 1 << 61)).unwrap();
    let words = ["record batch 0", "2305843009213693952 uncompressed", "zstd"];
    refused(&annotate(dir, "data/2.arrows"), 65, &words);
    let words = ["data/2.arrows: ", "2305843009213693952 uncompressed", "zstd"];
    refused(&sql(dir, "SELECT count(*) FROM 'data'"), 65, &words);
    let external = "CREATE EXTERNAL TABLE t STORED AS ARROW LOCATION 'data/2.arrows'; SELECT * FROM t";
    refused(&sql(dir, external), 65, &words);
    let named = ["sql", "--table", "t=data/2.arrows", "SELECT * FROM t"];
    refused(&lsmi_in(dir, named), 65, &words);
    // Close to the truth, and within what zstd could make of it.
    fs::write(dir.join("data/2.arrows"), set(&whole, claim, 1 << 20)).unwrap();
    refused(&sql(dir, "SELECT * FROM 'data'"), 65, &["2.arrows", "1048576", "its zstd frame says"]);
}

#[test]
fn a_stream_that_is_not_whole_is_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let whole = stream(&rows(100), None);
    for (bytes, word) in [
        (whole[..whole.len() - 8].to_vec(), "end-of-stream mark"),
        (whole[..whole.len() / 2].to_vec(), "lies beyond its end"),
        ([&whole[..], &whole].concat(), "goes on after"),
        (Vec::new(), "is empty"),
        (b"a,b\n1,2\n".to_vec(), "neither an Arrow file nor an Arrow stream"),
    ] {
        fs::write(dir.join("t.arrows"), bytes).unwrap();
        refused(&sql(dir, "SELECT count(*) FROM 't.arrows'"), 65, &["t.arrows: ", word]);
    }
}
