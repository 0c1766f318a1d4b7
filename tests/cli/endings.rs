//! The ending of an output's name says its format, or the output is refused.

use std::fs;
use std::path::Path;

use crate::harness::files::listing;
use crate::harness::{Ran, fitted, lsmi, lsmi_in, must, query, refused, run};

fn annotate(dir: &Path, args: &[&str]) -> Ran {
    let mut command = lsmi();
    command.current_dir(dir).arg("annotate").arg(fitted().join("in.parquet"));
    run(command.args(args).arg("--bundle").arg(fitted().join("bundle")))
}

#[test]
fn what_is_written_as_parquet_has_no_other_ending() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["out.xlsx"], &["written as Parquet, and no .xlsx file", "spreadsheet programs open .csv"]),
        (&["out.pdf"], &["written as Parquet, and no .pdf file"]),
        (&["out.csv"], &["out.csv", "written as Parquet", "lsmi-etl sql --output"]),
        (&["out.feather"], &["out.feather", "written as Parquet", "- > out.arrows"]),
        (&["out.parquet.gz"], &["no .gz file"]),
        (&["out.parquet", "--rejects", "bad.md"], &["bad.md", "--rejects", ".parquet, .csv or .ndjson"]),
    ];
    for (args, words) in cases {
        refused(&annotate(dir, args), 64, words);
    }
    refused(
        &lsmi_in(dir, ["synth", "wide", "-o", "x.csv", "--rows", "10"]),
        64,
        &["x.csv", "written as Parquet"],
    );
    fs::create_dir(dir.join("raw")).unwrap();
    fs::copy(fitted().join("in.parquet"), dir.join("raw/in.parquet")).unwrap();
    for name in ["out.csv", "out.json"] {
        let ran =
            lsmi_in(dir, ["annotate", "raw", name, "--bundle", fitted().join("bundle").to_str().unwrap()]);
        refused(&ran, 64, &[name, "the output of several files is written as Parquet"]);
        assert!(!dir.join(name).exists());
    }
    let fit = ["fit", fitted().join("train.parquet").to_str().unwrap(), "--bundle", "models.parquet"]
        .map(str::to_owned);
    refused(&lsmi_in(dir, fit), 64, &["models.parquet", "a bundle is a folder"]);
    refused(&lsmi_in(dir, ["sql", "SELECT 1", "--output", "x.csv.gz"]), 64, &["x.csv.gz", "compressed"]);
    for format in [&[][..], &["--format", "csv"]] {
        let query = [&["sql", "SELECT 1", "--output", "x.ods"], format].concat();
        refused(&lsmi_in(dir, query), 64, &["x.ods", "workbooks are not written", ".csv"]);
    }
    refused(&lsmi_in(dir, ["sql", "SELECT 1", "--output", "x.unknown"]), 64, &["give --format", ".parquet"]);
    for (name, format) in
        [("x.parquet", "csv"), ("x.csv", "parquet"), ("x.arrow", "ndjson"), ("x.md", "arrow")]
    {
        let ran = lsmi_in(dir, ["sql", "SELECT 1", "--output", name, "--format", format]);
        refused(&ran, 64, &[name, "its extension is of ", &format!("the format asked for is {format}")]);
    }
    must(lsmi().current_dir(dir).args(["sql", "SELECT 1 AS n", "--output", "x.md", "--format", "csv"]));
    assert_eq!(listing(dir), ["raw", "x.md"]);
}

