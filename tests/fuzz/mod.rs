//! Seeded mutants of sound inputs through the targets of `fuzz`, in processes with a memory limit: each
//! ends with an exit code that says what is wrong with the bytes, within ten seconds of a processor, without
//! a panic that nobody takes for damage and without an abort. `LSMI_ETL_FUZZ_SECONDS` sets how long each target
//! runs, `LSMI_ETL_FUZZ_FROM` the number of the first mutant, `LSMI_ETL_FUZZ_SEEDS` a folder of more seeds.

mod mutate;
mod seeds;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::harness::{bundle, files, rows, scratch};

use self::mutate::mutant;
use self::seeds::seeds;
use self::targets::{Fixture, TARGETS, Target};

/// How long a mutant may take, in time of processors: other work on the machine does not count.
const HANG: Duration = Duration::from_secs(10);
/// How long it may wait for something else.
const DEADLOCK: Duration = Duration::from_secs(120);
/// Address space of a process, in KiB.
const MEMORY_KIB: u64 = 6 << 20;
/// The variable that makes a test process the child of another: target, first mutant, seconds, folder.
const CHILD: &str = "LSMI_ETL_FUZZ_CHILD";

#[test]
fn parquet_files() {
    campaign("parquet");
}

#[test]
fn arrow_streams() {
    campaign("stream");
}

#[test]
fn arrow_files() {
    campaign("arrow_file");
}

#[test]
fn manifests() {
    campaign("manifest");
}

#[test]
fn models() {
    campaign("model");
}

#[test]
fn pipeline_files() {
    campaign("pipeline");
}

#[test]
fn journals() {
    campaign("journal");
}

#[test]
fn sql_texts() {
    campaign("sql");
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs mutants of a target until its time is up. Those that end as they must not are kept.
fn campaign(target: &str) {
    let time = Duration::from_secs(setting("LSMI_ETL_FUZZ_SECONDS", 3));
    let mut from = setting("LSMI_ETL_FUZZ_FROM", 0);
    let dir = tempfile::tempdir().unwrap();
    // Made before the clock runs, and copied, since other tests may make it anew.
    fs::create_dir(dir.path().join("bundle")).unwrap();
    for file in fs::read_dir(bundle()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), dir.path().join("bundle").join(file.file_name())).unwrap();
    }
    let (start, mut failures) = (Instant::now(), Vec::new());
    while start.elapsed() < time && failures.len() < 20 {
        let left = (time - start.elapsed()).as_secs().max(1);
        _ = fs::remove_file(dir.path().join("current"));
        let mut child = spawn(&format!("{target} {from} {left} {}", dir.path().display()));
        match watch(&mut child, dir.path(), from) {
            None => break,
            Some((number, what)) => {
                failures.push(format!("{target} {number}: {what}{}", keep(target, number, dir.path())));
                from = number + 1;
            }
        }
    }
    let unsound = fs::read_to_string(dir.path().join("unsound")).unwrap_or_default();
    failures.extend(unsound.lines().map(str::to_owned));
    println!("{target}: {}", tally(dir.path()));
    println!("{target}: {}", panics(dir.path()));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// How often which steps ended how.
fn tally(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    log.split_whitespace().for_each(|end| *ends.entry(end).or_default() += 1);
    let ends: Vec<String> = ends.iter().map(|(end, count)| format!("{end} {count}")).collect();
    format!("{} mutants, {}", log.lines().count(), ends.join(", "))
}

/// Where decoders panicked, and how often; the programs take these panics for damage.
fn panics(dir: &Path) -> String {
    let places = fs::read_to_string(dir.join("panics")).unwrap_or_default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    places.lines().for_each(|place| *counts.entry(place).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(place, count)| format!("\n  {count} {place}")).collect();
    format!("panics of decoders that were taken for damage:{}", counts.concat())
}

fn spawn(task: &str) -> Child {
    let shell = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &shell]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "fuzz::child", "--nocapture"]).env(CHILD, task);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for the end of a child that begins with the mutant `from`. Returns the mutant at which it died or
/// hung, and how.
fn watch(child: &mut Child, dir: &Path, from: u64) -> Option<(u64, String)> {
    let current = || fs::read_to_string(dir.join("current")).ok()?.parse::<u64>().ok();
    let mut last = (current(), Instant::now(), processor_time(child));
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (!status.success()).then(|| (current().unwrap_or(from), format!("died, {status}")));
        }
        let now = current();
        if now != last.0 {
            last = (now, Instant::now(), processor_time(child));
        } else if now.is_some() && (last.1.elapsed() > DEADLOCK || processor_time(child) > last.2 + HANG) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some((now.unwrap_or(from), format!("takes longer than {HANG:?}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processor time of a child so far, or the time that has passed where the system does not say.
fn processor_time(child: &Child) -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    // Behind the name, which may have blanks, fields 14 and 15: of the user and of the system, in 1/100 s.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: Vec<u64> = fields.filter_map(|ticks| ticks.parse().ok()).collect();
    match ticks[..] {
        [user, system] => Duration::from_millis((user + system) * 10),
        _ => START.elapsed(),
    }
}

/// Keeps the bytes of the current mutant, for a look at them.
fn keep(target: &str, number: u64, dir: &Path) -> String {
    let kept = scratch().join("fuzz");
    fs::create_dir_all(&kept).unwrap();
    let kept = kept.join(format!("{target}-{number}"));
    match fs::copy(dir.join("mutant"), &kept) {
        Ok(_) => format!("; kept as {}", kept.display()),
        Err(_) => String::new(),
    }
}

/// The process that runs the mutants; nothing where no campaign has started it.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let [name, from, seconds, dir] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
    let (dir, end) = (PathBuf::from(dir), Instant::now() + Duration::from_secs(seconds.parse().unwrap()));
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (work, good) = (tempfile::tempdir().unwrap(), dir.join("good.parquet"));
    files::write(&good, &rows(200));
    let fixture = Fixture::new(&dir.join("bundle"), &good, work.path()).unwrap();
    let seeds = seeds(name, &fixture);
    let mut log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let mut unsound = File::options().create(true).append(true).open(dir.join("unsound")).unwrap();
    note_panics(dir.join("panics"));
    for number in from.parse::<u64>().unwrap().. {
        if Instant::now() > end {
            break;
        }
        let bytes = mutant(number, &seeds);
        fs::write(dir.join("mutant"), &bytes).unwrap();
        fs::write(dir.join("current"), number.to_string()).unwrap();
        match run(target, &fixture, &bytes) {
            Ok(ends) => writeln!(log, "{ends}").unwrap(),
            Err(what) => writeln!(unsound, "{name} {number}: {what}{}", keep(name, number, &dir)).unwrap(),
        }
    }
}

/// Notes the places of panics, without their path before the crate.
fn note_panics(file: PathBuf) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let place = place.rsplit_once("/registry/src/").map_or(place.as_str(), |(_, place)| place);
        let place = place.split_once('/').map_or(place, |(_, place)| place);
        if let Ok(mut file) = File::options().create(true).append(true).open(&file) {
            _ = writeln!(file, "{place}");
        }
    }));
}

fn run(target: &Target, fixture: &Fixture, bytes: &[u8]) -> Result<String, String> {
    let checked = catch_unwind(AssertUnwindSafe(|| target.check(fixture, bytes)));
    let checked = checked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    });
    let ends = checked.map_err(|what| what.replace('\n', " "))?;
    Ok(ends.iter().map(|(step, code, _)| format!("{step}={code}")).collect::<Vec<_>>().join(" "))
}
