//! The fitted bundle's graphs in both engines.

use crate::harness::{fitted, last_json, lsmi, must, query, runtime};

fn annotate(engine: &str, out: &std::path::Path) -> serde_json::Value {
    let columns = ["--columns", "i1,i2,i12,h1,h2", "--json", "--engine", engine];
    let ran = must(
        lsmi()
            .env("LSMI_ETL_RUNTIME_DIR", runtime())
            .current_dir(fitted())
            .args(["annotate", "in.parquet", "--bundle", "bundle"])
            .arg(out)
            .args(columns),
    );
    last_json(&ran)
}

#[test]
fn agree_to_rounding() {
    let dir = tempfile::tempdir().unwrap();
    let (onnxruntime, embedded) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    let summary = annotate("onnxruntime", &onnxruntime);
    assert!(summary["engine"].as_str().unwrap().starts_with("onnxruntime (1."), "{summary}");
    let summary = annotate("embedded", &embedded);
    assert!(summary["engine"].as_str().unwrap().starts_with("embedded (tract"), "{summary}");

    // The rows of both files side by side, by position.
    for (column, tolerance) in
        [("h1", 2e-5), ("h2", 2e-5), ("i1", 1e-5), ("i2", 1e-5), ("i12", 1e-5), ("r", 2e-5), ("s", 4e-5)]
    {
        let rows = format!("SELECT row_number() OVER () AS n, {column} AS v FROM");
        let json = query(
            dir.path(),
            &format!(
                "SELECT max(abs(a.v - b.v)) AS worst, count(*) AS rows FROM ({rows} 'a.parquet') a \
                 JOIN ({rows} 'b.parquet') b ON a.n = b.n"
            ),
        );
        assert_eq!(json["rows"], 3000);
        let worst = json["worst"].as_f64().unwrap();
        assert!(worst <= tolerance, "{column} differs by {worst}");
    }
}

#[test]
fn auto_takes_onnx_runtime_where_it_is() {
    let ran = must(lsmi().env("LSMI_ETL_RUNTIME_DIR", runtime()).arg("doctor"));
    assert!(ran.stdout.contains("engine   onnxruntime (1."), "{}", ran.stdout);
    let ran = must(lsmi().arg("doctor"));
    assert!(ran.stdout.contains("runtime install"), "{}", ran.stdout);
}

#[test]
fn an_explicit_library_that_is_not_there_is_an_error() {
    let ran = crate::harness::run(lsmi().args(["doctor", "--onnxruntime", "/nowhere/libonnxruntime.so"]));
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("/nowhere/libonnxruntime.so"), "{}", ran.stderr);
}
