//! What a query writes, as pyarrow and DuckDB read it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::Int32Type;
use serde_json::{Value, json};

use crate::harness::files::{batch, listing, write};
use crate::harness::{annotate, fitted, last_json, lsmi, lsmi_in, must, python, query, refused, repository};

fn read_back(path: &Path) -> Value {
    let mut reader = Command::new(python());
    last_json(&must(reader.arg(repository().join("tests/python/read_back.py")).arg(path)))
}

/// A folder with `in.parquet`: integers, floats, strings and categories, with nulls.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let kinds: DictionaryArray<Int32Type> = ["a", "b", "a", "c"].into_iter().collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("r", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(1.5), Some(-2.0)]))),
        ("name", Arc::new(StringArray::from(vec![Some("x"), Some("ä,\"y\""), None, Some("z")]))),
        ("kind", Arc::new(kinds)),
    ];
    write(&dir.path().join("in.parquet"), &batch(&columns));
    dir
}

fn expected() -> Value {
    json!([
        {"id": 1, "r": 0.5, "name": "x", "kind": "a"},
        {"id": 2, "r": null, "name": "ä,\"y\"", "kind": "b"},
        {"id": 3, "r": 1.5, "name": null, "kind": "a"},
        {"id": 4, "r": -2.0, "name": "z", "kind": "c"},
    ])
}

#[test]
fn parquet_and_arrow_files_are_read_by_others() {
    let dir = folder();
    for name in ["out.parquet", "out.arrow", "out.arrows"] {
        must(lsmi().current_dir(dir.path()).args(["sql", "--output", name, "SELECT * FROM 'in.parquet'"]));
        let read = read_back(&dir.path().join(name));
        assert_eq!(read["rows"], expected(), "{name}");
        assert_eq!(read["types"]["name"], "string", "{name}");
        if name == "out.parquet" {
            assert_eq!(read["duckdb"], expected());
        }
        let counted = query(dir.path(), &format!("SELECT count(r) AS n FROM '{name}'"));
        assert_eq!(counted["n"], 3, "{name}");
    }
    assert_eq!(listing(dir.path()), ["in.parquet", "out.arrow", "out.arrows", "out.parquet"]);
}

#[test]
fn an_arrow_stream_goes_through_a_pipe() {
    let dir = folder();
    let mut program = lsmi();
    program.current_dir(dir.path()).args(["sql", "--format", "arrow", "SELECT * FROM 'in.parquet'"]);
    let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = Command::new(python());
    reader.arg(repository().join("tests/python/read_back.py")).arg("-").stdin(program.stdout.take().unwrap());
    assert_eq!(last_json(&must(&mut reader))["rows"], expected());
    assert!(program.wait().unwrap().success());
}

#[test]
fn text_goes_to_files_too() {
    let dir = folder();
    let write = |name: &str, more: &[&str]| {
        let args = [&["sql", "-o", name, "SELECT id, r FROM 'in.parquet' WHERE id < 3"], more].concat();
        must(lsmi().current_dir(dir.path()).args(args));
        fs::read_to_string(dir.path().join(name)).unwrap()
    };
    assert_eq!(write("a.csv", &[]), "id,r\n1,0.5\n2,\n");
    assert_eq!(write("a.ndjson", &[]), "{\"id\":1,\"r\":0.5}\n{\"id\":2,\"r\":null}\n");
    assert_eq!(write("a.md", &[]).lines().count(), 4);
    assert_eq!(write("a.dat", &["--format", "tsv"]), "id\tr\n1\t0.5\n2\t\n");
    assert_eq!(write("a.csv", &["--overwrite", "--format", "json"]).lines().count(), 1);
}

#[test]
fn lists_structs_and_maps_are_json_in_csv() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sql = "SELECT make_array(1, NULL) AS a, make_array('x', 'y, z') AS d, make_array(NULL) AS n, make_array() AS e, \
               {'k': 1, 's': 'a\"b'} AS s, MAP {'m': 0.5} AS m, CAST(NULL AS FLOAT[]) AS z";
    let fields = [
        "\"[1,null]\"",
        "\"[\"\"x\"\",\"\"y, z\"\"]\"",
        "[null]",
        "[]",
        "\"{\"\"k\"\":1,\"\"s\"\":\"\"a\\\"\"b\"\"}\"",
        "\"{\"\"m\"\":0.5}\"",
        "",
    ];
    let expected = format!("a,d,n,e,s,m,z\n{}\n", fields.join(","));
    assert_eq!(must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql])).stdout, expected);
    must(lsmi().current_dir(dir).args(["sql", "-o", "output.csv", sql]));
    must(lsmi().current_dir(dir).args(["sql", &format!("COPY ({sql}) TO 'copy.csv'")]));
    for name in ["output.csv", "copy.csv"] {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), expected, "{name}");
    }
}

