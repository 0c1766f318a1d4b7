//! The examples on a real data set: handwritten digits, whose pictures come in two nights.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Ran, last_json, lsmi, must, python, query, repository, run};

/// A folder with the pictures of two nights and models of the halves of others.
fn nights() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let digits = repository().join("pipelines/digits/make_digits.py");
    must(Command::new(python()).current_dir(dir.path()).arg(digits));
    must(lsmi().current_dir(dir.path()).args(["fit", "digits-train.parquet"]));
    for (ds, of) in [("2026-11-16", "id < 900"), ("2026-11-23", "id >= 900")] {
        let folder = dir.path().join(format!("raw/ds={ds}"));
        fs::create_dir_all(folder).unwrap();
        let copy = format!(
            "COPY (SELECT * FROM 'digits-test.parquet' WHERE {of} ORDER BY id) TO 'raw/ds={ds}/a.parquet'"
        );
        must(lsmi().current_dir(dir.path()).args(["sql", &copy]));
    }
    dir
}

fn example(dir: &Path, name: &str, more: &[&str]) -> Ran {
    let pipeline = repository().join("pipelines").join(name);
    run(lsmi().current_dir(dir).arg("run").arg(pipeline).args(more).arg("--json"))
}

#[test]
fn a_night_is_annotated_checked_and_reported_and_compared_with_another() {
    let dir = nights();
    let dir = dir.path();
    for (ds, rows) in [("2026-11-16", 286), ("2026-11-23", 311)] {
        let ran = example(dir, "nightly.toml", &["--set", &format!("ds={ds}")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary = last_json(&ran);
        assert_eq!(summary["annotate"]["rows"], rows, "{summary}");
        let wrong = fs::read_to_string(dir.join(format!("mislabelled-{ds}.csv"))).unwrap();
        assert_eq!(wrong.lines().next(), Some("id,label,i12,i1,i2"));
        let counted = "SELECT count(*) AS n FROM 'annotated' WHERE r + u1 + u2 + s < -1 AND ds = ";
        let counted = query(dir, &format!("{counted}'{ds}'"));
        assert_eq!(counted["n"], wrong.lines().count() - 1);
        let report = fs::read_to_string(dir.join(format!("report-{ds}.html"))).unwrap();
        assert!(report.contains("<svg") && report.contains(&format!("Night of {ds}")));
    }
    let again = example(dir, "nightly.toml", &["--set", "ds=2026-11-23", "--if-nothing", "exit99"]);
    assert_eq!(again.code, 99, "{}", again.stderr);

    let both = ["--set", "ds=2026-11-23", "--set", "before=2026-11-16"];
    let ran = example(dir, "drift.toml", &both);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let drift = fs::read_to_string(dir.join("drift-2026-11-23.csv")).unwrap();
    assert_eq!(
        drift.lines().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>(),
        ["part", "r", "u1", "u2", "s"]
    );
    let page = fs::read_to_string(dir.join("drift-2026-11-23.html")).unwrap();
    assert!(page.contains("2026-11-16") && page.contains("2026-11-23"));
}

#[test]
fn a_night_of_wrong_labels_does_not_pass() {
    let dir = nights();
    let dir = dir.path();
    let shuffled = "COPY (SELECT id, \"top\", bottom, (label + 1) % 10 AS label \
                    FROM 'digits-test.parquet') TO 'raw/ds=2026-11-24/a.parquet'";
    fs::create_dir_all(dir.join("raw/ds=2026-11-24")).unwrap();
    must(lsmi().current_dir(dir).args(["sql", shuffled]));
    let ran = example(dir, "nightly.toml", &["--set", "ds=2026-11-24"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    for word in
        ["the check gate has failed", "do not fit this night's data", "embeddings_tell_of_the_label", "false"]
    {
        assert!(ran.stderr.contains(word), "no {word} in {}", ran.stderr);
    }
    assert!(dir.join("annotated/ds=2026-11-24/a.parquet").exists());
    assert!(!dir.join("report-2026-11-24.html").exists() && !dir.join("mislabelled-2026-11-24.csv").exists());
}
