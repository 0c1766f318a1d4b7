//! Power cuts: the process ends at a random call, the disk keeps what was synced and some of the rest,
//! and the next run gives what an undisturbed one does. `LSMI_POWER_CUTS` sets how many cuts each command
//! suffers.

use std::fs;
use std::path::Path;
use std::process::Command;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::disk::{Disk, calls};
use super::{INPUT, folder, library};
use crate::harness::files::contents;
use crate::harness::{bundle, lsmi, run};

const CUT: i32 = 99;

fn cuts() -> usize {
    std::env::var("LSMI_POWER_CUTS").map_or(8, |cuts| cuts.parse().unwrap())
}

/// A command that writes into the folder of its last argument.
type Make<'a> = &'a dyn Fn(&Path) -> Command;

/// Runs in an empty folder with the power cut at a call, 0 for none. Gives the records, the number of
/// calls and the exit code.
fn recorded(make: Make<'_>, at: usize) -> (TempDir, usize, i32) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("disk");
    fs::create_dir(&target).unwrap();
    let log = dir.path().join("log");
    let ran = run(make(&target)
        .env("LD_PRELOAD", library("power"))
        .env("POWER_FOLDER", &target)
        .env("POWER_LOG", &log)
        .env("POWER_AT", at.to_string()));
    assert!(ran.code == 0 || ran.code == CUT, "{}", ran.stderr);
    let calls = calls(&log);
    (dir, calls, ran.code)
}

/// Cuts the power of a command again and again; `published` are the names under which its outputs
/// appear.
fn cut(make: Make<'_>, published: &[&str], seed: u64) {
    let (whole, calls, code) = recorded(make, 0);
    assert_eq!(code, 0);
    assert!(calls > 2, "{calls} calls");
    let undisturbed = contents(&whole.path().join("disk"));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..cuts() {
        let at = random.random_range(1..=calls);
        let (before, _, _) = recorded(make, at);
        let disk = tempfile::tempdir().unwrap();
        Disk::recorded(&before.path().join("log")).write(disk.path(), &mut random);
        for (path, content) in contents(disk.path()) {
            let is_published = published.iter().any(|name| path.starts_with(name));
            assert!(
                !is_published || undisturbed.get(&path) == Some(&content),
                "round {round}, call {at}: {} is published and not whole",
                path.display()
            );
        }
        for name in published.iter().filter(|name| disk.path().join(name).exists()) {
            let whole = undisturbed.keys().filter(|path| path.starts_with(name)).count();
            let there = contents(disk.path()).into_keys().filter(|path| path.starts_with(name)).count();
            assert_eq!(there, whole, "round {round}, call {at}: files of {name}");
        }
        let ran = run(&mut make(disk.path()));
        if ran.code == 73 {
            // Whole before the cut; what exists is not replaced.
            assert!(published.iter().any(|name| disk.path().join(name).exists()), "{}", ran.stderr);
            continue;
        }
        assert_eq!(ran.code, 0, "round {round}, call {at}: {}", ran.stderr);
        let after = contents(disk.path());
        assert!(
            after == undisturbed,
            "round {round}, call {at}: {:?} instead of {:?}",
            after.keys().collect::<Vec<_>>(),
            undisturbed.keys().collect::<Vec<_>>()
        );
    }
}

#[test]
fn an_annotated_file_and_its_rejects() {
    let input = folder();
    let make = |to: &Path| {
        let mut command = lsmi();
        command.args(["annotate", "--batch-rows", "20", "--bundle"]).arg(bundle());
        command.arg("--rejects").arg(to.join("rejects.parquet"));
        command.arg(input.path().join(INPUT)).arg(to.join("out.parquet"));
        command
    };
    cut(&make, &["out.parquet", "rejects.parquet"], 1);
}

#[test]
fn a_fitted_bundle() {
    let input = folder();
    let make = |to: &Path| {
        let mut command = lsmi();
        command.args(["fit", "--folds", "2", "--bundle"]).arg(to.join("bundle"));
        command.arg(input.path().join(INPUT));
        command
    };
    cut(&make, &["bundle"], 2);
}

#[test]
fn the_rows_of_a_query() {
    let input = folder();
    let make = |to: &Path| {
        let mut command = lsmi();
        command.arg("sql").arg("--output").arg(to.join("rows.parquet"));
        command.arg(format!("SELECT y, payload FROM '{}'", input.path().join(INPUT).display()));
        command
    };
    cut(&make, &["rows.parquet"], 3);
}
