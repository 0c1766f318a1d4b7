//! What the questions share: the program, ONNX Runtime, data and bundles made once under
//! the target folder, and medians.

pub mod decoding;
pub mod models;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Rounds of which the median is taken.
pub const ROUNDS: usize = 5;

/// The program, with no setting of the machine's leaking in, and with the ONNX Runtime
/// that it has installed for the benches.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lsmi-etl"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LSMI_ETL_") {
            command.env_remove(name);
        }
    }
    for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(name);
    }
    command.env("LSMI_ETL_RUNTIME_DIR", folder().join("runtime")).current_dir(folder());
    command
}

/// Where data, bundles and outputs lie: `LSMI_ETL_BENCH_DIR`, else below the target folder.
pub fn folder() -> PathBuf {
    let given = std::env::var_os("LSMI_ETL_BENCH_DIR").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a command to its end; its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The line of JSON that a command prints last.
pub fn json(command: &mut Command) -> Value {
    let out = run(command);
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

pub fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

/// The middle of an odd number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Puts ONNX Runtime in place where it is not.
pub fn install_runtime() {
    let dir = folder().join("runtime");
    if !dir.exists() {
        run(program().args(["runtime", "install", "--dir"]).arg(dir));
    }
}

/// A file of `rows` rows of two embeddings of `dim` values and ten classes, made once.
pub fn data(rows: usize, dim: usize, row_group_rows: Option<usize>) -> PathBuf {
    let groups = row_group_rows.map(|rows| format!("-by-{rows}")).unwrap_or_default();
    let path = folder().join(format!("{rows}x{dim}{groups}.parquet"));
    if !path.exists() {
        let mut command = program();
        command.args(["synth", "wide", "--truth", "none", "--rows", &rows.to_string()]);
        command.args(["--d1", &dim.to_string(), "--d2", &dim.to_string()]).arg("-o").arg(&path);
        if let Some(rows) = row_group_rows {
            command.args(["--row-group-rows", &rows.to_string()]);
        }
        run(&mut command);
    }
    path
}

/// Has the system read a file into its cache anew. From a disk it comes in large pages, while
/// what was just written lies there in small ones, which take twice the time to read.
pub fn into_cache(path: &Path) {
    let mut file = File::open(path).unwrap();
    file.sync_all().unwrap();
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
}

/// `annotate` of a file into one that is removed again; its summary.
pub fn annotate(input: &Path, bundle: &Path, more: &[&str]) -> Value {
    let out = folder().join("out.parquet");
    let _ = fs::remove_file(&out);
    let mut command = program();
    // A bench that was stopped leaves a journal.
    command
        .arg("annotate")
        .arg(input)
        .arg(&out)
        .args(["--restart", "--json", "--bundle"])
        .arg(bundle)
        .args(more);
    let summary = json(&mut command);
    fs::remove_file(out).unwrap();
    summary
}

/// Python with the packages of a file beside the peers.
pub fn python(requirements: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(requirements);
    let venv = folder().join(requirements.trim_end_matches(".txt"));
    let python = venv.join("bin/python");
    if !venv.join("whole").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(file));
        fs::write(venv.join("whole"), "").unwrap();
    }
    python
}

/// A folder for `PYTHONPATH` with the Python package and its native module, compiled like the program.
pub fn python_path() -> PathBuf {
    let package = folder().join("python-package");
    let link = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/wheel/link_package.py");
    let mut command = Command::new("python3");
    command.arg(link).arg(&package).args(["--release", "--locked"]);
    if cfg!(feature = "cluster") {
        command.args(["--features", "cluster"]);
    }
    // What cargo tells its benches would have build scripts run again.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_")) {
        if name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    let target = Path::new(env!("CARGO_BIN_EXE_lsmi-etl")).ancestors().nth(2);
    run(command.env("CARGO_TARGET_DIR", target.unwrap()));
    package
}
