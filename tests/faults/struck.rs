//! Calls that fail once: an error with its exit code, no output but a whole one, and a
//! next run that gives the bytes of an undisturbed one.

use std::fs;

use super::{Fault, INPUT, JOURNAL, OUTPUT, calls, folder, points, with_fault, with_fault_in, work};
use crate::harness::files::listing;
use crate::harness::{Ran, last_json, run};

const EIO: &str = "5";
const EACCES: &str = "13";
const ENOSPC: &str = "28";

/// Strikes calls of one kind, each in a run of its own, looks at how it failed, and runs
/// again. Gives how many rows the later runs did not have to compute.
fn strike(kind: &str, path: &str, error: &str, look: impl Fn(&Ran, Fault<'_>)) -> u64 {
    let count = calls(kind, path);
    assert!(count > 0, "no {kind} of {path:?}");
    let mut resumed = 0;
    for at in points(count) {
        let dir = folder();
        let fault = Fault { calls: kind, path, at, what: error };
        let (ran, _) = with_fault(dir.path(), fault);
        look(&ran, fault);
        let output = dir.path().join(OUTPUT);
        if output.exists() {
            assert!(
                fs::read(&output).unwrap() == work().undisturbed,
                "{fault:?}: an output of other content"
            );
        }
        let left = listing(dir.path());
        let known = |name: &String| [INPUT, OUTPUT, JOURNAL].contains(&name.as_str());
        assert!(left.iter().all(|name| known(name) || kind == "unlink"), "{fault:?}: {left:?}");

        let again = run(&mut super::annotate(dir.path()));
        assert_eq!(again.code, 0, "{fault:?}, then: {}", again.stderr);
        assert!(fs::read(&output).unwrap() == work().undisturbed, "{fault:?}, then other content");
        let left = listing(dir.path());
        assert!(left == [INPUT, OUTPUT] || kind == "unlink", "{fault:?}, then: {left:?}");
        resumed += last_json(&again)["resumed_rows"].as_u64().unwrap();
    }
    resumed
}

#[track_caller]
fn fails(ran: &Ran, fault: Fault<'_>, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{fault:?}: {}", ran.stderr);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{fault:?}: {}", ran.stderr);
    for word in words {
        assert!(errors[0].contains(word), "{fault:?}: no {word:?} in {}", errors[0]);
    }
}

#[test]
fn a_read_that_fails() {
    let resumed = strike("read", INPUT, EIO, |ran, fault| {
        fails(ran, fault, 74, &["in.parquet", "read failed", "(os error 5)"]);
    });
    assert!(resumed > 0, "no run had left anything to go on from");
}

#[test]
fn pages_that_cannot_be_taken_are_read() {
    strike("pages", INPUT, EIO, |ran, fault| assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr));
}

#[test]
fn a_write_that_fails() {
    let words = ["out.parquet", "write failed", "(os error 28)"];
    strike("write", ".out.parquet.", ENOSPC, |ran, fault| fails(ran, fault, 74, &words));
    let words = [JOURNAL, "write failed", "(os error 28)"];
    let resumed = strike("write,truncate", JOURNAL, ENOSPC, |ran, fault| fails(ran, fault, 74, &words));
    assert!(resumed > 0, "no run had left anything to go on from");
}

#[test]
fn a_read_of_the_journal_that_fails() {
    strike("read", JOURNAL, EIO, |ran, fault| {
        fails(ran, fault, 74, &[JOURNAL, "read failed", "(os error 5)"]);
    });
}

#[test]
fn a_sync_that_fails() {
    strike("sync", "", EIO, |ran, fault| fails(ran, fault, 74, &["fsync failed", "(os error 5)"]));
}

#[test]
fn a_file_that_cannot_be_opened() {
    strike("open", INPUT, EACCES, |ran, fault| {
        fails(ran, fault, 66, &["in.parquet", "cannot open the input"])
    });
    strike("open", ".out.parquet.", EACCES, |ran, fault| {
        fails(ran, fault, 73, &["out.parquet", "cannot create the output"]);
    });
}

#[test]
fn a_file_that_cannot_be_removed() {
    strike("unlink", "", EIO, |ran, fault| {
        if ran.code != 0 {
            fails(ran, fault, 74, &["remove failed", "(os error 5)"]);
        }
    });
}

#[test]
fn a_name_that_is_taken_meanwhile() {
    let dir = folder();
    let fault = Fault { calls: "sync", path: ".out.parquet.", at: 1, what: "mkdir" };
    let (ran, _) = with_fault(dir.path(), fault);
    fails(&ran, fault, 73, &["out.parquet exists"]);
    fs::remove_dir(dir.path().join(OUTPUT)).unwrap();
    assert_eq!(listing(dir.path()), [JOURNAL, INPUT]);
    let (ran, _) = with_fault_in(super::annotate(dir.path()).arg("--overwrite"), dir.path(), fault);
    fails(&ran, fault, 74, &["out.parquet", "rename failed"]);
    fs::remove_dir(dir.path().join(OUTPUT)).unwrap();
    assert_eq!(listing(dir.path()), [JOURNAL, INPUT]);
    let again = run(&mut super::annotate(dir.path()));
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(last_json(&again)["resumed_rows"], 300);
    assert!(fs::read(dir.path().join(OUTPUT)).unwrap() == work().undisturbed);
}

#[test]
fn short_and_interrupted_calls_change_nothing() {
    for kind in ["read", "pages", "write", "read,pages,write,sync,open,truncate"] {
        for what in ["short", "interrupt"] {
            let dir = folder();
            let fault = Fault { calls: kind, path: "", at: 0, what };
            let (ran, count) = with_fault(dir.path(), fault);
            assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
            let least = if kind == "pages" { 2 } else { 10 };
            assert!(count > least, "{fault:?}: {count}");
            assert!(fs::read(dir.path().join(OUTPUT)).unwrap() == work().undisturbed, "{fault:?}");
            assert_eq!(listing(dir.path()), [INPUT, OUTPUT]);
        }
    }
}
