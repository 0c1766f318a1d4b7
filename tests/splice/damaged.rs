//! Damaged files with page checksums: every command ends with the place of the page, and
//! nothing is written. Where a bit of a page header is flipped, which no checksum covers, no
//! value comes out changed.

use std::fs;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tempfile::TempDir;

use super::{parquet_files, script};
use crate::harness::files::listing;
use crate::harness::{Ran, eight_values, lsmi, must, run, shell};

/// A page of a file.
struct Page {
    row_group: u64,
    column: String,
    /// None of a dictionary page.
    number: Option<u64>,
    header: [usize; 2],
    body: [usize; 2],
}

fn pages(dir: &Path, file: &str) -> Vec<Page> {
    let json = fs::read_to_string(dir.join(file).with_extension("json")).unwrap();
    let pages: Vec<Value> = serde_json::from_str(&json).unwrap();
    let range = |value: &Value| [0, 1].map(|at| value[at].as_u64().unwrap() as usize);
    let page = |value: &Value| Page {
        row_group: value["row_group"].as_u64().unwrap(),
        column: value["column"].as_str().unwrap().to_owned(),
        number: value["number"].as_u64(),
        header: range(&value["header"]),
        body: range(&value["body"]),
    };
    pages.iter().map(page).collect()
}

impl Page {
    fn name(&self) -> String {
        self.number.map_or("the dictionary page".to_owned(), |number| format!("page {number}"))
    }
}

/// The files of `page_checksums.py`, and a folder for a damaged copy of one.
fn made() -> (TempDir, TempDir) {
    let made = tempfile::tempdir().unwrap();
    must(script("page_checksums.py").arg(made.path()));
    (made, tempfile::tempdir().unwrap())
}

fn flip(from: &Path, to: &Path, at: usize, bit: usize) {
    let mut bytes = fs::read(from).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(to, bytes).unwrap();
}

fn annotate(dir: &Path, input: &str, more: &[&str]) -> Ran {
    let args = ["annotate", input, "out.parquet", "--label", "label", "--overwrite", "--bundle"];
    run(lsmi().current_dir(dir).args(args).arg(eight_values()).args(more))
}

fn sql(dir: &Path, query: &str) -> Ran {
    run(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", query]))
}

fn try_read(path: &Path) -> Result<Vec<RecordBatch>, ArrowError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap())?;
    reader.build()?.collect()
}

