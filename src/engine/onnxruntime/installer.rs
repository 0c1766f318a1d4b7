//! An installer that runs as long as this process: one that outlives it would go on to download, and
//! would fill the temporary folder again that the next run has removed.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};

/// Ends its process group, installer and all, when the standard input ends: the other end of that pipe is
/// closed however this process ends.
#[cfg(unix)]
const GUARD: &str = r#"
exec 3<&0
{ read -r _ <&3; kill -TERM 0; } >/dev/null 2>&1 &
guard=$!
"$@" </dev/null 3<&-
code=$?
kill "$guard"
exit "$code"
"#;

/// Whether a folder of `PATH` has the program.
pub(super) fn is_on_path(program: &OsStr) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        let file = folder.join(program);
        file.is_file() || (cfg!(windows) && file.with_extension("exe").is_file())
    })
}

/// Runs a command to its end and returns what it wrote.
///
/// # Errors
/// Where it cannot be run.
pub(super) fn output(command: Command) -> io::Result<Output> {
    let mut child = guarded(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Waiting closes it.
    let guard = child.stdin.take();
    let output = child.wait_with_output();
    drop(guard);
    output
}

#[cfg(unix)]
fn guarded(command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", GUARD, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::piped()).process_group(0);
    shell
}

/// Elsewhere the installer is only started.
#[cfg(not(unix))]
fn guarded(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    command
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_writes_and_how_it_ends_is_its_own() {
        let ran = output(shell("echo out; echo err >&2; cat; exit 3")).unwrap();
        assert_eq!(
            (ran.status.code(), &ran.stdout[..], &ran.stderr[..]),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        let mut command = shell("echo \"$GIVEN\"");
        command.env("GIVEN", "a b");
        assert_eq!(output(command).unwrap().stdout, b"a b\n");
        assert!(is_on_path("sh".as_ref()) && !is_on_path("no-such-installer-here".as_ref()));
    }

    #[test]
    fn it_ends_when_nobody_holds_the_pipe() {
        let start = std::time::Instant::now();
        let mut child = guarded(shell("sleep 60; echo late")).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdin.take());
        assert!(child.wait_with_output().unwrap().stdout.is_empty());
        assert!(start.elapsed().as_secs() < 30);
    }
}
