//! The lists of extreme rows: only rows that their titles describe, with the queries that show them, and marks
//! of the rows that the models were trained on.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, StringArray};
use serde_json::{Value, json};

use super::json;
use crate::harness::files::{batch, write};
use crate::harness::{annotate, fitted, lsmi, must, query};

/// Writes rows of r, u1, u2 and s.
fn write_parts(path: &Path, rows: &[[f32; 4]]) {
    let column = |part: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(row[part])).collect::<Float32Array>())
    };
    let label: ArrayRef = Arc::new(rows.iter().map(|_| Some("a")).collect::<StringArray>());
    let parts = ["r", "u1", "u2", "s"].into_iter().enumerate();
    let columns: Vec<_> = parts.map(|(part, name)| (name, column(part))).chain([("label", label)]).collect();
    write(path, &batch(&columns));
}

fn rows(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|sample| sample["row"].as_u64().unwrap()).collect()
}

#[test]
fn a_list_holds_only_rows_that_its_title_describes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let parts = [
        // i1 = -3 and i2 = -1: x2 misleads less, and is not unique.
        [-3.0, 0.0, 2.0, 0.5],
        // i1 = -1 and i2 = 0.5.
        [-1.0, 0.0, 1.5, 0.1],
        // i1 = 2 and i2 = -1: redundant in name only.
        [2.0, 0.0, -3.0, 2.0],
        [0.3, 0.1, 0.0, 0.2],
    ];
    write_parts(&dir.join("a.parquet"), &parts);
    let samples = json(dir, &["a.parquet"])["data"]["samples"].clone();
    assert_eq!((rows(&samples["unique_2"]), rows(&samples["unique_1"])), (vec![1], vec![3]));
    assert_eq!(rows(&samples["redundant"]), [3]);
    assert_eq!((rows(&samples["synergistic"]), rows(&samples["contradicted"])), (vec![2, 3, 1], vec![0]));

    // A list without rows says so; no list was asked for says nothing.
    write_parts(&dir.join("b.parquet"), &[[0.3, 0.1, 0.0, 0.2]; 4]);
    must(lsmi().current_dir(dir).args(["report", "b.parquet", "-o", "b.html"]));
    let html = std::fs::read_to_string(dir.join("b.html")).unwrap();
    assert_eq!(html.matches("There is no such row.").count(), 2, "{html}");
    must(lsmi().current_dir(dir).args(["report", "b.parquet", "-o", "c.html", "--samples", "0"]));
    let html = std::fs::read_to_string(dir.join("c.html")).unwrap();
    assert!(!html.contains("Most unique") && !html.contains("Extreme samples"), "{html}");
}

#[test]
fn every_row_has_a_query_that_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let input = fitted().join("in.parquet");
    assert_eq!(annotate(dir, input.to_str().unwrap(), "out.parquet", &[]).code, 0);
    let folder = dir.join("it's \"here\"/ds=1");
    std::fs::create_dir_all(&folder).unwrap();
    // One row group of more rows than a batch has.
    let rows = "SELECT * EXCLUDE (true_r) FROM 'out.parquet'";
    let many = format!("{rows} UNION ALL {rows} UNION ALL {rows} UNION ALL {rows}");
    let copy = folder.join("a.parquet");
    must(lsmi().current_dir(dir).args(["sql", &many, "--output"]).arg(&copy));
    std::fs::copy(dir.join("out.parquet"), folder.join("b.parquet")).unwrap();
    let report = json(dir, &["it's \"here\"", "--label", "y", "--samples", "3"]);
    let samples = report["data"]["samples"].as_object().unwrap();
    assert_eq!(samples["limit"], 3);
    for sample in samples.values().filter_map(Value::as_array).flatten().filter(|sample| sample.is_object()) {
        let sql = sample["query"].as_str().unwrap();
        let found = query(dir, sql);
        for part in ["r", "u1", "u2", "s"] {
            let (listed, found) = (&sample["parts"][part], &found[part]);
            assert!(
                (listed.as_f64().unwrap() - found.as_f64().unwrap()).abs() < 1e-6,
                "{sql}: {listed} {found}"
            );
        }
    }
    // The page has it as a command for a shell, without the embeddings that all files have.
    let report = ["report", "out.parquet", "-o", "a.html"];
    must(lsmi().current_dir(dir).args(report));
    let html = std::fs::read_to_string(dir.join("a.html")).unwrap();
    let commands: Vec<&str> =
        html.split("<li><code>").skip(1).map(|rest| rest.split("</code>").next().unwrap()).collect();
    assert!(!commands.is_empty());
    let command = commands[0].replace("&#x27;", "'").replace("&quot;", "\"");
    let rest = command.strip_prefix("lsmi-etl ").unwrap();
    let shell = format!("\"$0\" {rest} --format ndjson");
    let mut sh = std::process::Command::new("sh");
    let ran = must(sh.current_dir(dir).arg("-c").arg(shell).arg(lsmi().get_program()));
    let row: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(row["r"].is_number() && row.get("x1").is_none(), "{row}");
}

