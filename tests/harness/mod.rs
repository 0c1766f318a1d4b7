//! What the tests share: the program as a command, a bundle fitted once, Python with
//! the packages of `tests/python/requirements.txt`, and ONNX Runtime put in place by
//! the program itself. All of it under the target folder, made when first asked for.

pub mod files;
pub mod heavy;
pub mod package;
pub mod stores;
pub mod terminal;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use arrow::array::RecordBatch;

/// The program, with no setting of the machine's leaking in and no ONNX Runtime found.
pub fn lsmi() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lsmi-etl"));
    for (name, _) in std::env::vars_os() {
        let leaks = ["LSMI_ETL_", "OTEL_", "TRACEPARENT"];
        if leaks.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(name);
    }
    command.env("LSMI_ETL_RUNTIME_DIR", scratch().join("no-runtime"));
    command
}

/// A shell with a command line, in which `lsmi-etl` is what [`lsmi`] is.
pub fn shell(line: &str) -> Command {
    let program = lsmi();
    let folder = Path::new(program.get_program()).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("PATH", path);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            // A signal's death is no exit code of ours.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// Runs the program with arguments in a folder.
pub fn lsmi_in<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    run(lsmi().current_dir(dir).args(args))
}

/// Runs a command that must succeed.
pub fn must(command: &mut Command) -> Ran {
    let ran = run(command);
    assert_eq!(ran.code, 0, "{command:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// Checks that a run was refused: this exit code, one line of error with all of these
/// words in it, and no result: with `--json` stdout holds the failure.
#[track_caller]
pub fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("ERROR")).collect();
    let [error] = errors[..] else { panic!("not one error: {}", ran.stderr) };
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
    let is_failure = |line: &str| {
        let failure: Option<serde_json::Value> = serde_json::from_str(line).ok();
        failure.is_some_and(|failure| failure["code"] == code && failure["error"].is_string())
    };
    assert!(ran.stdout.lines().count() <= 1 && ran.stdout.lines().all(is_failure), "{}", ran.stdout);
}

/// The last line of stdout as JSON: what `--json` promises.
pub fn last_json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
}

/// The only row of a query's result, run in a folder by the program itself.
pub fn query(dir: &Path, sql: &str) -> serde_json::Value {
    let ran = must(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", sql]));
    last_json(&ran)
}

/// A folder for what is made once, under the target folder.
pub fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Makes something once for all test processes: `make` fills a folder, which appears
/// under its name when it is whole. `key` says what it depends on.
pub fn once(name: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let (done, stamp) = (scratch().join(name), scratch().join(format!("{name}.key")));
    let lock = File::create(scratch().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !done.exists() || fs::read_to_string(&stamp).ok().as_deref() != Some(key) {
        let _ = fs::remove_dir_all(&done);
        make(&done);
        fs::write(stamp, key).unwrap();
    }
    done
}

/// Which build of the program this is: what an older one has fitted is made anew.
pub fn build() -> String {
    let program = fs::metadata(env!("CARGO_BIN_EXE_lsmi-etl")).unwrap();
    format!("{:?} {}", program.modified().unwrap(), program.len())
}

/// Gaussian data of the reference with 4 classes and a bundle fitted on it:
/// `train.parquet`, `in.parquet` (with exact columns, 3 000 rows in 3 row groups) and `bundle`.
pub fn fitted() -> &'static Path {
    static FITTED: OnceLock<PathBuf> = OnceLock::new();
    FITTED.get_or_init(|| {
        once("fitted", &build(), |dir| {
            fs::create_dir_all(dir).unwrap();
            let synth = ["synth", "gaussian", "--classes", "4"];
            let train = ["--rows", "3000", "--seed", "1", "-o", "train.parquet"];
            must(lsmi().current_dir(dir).args(synth).args(train));
            let input = ["--rows", "3000", "--seed", "2", "-o", "in.parquet", "--row-group-rows", "1000"];
            must(lsmi().current_dir(dir).args(synth).args(input));
            must(lsmi().current_dir(dir).args(["fit", "train.parquet", "--bundle", "bundle"]));
        })
    })
}

/// A bundle for 8 values twice and the labels 0 to 3, as in the files of
/// `python/make_files.py`.
pub fn eight_values() -> &'static Path {
    static EIGHT: OnceLock<PathBuf> = OnceLock::new();
    EIGHT.get_or_init(|| {
        let dir = once("eight", &build(), |dir| {
            fs::create_dir_all(dir).unwrap();
            let synth = ["synth", "rdn", "--rows", "2000", "-o", "train.parquet"];
            must(lsmi().current_dir(dir).args(synth));
            must(lsmi().current_dir(dir).args(["fit", "train.parquet", "--bundle", "bundle"]));
        });
        dir.join("bundle")
    })
}

/// The bundle of [`fitted`].
pub fn bundle() -> PathBuf {
    fitted().join("bundle")
}

/// The first rows of [`fitted`]'s `in.parquet`: x1 and x2 (4 floats each) and y (0 to 3).
pub fn rows(count: usize) -> RecordBatch {
    let all = files::read(&fitted().join("in.parquet"));
    let columns = ["x1", "x2", "y"].map(|name| (name, all.column_by_name(name).unwrap().slice(0, count)));
    files::batch(&columns)
}

/// `annotate IN OUT` in a folder, with the bundle of [`fitted`] and more arguments.
pub fn annotate(dir: &Path, input: &str, output: &str, more: &[&str]) -> Ran {
    run(lsmi().current_dir(dir).args(["annotate", input, output, "--bundle"]).arg(bundle()).args(more))
}

/// Annotates these rows, which must succeed, and reads the result.
pub fn annotated(rows: &RecordBatch, more: &[&str]) -> RecordBatch {
    let dir = tempfile::tempdir().unwrap();
    files::write(&dir.path().join("in.parquet"), rows);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", more);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    files::read(&dir.path().join("out.parquet"))
}

/// Python with the packages that the tests need.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment("venv", "tests/python/requirements.txt"))
}

/// Python with the packages of a file of requirements, in a virtual environment of this name.
pub fn environment(name: &str, requirements: &str) -> PathBuf {
    let requirements = repository().join(requirements);
    let key = fs::read_to_string(&requirements).unwrap();
    let venv = once(name, &key, |venv| {
        must(Command::new("python3").args(["-m", "venv"]).arg(venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        must(Command::new(venv.join("bin/python")).args(pip).arg(&requirements));
    });
    venv.join("bin/python")
}

/// The folder into which the program has installed ONNX Runtime, for
/// `LSMI_ETL_RUNTIME_DIR`.
pub fn runtime() -> &'static Path {
    static RUNTIME: OnceLock<PathBuf> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        once("runtime", "1", |dir| {
            must(lsmi().args(["runtime", "install", "--dir"]).arg(dir));
        })
    })
}

/// Chromium, which draws the report. Debian's package is installed where it is missing and
/// this process may do so.
pub fn chromium() -> &'static Path {
    static CHROMIUM: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let mut programs = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        programs.find(|program| program.is_file())
    };
    CHROMIUM.get_or_init(|| {
        if let Some(found) = find() {
            return found;
        }
        let lock = File::create(scratch().join("chromium.lock")).unwrap();
        lock.lock().unwrap();
        let install = "apt-get update -qq && apt-get install -y -qq chromium";
        let ran = run(Command::new("sh").args(["-c", install]).env("DEBIAN_FRONTEND", "noninteractive"));
        find().unwrap_or_else(|| {
            panic!("the report's tests need Chromium: install it (`{install}` could not)\n{}", ran.stderr)
        })
    })
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
