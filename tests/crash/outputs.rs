//! Outputs that are there already, that two runs want, or that other work has begun.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::{annotate, annotated, names, work};
use crate::harness::{Ran, fitted, last_json, lsmi};

/// Begins a run and kills it when its journal has some content.
fn begin_and_kill(input: &std::path::Path, folder: &std::path::Path) {
    let journal = folder.join(".out.parquet.lsmi-journal");
    let mut command = annotate(input, &folder.join("out.parquet"), &["--batch-rows", "64"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while journal.metadata().map_or(0, |metadata| metadata.len()) < 200_000 {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(journal.exists(), "the run ended before its kill");
}

#[test]
fn two_runs_do_not_write_one_output() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let journal = folder.path().join(".out.parquet.lsmi-journal");
    let mut first = annotate(&work.input, &output, &["--batch-rows", "64"]);
    let first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !journal.exists() {
        sleep(Duration::from_millis(1));
    }
    let second = annotated(&work.input, &output, &["--batch-rows", "64"]);
    let first: Ran = first.wait_with_output().unwrap().into();
    assert_eq!(second.code, 75, "{}", second.stderr);
    assert!(second.stderr.contains("another run is writing this output"), "{}", second.stderr);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(names(folder.path()), ["out.parquet"]);
}

/// Whoever comes second is done already, or told to come back: never that the output is another's.
#[test]
fn of_many_pairs_at_once_each_run_is_done_or_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let input = fitted().join("in.parquet");
    let outputs: Vec<_> = (0..40).map(|at| folder.path().join(format!("{at}.parquet"))).collect();
    let start = |output| {
        let mut command = annotate(&input, output, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut codes = Vec::new();
    for outputs in outputs.chunks(4) {
        let runs: Vec<_> = outputs.iter().flat_map(|output| [start(output), start(output)]).collect();
        for run in runs {
            let ran: Ran = run.wait_with_output().unwrap().into();
            assert!([0, 75].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
            codes.push(ran.code);
        }
    }
    assert!(codes.chunks(2).all(|pair| pair.contains(&0)), "{codes:?}");
    let first = std::fs::read(&outputs[0]).unwrap();
    assert!(outputs.iter().all(|output| std::fs::read(output).unwrap() == first));
    assert_eq!(names(folder.path()).len(), outputs.len());
}

#[test]
fn other_work_is_not_mixed_in() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    begin_and_kill(&work.input, folder.path());
    let other = fitted().join("in.parquet");
    let ran = annotated(&other, &output, &[]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("another input") && ran.stderr.contains("--restart"), "{}", ran.stderr);
    let ran = annotated(&work.input, &output, &["--columns", "i1"]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    let ran = annotated(&work.input, &output, &["--on-missing-modality", "reduce"]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    let what = "an unfinished run with another --on-missing-modality; give --restart";
    assert!(ran.stderr.contains(what), "{}", ran.stderr);

    let ran = annotated(&other, &output, &["--restart"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["resumed_rows"], 0);
    assert_eq!(names(folder.path()), ["out.parquet"]);
}

#[test]
fn an_input_that_is_written_again_is_computed_anew() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.parquet"), folder.path().join("out.parquet"));
    std::fs::copy(&work.input, &input).unwrap();
    begin_and_kill(&input, folder.path());
    let later = std::time::SystemTime::now() + Duration::from_secs(10);
    std::fs::File::options().write(true).open(&input).unwrap().set_modified(later).unwrap();
    let ran = annotated(&input, &output, &["--batch-rows", "64"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the input was written again since an unfinished run"), "{}", ran.stderr);
    assert_eq!(last_json(&ran)["resumed_rows"], 0);
    assert!(std::fs::read(&output).unwrap() == work.undisturbed);
    assert_eq!(names(folder.path()), ["in.parquet", "out.parquet"]);
}

#[cfg(unix)]
#[test]
fn an_input_in_the_place_of_that_of_an_unfinished_run_is_computed_anew() {
    // Older by the time of its last write, behind a link that is switched over, and in a folder that is.
    let work = work();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(100_000);
    for way in ["rename", "link", "folder"] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["now", "next"] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::copy(&work.input, path(name).join("in.parquet")).unwrap();
            let file = std::fs::File::options().write(true).open(path(name).join("in.parquet")).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        let (input, outputs) = (path("here/in.parquet"), path("out"));
        match way {
            "link" => std::os::unix::fs::symlink("now", path("here")).unwrap(),
            _ => std::fs::rename(path("now"), path("here")).unwrap(),
        }
        std::fs::create_dir(&outputs).unwrap();
        begin_and_kill(&input, &outputs);
        match way {
            "rename" => std::fs::rename(path("next/in.parquet"), &input).unwrap(),
            "link" => {
                std::os::unix::fs::symlink("next", path("new")).unwrap();
                std::fs::rename(path("new"), path("here")).unwrap();
            }
            _ => {
                std::fs::rename(path("here"), path("last")).unwrap();
                std::fs::rename(path("next"), path("here")).unwrap();
            }
        }
        let ran = annotated(&input, &outputs.join("out.parquet"), &["--batch-rows", "64"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("the input was written again since an unfinished run"), "{}", ran.stderr);
        assert_eq!(last_json(&ran)["resumed_rows"], 0, "{way}");
        assert!(std::fs::read(outputs.join("out.parquet")).unwrap() == work.undisturbed);
    }
}

#[test]
fn what_is_done_is_not_done_again() {
    let work = work();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let first = annotated(&work.input, &output, &[]);
    assert_eq!(last_json(&first)["skipped"], false);
    let modified = output.metadata().unwrap().modified().unwrap();
    let again = annotated(&work.input, &output, &[]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(last_json(&again)["skipped"], true);
    assert_eq!(output.metadata().unwrap().modified().unwrap(), modified);

    for other in [&["--columns", "i1"][..], &["--adjust", "dataset"], &["--x1", "x2", "--x2", "x1"]] {
        let ran = annotated(&work.input, &output, other);
        assert_eq!(ran.code, 73, "{other:?} {}", ran.stderr);
    }
    assert_eq!(annotated(&fitted().join("in.parquet"), &output, &[]).code, 73);
    let anew = annotated(&work.input, &output, &["--overwrite"]);
    assert_eq!(last_json(&anew)["skipped"], false);
    assert!(std::fs::read(&output).unwrap() == work.undisturbed);
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ran = annotated(&work().input, &folder.path().join("out.parquet"), &["--dry-run"]);
    let plan = last_json(&ran);
    assert_eq!((plan["rows"].as_u64(), plan["row_groups"].as_u64()), (Some(160_000), Some(20)));
    assert_eq!(plan["dimensions"], serde_json::json!([4, 4]));
    assert!(plan["bytes_to_decode"].as_u64() < plan["bytes_to_copy"].as_u64());
    assert!(plan["estimated_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn less_memory_gives_smaller_batches() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let batch_rows = |limit: &str| {
        let ran = annotated(&work().input, &output, &["--dry-run", "--memory-limit", limit]);
        last_json(&ran)["batch_rows"].as_u64().unwrap()
    };
    assert!(batch_rows("1MiB") < batch_rows("4GiB"));
    let little = annotated(&work().input, &output, &["--memory-limit", "1MiB"]);
    assert_eq!(last_json(&little)["fates"]["good"], 160_000, "{}", little.stderr);
    let wrong = lsmi().args(["annotate", "a", "b", "--memory-limit", "much"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(64));
}
