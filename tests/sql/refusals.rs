//! What is refused while a query is planned, before a row is read.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, StringArray};

use crate::harness::files::{batch, embeddings, write};
use crate::harness::{Ran, bundle, lsmi, refused, rows, run};

/// 20 rows with columns that do not fit among those that do.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(20);
    let column = |name| (name, rows.column_by_name(name).unwrap().clone());
    let short: Vec<Option<Vec<f32>>> = vec![Some(vec![0.5; 3]); 20];
    let words: ArrayRef = Arc::new(StringArray::from(vec!["a"; 20]));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.5; 20]));
    let all = [
        column("x1"),
        column("x2"),
        column("y"),
        ("short", embeddings(&short, 3)),
        ("words", words),
        ("numbers", numbers),
        ("days", Arc::new(Date32Array::from(vec![7; 20]))),
    ];
    write(&dir.path().join("in.parquet"), &batch(&all));
    dir
}

fn ask(dir: &Path, call: &str) -> Ran {
    let sql = format!("SELECT {call} FROM 'in.parquet'");
    run(lsmi().current_dir(dir).args(["sql", "--bundle"]).arg(bundle()).arg(sql))
}

#[test]
fn columns_that_do_not_fit_are_named_with_the_bundle() {
    let dir = folder();
    let models = bundle().display().to_string();
    for (call, words) in [
        ("lsmi(short, x2, y)", ["\"short\"", "dimension 3", "take 4"]),
        ("lsmi_r(x1, short, y)", ["\"short\"", "dimension 3", "take 4"]),
        ("lsmi_s(x1, words, y)", ["\"words\"", "which is no embedding", "FixedSizeList"]),
        ("lsmi(x1, x2, days)", ["\"days\"", "which is no label", "the bundle's classes are integers"]),
        ("lsmi(x1, x2, numbers)", ["argument y", "holds 0.5", "no class number"]),
        ("lsmi(x1, x2, words)", ["\"words\"", "holds strings", "classes are integers"]),
    ] {
        let ran = ask(dir.path(), call);
        refused(&ran, 65, &words);
        refused(&ran, 65, &[models.as_str()]);
    }
    // In every clause, not only in SELECT.
    let ran = ask(dir.path(), "y");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sql = "SELECT y FROM 'in.parquet' WHERE lsmi_r(short, x2, y) > 0 ORDER BY lsmi_s(x1, x2, y)";
    refused(
        &run(lsmi().current_dir(dir.path()).args(["sql", "--bundle"]).arg(bundle()).arg(sql)),
        65,
        &["\"short\""],
    );
}

#[test]
fn calls_that_mean_nothing_say_how_to_write_them() {
    let dir = folder();
    for (call, words) in [
        ("lsmi(x1, x2)", ["three arguments or more", "lsmi(x1, x2, y)"]),
        ("lsmi('x1', 'x2', 'y')", ["'x1' is a text", "in double ones: x1"]),
        ("lsmi(x1, x2, 'y')", ["'y' is a text", "in double ones: y"]),
        ("lsmi_r(x1)", ["three arguments or more", "lsmi_r(x1, x2, y)"]),
        ("lsmi(x1, x2, y, words)", ["must be a literal", "lsmi(x1, x2, y, 'bundle')"]),
        (
            "lsmi(x1, x2, y, 7)",
            ["fourth argument is not a bundle's folder or URL", "lsmi(x1, x2, y, 'bundle')"],
        ),
        ("lsmi(x1, x2, y, 'ftp://models/b')", ["no URL of a store", "s3://"]),
    ] {
        refused(&ask(dir.path(), call), 64, &words);
    }
}

#[test]
fn a_bundle_that_is_not_there_matters_only_where_it_is_needed() {
    let dir = folder();
    let ran = run(lsmi().current_dir(dir.path()).args(["sql", "SELECT lsmi(x1, x2, y) FROM 'in.parquet'"]));
    refused(&ran, 78, &["lsmi-bundle", "bundle.json", "lsmi-etl fit"]);
    refused(&ask(dir.path(), "lsmi(x1, x2, y, 'elsewhere')"), 78, &["elsewhere", "bundle.json"]);
    let ran = run(lsmi().current_dir(dir.path()).args(["sql", "SELECT count(*) FROM 'in.parquet'"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sql = "SELECT dominant(numbers, numbers, numbers, y) FROM 'in.parquet' LIMIT 1";
    let ran = run(lsmi().current_dir(dir.path()).args(["sql", "--format", "csv", sql]));
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);
}

#[test]
fn files_are_not_changed_and_a_word_of_sql_is_quoted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.csv"), "top,r\n1,0.5\n").unwrap();
    for (sql, words, marked) in [
        ("INSERT INTO 'a.csv' VALUES (2, 1.5)", ["SQL: INSERT adds rows", "UNION ALL"], "\n    ^^^^^^\n"),
        ("DELETE FROM 'a.csv' WHERE r > 1", ["SQL: DELETE is not possible", "WHERE r > 0"], "\n    ^^^^^^\n"),
        ("UPDATE 'a.csv' SET r = 1", ["SQL: UPDATE is not possible", "REPLACE"], "\n    ^^^^^^\n"),
        (
            "SELECT r + 'a' FROM 'a.csv'",
            ["operator + does not take Float64 and Utf8", "CAST("],
            "\n             ^\n",
        ),
        (
            "SELECT top FROM 'a.csv'",
            ["top is a word of SQL", "in quotes: \"top\""],
            "\n               ^^^^\n",
        ),
    ] {
        let ran = run(lsmi().current_dir(dir.path()).args(["sql", sql]));
        refused(&ran, 64, &words);
        assert!(ran.stderr.contains(marked), "{}", ran.stderr);
    }
    let ran = run(lsmi().current_dir(dir.path()).args(["sql", "SELECT tip FROM 'a.csv'"]));
    refused(&ran, 64, &["did you mean \"top\"?"]);
}