#[test]
fn an_output_appears_whole_or_not_at_all() {
    let dir = folder();
    let output = |name: &str, sql: &str| lsmi_in(dir.path(), ["sql", "--output", name, sql]);
    refused(&output("in.parquet", "SELECT 1"), 73, &["in.parquet exists", "--overwrite"]);
    refused(&output("no/such/folder/a.csv", "SELECT 1"), 73, &["no/such/folder/a.csv"]);
    refused(&output("a.unknown", "SELECT 1"), 64, &["--format"]);
    refused(&output("a.parquet", "SELECT 1; SELECT 2"), 64, &["parquet holds one result"]);
    refused(&output("a.csv", "SELECT 1 AS a; SELECT b"), 64, &["there is no column b"]);
    refused(&output("a.csv", "SELECT * FROM 'gone.parquet'"), 66, &["gone.parquet"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
    let made = output("a.parquet", "CREATE VIEW v AS SELECT 1 AS a; SELECT a FROM v");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_eq!(read_back(&dir.path().join("a.parquet"))["rows"], json!([{"a": 1}]));
}

#[test]
fn what_is_known_of_a_column_stays_with_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    let ran = annotate(dir.path(), "in.parquet", "annotated.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let known = read_back(&dir.path().join("annotated.parquet"))["known"].clone();
    assert_eq!(known["r"]["unit"], "nats");

    let select = "SELECT y, r, s AS synergy FROM 'annotated.parquet' WHERE s > 0";
    must(lsmi().current_dir(dir.path()).args(["sql", "--output", "out.parquet", select]));
    must(lsmi().current_dir(dir.path()).args(["sql", &format!("COPY ({select}) TO 'copy.parquet'")]));
    for name in ["out.parquet", "copy.parquet"] {
        let read = read_back(&dir.path().join(name));
        assert_eq!(read["known"]["r"], known["r"], "{name}");
        assert_eq!(read["known"]["synergy"], known["s"], "{name}");
    }
    assert_eq!(
        read_back(&dir.path().join("out.parquet"))["rows"],
        read_back(&dir.path().join("copy.parquet"))["rows"]
    );
}

#[test]
fn what_does_not_fit_a_format_says_so() {
    let dir = folder();
    let sql = "SELECT id FROM 'in.parquet' AS t JOIN nowhere ON t.id = nowhere.id";
    refused(&lsmi_in(dir.path(), ["sql", sql]), 64, &["there is no table nowhere"]);
    refused(&lsmi_in(dir.path(), ["sql", "SELECT * FROM inn"]), 64, &["did you mean 'in.parquet'?"]);
    refused(
        &lsmi_in(dir.path(), ["sql", "SELECT avgg(id) FROM 'in.parquet'"]),
        64,
        &["avgg", "did you mean avg?"],
    );
    let whole = fs::read(dir.path().join("in.parquet")).unwrap();
    fs::write(dir.path().join("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    refused(&lsmi_in(dir.path(), ["sql", "SELECT * FROM 'cut.parquet'"]), 65, &["cut.parquet"]);
}

/// One header, or one value, is of one result.
#[test]
fn a_file_takes_results_that_are_one_table() {
    let dir = folder();
    let write = |name: &str, sql: &str| lsmi_in(dir.path(), ["sql", "--output", name, sql]);
    assert_eq!(write("same.csv", "SELECT 1 AS a, 2 AS b; SELECT 3 AS a, 4 AS b").code, 0);
    assert_eq!(fs::read_to_string(dir.path().join("same.csv")).unwrap(), "a,b\n1,2\n3,4\n");
    let other = write("other.csv", "SELECT 1 AS a; SELECT 2 AS b");
    refused(&other, 64, &["csv has one header", "other columns (b) than the file (a)"]);
    refused(&write("two.json", "SELECT 1 AS a; SELECT 2 AS a"), 64, &["json holds one result"]);
    assert_eq!(write("lines.ndjson", "SELECT 1 AS a; SELECT 2 AS b").code, 0);
    let lines = fs::read_to_string(dir.path().join("lines.ndjson")).unwrap();
    assert_eq!(lines, "{\"a\":1}\n{\"b\":2}\n");
    assert_eq!(listing(dir.path()), ["in.parquet", "lines.ndjson", "same.csv"]);
}

#[test]
fn from_without_select_is_all_columns() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.csv"), "a,b\n1,x\n2,y\n").unwrap();
    for query in [
        "FROM 'a.csv'",
        "FROM 'a.csv' ORDER BY a",
        "SELECT * FROM (FROM 'a.csv')",
        "WITH t AS (FROM 'a.csv') FROM t",
    ] {
        let ran = lsmi_in(dir, ["sql", "--format", "csv", query]);
        assert_eq!(ran.stdout, "a,b\n1,x\n2,y\n", "{query}: {}", ran.stderr);
    }
    assert_eq!(lsmi_in(dir, ["sql", "COPY (FROM 'a.csv') TO 'b.csv'"]).code, 0);
    assert_eq!(fs::read_to_string(dir.join("b.csv")).unwrap(), "a,b\n1,x\n2,y\n");
}

#[test]
fn statements_without_rows_replace_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.csv"), "a\n1\n").unwrap();
    fs::write(dir.join("b.csv"), "a\n1\n").unwrap();
    for sql in [
        "SET datafusion.execution.batch_size = 1024",
        "CREATE VIEW v AS SELECT 1 AS a",
        "SELECT FROM 'b.csv'",
    ] {
        let ran = lsmi_in(dir, ["sql", "--output", "a.csv", "--overwrite", sql]);
        refused(&ran, 64, &["the statements give no rows for the output"]);
        assert_eq!(fs::read_to_string(dir.join("a.csv")).unwrap(), "a\n1\n", "{sql}");
    }
}
