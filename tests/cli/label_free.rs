//! Rows without labels: the columns are expectations over the label, by the bundle's own classifier.

use std::path::Path;

use crate::harness::files::{floats, read, write};
use crate::harness::{fitted, last_json, lsmi, must, refused, run};

fn annotate(dir: &Path, input: &str, output: &str, more: &[&str]) -> crate::harness::Ran {
    let mut command = lsmi();
    command.current_dir(dir).args(["annotate", input, output, "--json", "--engine", "embedded", "--bundle"]);
    run(command.arg(fitted().join("bundle")).args(more))
}

#[test]
fn rows_without_labels_get_expectations() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = read(&fitted().join("train.parquet")).slice(0, 500);
    write(&dir.path().join("labelled.parquet"), &rows);
    rows.remove_column(rows.schema().index_of("y").unwrap());
    write(&dir.path().join("in.parquet"), &rows);
    let done = annotate(dir.path(), "in.parquet", "out.parquet", &["--label-free", "--columns", "i12"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(
        (last_json(&done)["rows"].as_u64(), last_json(&done)["bad_rows"].as_u64()),
        (Some(500), Some(0))
    );
    let found = read(&dir.path().join("out.parquet"));

    // The same from the definition: every class as the label, weighted by its probability.
    let bundle = std::fs::read(fitted().join("bundle/bundle.json")).unwrap();
    let bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let classes: Vec<i64> =
        bundle["label"]["classes"].as_array().unwrap().iter().map(|class| class.as_i64().unwrap()).collect();
    let (mut weights, mut entropy) = (vec![0.0_f64; 500], vec![0.0_f64; 500]);
    let mut sums = [vec![0.0_f64; 500], vec![0.0_f64; 500], vec![0.0_f64; 500]];
    for class in classes {
        let select = format!("select *, {class} as y from 'in.parquet'");
        must(lsmi().current_dir(dir.path()).args([
            "sql",
            "--overwrite",
            "--output",
            "class.parquet",
            &select,
        ]));
        let ran =
            annotate(dir.path(), "class.parquet", "c.parquet", &["--columns", "i12,prior_y", "--overwrite"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let one = read(&dir.path().join("c.parquet"));
        let [i12, prior_y, r, s] = ["i12", "prior_y", "r", "s"].map(|name| floats(&one, name));
        for row in 0..500 {
            let log_p = f64::from(i12.value(row)) + f64::from(prior_y.value(row)).ln();
            weights[row] += log_p.exp();
            entropy[row] -= log_p.exp() * log_p;
            for (sum, column) in sums.iter_mut().zip([&r, &s, &i12]) {
                sum[row] += log_p.exp() * f64::from(column.value(row));
            }
        }
    }
    for (name, sum) in ["r", "s", "i12", "label_entropy"].iter().zip(sums.iter().chain([&entropy])) {
        let column = floats(&found, name);
        for row in 0..500 {
            let truth = sum[row] / weights[row];
            assert!((f64::from(column.value(row)) - truth).abs() < 1e-4, "{name}, row {row}: {truth}");
        }
    }
}

#[test]
fn a_report_of_expectations_needs_no_label() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = read(&fitted().join("train.parquet")).slice(0, 300);
    rows.remove_column(rows.schema().index_of("y").unwrap());
    write(&dir.path().join("in.parquet"), &rows);
    let done = annotate(dir.path(), "in.parquet", "out.parquet", &["--label-free", "--columns", "i1,i2,i12"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    must(lsmi().current_dir(dir.path()).args(["report", "out.parquet", "-o", "r.json"]));
    must(lsmi().current_dir(dir.path()).args(["report", "out.parquet", "-o", "r.html"]));
    let json = std::fs::read(dir.path().join("r.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let data = &json["data"];
    assert_eq!((&data["label"], &data["classes"]), (&"".into(), &serde_json::json!([])));
    assert_eq!(
        (&data["label_entropy_nats"], &data["computed_rows"]),
        (&serde_json::Value::Null, &300.into())
    );
    let found = read(&dir.path().join("out.parquet"));
    let mean = floats(&found, "r").values().iter().map(|r| f64::from(*r)).sum::<f64>() / 300.0;
    assert!((data["parts"]["r"]["mean_nats"].as_f64().unwrap() - mean).abs() < 1e-6, "{data}");
    let page = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("no label was read, so that the values are expectations over it"));
    assert!(page.contains("nats about the label on average") && !page.contains("id=\"classes\""));
    assert!(!page.contains("“”") && !page.contains("the entropy of"), "{page}");
}

#[test]
fn a_report_of_expectations_says_so_where_there_is_a_label() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &read(&fitted().join("train.parquet")).slice(0, 300));
    assert_eq!(annotate(dir.path(), "in.parquet", "free.parquet", &["--label-free"]).code, 0);
    assert_eq!(annotate(dir.path(), "in.parquet", "y.parquet", &[]).code, 0);
    let report = |args: &[&str]| run(lsmi().current_dir(dir.path()).arg("report").args(args));
    assert_eq!(report(&["free.parquet", "-o", "r.html"]).code, 0);
    let page = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("expectations over it") && !page.contains("id=\"classes\""));
    assert_eq!(report(&["free.parquet", "--label", "y", "-o", "y.html"]).code, 0);
    let page = std::fs::read_to_string(dir.path().join("y.html")).unwrap();
    assert!(page.contains("y; the values are expectations over it") && page.contains("id=\"classes\""));
    for files in [["free.parquet", "y.parquet"], ["y.parquet", "free.parquet"]] {
        refused(&report(&files), 64, &["annotated differently", "free.parquet without a label"]);
    }
}

#[test]
fn what_needs_a_label_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &read(&fitted().join("train.parquet")).slice(0, 50));
    refused(
        &annotate(dir.path(), "in.parquet", "o", &["--label-free", "--columns", "prior_y"]),
        64,
        &["prior_y", "--label-free"],
    );
    assert_eq!(annotate(dir.path(), "in.parquet", "o", &["--label-free", "--label", "y"]).code, 64);
    // An output of the one kind is not the other's.
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &["--label-free"]), 73, &["out.parquet"]);
}
