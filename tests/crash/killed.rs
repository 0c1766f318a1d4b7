//! Kill -9 at any moment: the next run gives the bytes of an undisturbed one.
//! `LSMI_CRASH_ROUNDS` sets how many runs are killed.

use std::fs::File;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ROW_GROUPS, ROWS, annotate, annotated, names, work};
use crate::harness::{Ran, last_json, must};

pub(super) fn rounds() -> usize {
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

/// One of the files can't be read to its end: the others are what they would be without it, whenever
/// a run is killed, and it is done once it is mended.
#[test]
fn a_bad_file_among_the_inputs_is_in_nobodys_way() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&input).unwrap();
    let whole = std::fs::read(&work.input).unwrap();
    std::fs::write(input.join("a.parquet"), &whole).unwrap();
    std::fs::write(input.join("c.parquet"), &whole).unwrap();
    let groups = SerializedFileReader::new(File::open(&work.input).unwrap()).unwrap();
    let (start, _) = groups.metadata().row_group(ROW_GROUPS as usize - 2).column(0).byte_range();
    let mut broken = whole.clone();
    broken[start as usize..start as usize + 20].fill(0xff);
    let started = Instant::now();
    annotate(&input, &output, &[]).output().unwrap();
    let length = started.elapsed();

    let mut random = ChaCha8Rng::seed_from_u64(13);
    for round in 0..rounds() {
        _ = std::fs::remove_dir_all(&output);
        std::fs::write(input.join("b.parquet"), &broken).unwrap();
        let mut child = annotate(&input, &output, &[]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(length.mul_f64(1.5 * random.random_range(0.0..1.0)));
        child.kill().unwrap();
        child.wait().unwrap();
        let made = || ["a.parquet", "c.parquet"].map(|name| std::fs::read(output.join(name)).ok());
        assert!(made().into_iter().flatten().all(|bytes| bytes == work.undisturbed), "round {round}");
        assert!(!output.join("b.parquet").exists(), "round {round}");

        let ran = annotated(&input, &output, &[]);
        assert_eq!(ran.code, 65, "round {round}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("b.parquet") && ran.stderr.contains("1 of 3 files is bad"),
            "{}",
            ran.stderr
        );
        assert!(
            made().into_iter().all(|bytes| bytes.as_deref() == Some(&work.undisturbed[..])),
            "round {round}"
        );
        assert_eq!(names(&output), ["a.parquet", "c.parquet"], "round {round}");

        std::fs::write(input.join("b.parquet"), &whole).unwrap();
        let ran = annotated(&input, &output, &[]);
        assert_eq!(ran.code, 0, "round {round}: {}", ran.stderr);
        let totals = last_json(&ran);
        assert_eq!(
            (&totals["skipped_files"], &totals["resumed_rows"]),
            (&2.into(), &0.into()),
            "round {round}"
        );
        assert!(std::fs::read(output.join("b.parquet")).unwrap() == work.undisturbed, "round {round}");
        assert_eq!(names(&output), ["a.parquet", "b.parquet", "c.parquet"], "round {round}");
    }
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let journal = folder.path().join(".out.parquet.lsmi-journal");
    let mut child = annotate(&work.input, &output, &["--batch-rows", "64"]);
    let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while journal.metadata().map_or(0, |metadata| metadata.len()) < 600_000 {
        sleep(Duration::from_millis(1));
    }
    must(std::process::Command::new("kill").arg(child.id().to_string()));
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert_eq!(names(folder.path()), [".out.parquet.lsmi-journal"]);

    let ran = annotated(&work.input, &output, &["--batch-rows", "64"]);
    assert_done_once(&ran);
    // 24 bytes of values for each row, and a head for each batch.
    assert!(last_json(&ran)["resumed_rows"].as_u64().unwrap() > 20_000, "{}", ran.stdout);
}

#[test]
fn a_journal_of_another_version_is_named_and_its_rows_computed_anew() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let journal = folder.path().join(".out.parquet.lsmi-journal");
    std::fs::write(&journal, [&b"LSMIJNL2"[..], &[7; 4000]].concat()).unwrap();
    let ran = annotated(&work.input, &output, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("another version of lsmi-etl"), "{}", ran.stderr);
    assert!(std::fs::read(&output).unwrap() == work.undisturbed);
    assert_eq!(names(folder.path()), ["out.parquet"]);
}
