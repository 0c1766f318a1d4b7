//! Folders and globs through the program.

use std::fs;
use std::path::Path;

use crate::harness::{Ran, fitted, last_json, lsmi_in, query};

/// A folder with four copies of the fitted input's rows under `in`, hive style.
fn partitioned() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["year=2024/a.parquet", "year=2024/b.parquet", "year=2025/a.parquet", "c.parquet"] {
        let path = dir.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(fitted().join("in.parquet"), path).unwrap();
    }
    fs::write(dir.path().join("in/_SUCCESS"), "").unwrap();
    dir
}

fn annotate(dir: &Path, args: &[&str]) -> Ran {
    let bundle = fitted().join("bundle");
    let bundle = ["--bundle", bundle.to_str().unwrap()];
    lsmi_in(dir, ["annotate"].iter().chain(args).chain(&bundle))
}

#[test]
fn a_folder_becomes_a_folder_of_the_same_shape() {
    let dir = partitioned();
    let dir = dir.path();
    let one = annotate(dir, &["in/c.parquet", "one.parquet", "--json"]);
    let all = annotate(dir, &["in", "out", "--json"]);
    assert_eq!((one.code, all.code), (0, 0), "{}{}", one.stderr, all.stderr);
    for name in ["year=2024/a.parquet", "year=2024/b.parquet", "year=2025/a.parquet", "c.parquet"] {
        let same =
            fs::read(dir.join("out").join(name)).unwrap() == fs::read(dir.join("one.parquet")).unwrap();
        assert!(same, "{name} is not what the file alone became");
    }
    let (one, all) = (last_json(&one), last_json(&all));
    assert_eq!((&all["files"], &all["rows"]), (&4.into(), &12000.into()));
    for column in ["r", "u1", "u2", "s"] {
        let of = |json: &serde_json::Value, what: &str| json["columns"][column][what].as_f64().unwrap();
        assert_eq!(of(&all, "count"), 4.0 * of(&one, "count"));
        assert!((of(&all, "mean") - of(&one, "mean")).abs() < 1e-12, "{column}");
        let variance = of(&one, "variance") * 2999.0 * 4.0 / 11999.0;
        assert!((of(&all, "variance") - variance).abs() < 1e-9, "{column}");
    }
    let rows = query(dir, "SELECT count(*) AS n FROM 'out/year=*/*.parquet'");
    assert_eq!(rows["n"], 9000, "{rows}");
}

#[test]
fn shares_together_are_all_files() {
    let dir = partitioned();
    let dir = dir.path();
    let mut files = 0;
    for share in ["1/3", "2/3", "3/3"] {
        let ran = annotate(dir, &["./in/**/*.parquet", "out", "--files-per-job", share, "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        files += last_json(&ran)["files"].as_u64().unwrap();
    }
    assert_eq!(files, 4);
    assert_eq!(query(dir, "SELECT count(*) AS n FROM 'out/**/*.parquet'")["n"], 12000);
    let nothing_left = annotate(dir, &["in", "other", "--files-per-job", "9/9", "--json"]);
    assert_eq!(nothing_left.code, 0, "{}", nothing_left.stderr);
    assert_eq!(last_json(&nothing_left)["rows"], 0);
    assert!(!dir.join("other").exists());
}

#[test]
fn what_was_finished_stays_when_a_file_fails() {
    let dir = partitioned();
    let dir = dir.path();
    fs::write(dir.join("in/year=2024/b.parquet"), "no Parquet").unwrap();
    // An error that is not about the content of a file ends the run.
    fs::create_dir_all(dir.join("out/year=2025/a.parquet")).unwrap();
    let ran = annotate(dir, &["in", "out"]);
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains("in/year=2024/b.parquet"), "{}", ran.stderr);
    assert!(dir.join("out/c.parquet").exists() && dir.join("out/year=2024/a.parquet").exists());
    let left: Vec<_> = fs::read_dir(dir.join("out/year=2024")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    fs::remove_dir(dir.join("out/year=2025/a.parquet")).unwrap();
    let ran = annotate(dir, &["in", "out", "--json"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 4 files is bad"), "{}", ran.stderr);
    assert_eq!((&last_json(&ran)["skipped_files"], &last_json(&ran)["rows"]), (&2.into(), &9000.into()));
    assert!(dir.join("out/year=2025/a.parquet").exists());
}

#[test]
fn wrong_shares_and_places_are_refused() {
    let dir = partitioned();
    let dir = dir.path();
    for (args, code, words) in [
        (&["in", "out", "--files-per-job", "4/3"][..], 64, "I/N"),
        (&["in", "in/out"], 64, "among the inputs"),
        (&["in", "in/c.parquet"], 64, "name a folder"),
        (&["in/x*.parquet", "out"], 66, "no *.parquet file is there"),
    ] {
        let ran = annotate(dir, args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert!(!dir.join("out").exists());
    }
}
