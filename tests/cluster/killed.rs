//! Executors, schedulers and clients that end in the middle.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Cluster, DEADLINE, EXECUTOR_TIMEOUT, files, finish, run, start_scheduler, within};
use crate::harness::files::{contents, listing};
use crate::harness::{bundle, last_json, lsmi, must};

/// A folder of files that take a while, and what one machine makes of it.
pub struct Work {
    folder: tempfile::TempDir,
    pub input: PathBuf,
    pub output: PathBuf,
}

impl Work {
    pub fn new(count: usize, rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        files(&input, count, rows);
        let mut one = lsmi();
        one.args(["annotate", "--bundle"]).arg(bundle()).arg(&input).arg(folder.path().join("one"));
        must(&mut one);
        Self { folder, input, output }
    }

    /// Whether the outputs are those of one machine, and nothing is left beside them: an executor that was left behind may
    /// still be at a file that another has done, and takes its temporary files away as it ends.
    pub fn check(&self) {
        let (left, wanted) = (|| listing(&self.output), listing(&self.input));
        assert!(within(DEADLINE, || (left() == wanted).then_some(())).is_some(), "{:?}", left());
        assert_eq!(contents(&self.output), contents(&self.folder.path().join("one")));
    }

    /// Waits until this many outputs are there.
    pub fn wait_for(&self, outputs: usize) {
        let count = || {
            let entries = std::fs::read_dir(&self.output).into_iter().flatten().flatten();
            entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count()
        };
        assert!(within(DEADLINE, || (count() >= outputs).then_some(())).is_some(), "no outputs");
    }
}

pub fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_executor_that_is_killed_leaves_its_files_to_others() {
    let work = Work::new(12, 60_000);
    let mut cluster = Cluster::start(2);
    let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(2);
    cluster.executors[0].kill();
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
    let summary = last_json(&ran);
    assert_eq!(summary["files"], 12);
    assert!(summary["cluster"]["attempts"].as_u64().unwrap() >= 12, "{summary}");
}

/// As if its network had been cut: it reports what another executor has done since.
#[test]
fn an_executor_that_stands_still_for_a_while_does_no_harm() {
    let work = Work::new(12, 60_000);
    let cluster = Cluster::start(2);
    let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(2);
    let signal = |name: &str| must(Command::new("kill").args([name, &cluster.executors[0].pid()]));
    signal("-STOP");
    std::thread::sleep(Duration::from_secs((EXECUTOR_TIMEOUT + 3).into()));
    signal("-CONT");
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
    assert_eq!(last_json(&ran)["files"], 12);
}

#[test]
fn an_executor_that_is_told_to_stop_gives_its_files_back() {
    let work = Work::new(8, 60_000);
    let mut cluster = Cluster::start(2);
    let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(1);
    let (code, took) = cluster.executors[1].terminate();
    assert_eq!(code, Some(0), "{}", cluster.executors[1].log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    work.check();
}

#[test]
fn without_its_scheduler_a_run_ends_and_the_next_does_what_is_left() {
    let work = Work::new(8, 60_000);
    let mut cluster = Cluster::start(2);
    let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(1);
    cluster.scheduler.kill();
    let ran = finish(client);
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("scheduler") && ran.stderr.contains("run again"), "{}", ran.stderr);
    // The executors find the scheduler again.
    let bind = cluster.address.clone();
    cluster.scheduler = start_scheduler(&bind, EXECUTOR_TIMEOUT);
    let ran = run(&mut cluster.annotate(&work.input, &work.output, &[]));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
}

#[test]
fn a_client_that_is_stopped_cancels_its_job() {
    let work = Work::new(6, 300_000);
    let cluster = Cluster::start(1);
    let mut client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(1);
    let start = Instant::now();
    must(Command::new("kill").args(["-INT", &client.id().to_string()]));
    let status = within(DEADLINE, || client.try_wait().unwrap()).unwrap();
    assert_eq!(status.code(), Some(75));
    assert!(start.elapsed() < Duration::from_secs(10));
    // Its units have ended, too: their locks are free, and no output appears any more.
    std::thread::sleep(Duration::from_secs(3));
    let before = visible(&work.output);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(visible(&work.output), before);
    assert!(before.len() < 6, "the job was not cancelled");
    let ran = run(&mut cluster.annotate(&work.input, &work.output, &[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    work.check();
}

fn visible(folder: &Path) -> Vec<String> {
    listing(folder).into_iter().filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn a_scheduler_knows_its_executors_and_ends_when_it_is_told_to() {
    let mut cluster = Cluster::start(0);
    let ran = run(lsmi().args(["cluster", "status", "--json", &cluster.address]));
    assert_eq!((ran.code, &last_json(&ran)["executors"]), (75, &0.into()), "{}", ran.stderr);
    cluster.add_executor(&[]);
    let found = within(DEADLINE, || {
        let ran = run(lsmi().args(["cluster", "status", "--json", &cluster.address]));
        (ran.code == 0).then(|| last_json(&ran))
    });
    assert_eq!(found.unwrap()["executors"], 1);
    let (code, took) = cluster.scheduler.terminate();
    assert_eq!(code, Some(0), "{}", cluster.scheduler.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
