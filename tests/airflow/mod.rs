//! The provider under a real Airflow, with a database of its own for each test: the
//! example DAGs, and tasks that are killed, can't succeed, or have nothing to do.

#[cfg(feature = "cluster")]
mod cluster;
mod examples;
mod retries;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{self, Ran, fitted, lsmi, must, package, repository, run};
use crate::wheel;

/// An Airflow with its home, its DAGs and the data they work on.
struct Airflow {
    folder: tempfile::TempDir,
    dags: PathBuf,
}

impl Airflow {
    /// Airflow on a folder of DAGs of the repository, with the fitted bundle in its data.
    fn new(dags: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let airflow = Self { folder, dags: repository().join(dags) };
        fs::create_dir_all(airflow.data()).unwrap();
        fs::create_dir_all(airflow.home()).unwrap();
        fs::copy(database(), airflow.home().join("airflow.db")).unwrap();
        std::os::unix::fs::symlink(fitted().join("bundle"), airflow.data().join("bundle")).unwrap();
        airflow
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = command(&self.home());
        command.env("AIRFLOW__CORE__DAGS_FOLDER", &self.dags).env("LSMI_DATA", self.data());
        command
    }

    /// `airflow dags test DAG DATE`.
    fn test(&self, dag: &str, date: &str) -> Ran {
        run(self.command().args(["dags", "test", dag, date]))
    }

    fn state(&self, dag: &str) -> State {
        let mut python = Command::new(python());
        let script = repository().join("tests/python/airflow_state.py");
        let ran = must(python.arg(script).arg(self.home().join("airflow.db")).arg(dag));
        State(harness::last_json(&ran))
    }
}

/// Checks a value against a schema of the repository, by another implementation's reading of it.
fn is_valid(value: &Value, schema: &str) {
    let check = "import json, sys, jsonschema; value, schema = sys.argv[1:]
jsonschema.validate(json.loads(value), json.load(open(schema)))";
    must(Command::new(python()).args(["-c", check]).arg(value.to_string()).arg(repository().join(schema)));
}

/// What Airflow has noted of a DAG's runs.
struct State(Value);

impl State {
    /// Each task with its state and number of tries, mapped ones one by one.
    fn tasks(&self) -> Vec<(&str, &str, u64)> {
        let tasks = self.0["tasks"].as_array().unwrap().iter();
        tasks
            .map(|task| {
                let state = task["state"].as_str().unwrap_or("none");
                (task["task_id"].as_str().unwrap(), state, task["try_number"].as_u64().unwrap())
            })
            .collect()
    }

    /// What a task has returned.
    fn xcom(&self, task: &str) -> &Value {
        let xcoms = self.0["xcoms"].as_array().unwrap();
        &xcoms.iter().find(|xcom| xcom["task_id"] == task).unwrap()["value"]
    }

    /// The assets that were written: URI and extra.
    fn events(&self) -> Vec<(&str, &Value)> {
        let events = self.0["events"].as_array().unwrap().iter();
        events.map(|event| (event["uri"].as_str().unwrap(), &event["extra"])).collect()
    }
}

/// What the tests need beside what the README installs.
const MORE: &str = "tests/python/requirements-airflow.txt";

/// Python with Airflow, the provider, and the program's wheel with ONNX Runtime, in one
/// environment: what the README's reader has.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = harness::once("venv-airflow", "1", |venv| {
            must(Command::new("python3").args(["-m", "venv"]).arg(venv));
        });
        let line = crate::docs::installation();
        // Airflow stays; the program and the provider are installed anew when they are others.
        harness::once("airflow-installed", &key(&line), |stamp| {
            let script =
                format!("set -e\n. '{}/bin/activate'\n{line}\npip install -r {MORE}", venv.display());
            let mut shell = Command::new("sh");
            shell.current_dir(repository()).args(["-c", &script]).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            wheel::compiled(|target| {
                // The profile that is shipped takes half an hour.
                shell.env("MATURIN_PEP517_ARGS", package::build_arguments().join(" "));
                must(package::cargo(&mut shell, target));
            });
            fs::create_dir(stamp).unwrap();
        });
        venv.join("bin/python")
    })
}

/// What the environment depends on: the line that makes it, the program, and the packages' files.
fn key(line: &str) -> String {
    let patterns = [
        "pyproject.toml",
        "pipelines/wheel/**/*.py",
        "pipelines/wheel/native/**/*.*",
        "pipelines/airflow/**/*.*",
        MORE,
    ];
    let find = |pattern| glob::glob(repository().join(pattern).to_str().unwrap()).unwrap();
    let files = patterns.iter().flat_map(find).map(Result::unwrap);
    let sources = files.filter(|path| !path.components().any(|part| part.as_os_str() == "__pycache__"));
    let sources: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    format!("{line}\n{}\n{sources}", harness::build())
}

/// An empty database of Airflow's, to be copied.
fn database() -> PathBuf {
    let version = must(Command::new(python().with_file_name("airflow")).arg("version")).stdout;
    let home = harness::once("airflow-home", &version, |home| {
        fs::create_dir_all(home).unwrap();
        must(command(home).args(["db", "migrate"]));
    });
    home.join("airflow.db")
}

/// `airflow` with a home; the provider and the program are those of its environment.
fn command(home: &Path) -> Command {
    let airflow = python().with_file_name("airflow");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(airflow.parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    let mut command = Command::new(airflow);
    for (name, value) in lsmi().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let database = format!("sqlite:///{}", home.join("airflow.db").display());
    command
        .current_dir(home)
        .env("PATH", path)
        .env("AIRFLOW_HOME", home)
        .env("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database)
        .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False");
    command
}
