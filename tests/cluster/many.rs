//! Many small files: what scheduling costs a file is printed, not asserted.

use std::path::Path;
use std::time::Instant;

use super::{Cluster, annotate_on, run};
use crate::harness::{bundle, last_json, lsmi, must};

/// A thousand files of 100 rows: copies of one.
fn thousand(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let first = folder.join("0000.parquet");
    let synth = ["synth", "gaussian", "--classes", "4", "--rows", "100", "--seed", "5", "-o"];
    must(lsmi().args(synth).arg(&first));
    for number in 1..1000 {
        std::fs::copy(&first, folder.join(format!("{number:04}.parquet"))).unwrap();
    }
}

#[test]
fn a_thousand_files_are_done_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    thousand(&input);
    let start = Instant::now();
    let mut one = lsmi();
    one.args(["annotate", "--json", "--quiet", "--bundle"]).arg(bundle());
    must(one.arg(&input).arg(folder.path().join("one")));
    let alone = start.elapsed();

    let cluster = Cluster::start(2);
    let timed = |address: &str, output: &str| {
        let start = Instant::now();
        let ran = run(&mut annotate_on(address, &input, &folder.path().join(output), &["--quiet"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary = last_json(&ran);
        assert_eq!((&summary["files"], &summary["rows"]), (&1000.into(), &100_000.into()));
        start.elapsed()
    };
    let processes = timed(&cluster.address, "processes");
    let local = timed("local:2", "local");
    println!("1 000 files: alone {alone:?}, two executors {processes:?}, local:2 {local:?}");
    let sample =
        |folder_name: &str| std::fs::read(folder.path().join(folder_name).join("0777.parquet")).unwrap();
    assert_eq!(sample("one"), sample("processes"));
    assert_eq!(sample("one"), sample("local"));
}
