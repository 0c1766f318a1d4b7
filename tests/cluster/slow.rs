//! Executors that are slow, stand still for a while, or join late.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use super::killed::{self, Work};
use super::{Cluster, EXECUTOR_TIMEOUT, Process, finish};
use crate::harness::{last_json, must};

fn signal(name: &str, process: &str) {
    must(Command::new("kill").args([name, process]));
}

/// Lets a process run a tenth of the time until it is dropped.
struct Slowdown {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slowdown {
    fn of(process: &Process) -> Self {
        let (pid, stop) = (process.pid(), Arc::<AtomicBool>::default());
        let is_over = Arc::clone(&stop);
        let thread = spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                signal("-STOP", &pid);
                sleep(Duration::from_millis(90));
                signal("-CONT", &pid);
                sleep(Duration::from_millis(10));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Slowdown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_slow_executor_gets_fewer_files() {
    let work = Work::new(12, 20_000);
    let cluster = Cluster::start(2);
    let _slowdown = Slowdown::of(&cluster.executors[0]);
    let ran = finish(killed::spawn(&mut cluster.annotate(&work.input, &work.output, &[])));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
    assert_eq!(last_json(&ran)["rows"], 12 * 20_000);
}

#[test]
fn an_executor_that_stands_still_is_done_without_and_disturbs_nothing_afterwards() {
    let work = Work::new(8, 60_000);
    let cluster = Cluster::start(2);
    let client = killed::spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(1);
    let pid = cluster.executors[0].pid();
    signal("-STOP", &pid);
    // It holds the lock of the file that it was at. The other one waits for it.
    sleep(Duration::from_secs(u64::from(EXECUTOR_TIMEOUT) + 6));
    signal("-CONT", &pid);
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
}

#[test]
fn an_executor_that_joins_late_takes_what_is_left() {
    let work = Work::new(6, 20_000);
    let mut cluster = Cluster::start(0);
    let client = killed::spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    sleep(Duration::from_secs(2));
    cluster.add_executor(&[]);
    work.wait_for(1);
    cluster.add_executor(&[]);
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
}