#[test]
fn rows_that_trained_the_models_are_marked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let page = |input: &str| {
        must(lsmi().current_dir(dir).args(["report", input, "-o", "a.html", "--overwrite"]));
        std::fs::read_to_string(dir.join("a.html")).unwrap()
    };
    for (input, output, columns) in [
        ("train.parquet", "trained.parquet", "fold"),
        ("in.parquet", "fresh.parquet", "fold"),
        ("train.parquet", "plain.parquet", "i1"),
    ] {
        let input = fitted().join(input);
        let ran = annotate(dir, input.to_str().unwrap(), output, &["--columns", columns]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let first = |input: &str| json(dir, &[input])["data"]["samples"]["redundant"][0]["trained_on"].clone();
    assert_eq!(first("trained.parquet"), json!(true));
    assert_eq!((first("fresh.parquet"), first("plain.parquet")), (json!(false), Value::Null));
    let html = page("trained.parquet");
    assert_eq!(html.matches("†</sup>").count(), 40);
    assert!(html.contains("† The models were trained on this row"));
    let html = page("fresh.parquet");
    assert!(!html.contains('†') && !html.contains("--columns fold"), "{html}");
    let html = page("plain.parquet");
    assert!(
        html.contains("trained on 100 % of the rows; <code>annotate --columns fold</code> adds"),
        "{html}"
    );

    // With a prefix it is the column of that prefix.
    let input = fitted().join("in.parquet");
    let prefix = ["--columns", "fold", "--prefix", "a_"];
    assert_eq!(annotate(dir, input.to_str().unwrap(), "prefix.parquet", &prefix).code, 0);
    let report = json(dir, &["prefix.parquet", "--prefix", "a_"]);
    assert_eq!(report["data"]["samples"]["redundant"][0]["trained_on"], json!(false));

    // A column of that name that annotate did not write tells nothing.
    let sql = "SELECT r, u1, u2, s, y, 1 AS fold FROM 'plain.parquet'";
    must(lsmi().current_dir(dir).args(["sql", sql, "--output", "own.parquet"]));
    assert_eq!(
        json(dir, &["own.parquet", "--label", "y"])["data"]["samples"]["redundant"][0].get("trained_on"),
        None
    );
}

#[test]
fn values_are_keys_too() {
    let dir = tempfile::tempdir().unwrap();
    write_parts(&dir.path().join("a.parquet"), &[[0.5, 0.0, 0.0, 0.25]; 2]);
    let samples = super::json(dir.path(), &["a.parquet", "--key", "r,s,label"])["data"]["samples"].clone();
    assert_eq!(samples["redundant"][0]["key"], json!(["0.5", "0.25", "a"]), "{samples}");
}
