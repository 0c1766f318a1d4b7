//! One shift for all files of a dataset: its constant is of all rows, and it is found
//! again whatever was done before.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use serde_json::Value;

use crate::harness::files::{floats, key_value, listing, read, replaced, write};
use crate::harness::{Ran, bundle, last_json, lsmi, must, query, rows, run};

const FILES: [&str; 3] = ["a.parquet", "deep/b.parquet", "deep/c.parquet"];

/// Three files of different lengths and distributions under `in`.
fn dataset() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("in/deep")).unwrap();
    for (place, name) in FILES.iter().enumerate() {
        synth(dir.path(), &format!("in/{name}"), place);
    }
    dir
}

fn synth(dir: &Path, name: &str, place: usize) {
    let (rows, seed) = ((1000 * (place + 1)).to_string(), (10 + place).to_string());
    let args =
        ["synth", "gaussian", "--classes", "4", "--row-group-rows", "400", "--rows", &rows, "--seed", &seed];
    must(lsmi().current_dir(dir).args(args).args(["-o", name]));
}

fn command(dir: &Path, args: &[&str]) -> std::process::Command {
    let mut command = lsmi();
    command.current_dir(dir).args(["annotate", "--json", "--bundle"]).arg(bundle()).args(args);
    command
}

fn adjusted(dir: &Path, args: &[&str]) -> Ran {
    run(command(dir, args).args(["--adjust", "dataset"]))
}

fn must_json(ran: Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    last_json(&ran)
}

fn shift(json: &Value) -> f64 {
    json["adjustment"]["shift_nats"].as_f64().unwrap()
}

#[test]
fn one_constant_shifts_all_files() {
    let dir = dataset();
    let dir = dir.path();
    let plain = must_json(run(&mut command(dir, &["in", "plain"])));
    let totals = must_json(adjusted(dir, &["in", "out"]));
    let mean = |json: &Value, name: &str| json["columns"][name]["mean"].as_f64().unwrap();
    // The reference's case of a negative uniqueness.
    let expected = mean(&plain, "u1").min(mean(&plain, "u2"));
    assert!(expected < 0.0 && mean(&plain, "r") > 0.0 && mean(&plain, "s") > 0.0, "{plain}");
    assert!((shift(&totals) - expected).abs() < 1e-12, "{totals}");
    assert!((mean(&totals, "r") - mean(&plain, "r") - expected).abs() < 1e-12);
    assert!((totals["adjustment"]["after"]["r"].as_f64().unwrap() - mean(&totals, "r")).abs() < 1e-12);
    assert_eq!((&totals["rows"], &totals["resumed_rows"]), (&6000.into(), &0.into()));
    assert!(plain.get("adjustment").is_none());
    for name in FILES {
        let (before, after) = (read(&dir.join("plain").join(name)), read(&dir.join("out").join(name)));
        for (column, sign) in [("r", 1.0), ("u1", -1.0), ("u2", -1.0), ("s", 1.0)] {
            let moved = floats(&before, column).iter().zip(&floats(&after, column)).all(|(before, after)| {
                (f64::from(before.unwrap()) + sign * shift(&totals)) as f32 == after.unwrap()
            });
            assert!(moved, "{name}, {column}");
        }
        let text = key_value(&dir.join("out").join(name), "lsmi_etl.adjustment").unwrap();
        let of_file: Value = serde_json::from_str(&text).unwrap();
        assert!((of_file["shift_nats"].as_f64().unwrap() - shift(&totals)).abs() < 1e-15, "{text}");
    }
    assert_eq!(listing(&dir.join("out")), ["a.parquet", "deep"]);
    assert_eq!(listing(&dir.join("out/deep")), ["b.parquet", "c.parquet"]);
    // A query over all sees the means that the summary tells.
    let rows = query(dir, "SELECT avg(u1) AS u1 FROM 'out/**/*.parquet'");
    assert!((rows["u1"].as_f64().unwrap() - mean(&totals, "u1")).abs() < 1e-6, "{rows}");
}

#[test]
fn nothing_is_done_twice_and_a_new_file_moves_all() {
    let dir = dataset();
    let dir = dir.path();
    let first = must_json(adjusted(dir, &["in", "out"]));
    let bytes = |name: &str| fs::read(dir.join("out").join(name)).unwrap();
    let modified = |name: &str| fs::metadata(dir.join("out").join(name)).unwrap().modified().unwrap();
    let before: Vec<_> = FILES.map(|name| (bytes(name), modified(name))).into();
    let again = must_json(adjusted(dir, &["in", "out"]));
    assert_eq!((&again["skipped_files"], shift(&again)), (&3.into(), shift(&first)));
    assert_eq!(FILES.map(|name| (bytes(name), modified(name))).to_vec(), before);

    synth(dir, "in/d.parquet", 7);
    let more = must_json(adjusted(dir, &["in", "out"]));
    assert_eq!((&more["skipped_files"], &more["files"]), (&0.into(), &4.into()));
    assert_ne!(shift(&more), shift(&first));
    let anew = must_json(adjusted(dir, &["in", "anew"]));
    assert_eq!(shift(&anew), shift(&more));
    for name in [&FILES[..], &["d.parquet"]].concat() {
        assert!(bytes(name) == fs::read(dir.join("anew").join(name)).unwrap(), "{name}");
    }
    // Without it, the constant is what it was.
    fs::remove_file(dir.join("in/d.parquet")).unwrap();
    assert_eq!(shift(&must_json(adjusted(dir, &["in", "out"]))), shift(&first));
    assert_eq!(FILES.map(bytes).to_vec(), before.into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>());

    // Files of another work are in the way, as ever.
    assert_eq!(run(&mut command(dir, &["in", "out"])).code, 73);
    let whole = must_json(adjusted(dir, &["in", "out", "--overwrite"]));
    assert_eq!((&whole["skipped_files"], shift(&whole)), (&0.into(), shift(&first)));
}

