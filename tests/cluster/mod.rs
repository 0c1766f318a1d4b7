//! Annotate and SQL on a cluster: in the process, and of a scheduler and executors as processes that are killed
//! and started again. Every wait has a deadline, and no process outlives its test.

mod annotate;
mod killed;
mod many;
mod network;
mod observed;
mod parts;
mod random_kills;
mod refused;
mod settings;
mod slow;
mod sql;
mod tls;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Ran, bundle, lsmi};

/// The longest that a command may take.
const DEADLINE: Duration = Duration::from_secs(180);

/// Seconds without a sign of life after which an executor is lost.
const EXECUTOR_TIMEOUT: u16 = 6;

/// A process whose log is read as it is written. It is killed when the value is dropped.
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    what: &'static str,
}

impl Process {
    fn start(what: &'static str, command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (stderr, lines) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log, what }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that has this text, and returns it.
    fn says(&self, text: &str) -> String {
        let found =
            within(DEADLINE, || self.log().lines().find(|line| line.contains(text)).map(str::to_owned));
        found.unwrap_or_else(|| panic!("the {} never said {text:?}:\n{}", self.what, self.log()))
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits for its end; returns the exit code.
    fn end(&mut self) -> Option<i32> {
        let status = within(DEADLINE, || self.child.try_wait().unwrap());
        status.unwrap_or_else(|| panic!("the {} does not end:\n{}", self.what, self.log())).code()
    }

    /// As `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As `kill -TERM`; returns the exit code and how long its end took.
    fn terminate(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.pid()]).status().unwrap().success());
        (self.end(), start.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the {}:\n{}", self.what, self.log());
        }
    }
}

/// Asks again and again until there is an answer or the time is over.
fn within<T>(time: Duration, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = answer();
        if found.is_some() || start.elapsed() > time {
            return found;
        }
        sleep(Duration::from_millis(20));
    }
}

/// A scheduler and executors as processes.
struct Cluster {
    scheduler: Process,
    executors: Vec<Process>,
    address: String,
    /// Arguments of all parts.
    arguments: Vec<String>,
    /// The environment of executors and clients.
    environment: Vec<(String, String)>,
}

impl Cluster {
    /// A scheduler with this many executors of one slot.
    fn start(executors: usize) -> Self {
        Self::with_executor_timeout(executors, EXECUTOR_TIMEOUT)
    }

    /// As [`Cluster::start`]; an executor is lost after so many seconds without a sign of life.
    fn with_executor_timeout(executors: usize, seconds: u16) -> Self {
        Self::with_arguments(executors, seconds, &[])
    }

    /// As [`Cluster::with_executor_timeout`], with arguments that all parts take.
    fn with_arguments(executors: usize, seconds: u16, arguments: &[String]) -> Self {
        let scheduler = Process::start("scheduler", scheduler("localhost:0", seconds).args(arguments));
        let address = address_of(&scheduler);
        let (executors_yet, environment) = (Vec::new(), Vec::new());
        let arguments = arguments.to_vec();
        let mut cluster = Self { scheduler, executors: executors_yet, address, arguments, environment };
        (0..executors).for_each(|_| cluster.add_executor(&[]));
        cluster
    }

    fn add_executor(&mut self, more: &[&str]) {
        let mut command = lsmi();
        command.args(["cluster", "executor", "--slots", "1", "--scheduler", &self.address]).args(more);
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        self.executors.push(Process::start("executor", &mut command));
    }

    /// `annotate INPUT OUTPUT --cluster …` with the fitted bundle and more arguments.
    fn annotate(&self, input: &Path, output: &Path, more: &[&str]) -> Command {
        let mut command = annotate_on(&self.address, input, output, more);
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        command
    }
}

/// The address on which a scheduler listens.
fn address_of(scheduler: &Process) -> String {
    let line = scheduler.says("scheduler listens on ");
    let address = line.split("listens on ").nth(1).unwrap().split([',', ' ']).next().unwrap();
    address.to_owned()
}

fn start_scheduler(bind: &str, executor_timeout: u16) -> Process {
    Process::start("scheduler", &mut scheduler(bind, executor_timeout))
}

fn scheduler(bind: &str, executor_timeout: u16) -> Command {
    let mut command = lsmi();
    command.args([
        "cluster",
        "scheduler",
        "--executor-timeout",
        &executor_timeout.to_string(),
        "--bind",
        bind,
    ]);
    command
}

/// `annotate INPUT OUTPUT --cluster ADDRESS` with the fitted bundle and more arguments.
fn annotate_on(cluster: &str, input: &Path, output: &Path, more: &[&str]) -> Command {
    let mut command = lsmi();
    command.args(["annotate", "--json", "--cluster", cluster, "--bundle"]).arg(bundle());
    command.arg(input).arg(output).args(more);
    command
}

/// Runs a command to its end, within the deadline.
fn run(command: &mut Command) -> Ran {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish(child)
}

/// Waits for the end of a command that was started with pipes, within the deadline.
fn finish(child: Child) -> Ran {
    let id = child.id().to_string();
    let (ended, waits) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let is_late = waits.recv_timeout(DEADLINE).is_err();
        if is_late {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
        is_late
    });
    let output = child.wait_with_output().unwrap();
    let _ = ended.send(());
    let ran = Ran::from(output);
    assert!(!watch.join().unwrap(), "killed after {DEADLINE:?}:\n{}", ran.stderr);
    ran
}

/// A folder of files of this many rows with other samples each.
fn files(folder: &Path, count: usize, rows: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let (seed, rows) = ((100 + number).to_string(), rows.to_string());
        let synth = ["synth", "gaussian", "--classes", "4", "--rows", &rows, "--seed", &seed, "-o"];
        crate::harness::must(lsmi().args(synth).arg(folder.join(format!("{number}.parquet"))));
    }
}
