//! Runs that are told to stop, and readers that have seen enough.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::files::listing;
use crate::harness::{Ran, bundle, fitted, lsmi, must, refused};

/// Longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run ends two seconds after its signal; the rest is for a busy machine.
const PROMPT: Duration = Duration::from_secs(6);

fn spawn<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Child {
    let mut command = lsmi();
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal, and checks that the run ends as it should.
fn stopped(mut child: Child, signal: &str) {
    assert!(child.try_wait().unwrap().is_none(), "the run ended before the signal");
    must(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
    let sent = Instant::now();
    let ran = child.wait_with_output().unwrap().into();
    refused(
        &ran,
        75,
        &["interrupted; what is finished stays, and nothing unfinished has an output's name; run again"],
    );
    assert!(sent.elapsed() < PROMPT, "it took {:?} to stop", sent.elapsed());
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Many rows of the fitted bundle's distribution.
fn many(dir: &Path, rows: u64) -> PathBuf {
    let output = dir.join("many.parquet");
    let rows = rows.to_string();
    let args = ["synth", "gaussian", "--classes", "4", "--truth", "none", "--rows", &rows, "-o"];
    must(lsmi().args(args).arg(&output));
    output
}

/// Whether a folder holds these files and at most the journal of an interrupted run.
fn waits_for_the_next_run(dir: &Path, files: &[&str]) -> bool {
    listing(dir).iter().filter(|name| *name != ".out.parquet.lsmi-journal").eq(files)
}

#[test]
fn annotate() {
    let folder = tempfile::tempdir().unwrap();
    let input = many(folder.path(), 2_000_000);
    let dir = tempfile::tempdir().unwrap();
    let hidden = || listing(dir.path()).iter().any(|name| name.ends_with(".partial"));
    let models = bundle();
    for signal in ["INT", "TERM"] {
        let args = ["annotate".as_ref(), input.as_os_str(), "out.parquet".as_ref()];
        let more = ["--bundle".as_ref(), models.as_os_str(), "--workers".as_ref(), "1".as_ref()];
        let child = spawn(dir.path(), args.into_iter().chain(more));
        wait_until("the output's beginning", hidden);
        assert!(!dir.path().join("out.parquet").exists());
        stopped(child, signal);
        assert!(waits_for_the_next_run(dir.path(), &[]), "{:?}", listing(dir.path()));
    }
    // What was there before stays.
    std::fs::write(dir.path().join("out.parquet"), "precious").unwrap();
    let args = ["annotate".as_ref(), input.as_os_str(), "out.parquet".as_ref(), "--overwrite".as_ref()];
    let more = ["--bundle".as_ref(), models.as_os_str(), "--workers".as_ref(), "1".as_ref()];
    let child = spawn(dir.path(), args.into_iter().chain(more));
    wait_until("the output's beginning", hidden);
    stopped(child, "INT");
    assert!(waits_for_the_next_run(dir.path(), &["out.parquet"]), "{:?}", listing(dir.path()));
    assert_eq!(std::fs::read(dir.path().join("out.parquet")).unwrap(), b"precious");
}

#[test]
fn synth() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let child = spawn(dir.path(), ["synth", "gaussian", "--rows", "50000000", "-o", "out.parquet"]);
        wait_until("the output's beginning", || listing(dir.path()).len() == 1);
        assert!(!dir.path().join("out.parquet").exists());
        stopped(child, signal);
        assert!(listing(dir.path()).is_empty(), "{:?}", listing(dir.path()));
    }
}

#[test]
fn fit() {
    let folder = tempfile::tempdir().unwrap();
    let input = many(folder.path(), 150_000);
    let dir = tempfile::tempdir().unwrap();
    for (signal, stage) in [("INT", "fitting densities"), ("TERM", "fitting classifiers")] {
        let mut child = spawn(dir.path(), ["fit".as_ref(), input.as_os_str()]);
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains(stage) {
            assert!(lines.read_line(&mut log).unwrap() > 0, "{log}");
        }
        must(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
        let sent = Instant::now();
        lines.read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(75), "{log}");
        assert!(sent.elapsed() < PROMPT, "it took {:?} to stop", sent.elapsed());
        assert!(log.contains("ERROR interrupted"), "{log}");
        assert!(listing(dir.path()).is_empty(), "{:?}", listing(dir.path()));
    }
}

/// In a solve, in a plan, before the handlers are there: whatever a run does.
#[test]
fn at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let train = folder.path().join("train.parquet");
    let rows = ["--classes", "100", "--d1", "64", "--d2", "64", "--rows", "20000", "-o"];
    must(lsmi().args(["synth", "wide"]).args(rows).arg(&train));
    let sum = vec!["y"; 4_000].join(" + ");
    let sum = format!("SELECT {sum} FROM 'in.parquet'");
    let wide = "SELECT length(repeat('x', 2000000000))";
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for round in 0..24 {
        let dir = tempfile::tempdir().unwrap();
        let (child, longest) = match round % 3 {
            0 => (spawn(dir.path(), ["fit".as_ref(), train.as_os_str()]), 8.0),
            1 => (spawn(fitted(), ["sql", &sum]), 3.0),
            _ => (spawn(fitted(), ["sql", "--memory-limit", "8GB", wide]), 1.0),
        };
        let after = if round < 6 { 0.01 } else { longest } * random.random_range(0.0..1.0);
        std::thread::sleep(Duration::from_secs_f64(after));
        _ = Command::new("kill").arg(child.id().to_string()).output().unwrap();
        let sent = Instant::now();
        let ran = child.wait_with_output().unwrap();
        let took = sent.elapsed();
        assert!(took < PROMPT, "round {round}: after {after} s it took {took:?} to stop");
        // A process that has not begun yet ends by the signal; one may have been through.
        let known = [None, Some(0), Some(64), Some(75)].contains(&ran.status.code());
        assert!(known, "round {round}: {ran:?}");
        assert!(
            ran.status.code().is_some() || after < 0.1,
            "round {round}: ended by the signal after {after} s"
        );
        assert!(listing(dir.path()).is_empty(), "{:?}", listing(dir.path()));
    }
}

