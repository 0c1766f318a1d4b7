//! Rows of a query that the models do not describe: said once a statement, or the end of it.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Ran, bundle, last_json, lsmi, must, refused, rows, run};

/// A folder with `in.parquet`.
fn work() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    crate::harness::files::write(&dir.path().join("in.parquet"), &rows(1000));
    dir
}

fn sql(dir: &Path, more: &[&str]) -> Ran {
    let mut command = lsmi();
    run(command.current_dir(dir).args(["sql", "--format", "ndjson", "--bundle"]).arg(bundle()).args(more))
}

fn warnings(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stderr.lines().filter(|line| line.contains("WARN")).collect()
}

const TRUE: &str = "SELECT avg(lsmi_i12(x1, x2, y)) AS i FROM 'in.parquet'";
/// Two calls, each of all rows, with labels that are none of the rows'.
const OTHER: &str =
    "SELECT avg(lsmi_i12(x1, x2, (y + 1) % 4)) AS i, max(lsmi_s(x1, x2, (y + 1) % 4)) AS s FROM 'in.parquet'";

#[test]
fn rows_that_the_models_do_not_describe_are_said_once() {
    let dir = work();
    assert_eq!(warnings(&sql(dir.path(), &[TRUE])), [""; 0]);
    let ran = sql(dir.path(), &[OTHER]);
    let found = warnings(&ran);
    assert_eq!(found.len(), 1, "{}", ran.stderr);
    for words in ["lsmi with bundle", "mean i1 is -", "the models do not describe these rows", "drift"] {
        assert!(found[0].contains(words), "{}", found[0]);
    }
    assert!(last_json(&ran)["i"].as_f64().unwrap() < -0.2);
    // Each statement by itself, and a filtered few are too few to say.
    let statements = format!("{TRUE}; {OTHER}; {TRUE}");
    assert_eq!(warnings(&sql(dir.path(), &[&statements])).len(), 1);
    assert_eq!(warnings(&sql(dir.path(), &[&format!("{OTHER} WHERE y = 1 LIMIT 20")])).len(), 1);
    let few = "SELECT lsmi_i12(x1, x2, (y + 1) % 4) FROM (SELECT * FROM 'in.parquet' LIMIT 20)";
    assert_eq!(warnings(&sql(dir.path(), &[few])), [""; 0]);
}

#[test]
fn on_shift_fail_ends_the_query() {
    let dir = work();
    let fail = ["--on-shift", "fail"];
    assert_eq!(warnings(&sql(dir.path(), &[&fail[..], &[TRUE]].concat())), [""; 0]);
    let ran = sql(dir.path(), &[&fail[..], &[OTHER, "--output", "out.ndjson"]].concat());
    refused(&ran, 65, &["lsmi with bundle", "do not describe these rows"]);
    assert!(!dir.path().join("out.ndjson").exists());
    let ran = sql(dir.path(), &[&fail[..], &[OTHER]].concat());
    assert_eq!(ran.code, 65, "{}", ran.stderr);
}

#[test]
fn the_queries_and_checks_of_a_pipeline_do_as_its_annotating() {
    let dir = work();
    for (on_shift, expect, code) in [("warn", "", 0), ("fail", "", 65), ("fail", "expect = 'all_true'\n", 65)]
    {
        let pipeline = format!(
            "input = 'in.parquet'\noutput = 'out.parquet'\n[annotate]\nbundle = '{}'\non_shift = '{on_shift}'\n\
             [[sql]]\nname = 'other'\n{expect}query = '''SELECT avg(lsmi_i12(x1, x2, (y + 1) % 4)) < 9 AS low FROM \
             annotated'''\n",
            bundle().display()
        );
        std::fs::write(dir.path().join("p.toml"), pipeline).unwrap();
        let ran = run(lsmi().current_dir(dir.path()).args(["run", "p.toml"]));
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains("the models do not describe these rows"), "{}", ran.stderr);
    }
    must(lsmi().current_dir(dir.path()).args(["sql", "SELECT r FROM 'out.parquet' LIMIT 1"]));
}