fn refuses(ran: &Ran, file: &str, page: &Page) {
    let place = format!("{file}, row group {}, column {:?}: {} ", page.row_group, page.column, page.name());
    assert_eq!(ran.code, 65, "{place}: {}", ran.stderr);
    for words in [&format!("ERROR {place}"), "does not match its checksum"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

#[test]
fn a_page_is_named_whatever_it_holds() {
    let (made, dir) = made();
    let dir = dir.path();
    for (nth, file) in parquet_files(made.path()).iter().enumerate() {
        let pages = pages(made.path(), file);
        let some = pages.iter().enumerate().filter(|(index, page)| {
            page.body[0] < page.body[1] && (page.number.is_none() || index % 7 == nth % 7)
        });
        for (index, page) in some {
            let at = page.body[0] + (page.body[1] - page.body[0]) * (index % 4) / 4;
            flip(&made.path().join(file), &dir.join("in.parquet"), at, index % 8);
            refuses(&annotate(dir, "in.parquet", &[]), "in.parquet", page);
            assert_eq!(listing(dir), ["in.parquet"]);
            refuses(&sql(dir, "SELECT * FROM 'in.parquet'"), "in.parquet", page);
        }
    }
}

#[test]
fn every_command_finds_it() {
    let (made, dir) = made();
    let dir = dir.path();
    for file in ["large.parquet", "none_v2_index.parquet", "zstd_v1.parquet"] {
        for column in ["x1", "x2", "label"] {
            let pages = pages(made.path(), file);
            let page = pages.iter().rfind(|page| page.column == column).unwrap();
            flip(&made.path().join(file), &dir.join("in.parquet"), page.body[1] - 3, 5);
            refuses(&annotate(dir, "in.parquet", &[]), "in.parquet", page);
            refuses(&annotate(dir, "in.parquet", &["--adjust", "dataset"]), "in.parquet", page);
            let fit = ["fit", "in.parquet", "--x1", "x1", "--x2", "x2", "--label", "label"];
            refuses(&run(lsmi().current_dir(dir).args(fit)), "in.parquet", page);
            let bundle = eight_values().display();
            let line =
                format!("lsmi-etl annotate in.parquet - --label label --bundle '{bundle}' > /dev/null");
            refuses(&run(shell(&line).current_dir(dir)), "in.parquet", page);
            assert_eq!(listing(dir), ["in.parquet"]);
            refuses(&sql(dir, &format!("SELECT {column} FROM 'in.parquet'")), "in.parquet", page);
        }
    }
}

#[test]
fn a_run_may_do_without() {
    let (made, dir) = made();
    let dir = dir.path();
    let file = "none_v2_index.parquet";
    let pages = pages(made.path(), file);
    let page = pages.iter().rfind(|page| page.column == "x1").unwrap();
    // The middle of a float.
    flip(&made.path().join(file), &dir.join("in.parquet"), page.body[1] - 3, 5);
    refuses(&annotate(dir, "in.parquet", &[]), "in.parquet", page);
    let without = "--no-page-checksums";
    let ran = annotate(dir, "in.parquet", &[without]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bundle = eight_values().display();
    let line =
        format!("lsmi-etl annotate in.parquet - --label label {without} --bundle '{bundle}' > /dev/null");
    must(shell(&line).current_dir(dir));
    let query = "SELECT x1 FROM 'out.parquet'";
    refuses(&sql(dir, query), "out.parquet", page);
    must(lsmi().current_dir(dir).args(["sql", without, query]));
    must(lsmi().current_dir(dir).args(["sql", query]).env("LSMI_ETL_NO_PAGE_CHECKSUMS", "true"));
    let fit = ["fit", "in.parquet", "--x1", "x1", "--x2", "x2", "--label", "label", without];
    let ran = run(lsmi().current_dir(dir).args(fit));
    assert!(!ran.stderr.contains("checksum"), "{}", ran.stderr);
    must(lsmi().current_dir(dir).args(["report", "out.parquet", "-o", "report.html", without]));

    let pipeline = format!(
        "input = 'in.parquet'\noutput = 'again.parquet'\n[annotate]\nbundle = '{bundle}'\nlabel = 'label'\n\
         no_page_checksums = true\n[[sql]]\nname = 'rows'\nquery = 'SELECT x1 FROM annotated'\n\
         output = 'x1.ndjson'\n[report]\noutput = 'again.html'\n"
    );
    fs::write(dir.join("pipeline.toml"), &pipeline).unwrap();
    must(lsmi().current_dir(dir).args(["run", "pipeline.toml"]));
    fs::write(dir.join("pipeline.toml"), pipeline.replace("true", "false")).unwrap();
    let again = ["run", "pipeline.toml", "--output", "third.parquet"];
    refuses(&run(lsmi().current_dir(dir).args(again)), "in.parquet", page);
}

#[test]
fn copied_pages_keep_their_checksums() {
    let (made, dir) = made();
    let dir = dir.path();
    for file in ["large.parquet", "snappy_v2.parquet"] {
        fs::copy(made.path().join(file), dir.join("in.parquet")).unwrap();
        assert_eq!(annotate(dir, "in.parquet", &[]).code, 0);
        let (old, new) =
            (fs::read(dir.join("in.parquet")).unwrap(), fs::read(dir.join("out.parquet")).unwrap());
        let pages = pages(made.path(), file);
        let page = pages.iter().rfind(|page| page.column == "label").unwrap();
        let bytes = &old[page.header[0]..page.body[1]];
        let at = new.windows(bytes.len()).position(|found| found == bytes).unwrap();
        flip(&dir.join("out.parquet"), &dir.join("out.parquet"), at + bytes.len() - 1, 1);
        refuses(&sql(dir, "SELECT label FROM 'out.parquet'"), "out.parquet", page);
        let report = ["report", "out.parquet", "-o", "report.html"];
        refuses(&run(lsmi().current_dir(dir).args(report)), "out.parquet", page);
    }
}

#[test]
fn a_damaged_header_changes_no_value() {
    let (made, dir) = made();
    let dir = dir.path();
    for (nth, file) in parquet_files(made.path()).iter().filter(|file| *file != "large.parquet").enumerate() {
        fs::copy(made.path().join(file), dir.join("in.parquet")).unwrap();
        assert_eq!(annotate(dir, "in.parquet", &[]).code, 0);
        let rows = try_read(&dir.join("out.parquet")).unwrap();
        let query = "SELECT * FROM 'in.parquet'";
        let printed = must(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", query])).stdout;
        let pages = pages(made.path(), file);
        for (index, page) in pages.iter().enumerate().filter(|(index, _)| index % 5 == nth % 5) {
            let length = page.header[1] - page.header[0];
            flip(
                &made.path().join(file),
                &dir.join("in.parquet"),
                page.header[0] + index * 7 % length,
                index % 8,
            );
            let what = format!("{file}, byte {} of the header of {}", index * 7 % length, page.column);
            // An error that is not found to be the page's leaves a journal of this file.
            let ran = annotate(dir, "in.parquet", &["--restart"]);
            assert!([0, 65].contains(&ran.code), "{what}: {}", ran.stderr);
            // Readers do not look at the same fields: one may refuse what others read.
            if ran.code == 0
                && let Ok(copied) = try_read(&dir.join("out.parquet"))
            {
                assert_eq!(copied, rows, "{what}");
            }
            let ran = sql(dir, query);
            assert!([0, 65].contains(&ran.code), "{what}: {}", ran.stderr);
            assert!(ran.code == 65 || ran.stdout == printed, "{what}");
        }
    }
}
