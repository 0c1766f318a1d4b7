//! Pipes, sockets and devices where a file is expected, as inputs, outputs, models and settings: an
//! error at once, since to open a pipe waits for its other end and a device has none.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::files::{copy_folder, listing, write};
use crate::harness::{Ran, bundle, lsmi, must, refused, rows, shell};

/// Much longer than an error takes, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A folder with `in.parquet`, the bundle as `models` and a pipe without a writer or reader.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(150));
    copy_folder(&bundle(), &dir.path().join("models"));
    pipe(&dir.path().join("pipe"));
    dir
}

fn pipe(path: &Path) {
    must(Command::new("mkfifo").arg(path));
}

/// Runs a command that does not wait for anything.
#[track_caller]
fn at_once(command: &mut Command) -> Ran {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > AT_ONCE {
            child.kill().unwrap();
            panic!("it waits: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

#[track_caller]
fn lsmi_at_once(dir: &Path, line: &str) -> Ran {
    at_once(lsmi().current_dir(dir).args(line.split(' ')))
}

#[test]
fn as_an_input() {
    let dir = folder();
    let dir = dir.path();
    let _socket = UnixListener::bind(dir.join("socket.parquet")).unwrap();
    symlink("/dev/zero", dir.join("zero.parquet")).unwrap();
    for (name, what) in [
        ("pipe", "it is a pipe, not a regular file"),
        ("socket.parquet", "it is a socket, not a regular file"),
        ("zero.parquet", "it is a device, not a regular file"),
        ("/dev/zero", "it is a device"),
    ] {
        for line in [
            format!("annotate {name} out.parquet --bundle models"),
            format!("annotate {name} - --bundle models"),
            format!("fit {name} --bundle new"),
            format!("report {name} -o report.html"),
            format!("sql --table t={name} SELECT"),
            format!("run {name}"),
            format!("sql -f {name}"),
        ] {
            let ran = lsmi_at_once(dir, &line);
            refused(&ran, 66, &["cannot open the input", what]);
        }
        let mut sql = lsmi();
        let query = format!("SELECT * FROM '{name}'");
        refused(&at_once(sql.current_dir(dir).args(["sql", &query])), 66, &[what]);
        let query = format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{name}'");
        refused(&at_once(lsmi().current_dir(dir).args(["sql", &query])), 66, &[what]);
    }
    assert!(!dir.join("out.parquet").exists() && !dir.join("new").exists());
}

#[test]
fn in_a_folder_of_inputs() {
    let dir = folder();
    let dir = dir.path();
    fs::create_dir(dir.join("in")).unwrap();
    fs::copy(dir.join("in.parquet"), dir.join("in/a.parquet")).unwrap();
    // Without the name of a data file it is none of them.
    pipe(&dir.join("in/notes"));
    pipe(&dir.join("in/pipe.txt"));
    let ran = lsmi_at_once(dir, "annotate in out --bundle models");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    pipe(&dir.join("in/b.parquet"));
    for input in ["in", "in/*.parquet", "in/**/*.parquet"] {
        let words = ["in/b.parquet", "it is a pipe"];
        refused(&lsmi_at_once(dir, &format!("annotate {input} new --bundle models")), 66, &words);
        refused(&lsmi_at_once(dir, &format!("fit {input} --bundle fitted")), 66, &words);
        let query = format!("SELECT count(*) FROM '{input}'");
        refused(&at_once(lsmi().current_dir(dir).args(["sql", &query])), 66, &words);
    }
    assert!(!dir.join("new").exists());
}

#[test]
fn stdin_by_its_path_is_a_file_or_a_pipe() {
    let dir = folder();
    let annotate = "lsmi-etl annotate /dev/stdin out.parquet --bundle models";
    let ran = at_once(shell(&format!("cat in.parquet | {annotate}")).current_dir(dir.path()));
    refused(&ran, 66, &["/dev/stdin", "it is a pipe", "give -"]);
    let ran = at_once(shell(&format!("{annotate} < in.parquet")).current_dir(dir.path()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn as_an_output() {
    let dir = folder();
    let dir = dir.path();
    symlink("/dev/null", dir.join("null")).unwrap();
    for (name, what) in
        [("pipe", "it is a pipe"), ("/dev/null", "it is a device"), ("null", "it is a device")]
    {
        for line in [
            format!("annotate in.parquet {name} --bundle models --overwrite"),
            format!("annotate in.parquet out.parquet --bundle models --overwrite --rejects {name}"),
            format!("annotate in.parquet out.parquet --bundle models --overwrite --summary {name}"),
            format!("annotate in.parquet out.parquet --bundle models --summary {name}"),
            format!("annotate in.parquet out.parquet --bundle models --overwrite --metrics {name}"),
            format!("annotate in.parquet out.parquet --bundle models --metrics {name}"),
            format!("fit in.parquet --bundle new --metrics {name}"),
            format!("synth xor --rows 10 --overwrite -o {name}"),
            format!("bundle export models --overwrite -o {name}"),
            format!("report in.parquet --overwrite -o {name}"),
            format!("sql --overwrite --format csv --output {name} SELECT"),
        ] {
            refused(&lsmi_at_once(dir, &line), 73, &[name, "cannot create the output", what]);
        }
        let copy = format!("COPY (SELECT 1 AS a) TO '{name}' STORED AS CSV");
        let ran = at_once(lsmi().current_dir(dir).args(["sql", "--overwrite", &copy]));
        refused(&ran, 73, &[name, "cannot create the output", what]);
    }
    assert_eq!(listing(dir), ["in.parquet", "models", "null", "pipe"]);
}

#[test]
fn as_a_journal() {
    let dir = folder();
    pipe(&dir.path().join(".out.parquet.lsmi-journal"));
    let ran = lsmi_at_once(dir.path(), "annotate in.parquet out.parquet --bundle models");
    refused(&ran, 73, &[".out.parquet.lsmi-journal", "it is a pipe"]);
}

#[test]
fn as_a_model_or_a_manifest() {
    let dir = folder();
    let dir = dir.path();
    let zero = |name: &str| {
        fs::remove_file(dir.join("models").join(name)).unwrap();
        symlink("/dev/zero", dir.join("models").join(name)).unwrap();
    };
    let replaced = |name: &str| {
        fs::remove_file(dir.join("models").join(name)).unwrap();
        pipe(&dir.join("models").join(name));
    };
    let name = fs::read_dir(dir.join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.ends_with("density_1.onnx"))
        .unwrap();
    replaced(&name);
    let words = [name.as_str(), "it is a pipe"];
    refused(&lsmi_at_once(dir, "annotate in.parquet out.parquet --bundle models"), 78, &words);
    refused(&lsmi_at_once(dir, "bundle check models"), 78, &words);
    zero(&name);
    let words = [name.as_str(), "it is a device"];
    refused(&lsmi_at_once(dir, "annotate in.parquet out.parquet --bundle models"), 78, &words);
    refused(&lsmi_at_once(dir, "bundle inspect models"), 78, &words);
    replaced("bundle.json");
    refused(&lsmi_at_once(dir, "bundle inspect models"), 78, &["bundle.json", "it is a pipe"]);
    let models = "--density-2 in.parquet --classifier-1 in.parquet --classifier-2 in.parquet --classifier-12 in.parquet";
    let label = "--classes 0,1 --prior 0.5,0.5 --output logits";
    for (model, what) in [("pipe", "it is a pipe"), ("/dev/zero", "it is a device")] {
        let ran = lsmi_at_once(dir, &format!("bundle pack packed --density-1 {model} {models} {label}"));
        refused(&ran, 66, &[model, what]);
    }
    assert!(!dir.join("packed").exists());
}

#[test]
fn a_manifest_or_pipeline_without_end_is_refused_by_its_size() {
    let dir = folder();
    let dir = dir.path();
    let large = |name: &str| fs::File::create(dir.join(name)).unwrap().set_len(20 << 20).unwrap();
    large("models/bundle.json");
    refused(&lsmi_at_once(dir, "bundle inspect models"), 78, &["bundle.json", "more than 16777216 bytes"]);
    large("large.toml");
    refused(&lsmi_at_once(dir, "run large.toml"), 66, &["large.toml", "more than 16777216 bytes"]);
    let keys = "annotate in.parquet out.parquet --bundle models --parquet-keys /dev/zero";
    copy_folder(&bundle(), &dir.join("models"));
    refused(&lsmi_at_once(dir, keys), 78, &["/dev/zero", "more than 1048576 bytes"]);
}
