//! The provider under a real Airflow, with a database of its own for each test: the
//! example DAGs, and tasks that are killed, can't succeed, or have nothing to do.

mod examples;
mod retries;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{self, Ran, fitted, lsmi, must, repository, run};

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

/// Python with Airflow.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| harness::environment("venv-airflow", "tests/python/requirements-airflow.txt"))
}

/// The provider, installed as a package of its own from a wheel.
pub fn provider() -> &'static Path {
    static PROVIDER: OnceLock<PathBuf> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let source = repository().join("pipelines/airflow");
        let mut key = fs::read_to_string(source.join("pyproject.toml")).unwrap();
        let mut modules: Vec<_> = fs::read_dir(source.join("airflow_provider_lsmi_etl"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
            .collect();
        modules.sort();
        key.extend(modules.iter().map(|path| fs::read_to_string(path).unwrap()));
        harness::once("airflow-provider", &key, |target| {
            let pip =
                ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"];
            must(Command::new(python()).args(pip).arg(target).arg(source));
        })
    })
}

/// An empty database of Airflow's, to be copied.
fn database() -> PathBuf {
    let requirements = repository().join("tests/python/requirements-airflow.txt");
    let home = harness::once("airflow-home", &fs::read_to_string(requirements).unwrap(), |home| {
        fs::create_dir_all(home).unwrap();
        must(command(home).args(["db", "migrate"]));
    });
    home.join("airflow.db")
}

/// `airflow` with a home, the provider and the program.
fn command(home: &Path) -> Command {
    let lsmi = lsmi();
    let program = Path::new(lsmi.get_program()).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([program.to_owned()].into_iter().chain(std::env::split_paths(&path)));
    let mut command = Command::new(python().with_file_name("airflow"));
    for (name, value) in lsmi.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let database = format!("sqlite:///{}", home.join("airflow.db").display());
    command
        .current_dir(home)
        .env("PATH", path.unwrap())
        .env("PYTHONPATH", provider())
        .env("AIRFLOW_HOME", home)
        .env("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database)
        .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False");
    command
}
