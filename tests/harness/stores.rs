//! Servers of object stores, and clients of another make to look at what they hold: moto
//! speaks S3, and Google's XML API, which has S3's words; Azurite speaks Azure's.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::{environment, lsmi, must, once, repository};

const AZURITE: &str = "azurite@3.35.0";

/// A server with one empty bucket, `data`. It ends when this is dropped, or when the
/// test's process does.
pub struct Server {
    child: Child,
    script: Script,
    pub url: String,
    /// What the program finds it by.
    settings: Vec<(&'static str, String)>,
}

/// A server and its client in Python.
#[derive(Clone, Copy)]
enum Script {
    S3,
    Azure,
}

impl Script {
    fn command(self) -> Command {
        static PYTHONS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
        let (python, name) = match self {
            Self::S3 => (&PYTHONS[0], "s3"),
            Self::Azure => (&PYTHONS[1], "azurite"),
        };
        let requirements = format!("tests/python/requirements-{name}.txt");
        let python = python.get_or_init(|| environment(&format!("venv-{name}"), &requirements));
        let mut command = Command::new(python);
        command.arg(repository().join(format!("tests/python/{name}.py")));
        command
    }
}

impl Server {
    pub fn s3() -> Self {
        Self::failing_s3("0")
    }

    /// One of whose requests this share fails with 503.
    pub fn failing_s3(share: &str) -> Self {
        let settings = |url: &str| {
            vec![
                ("AWS_ENDPOINT_URL", url.to_owned()),
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
            ]
        };
        Self::start(Script::S3, &[share], settings)
    }

    /// A server of `gs://`. Its address stands in an account's file, as for every server
    /// of tests; the file goes to `dir`.
    pub fn google(dir: &Path) -> Self {
        let account = dir.join("account.json");
        Self::start(Script::S3, &[], |url| {
            let fields =
                ["client_email", "private_key", "private_key_id"].map(|name| (name.to_owned(), "".into()));
            let mut text = serde_json::Map::from_iter(fields);
            text.insert("gcs_base_url".to_owned(), url.into());
            text.insert("disable_oauth".to_owned(), true.into());
            fs::write(&account, serde_json::to_vec(&text).unwrap()).unwrap();
            vec![("GOOGLE_SERVICE_ACCOUNT", account.to_str().unwrap().to_owned())]
        })
    }

    pub fn azure() -> Self {
        let azurite = once("npm-azurite", AZURITE, |dir| {
            fs::create_dir_all(dir).unwrap();
            let python = PathBuf::from(Script::Azure.command().get_program());
            let bin = python.parent().unwrap();
            let path = env::var_os("PATH").unwrap_or_default();
            let path = env::join_paths([bin.to_owned()].into_iter().chain(env::split_paths(&path))).unwrap();
            let mut npm = Command::new(bin.join("npm"));
            npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(dir);
            must(npm.arg(AZURITE).env("PATH", path));
        });
        Self::start(Script::Azure, &[azurite.to_str().unwrap()], |url| {
            let on = "true".to_owned();
            vec![("AZURE_STORAGE_USE_EMULATOR", on), ("AZURITE_BLOB_STORAGE_URL", url.to_owned())]
        })
    }

    fn start(
        script: Script,
        args: &[&str],
        settings: impl FnOnce(&str) -> Vec<(&'static str, String)>,
    ) -> Self {
        let mut command = script.command();
        command.arg("serve").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(!url.is_empty(), "{command:?} did not start");
        Self { child, script, settings: settings(&url), url }
    }

    /// What another client of the server says.
    pub fn ask(&self, command: &str, args: &[&str]) -> Vec<String> {
        let mut client = self.script.command();
        must(client.args([command, &self.url]).args(args)).stdout.lines().map(str::to_owned).collect()
    }

    /// Puts a file, into S3 as one that anybody may read.
    pub fn put(&self, key: &str, file: &Path) {
        let file = file.to_str().unwrap();
        match self.script {
            Script::S3 => self.ask("put", &[key, file, "public-read"]),
            Script::Azure => self.ask("put", &[key, file]),
        };
    }

    pub fn get(&self, key: &str, file: &Path) {
        self.ask("get", &[key, file.to_str().unwrap()]);
    }

    /// The program, which finds the server by its settings.
    pub fn lsmi(&self) -> Command {
        let mut command = lsmi();
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("LSMI_ETL_RETRY_SECONDS", "2");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}