#[test]
fn one_file_alone_has_its_own_constant() {
    let dir = dataset();
    let dir = dir.path();
    must_json(adjusted(dir, &["in", "out"]));
    let alone = must_json(adjusted(dir, &["in/a.parquet", "a.parquet"]));
    let again = must_json(adjusted(dir, &["in/a.parquet", "a.parquet"]));
    assert_eq!((&alone["skipped"], &again["skipped"]), (&false.into(), &true.into()));
    // Made from the same rows with another constant: it is replaced.
    let moved = must_json(adjusted(dir, &["in/a.parquet", "out/a.parquet"]));
    assert_eq!((&moved["skipped"], shift(&moved)), (&false.into(), shift(&alone)));
    assert!(fs::read(dir.join("out/a.parquet")).unwrap() == fs::read(dir.join("a.parquet")).unwrap());
}

#[test]
fn a_killed_run_goes_on() {
    let dir = dataset();
    let dir = dir.path();
    let undisturbed = must_json(adjusted(dir, &["in", "whole"]));
    // Until the second file is being computed; until the first one is written.
    for wait_for in ["out/deep/.b.parquet.lsmi-journal", "out/a.parquet"] {
        let mut command = command(dir, &["in", "out", "--adjust", "dataset", "--batch-rows", "4"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !dir.join(wait_for).exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = [".a.parquet.lsmi-journal", "a.parquet"].map(|name| dir.join("out").join(name).exists());
        assert!(left[0] || left[1]);
        let resumed = must_json(adjusted(dir, &["in", "out", "--batch-rows", "4"]));
        let done =
            resumed["resumed_rows"].as_u64().unwrap() + 1000 * resumed["skipped_files"].as_u64().unwrap();
        assert!(done >= 1000, "{resumed}");
        assert!((shift(&resumed) - shift(&undisturbed)).abs() < 1e-6);
        assert_eq!(listing(&dir.join("out")), ["a.parquet", "deep"]);
        assert_eq!(listing(&dir.join("out/deep")), ["b.parquet", "c.parquet"]);
        let again = must_json(adjusted(dir, &["in", "out"]));
        assert_eq!((&again["skipped_files"], shift(&again)), (&3.into(), shift(&resumed)));
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
}

#[test]
fn a_share_is_not_the_dataset() {
    let dir = dataset();
    let ran = adjusted(dir.path(), &["in", "out", "--files-per-job", "1/2"]);
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    assert!(ran.stderr.contains("a share of the files is not the dataset"), "{}", ran.stderr);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn the_rejects_of_several_files_are_in_a_folder() {
    let dir = dataset();
    let dir = dir.path();
    let with_nulls = |first: usize| {
        let labels = (0..300).map(|row| (row % 100 != first).then_some(row as i64 % 4));
        replaced(&rows(300), "y", Arc::new(labels.collect::<Int64Array>()))
    };
    write(&dir.join("in/e.parquet"), &with_nulls(7));
    write(&dir.join("in/deep/f.parquet"), &with_nulls(50));
    for (folder, more) in [("plain", &[][..]), ("shifted", &["--adjust", "dataset"])] {
        let rejects = format!("{folder}-rejects");
        let all = [&["in", folder, "--rejects", &rejects][..], more].concat();
        let totals = must_json(run(&mut command(dir, &all)));
        assert_eq!((&totals["bad_rows"], &totals["fates"]["null_label"]), (&6.into(), &6.into()));
        assert_eq!(listing(&dir.join(&rejects)), ["a.parquet", "deep", "e.parquet"]);
        assert_eq!(listing(&dir.join(&rejects).join("deep")), ["b.parquet", "c.parquet", "f.parquet"]);
        for (name, bad) in
            [("a.parquet", &[][..]), ("e.parquet", &[7, 107, 207]), ("deep/f.parquet", &[50, 150, 250])]
        {
            let found = read(&dir.join(&rejects).join(name));
            let numbers = |name: &str| {
                found.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
            };
            assert_eq!(numbers("row"), bad, "{name}");
            assert_eq!(numbers("row_group"), bad.iter().map(|row| row / 100).collect::<Vec<_>>(), "{name}");
            let files = found.column_by_name("file").unwrap().as_string::<i32>();
            assert!(files.iter().all(|file| file == Some(&format!("in/{name}"))), "{files:?}");
        }
        let again = must_json(run(&mut command(dir, &all)));
        assert_eq!(again["skipped_files"], 5);
    }
    // Rejects that are there already are in the way before anything is computed.
    let all = ["in", "other", "--rejects", "plain-rejects", "--adjust", "dataset"];
    let ran = run(&mut command(dir, &all));
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains("plain-rejects/a.parquet exists"), "{}", ran.stderr);
}
