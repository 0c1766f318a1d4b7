//! `lsmi` on ONNX Runtime, as `runtime install` puts it in place.

use std::path::Path;

use serde_json::Value;

use crate::harness::files::{batch, write};
use crate::harness::{bundle, fitted, last_json, lsmi, must, runtime};

const COLUMNS: [&str; 9] = ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2"];

/// What a query over `out.parquet` gives, by the engine that is named.
fn ask(dir: &Path, engine: &str, sql: &str, more: &[&str]) -> Value {
    let mut command = lsmi();
    command.current_dir(dir).env("LSMI_ETL_RUNTIME_DIR", runtime()).env("LSMI_ETL_BUNDLE", bundle());
    command.args(["sql", "--format", "ndjson", "--engine", engine, sql]).args(more);
    let ran = must(&mut command);
    let expected = if engine == "embedded" { "engine: embedded" } else { "engine: onnxruntime" };
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    last_json(&ran)
}

#[test]
fn the_values_are_those_that_onnx_runtime_gives_annotate() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut annotate = lsmi();
    annotate.current_dir(dir).env("LSMI_ETL_RUNTIME_DIR", runtime()).arg("annotate");
    annotate.arg(fitted().join("in.parquet")).args(["out.parquet", "--engine", "onnxruntime", "--bundle"]);
    must(annotate.arg(bundle()).args(["--columns", "i1,i2,i12,h1,h2"]));

    let differences = COLUMNS.map(|name| format!("max(abs({name} - lsmi_{name}(x1, x2, y))) AS {name}"));
    let sql = format!("SELECT count(*) AS rows, {} FROM 'out.parquet'", differences.join(", "));
    // What is rounded depends on a batch's rows, and the sizes of batches on the threads.
    for threads in ["1", "3"] {
        for engine in ["onnxruntime", "embedded"] {
            let found = ask(dir, engine, &sql, &["--threads", threads]);
            assert_eq!(found["rows"], 3000);
            for name in COLUMNS {
                let difference = found[name].as_f64().unwrap();
                assert!(difference <= 2e-5, "{engine}, {name}: {difference}");
            }
        }
    }
}

#[test]
fn explain_analyze_counts_its_rows_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let rows = crate::harness::rows(1200);
    let column = |name| (name, rows.column_by_name(name).unwrap().clone());
    write(&dir.path().join("out.parquet"), &batch(&[column("x1"), column("x2"), column("y")]));
    let sql = "EXPLAIN ANALYZE SELECT y, avg(lsmi_r(x1, x2, y)), max(lsmi_s(x1, x2, y)) FROM 'out.parquet' GROUP BY y";
    let plan = ask(dir.path(), "onnxruntime", sql, &[]);
    let plan = plan["plan"].as_str().unwrap();
    let line = plan.lines().find(|line| line.contains("LsmiExec")).unwrap();
    assert!(line.contains("lsmi_rows=1.20 K") || line.contains("lsmi_rows=1200"), "{line}");
    assert!(line.contains("lsmi_time=") && !line.contains("lsmi_time=1ns"), "{line}");
}
