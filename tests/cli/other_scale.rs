//! Embeddings on another scale than those of the fit: i stays positive, h says it.

use std::path::Path;
use std::sync::OnceLock;

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::eq;
use serde_json::Value;

use crate::harness::files::{batch, embeddings, read, vectors, write};
use crate::harness::{build, last_json, lsmi, lsmi_in, must, once, refused};

/// `train.parquet` and `in.parquet`, of 64 and 8 dimensions and four classes, and `bundle` of the former.
fn wide() -> &'static Path {
    static WIDE: OnceLock<std::path::PathBuf> = OnceLock::new();
    WIDE.get_or_init(|| {
        once("other-scale", &build(), |dir| {
            std::fs::create_dir_all(dir).unwrap();
            for (seed, name) in [("1", "train.parquet"), ("2", "in.parquet")] {
                let synth = ["synth", "wide", "--d1", "64", "--d2", "8", "--classes", "4", "--rows", "1600"];
                let more = ["--truth", "none", "--seed", seed, "-o", name];
                must(lsmi().current_dir(dir).args(synth).args(more));
            }
            must(lsmi().current_dir(dir).args(["fit", "train.parquet", "--bundle", "bundle"]));
        })
    })
}

/// Rows whose vectors are changed.
fn changed(rows: &RecordBatch, change: impl Fn(&[f32]) -> f32) -> RecordBatch {
    let column = |name: &str, dim: i32| {
        let scaled = |vector: Vec<f32>| {
            let factor = change(&vector);
            vector.into_iter().map(|value| value * factor).collect()
        };
        let rows: Vec<_> = vectors(rows, name).into_iter().map(|vector| vector.map(scaled)).collect();
        embeddings(&rows, dim)
    };
    batch(&[
        ("x1", column("x1", 64)),
        ("x2", column("x2", 8)),
        ("y", rows.column_by_name("y").unwrap().clone()),
    ])
}

/// What is off about rows, by the summary of a file; the queries and folders that say the same.
fn shift(rows: &RecordBatch) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    write(&dir.path().join("in/a.parquet"), rows);
    let bundle = wide().join("bundle");
    let ran = |args: &[&str]| {
        let args = args.iter().copied().chain(["--bundle", bundle.to_str().unwrap()]);
        lsmi_in(dir.path(), args)
    };
    let alone = ran(&["annotate", "in/a.parquet", "a.parquet", "--json"]);
    let folder = ran(&["annotate", "in", "out", "--json"]);
    let found = last_json(&alone)["distribution_shift"].as_str().map(str::to_owned);
    assert_eq!(last_json(&folder)["distribution_shift"].as_str(), found.as_deref());
    assert_eq!(alone.stderr.contains("WARN"), found.is_some(), "{}", alone.stderr);
    let report = ran(&["report", "a.parquet", "--format", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let warnings = report["warnings"].as_array().unwrap().iter();
    let mut told = warnings.filter(|warning| warning["code"] == "distribution_shift");
    assert_eq!(told.next().map(|warning| warning["text"].as_str().unwrap()), found.as_deref());
    let query = "SELECT avg(lsmi_r(x1, x2, y)) AS r FROM 'in/a.parquet'";
    let failing = [
        // A file that is there, and one that is made.
        ran(&["annotate", "in/a.parquet", "a.parquet", "--on-shift", "fail"]),
        ran(&["annotate", "in/a.parquet", "b.parquet", "--on-shift", "fail"]),
        ran(&["sql", query, "--on-shift", "fail", "--output", "r.ndjson"]),
    ];
    for ran in failing {
        match &found {
            Some(_) => refused(&ran, 65, &["mean h1 is", "the models do not describe these rows"]),
            None => assert_eq!(ran.code, 0, "{}", ran.stderr),
        }
    }
    found
}

#[test]
fn embeddings_on_another_scale_are_told() {
    let rows = read(&wide().join("in.parquet"));
    let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let found = shift(&changed(&rows, |_| 2.0)).unwrap();
    assert!(found.starts_with("mean h1 is 1") && found.contains(", mean h2 is "), "{found}");
    assert!(!found.contains("mean i"), "{found}");
    assert!(found.contains("have the embeddings another scale or normalisation than in the fit"), "{found}");
    for found in [shift(&changed(&rows, |_| 0.5)), shift(&changed(&rows, |vector| 1.0 / length(vector)))] {
        let found = found.unwrap();
        // Few dimensions: a smaller scale looks like the dense middle of the fit's rows.
        assert!(found.contains("mean h1 is ") && !found.contains("mean h2"), "{found}");
    }
}

#[test]
fn rows_on_the_scale_of_the_fit_are_not() {
    let rows = read(&wide().join("in.parquet"));
    assert_eq!(shift(&rows), None);
    let class = eq(rows.column_by_name("y").unwrap(), &Int64Array::new_scalar(1)).unwrap();
    assert_eq!(shift(&filter_record_batch(&rows, &class).unwrap()), None);
    let trained = read(&wide().join("train.parquet"));
    assert_eq!(shift(&trained), None);
    // By the models that were trained on them: they are not known by the hash of their embeddings.
    assert_eq!(shift(&changed(&trained, |_| 1.000_01)), None);
}
