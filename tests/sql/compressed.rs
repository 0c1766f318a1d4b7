//! Files of text that are compressed as a whole.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::spilling::limited_in;
use crate::harness::{Ran, lsmi, lsmi_in, must, refused};

fn ask(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", "--format", "csv", sql])
}

fn answer(dir: &Path, sql: &str) -> String {
    must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql])).stdout
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

/// The numbers from 0 on, each a row, of CSV and of JSON.
fn texts(rows: usize) -> [String; 2] {
    let (mut csv, mut json) = ("id,name\n".to_owned(), String::new());
    for row in 0..rows {
        writeln!(csv, "{row},\"name\n{row}\"").unwrap();
        writeln!(json, "{{\"id\": {row}, \"name\": \"name\\n{row}\"}}").unwrap();
    }
    [csv, json]
}

#[test]
fn compressed_text_is_read_as_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let [csv, json] = texts(200_000);
    fs::write(dir.join("a.csv.gz"), gzip(&csv)).unwrap();
    fs::write(dir.join("a.csv.zst"), zstd(&csv)).unwrap();
    fs::write(dir.join("a.tsv.gz"), gzip(&csv.replace(',', "\t"))).unwrap();
    fs::write(dir.join("a.ndjson.gz"), gzip(&json)).unwrap();
    let array = format!("[{}]", json.trim_end().replace('\n', ",\n"));
    fs::write(dir.join("a.JSON.ZST"), zstd(&array)).unwrap();
    let numbers = "count(*) AS rows, sum(id) AS sum, max(length(name)) AS most";
    for file in ["a.csv.gz", "a.csv.zst", "a.tsv.gz", "a.ndjson.gz", "a.JSON.ZST"] {
        for threads in ["1", "7"] {
            let sql = format!("SELECT {numbers} FROM '{file}'");
            let ran =
                must(lsmi().current_dir(dir).args(["sql", "--format", "csv", "--threads", threads, &sql]));
            assert_eq!(ran.stdout, "rows,sum,most\n200000,19999900000,11\n", "{file} on {threads} threads");
        }
    }
    let declared = "CREATE EXTERNAL TABLE t (id DOUBLE, name VARCHAR) STORED AS CSV LOCATION 'a.csv.gz'; ";
    assert_eq!(answer(dir, &format!("{declared}SELECT max(id) AS most FROM t")), "most\n199999.0\n");
}

#[test]
fn files_of_a_folder_may_be_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let [csv, _] = texts(3);
    fs::create_dir(dir.join("day")).unwrap();
    fs::write(dir.join("day/a.csv"), &csv).unwrap();
    fs::write(dir.join("day/b.csv.gz"), gzip(&csv)).unwrap();
    for table in ["day", "day/*.csv*"] {
        assert_eq!(answer(dir, &format!("SELECT count(*) AS n FROM '{table}'")), "n\n6\n");
    }
    // A file without bytes has no rows.
    fs::write(dir.join("day/c.csv.gz"), b"").unwrap();
    fs::write(dir.join("day/d.csv.zst"), b"").unwrap();
    assert_eq!(answer(dir, "SELECT count(*) AS n FROM 'day'"), "n\n6\n");
    let late = format!("{}x,late\n", texts(2000)[0]);
    fs::write(dir.join("late.csv.gz"), gzip(&late)).unwrap();
    refused(
        &ask(dir, "SELECT sum(id) FROM 'late.csv.gz'"),
        65,
        &["late.csv.gz, column \"id\": \"x\" in row 2001"],
    );
}

#[test]
fn what_a_name_says_of_a_compression_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let [csv, json] = texts(20_000);
    let gzipped = gzip(&csv);
    fs::write(dir.join("cut.csv.gz"), &gzipped[..gzipped.len() - 9]).unwrap();
    let zstd = zstd(&json);
    fs::write(dir.join("cut.json.zst"), &zstd[..zstd.len() - 9]).unwrap();
    fs::write(dir.join("plain.csv.gz"), &csv).unwrap();
    for (file, what) in [
        ("cut.csv.gz", "cannot be decompressed"),
        ("cut.json.zst", "cannot be decompressed"),
        ("plain.csv.gz", "is not compressed as the ending of its name says; rename it"),
    ] {
        let words = [&format!("{file}: {what}")[..]];
        refused(&ask(dir, &format!("SELECT count(*) FROM '{file}'")), 65, &words);
        refused(&ask(dir, &format!("SELECT max(id) FROM '{file}'")), 65, &words);
    }
    fs::write(dir.join("a.csv"), &gzipped).unwrap();
    fs::write(dir.join("a.json"), &gzipped).unwrap();
    fs::write(dir.join("a.parquet.gz"), &gzipped).unwrap();
    for file in ["a.csv", "a.json", "a.parquet.gz"] {
        let words = [&format!("{file}: is compressed as a whole by gzip")[..], "gunzip"];
        refused(&ask(dir, &format!("SELECT count(*) FROM '{file}'")), 65, &words);
    }
}

#[test]
fn text_is_not_held_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let text = format!("id,v\n{}", "0,0\n".repeat(60_000_000));
    fs::write(dir.join("a.csv"), &text).unwrap();
    fs::write(dir.join("a.csv.gz"), gzip(&text)).unwrap();
    fs::write(dir.join("a.csv.zst"), zstd(&text)).unwrap();
    drop(text);
    for file in ["a.csv", "a.csv.gz", "a.csv.zst"] {
        let sql = format!("SELECT count(*) AS n, sum(v) AS s FROM '{file}'");
        let (found, peak) = limited_in(dir, "64MiB", &sql);
        assert_eq!((&found["n"], &found["s"]), (&60_000_000.into(), &0.into()), "{file}");
        println!("{file}: {peak} bytes of memory");
        assert!(peak < 160 << 20, "{file}: {peak}");
    }
}

#[test]
fn compressed_text_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    for clause in ["", " STORED AS CSV"] {
        let copy = format!("COPY (SELECT 1 AS a) TO 'y.csv.gz'{clause}");
        refused(&ask(dir.path(), &copy), 64, &["compressed text is not written"]);
    }
    assert!(dir.path().read_dir().unwrap().next().is_none());
}
