//! Executors that are slow, stand still for a while, or join late.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use super::killed::{self, Work};
use super::{Cluster, DEADLINE, EXECUTOR_TIMEOUT, Process, finish, run, start_scheduler, within};
use crate::harness::{last_json, lsmi, must};

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

/// Answers the readiness probe of an executor, and hangs up, for good, while it registers.
fn be_lost_while_an_executor_registers(listener: TcpListener) {
    let (mut probe, _) = listener.accept().unwrap();
    read_past(&mut probe, |request| request.ends_with(b"\r\n\r\n"));
    let ready = "ready: 0 executors registered\n";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", ready.len());
    probe.write_all((head + ready).as_bytes()).unwrap();
    drop(probe);
    let (mut executor, _) = listener.accept().unwrap();
    // A frame of HTTP/2, of settings without any.
    executor.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    // The preface and the settings of the client, and what follows them.
    read_past(&mut executor, |frames| frames.len() > 300);
}

fn read_past(stream: &mut TcpStream, is_enough: impl Fn(&[u8]) -> bool) {
    let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
    while !is_enough(&bytes) {
        let read = stream.read(&mut more).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..read]);
    }
}

#[test]
fn an_executor_whose_scheduler_is_lost_while_it_registers_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let lost = spawn(move || be_lost_while_an_executor_registers(listener));
    let mut command = lsmi();
    command.args(["cluster", "executor", "--slots", "1", "--scheduler", &address]);
    let executor = Process::start("executor", &mut command);
    lost.join().unwrap();
    executor.says("the scheduler is gone (");
    let _scheduler = start_scheduler(&address, EXECUTOR_TIMEOUT);
    let found = within(DEADLINE, || {
        let ran = run(lsmi().args(["cluster", "status", "--json", &address]));
        (ran.code == 0).then(|| last_json(&ran))
    });
    assert_eq!(found.unwrap()["executors"], 1, "{}", executor.log());
}
