//! A server that speaks S3 (moto), and another client (boto3) to look at what it holds.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{lsmi, must, python_with_s3, repository};

/// A server with one empty bucket, `data`. It ends when this is dropped, or when the
/// test's process does.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start() -> Self {
        let mut child = Command::new(python_with_s3())
            .arg(repository().join("tests/python/s3.py"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    /// What another client of the server says.
    pub fn ask(&self, command: &str, args: &[&str]) -> Vec<String> {
        let mut client = Command::new(python_with_s3());
        client.arg(repository().join("tests/python/s3.py")).args([command, &self.url]).args(args);
        must(&mut client).stdout.lines().map(str::to_owned).collect()
    }

    /// Puts a file that anybody may read.
    pub fn put(&self, key: &str, file: &Path) {
        self.ask("put", &[key, file.to_str().unwrap(), "public-read"]);
    }

    pub fn get(&self, key: &str, file: &Path) {
        self.ask("get", &[key, file.to_str().unwrap()]);
    }

    /// The program, which finds the server by its settings.
    pub fn lsmi(&self) -> Command {
        let mut command = lsmi();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("LSMI_ETL_RETRY_SECONDS", "2"),
        ] {
            command.env(name, value);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