#[test]
fn demo() {
    let dir = tempfile::tempdir().unwrap();
    let child = spawn(dir.path(), ["demo", "--dir", "demo", "--rows", "200000"]);
    wait_until("the demo's data", || dir.path().join("demo/in.parquet").exists());
    must(Command::new("kill").arg("-INT").arg(child.id().to_string()));
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert_eq!(listing(&dir.path().join("demo")), ["in.parquet", "train.parquet"]);
}

#[test]
fn sql() {
    for signal in ["INT", "TERM"] {
        let endless = "SELECT count(*) FROM 'in.parquet' a, 'in.parquet' b, 'in.parquet' c, 'in.parquet' d \
             WHERE a.true_r + b.true_r + c.true_r > d.true_r";
        let mut child = spawn(fitted(), ["sql", endless]);
        std::thread::sleep(Duration::from_secs(1));
        assert!(child.try_wait().unwrap().is_none(), "the query ended before the signal");
        must(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
        let sent = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(75));
        assert!(sent.elapsed() < PROMPT, "it took {:?} to stop", sent.elapsed());
    }
}

#[test]
fn a_reader_that_has_seen_enough() {
    let queries: [&[&str]; 3] = [
        &["SELECT a.y, b.y AS z FROM 'in.parquet' a, 'train.parquet' b", "--format", "csv"],
        &["SELECT a.y, b.y AS z FROM 'in.parquet' a, 'train.parquet' b", "--format", "ndjson"],
        &["SELECT x1, x2, y FROM 'in.parquet'", "--max-rows", "0"],
    ];
    for query in queries {
        let mut child = spawn(fitted(), ["sql"].iter().chain(query));
        let mut first = String::new();
        // Dropped after one line: the rest has no reader.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{query:?}: {stderr}");
        assert_eq!(stderr, "", "{query:?}");
    }
    let mut child = spawn(fitted(), ["bundle", "inspect", "bundle"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
