//! What a cluster on one machine costs: the rows/s of executors of one worker each, of those of one process with
//! as many workers as cores; and the time that a cluster takes for a file more than one process, where files
//! are so small that little else counts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::bed::models::bundle;
use super::bed::{data, folder, install_runtime, into_cache, json, median, number, program};

const ROUNDS: usize = 3;
const DIM: usize = 128;
const FILES: usize = 64;
const ROWS: usize = 20_000;
const SMALL_ROUNDS: usize = 1;
const SMALL_FILES: usize = 10_000;
const SMALL_ROWS: usize = 100;
const EXECUTORS: [usize; 4] = [1, 2, 3, 4];

pub fn ask() {
    install_runtime();
    let bundle = bundle(DIM, 5);
    let cores = std::thread::available_parallelism().unwrap().get();
    let input = copies(&data(ROWS, DIM, None), FILES);
    for file in fs::read_dir(&input).unwrap() {
        into_cache(&file.unwrap().path());
    }
    println!(
        "  {FILES} files of {ROWS} rows of 2 x {DIM}\n  executors  rows/s    of one process of {cores} workers"
    );
    for executors in EXECUTORS {
        let cluster = Cluster::start(executors);
        let (mut rates, mut ratios) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            let alone = rate(&input, &bundle, &["--workers", &cores.to_string()]);
            let together = rate(&input, &bundle, &["--workers", "1", "--cluster", &cluster.address]);
            rates.push(together);
            ratios.push(together / alone);
        }
        println!("  {executors:>9}  {:>8.0}  {:>5.2}", median(rates), median(ratios));
    }

    let input = copies(&data(SMALL_ROWS, DIM, None), SMALL_FILES);
    let cluster = Cluster::start(cores);
    let mut costs = vec![];
    for _ in 0..SMALL_ROUNDS {
        let alone = seconds(&input, &bundle, &["--workers", "1"]);
        let together = seconds(&input, &bundle, &["--workers", "1", "--cluster", &cluster.address]);
        println!(
            "  {SMALL_FILES} files of {SMALL_ROWS} rows: one worker {alone:.1} s, {cores} executors {together:.1} s"
        );
        // The executors share the work itself.
        costs.push((together - alone / cores as f64) / SMALL_FILES as f64 * 1e3);
    }
    println!("  a file costs {:.2} ms more than its share of one worker's time", median(costs));
}

/// A folder of this many copies of a file, made once.
fn copies(file: &Path, count: usize) -> PathBuf {
    let copies = folder().join(format!("{count}-of-{}", file.file_stem().unwrap().display()));
    if !copies.exists() {
        let begun = copies.with_extension("begun");
        let _ = fs::remove_dir_all(&begun);
        fs::create_dir(&begun).unwrap();
        for number in 0..count {
            fs::copy(file, begun.join(format!("{number:05}.parquet"))).unwrap();
        }
        fs::rename(begun, &copies).unwrap();
    }
    copies
}

fn annotate(input: &Path, bundle: &Path, more: &[&str]) -> serde_json::Value {
    let output = folder().join("cluster-output");
    let _ = fs::remove_dir_all(&output);
    let mut command = program();
    command.args(["annotate", "--json", "--quiet", "--engine", "onnxruntime", "--bundle"]).arg(bundle);
    json(command.arg(input).arg(output).args(more))
}

fn rate(input: &Path, bundle: &Path, more: &[&str]) -> f64 {
    number(&annotate(input, bundle, more), "rows_per_second")
}

fn seconds(input: &Path, bundle: &Path, more: &[&str]) -> f64 {
    number(&annotate(input, bundle, more), "seconds")
}

/// A scheduler and executors of one slot, killed when the value is dropped.
struct Cluster {
    address: String,
    processes: Vec<Child>,
}

impl Cluster {
    fn start(executors: usize) -> Self {
        let mut command = program();
        command.args(["cluster", "scheduler", "--bind", "127.0.0.1:0"]);
        let mut scheduler = spawn(&mut command);
        let mut lines = BufReader::new(scheduler.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listens on ")).unwrap();
        let address = line.split("listens on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        drain(lines);
        let mut processes = vec![scheduler];
        for _ in 0..executors {
            let mut command = program();
            command.args(["cluster", "executor", "--slots", "1", "--scheduler", &address]);
            let mut executor = spawn(command.args(["--engine", "onnxruntime"]));
            drain(BufReader::new(executor.stderr.take().unwrap()).lines().map_while(Result::ok));
            processes.push(executor);
        }
        let cluster = Self { address, processes };
        let start = Instant::now();
        while cluster.executors() < executors as f64 {
            assert!(start.elapsed() < Duration::from_secs(30), "executors do not come");
            std::thread::sleep(Duration::from_millis(100));
        }
        cluster
    }

    fn executors(&self) -> f64 {
        let output = program().args(["cluster", "status", "--json", &self.address]).output().unwrap();
        let status = serde_json::from_slice(&output.stdout).unwrap_or_default();
        number(&status, "executors")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads a log to its end, which a process would otherwise wait for.
fn drain(lines: impl Iterator<Item = String> + Send + 'static) {
    std::thread::spawn(move || lines.for_each(drop));
}