/// Rejects are written in the format of their name, and the same run again finds them.
#[test]
fn rejects_have_the_format_of_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(lsmi().current_dir(dir).args(["sql", "--output", "in.parquet"]).arg(format!(
        "SELECT x1, x2, CASE WHEN row_number() OVER () IN (3, 5) THEN NULL WHEN row_number() OVER () = 9 THEN 77 ELSE y END \
         AS y FROM (SELECT * FROM '{}' LIMIT 20)",
        fitted().join("in.parquet").display()
    )));
    let lines = [
        (
            "csv",
            "file,row_group,row,reason,label\nin.parquet,0,2,null_label,\nin.parquet,0,4,null_label,\n\
                 in.parquet,0,8,unknown_label,77\n",
        ),
        (
            "ndjson",
            "{\"file\":\"in.parquet\",\"row_group\":0,\"row\":2,\"reason\":\"null_label\"}\n\
                    {\"file\":\"in.parquet\",\"row_group\":0,\"row\":4,\"reason\":\"null_label\"}\n\
                    {\"file\":\"in.parquet\",\"row_group\":0,\"row\":8,\"reason\":\"unknown_label\",\"label\":\"77\"}\n",
        ),
    ];
    for (ending, expected) in lines {
        let (output, rejects) = (format!("{ending}.parquet"), format!("bad.{ending}"));
        let annotate = || {
            let mut command = lsmi();
            command.current_dir(dir).args([
                "annotate",
                "in.parquet",
                &output,
                "--rejects",
                &rejects,
                "--json",
            ]);
            must(command.arg("--bundle").arg(fitted().join("bundle")))
        };
        annotate();
        assert_eq!(fs::read_to_string(dir.join(&rejects)).unwrap(), expected);
        assert!(annotate().stdout.contains("\"skipped\":true"));
        // Another file of that name is not replaced.
        fs::write(dir.join(&rejects), "mine").unwrap();
        let mut command = lsmi();
        command.current_dir(dir).args(["annotate", "in.parquet", &output, "--rejects", &rejects]);
        assert_eq!(run(command.arg("--bundle").arg(fitted().join("bundle"))).code, 73);
    }
}

/// Labels are text of any kind, and SQL reads the rows that were written.
#[test]
fn rejects_with_line_breaks_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = format!(
        "(SELECT *, row_number() OVER () AS n FROM '{}' LIMIT 900) AS t",
        fitted().join("in.parquet").display()
    );
    let train = format!("SELECT x1, x2, 'class ' || CAST(y AS VARCHAR) AS y FROM {rows}");
    let input = format!(
        "SELECT x1, x2, CASE WHEN n % 3 = 0 THEN 'two' || chr(10) || '7,\"lines\"' ELSE 'class ' || CAST(y AS VARCHAR) END AS y FROM {rows}"
    );
    for (name, sql) in [("train.parquet", train), ("in.parquet", input)] {
        must(lsmi().current_dir(dir).args(["sql", "--output", name, &sql]));
    }
    must(lsmi().current_dir(dir).args(["fit", "train.parquet", "--folds", "1"]));
    must(lsmi().current_dir(dir).args(["annotate", "in.parquet", "out.parquet", "--rejects", "bad.csv"]));
    let sql = "SELECT count(*) AS n, count(DISTINCT label) AS labels, min(label) AS label FROM 'bad.csv'";
    let expected = serde_json::json!({"n": 300, "labels": 1, "label": "two\n7,\"lines\""});
    assert_eq!(query(dir, sql), expected);
}

#[test]
fn a_reports_ending_is_its_format() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(annotate(dir, &["out.parquet"]).code, 0);
    must(lsmi().current_dir(dir).args(["report", "out.parquet", "-o", "numbers.json"]));
    let numbers: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("numbers.json")).unwrap()).unwrap();
    assert_eq!(numbers["data"]["rows"], 3000);
    let both = ["report", "out.parquet", "-o", "x.json", "--format", "html"];
    refused(&lsmi_in(dir, both), 64, &["x.json", "the report is a page"]);
    refused(&lsmi_in(dir, ["report", "out.parquet", "-o", "x.csv"]), 64, &["x.csv", ".html", ".json"]);
    refused(
        &lsmi_in(dir, ["report", "out.parquet", "-o", "x.pdf"]),
        64,
        &["no .pdf file", "a browser prints"],
    );
    refused(&lsmi_in(dir, ["report", "out.parquet", "-o", "x.png"]), 64, &["no .png file", "report --svg"]);
    refused(&lsmi_in(dir, ["report", "out.parquet", "-o", "x.xlsx"]), 64, &["no .xlsx file"]);
}
