//! Kill -9 at any moment: the next run gives the bytes of an undisturbed one.
//! `LSMI_CRASH_ROUNDS` sets how many runs are killed.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ROW_GROUPS, ROWS, annotate, annotated, names, work};
use crate::harness::{Ran, last_json, must};

fn rounds() -> usize {
    std::env::var("LSMI_CRASH_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap())
}

fn assert_done_once(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(ran);
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("resumed_row_groups") + count("computed_row_groups"), ROW_GROUPS, "{summary}");
    assert_eq!(summary["fates"]["good"].as_u64(), Some(ROWS));
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let start = Instant::now();
    must(&mut annotate(&work.input, &output, &[]));
    let whole = start.elapsed();

    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut resumed, mut killed) = (0, 0);
    while killed < rounds() {
        _ = std::fs::remove_file(&output);
        let mut left = 0;
        // Up to three kills of the same work, one after the other.
        for _ in 0..random.random_range(1..=3) {
            let mut child = annotate(&work.input, &output, &[]);
            let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(whole.mul_f64(random.random_range(0.0..1.0)));
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            if output.exists() {
                break;
            }
            let journal = folder.path().join(".out.parquet.lsmi-journal");
            let bytes = journal.metadata().map_or(0, |metadata| metadata.len());
            assert!(bytes >= left, "a later run has lost {left} - {bytes} bytes of the journal");
            // What a kill tears off is less than a batch.
            left = bytes.saturating_sub(100_000);
        }
        if output.exists() {
            assert!(std::fs::read(&output).unwrap() == work.undisturbed, "an output of another content");
        }
        let ran = annotated(&work.input, &output, &["--rejects", folder.path().join("r").to_str().unwrap()]);
        if ran.code == 73 {
            // It was whole before its kill, but without the rejects.
            continue;
        }
        assert_done_once(&ran);
        resumed += last_json(&ran)["resumed_rows"].as_u64().unwrap();
        assert!(std::fs::read(&output).unwrap() == work.undisturbed, "resumed to another content");
        assert_eq!(names(folder.path()), ["out.parquet", "r"]);
        std::fs::remove_file(folder.path().join("r")).unwrap();
    }
    assert!(resumed > 0, "no kill left anything to go on from");
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let journal = folder.path().join(".out.parquet.lsmi-journal");
    let mut child = annotate(&work.input, &output, &["--batch-rows", "64"]);
    let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while journal.metadata().map_or(0, |metadata| metadata.len()) < 400_000 {
        sleep(Duration::from_millis(1));
    }
    must(std::process::Command::new("kill").arg(child.id().to_string()));
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert_eq!(names(folder.path()), [".out.parquet.lsmi-journal"]);

    let ran = annotated(&work.input, &output, &["--batch-rows", "64"]);
    assert_done_once(&ran);
    // 16 bytes of values for each row, and a head for each batch.
    assert!(last_json(&ran)["resumed_rows"].as_u64().unwrap() > 20_000, "{}", ran.stdout);
}
