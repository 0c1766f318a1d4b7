//! Runs with secrets in their URLs, settings and keys, those that succeed and those that fail: no
//! secret is in what they print, log, export or write.

mod http;
mod stores;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ran, run};

/// A secret that no text holds by chance.
pub const SECRET: &str = "Xq7Zk3Vw9s";

/// A folder in which commands run, with secrets to look for.
pub struct Watched {
    dir: tempfile::TempDir,
    secrets: Vec<Vec<u8>>,
    /// Files that hold secrets by right.
    allowed: Vec<PathBuf>,
}

impl Watched {
    pub fn new(secrets: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir, secrets: secrets.iter().map(|it| it.as_bytes().to_vec()).collect(), allowed: Vec::new() }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn secret(&mut self, secret: &[u8]) {
        self.secrets.push(secret.to_vec());
    }

    pub fn allow(&mut self, name: &str) {
        self.allowed.push(self.dir().join(name));
    }

    /// Runs a command with log lines as text, in every detail, and again with them as JSON.
    #[track_caller]
    pub fn run(&self, code: i32, command: &mut Command) -> Ran {
        command.current_dir(self.dir()).env("TMPDIR", self.dir().join("tmp"));
        for (filter, format) in [("trace", "text"), ("info,lsmi_etl=debug", "json")] {
            let ran = run(command.env("LSMI_ETL_LOG", filter).env("LSMI_ETL_LOG_FORMAT", format));
            assert_eq!(ran.code, code, "{command:?}\n{}", ran.stderr);
            self.check("stdout", ran.stdout.as_bytes());
            self.check("stderr", ran.stderr.as_bytes());
            self.check_files(self.dir());
            if format == "json" {
                return ran;
            }
        }
        unreachable!()
    }

    #[track_caller]
    fn check_files(&self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            self.check("a name", path.as_os_str().as_encoded_bytes());
            if path.is_dir() {
                self.check_files(&path);
            } else if !self.allowed.contains(&path) {
                self.check(path.to_str().unwrap(), &fs::read(&path).unwrap());
            }
        }
    }

    #[track_caller]
    pub fn check(&self, place: &str, bytes: &[u8]) {
        for secret in &self.secrets {
            let found = bytes.windows(secret.len()).position(|part| part == secret);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
                panic!("a secret is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}
