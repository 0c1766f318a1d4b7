//! Names and labels that a terminal would obey: shown escaped wherever a person reads, exact in CSV and
//! JSON.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

use crate::harness::files::{read, write};
use crate::harness::terminal::{on_a_terminal, see, types};
use crate::harness::{Ran, bundle, fitted, lsmi, run};

/// ESC, BEL, C1's CSI, DEL, and a right-to-left override.
const ODD: &str = "a\u{1b}]0;x\u{7}\u{9b}31m\u{7f}\u{202e}b";
const SHOWN: &str = "a\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{7f}\\u{202e}b";

#[track_caller]
fn harmless(text: &str) {
    let is_bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!text.contains(is_bad), "{text:?}");
}

fn program(dir: &std::path::Path, args: &[&str]) -> Ran {
    run(lsmi().current_dir(dir).args(args))
}

#[test]
fn names_of_files_and_columns_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let file = format!("{ODD}.parquet");
    let labels: ArrayRef = Arc::new(StringArray::from(vec![ODD, "plain"]));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 0.25]));
    let rows = [(ODD, labels.clone()), ("y", labels), ("r", numbers)];
    write(&dir.join(&file), &RecordBatch::try_from_iter(rows).unwrap());
    let models = bundle();
    let models = models.to_str().unwrap();
    for args in [
        &["annotate", &file, "out.parquet", "--bundle", models][..],
        &["annotate", &file, "out.parquet", "--bundle", models, "--x1", ODD],
        &["annotate", "absent\u{1b}[2J", "out.parquet", "--bundle", models],
        &["fit", &file, "--bundle", "b"],
        &["fit", &file, "--bundle", "b", "--x1", ODD, "--x2", ODD, "--label", "y"],
        &["report", &file, "-o", "r.html"],
        &["bundle", "check", ODD],
        &["sql", &format!("SELECT \"{ODD}x\" FROM '{file}'")],
        &["sql", &format!("SELECT * FROM '{ODD}'")],
        &["run", ODD],
        &["annotate", "a", "b", ODD],
        &["fit", "a", "--max-rows", ODD],
    ] {
        let ran = program(dir, args);
        assert!(ran.code > 0, "{args:?}");
        harmless(&ran.stderr);
        // Of an argument that it does not take, clap leaves out such sequences.
        assert!(ran.code == 64 || ran.stderr.contains("\\u{1b}"), "{args:?}: {}", ran.stderr);
        // As lines of JSON they have the same values, without such characters.
        let ran = run(lsmi().current_dir(dir).env("LSMI_ETL_LOG_FORMAT", "json").args(args));
        harmless(&ran.stderr);
    }
}

/// A name with line breaks is on one line, and makes none of its own.
#[test]
fn line_breaks_in_the_names_of_columns() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = read(&fitted().join("train.parquet"));
    let names = ["a\nERROR b", "\t", "y\n"];
    let columns = ["x1", "x2", "y"].map(|name| rows.column_by_name(name).unwrap().clone());
    write(&dir.join("in.parquet"), &RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap());
    let columns = ["--x1", names[0], "--x2", names[1], "--label", names[2]];
    let fitted = program(dir, &[&["fit", "in.parquet", "--folds", "1"], &columns[..]].concat());
    assert_eq!(fitted.code, 0, "{}", fitted.stderr);
    let inspected = program(dir, &[&["inspect", "in.parquet"], &columns[..]].concat());
    assert_eq!(inspected.code, 0, "{}", inspected.stderr);
    for text in [fitted.stderr, inspected.stdout, program(dir, &["bundle", "inspect", "lsmi-bundle"]).stdout]
    {
        assert!(!text.contains("\nERROR") && text.contains("a\\nERROR b"), "{text}");
    }
}

#[test]
fn results_of_queries() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let labels: ArrayRef = Arc::new(StringArray::from(vec![ODD, "a\u{0}b\rc"]));
    write(&dir.join("in.parquet"), &RecordBatch::try_from_iter([(ODD, labels)]).unwrap());
    let query = |format: &str| {
        let ran = program(dir, &["sql", "SELECT * FROM 'in.parquet'", "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    for format in ["table", "markdown"] {
        let text = query(format);
        harmless(&text);
        assert_eq!(text.matches(SHOWN).count(), 2, "{text}");
        assert!(text.contains("a\\0b"), "{text}");
    }
    assert_eq!(query("csv").matches(ODD).count(), 2);
    let json: serde_json::Value = serde_json::from_str(&query("json")).unwrap();
    assert_eq!((&json[0][ODD], &json[1][ODD]), (&ODD.into(), &"a\u{0}b\rc".into()));
}

#[test]
fn labels_of_a_run_and_of_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sql = format!(
        "SELECT x1, x2, CASE WHEN y = 0 THEN '{ODD}' ELSE 'b' END AS y FROM '{}'",
        fitted().join("train.parquet").display()
    );
    let program = |args: &[&str]| program(dir, args);
    assert_eq!(program(&["sql", &sql, "-o", "train.parquet"]).code, 0);
    let ran = program(&["fit", "train.parquet", "--bundle", ODD, "--label", "y"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    harmless(&ran.stderr);
    harmless(&ran.stdout);
    for args in [&["bundle", "inspect", ODD][..], &["bundle", "check", ODD]] {
        let ran = program(args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        harmless(&ran.stdout);
        assert!(ran.stdout.contains(SHOWN), "{}", ran.stdout);
    }
    let ran = program(&["bundle", "inspect", ODD, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(json["manifest"]["label"]["classes"].as_array().unwrap().contains(&ODD.into()));
    // The labels of another bundle's rows are quoted in a warning, and a file's name in the summary.
    let models = bundle();
    let ran = program(&["annotate", "train.parquet", ODD, "--bundle", models.to_str().unwrap(), "--json"]);
    harmless(&ran.stderr);
    if ran.code == 0 {
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(json["output"], ODD);
    }
}

#[test]
fn completions_and_results_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    for name in [format!("{ODD}1.csv"), format!("{ODD}2.csv")] {
        fs::write(dir.path().join(name), "v\n1\n").unwrap();
    }
    let ran = on_a_terminal(
        dir.path(),
        120,
        &["sql"],
        &[
            see("lsmi> "),
            types("SELECT 'a' || chr(27) || '[2Jb' AS odd;\r"),
            see(r"a\\u\{1b\}\[2Jb"),
            see("lsmi> "),
            types("\\d '\t\t"),
            see(r"\\u\{1b\}"),
            types("\x15\\q\r"),
        ],
    );
    assert!(!ran.stdout.contains("\u{1b}]0;x"), "{:?}", ran.stdout);
}

/// A shell hands over file names as arguments; those of a usage error are quoted.
#[test]
fn arguments_of_a_glob() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c\u{1b}[2J"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let ran: Ran = Command::new("sh")
        .args(["-c", "\"$0\" annotate *", env!("CARGO_BIN_EXE_lsmi-etl")])
        .current_dir(dir.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 64);
    harmless(&ran.stderr);
}
