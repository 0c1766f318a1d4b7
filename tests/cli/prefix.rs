//! Columns with a prefix: several bundles in one table, each with its own origin.

use std::path::Path;

use serde_json::Value;

use crate::harness::files::{floats, names, read};
use crate::harness::{bundle, fitted, last_json, lsmi, must, refused, run};

fn annotate(dir: &Path, input: &str, output: &str, more: &[&str]) -> crate::harness::Ran {
    run(lsmi()
        .current_dir(dir)
        .args(["annotate", input, output, "--json", "--bundle"])
        .arg(bundle())
        .args(more))
}

fn keys(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::file::serialized_reader::SerializedFileReader::new(file).unwrap();
    let metadata = parquet::file::reader::FileReader::metadata(&reader).file_metadata().clone();
    metadata.key_value_metadata().unwrap().iter().map(|pair| pair.key.clone()).collect()
}

#[test]
fn a_table_holds_the_columns_of_several_runs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::copy(fitted().join("in.parquet"), dir.join("in.parquet")).unwrap();
    let plain = annotate(dir, "in.parquet", "plain.parquet", &[]);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    let again = annotate(dir, "plain.parquet", "again.parquet", &[]);
    refused(&again, 64, &["there is a column \"r\" already", "--prefix"]);
    let swapped = ["--prefix", "swapped_", "--x1", "x2", "--x2", "x1", "--columns", "i1"];
    let both = annotate(dir, "plain.parquet", "both.parquet", &swapped);
    assert_eq!(both.code, 0, "{}", both.stderr);
    assert!(last_json(&both)["columns"]["i1"]["mean"].is_f64(), "{}", both.stdout);

    let table = read(&dir.join("both.parquet"));
    assert_eq!(
        names(&table.schema())[table.num_columns() - 9..],
        ["r", "u1", "u2", "s", "swapped_r", "swapped_u1", "swapped_u2", "swapped_s", "swapped_i1"]
    );
    let once = read(&dir.join("plain.parquet"));
    assert_eq!(floats(&table, "u1"), floats(&once, "u1"));
    let of_both = keys(&dir.join("both.parquet"));
    for key in ["bundle_sha256", "columns", "input"] {
        for of in [format!("lsmi_etl.{key}"), format!("lsmi_etl.swapped_.{key}")] {
            assert_eq!(of_both.iter().filter(|other| **other == of).count(), 1, "{of} {of_both:?}");
        }
    }

    // The same again is nothing to do; another prefix is other work.
    let done = annotate(dir, "plain.parquet", "both.parquet", &swapped);
    assert_eq!(last_json(&done)["skipped"], true, "{}", done.stderr);
    let other = annotate(dir, "plain.parquet", "both.parquet", &["--prefix", "other_"]);
    let columns = "exists, with annotate's columns without a prefix and of the prefix swapped_, and this run's are of \
                   the prefix other_";
    refused(&other, 73, &["both.parquet", columns, "--overwrite"]);
    let plan = must(lsmi().current_dir(dir).args([
        "annotate",
        "in.parquet",
        "p.parquet",
        "--prefix",
        "a_",
        "--dry-run",
        "--json",
        "--bundle",
        bundle().to_str().unwrap(),
    ]));
    assert_eq!(last_json(&plan)["adds"], serde_json::json!(["a_r", "a_u1", "a_u2", "a_s"]));

    // A stream has the same columns.
    must(lsmi().current_dir(dir).env("LSMI_ETL_PREFIX", "swapped_").args([
        "annotate",
        "plain.parquet",
        "-",
        "--x1",
        "x2",
        "--x2",
        "x1",
        "--columns",
        "i1",
        "--bundle",
        bundle().to_str().unwrap(),
    ]));

    let report = |args: &[&str]| run(lsmi().current_dir(dir).args(["report", "--format", "json"]).args(args));
    let mean = |ran: &crate::harness::Ran, part: &str| -> f64 {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let numbers: Value = serde_json::from_str(&ran.stdout).unwrap();
        numbers["data"]["parts"][part]["mean_nats"].as_f64().unwrap()
    };
    let (first, second) = (report(&["both.parquet"]), report(&["both.parquet", "--prefix", "swapped_"]));
    let column = |name: &str| {
        let values = floats(&table, name);
        values.iter().flatten().map(f64::from).sum::<f64>() / values.len() as f64
    };
    assert!((mean(&first, "u1") - column("u1")).abs() < 1e-6);
    assert!((mean(&second, "u1") - column("swapped_u1")).abs() < 1e-6);
    must(
        lsmi()
            .current_dir(dir)
            .args(["sql", "COPY (SELECT * EXCLUDE (r, u1, u2, s) FROM 'both.parquet') TO 'left.parquet'"]),
    );
    refused(&report(&["in.parquet", "--prefix", "x_"]), 65, &["x_r"]);
    let only = annotate(dir, "in.parquet", "only.parquet", &["--prefix", "a_"]);
    assert_eq!(only.code, 0, "{}", only.stderr);
    refused(&report(&["only.parquet"]), 65, &["--prefix a_ reads others that it has"]);
}

#[test]
fn prefixes_that_are_none() {
    for prefix in ["a.b", "1a", "a b"] {
        let ran = run(lsmi().args(["annotate", "a", "b", "--prefix", prefix]));
        assert_eq!(ran.code, 64);
        assert!(ran.stderr.contains("letters, digits and _"), "{}", ran.stderr);
    }
}
