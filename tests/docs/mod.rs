//! Every command of the README, as its reader types it: the `sh` blocks in their order,
//! in one folder.

use std::fs;
use std::process::Command;

use crate::airflow;
use crate::harness::{lsmi, must, python, repository, runtime};

/// The lines between ```sh and ```.
pub fn commands(markdown: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in markdown.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, command) => script += &format!("{command}\n"),
            (false, _) => {}
        }
    }
    script
}

/// The examples of the page on estimates: every claim is a query whose answer is true.
#[test]
fn the_claims_about_estimates_hold() {
    let script = commands(&fs::read_to_string(repository().join("docs/estimates.md")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let program = lsmi().get_program().to_owned();
    let programs = std::path::Path::new(&program).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(programs.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.current_dir(dir.path()).args(["-e", "-c", &script]).env("PATH", path.unwrap());
    let ran = must(shell.env_remove("LSMI_ETL_BUNDLE"));
    let claims = ran.stdout.lines().filter(|line| line.contains("| true")).count();
    assert!(claims == 7 && !ran.stdout.contains("false"), "{}", ran.stdout);
}

fn readme() -> String {
    commands(&fs::read_to_string(repository().join("README.md")).unwrap())
}

/// The line that installs the wheel, the provider and Airflow, once for all tests.
pub fn installation() -> String {
    let readme = readme();
    readme.lines().find(|line| line.starts_with("pip install '.[cpu")).unwrap().to_owned()
}

#[test]
fn the_readmes_commands_work() {
    let environment = airflow::python().ancestors().nth(2).unwrap();
    let script = readme()
        // What is running now.
        .replace("cargo test --release --all-features\n", "")
        // This line and that of the installation have been run, in this order, for all tests.
        .replace("python3 -m venv venv\n", &format!("ln -s {} venv\n", environment.display()))
        .replace(&format!("{}\n", installation()), "")
        // The same program, already built.
        .replace("cargo run --release -- ", "lsmi-etl ");
    assert!(!script.contains("cargo") && script.lines().count() > 12, "{script}");
    let dir = tempfile::tempdir().unwrap();
    let program = lsmi().get_program().to_owned();
    let programs = std::path::Path::new(&program).parent().unwrap();
    let path = std::env::join_paths(
        [programs, python().parent().unwrap()]
            .into_iter()
            .map(Into::into)
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    std::os::unix::fs::symlink(repository().join("pipelines"), dir.path().join("pipelines")).unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(dir.path()).args(["-e", "-c", &script]).env("PATH", path);
    shell.env("LSMI_ETL_RUNTIME_DIR", runtime()).env_remove("LSMI_ETL_BUNDLE");
    let ran = must(&mut shell);
    // A sign of each: the demo's table, the fit's figures, the query, the doctor.
    for sign in ["5. Compare with the truth.", "classifier 1 and 2", "| label | r ", "engine   onnxruntime"] {
        assert!(ran.stdout.contains(sign), "no {sign:?} in\n{}", ran.stdout);
    }
    // And what the nights have left.
    for made in ["mislabelled-2026-11-23.csv", "report-2026-11-23.html", "data/report-2026-11-24.html"] {
        assert!(dir.path().join(made).exists(), "no {made}");
    }
}
