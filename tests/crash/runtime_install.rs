//! Kill -9 of `runtime install`, which downloads a package: here a small one that a server of the test has.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::commands::kill_and_wait;
use super::names;
use crate::harness::{lsmi, must, once, scratch};

/// Bytes of the library in the package.
const LIBRARY_BYTES: usize = 4 << 20;
const WHEEL: &str = "onnxruntime-1.32.0-py3-none-any.whl";

/// An index with one package.
struct Index {
    _folder: tempfile::TempDir,
    url: String,
}

impl Index {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let wheel = wheel(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/simple", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let wheel = wheel.clone();
                // A client that was killed is none to answer.
                std::thread::spawn(move || _ = answer(stream, &wheel));
            }
        });
        Self { _folder: folder, url }
    }

    /// `runtime install` from this index, with no setting of the machine's.
    fn install(&self, to: &Path) -> Command {
        let mut command = lsmi();
        command.args(["runtime", "install", "--dir"]).arg(to.join("runtime"));
        for (name, _) in std::env::vars_os() {
            if ["PIP_", "UV_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [python().join("bin")].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).unwrap());
        command.env("PIP_INDEX_URL", &self.url).env("UV_INDEX_URL", &self.url);
        command.env("PIP_CONFIG_FILE", "/dev/null").env("UV_NO_CONFIG", "1");
        command.env("PIP_NO_CACHE_DIR", "1").env("UV_NO_CACHE", "1").env("NO_PROXY", "127.0.0.1");
        command
    }
}

/// An environment with nothing but pip: wrappers of other Pythons hold locks that a kill leaves.
fn python() -> PathBuf {
    once("pip", "1", |folder| {
        must(Command::new("python3").args(["-m", "venv"]).arg(folder));
    })
}

/// Makes a package that holds a library alone.
fn wheel(folder: &Path) -> PathBuf {
    let (capi, info) = ("onnxruntime/capi", "onnxruntime-1.32.0.dist-info");
    let library = format!("{capi}/libonnxruntime.so.1.32.0");
    fs::create_dir_all(folder.join(capi)).unwrap();
    fs::create_dir(folder.join(info)).unwrap();
    let bytes: Vec<u8> = (0..LIBRARY_BYTES).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect();
    fs::write(folder.join(&library), bytes).unwrap();
    let wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    fs::write(folder.join(info).join("WHEEL"), wheel).unwrap();
    let metadata = "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.32.0\n";
    fs::write(folder.join(info).join("METADATA"), metadata).unwrap();
    let record = format!("{library},,\n{info}/WHEEL,,\n{info}/METADATA,,\n{info}/RECORD,,\n");
    fs::write(folder.join(info).join("RECORD"), record).unwrap();
    let zip = ["-m", "zipfile", "-c", WHEEL, "onnxruntime", info];
    must(Command::new("python3").current_dir(folder).args(zip));
    folder.join(WHEEL)
}

fn answer(mut stream: TcpStream, wheel: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = request.clone();
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let (kind, body) = match request.contains(WHEEL) {
        true => ("application/octet-stream", fs::read(wheel)?),
        false => ("text/html", format!("<!DOCTYPE html><a href=\"/{WHEEL}\">{WHEEL}</a>").into_bytes()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

#[test]
fn an_installed_runtime() {
    let index = Index::new();
    // The first run makes the environment, and is none to time.
    must(&mut index.install(tempfile::tempdir_in(scratch()).unwrap().path()));
    // A killed command's installer ends a moment later.
    let settle = |to: &Path| wait_for(|| installers(&to.join("runtime")).is_empty());
    kill_and_wait(&|to| index.install(to), &settle, 11);
}

/// What installs ends with the program, whatever ends that: otherwise it would go on, and fill the folder
/// again that the next run has removed. What both leave is swept, also where there is nothing to install.
#[test]
fn an_installer_does_not_outlive_a_killed_install() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let runtime = folder.path().join("runtime");
    // It says nothing, as real ones do while they download, so that no closed pipe ends it.
    let uv = folder.path().join("uv");
    fs::write(&uv, "#!/bin/sh\nsleep 100\n").unwrap();
    fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let install = |more: &[&str]| {
        let mut command = lsmi();
        command.args(["runtime", "install", "--dir"]).arg(&runtime).args(more).env("PATH", &path);
        command
    };
    for signal in ["KILL", "TERM"] {
        let mut child = install(&["--force"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(|| !installers(&runtime).is_empty());
        must(Command::new("kill").args(["-s", signal, &child.id().to_string()]));
        let status = child.wait().unwrap();
        assert_eq!(status.code(), if signal == "TERM" { Some(75) } else { None });
        wait_for(|| installers(&runtime).is_empty());
        assert_eq!(names(&runtime).len(), 1, "{:?}", names(&runtime));
    }
    // As if it were installed.
    fs::create_dir_all(runtime.join("cpu/onnxruntime/capi")).unwrap();
    fs::write(runtime.join("cpu/onnxruntime/capi/libonnxruntime.so.1.32.0"), "").unwrap();
    must(&mut install(&[]));
    assert_eq!(names(&runtime), ["cpu"]);
}

fn wait_for(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed().as_secs() < 30, "it takes too long");
        sleep(Duration::from_millis(10));
    }
}

/// The processes that have a temporary folder in their arguments, as the installer has.
fn installers(runtime: &Path) -> Vec<String> {
    let folder = format!("{}/.cpu", runtime.display());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&folder)).collect()
}
