//! The program on a terminal: typed into and watched by `python/terminal.py`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Ran, lsmi, repository};

/// Types a text.
pub fn types(text: &str) -> Value {
    json!({"type": text})
}

/// Types bytes that may be no text.
pub fn types_bytes(bytes: &[u8]) -> Value {
    json!({"bytes": bytes})
}

/// Waits until a regular expression is shown, after what was waited for before.
pub fn see(pattern: &str) -> Value {
    json!({"see": pattern})
}

/// Types a text once a second until something is shown.
pub fn types_until(text: &str, pattern: &str) -> Value {
    json!({"type": text, "until": pattern})
}

/// Checks that a file is not there at this moment.
pub fn absent(path: &Path) -> Value {
    json!({"absent": path})
}

/// Runs the program in a folder, which is its home too, on a terminal of so many
/// columns. What it showed is the stdout; the exit code is its own.
#[track_caller]
pub fn on_a_terminal(dir: &Path, columns: u16, args: &[&str], steps: &[Value]) -> Ran {
    let program = lsmi();
    let mut python = Command::new("python3");
    python.arg(repository().join("tests/python/terminal.py")).arg(columns.to_string());
    python.arg(program.get_program()).args(args).current_dir(dir);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    python.env("HOME", dir).env_remove("XDG_STATE_HOME").env_remove("NO_COLOR");
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let steps = serde_json::to_vec(steps).unwrap();
    child.stdin.take().unwrap().write_all(&steps).unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert!(ran.code != 99, "{}\n{}", ran.stderr, ran.stdout);
    ran
}
