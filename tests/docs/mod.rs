//! The documentation: every command of the README and of the pages of the book, as its reader types it; the
//! generated pages; the book as mdBook builds it, and its links.

mod book;
mod columns;
mod commands;
mod links;
mod schemas;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::airflow;
use crate::harness::{Ran, lsmi, must, python, repository, runtime};

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

fn commands_of(page: &str) -> String {
    let script = commands(&fs::read_to_string(repository().join(page)).unwrap());
    assert!(!script.is_empty(), "{page} has no command");
    script
}

/// Runs a script in a folder in which `pipelines` is that of the repository.
fn run(script: &str, folder: &Path) -> Ran {
    let program = lsmi().get_program().to_owned();
    let programs = Path::new(&program).parent().unwrap();
    let path = std::env::join_paths(
        [programs, python().parent().unwrap()]
            .into_iter()
            .map(Into::into)
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    std::os::unix::fs::symlink(repository().join("pipelines"), folder.join("pipelines")).unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(folder).args(["-e", "-c", script]).env("PATH", path);
    must(shell.env("LSMI_ETL_RUNTIME_DIR", runtime()).env_remove("LSMI_ETL_BUNDLE"))
}

/// Runs a page's commands and looks for a sign of each of its parts in what they print.
fn page_works(page: &str, signs: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    // This program is the one that would be installed.
    let ran = run(&commands_of(page).replace("cargo install --path . --locked\n", ""), dir.path());
    for sign in signs {
        assert!(ran.stdout.contains(sign), "{page}: no {sign:?} in\n{}", ran.stdout);
    }
    dir
}

/// The examples of the page on estimates: every claim is a query whose answer is true.
#[test]
fn the_claims_about_estimates_hold() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&commands_of("docs/estimates.md"), dir.path());
    let claims = ran.stdout.lines().filter(|line| line.contains("| true")).count();
    assert!(claims == 7 && !ran.stdout.contains("false"), "{}", ran.stdout);
}

/// The line that installs the wheel, the provider and Airflow, once for all tests.
pub fn installation() -> String {
    let page = commands_of("docs/airflow.md");
    page.lines().find(|line| line.starts_with("pip install '.[cpu")).unwrap().to_owned()
}

/// The script in the environment that the page on Airflow installs, which is made once for all tests.
fn with_environment(script: &str) -> String {
    let environment = airflow::python().ancestors().nth(2).unwrap().display().to_string();
    script
        .replace("python3 -m venv venv\n", &format!("ln -s {environment} venv\n"))
        .replace(&format!("{}\n", installation()), "")
        .replace("pip install '.[cpu,python]'\n", &format!(". {environment}/bin/activate\n"))
}

#[test]
fn the_readmes_commands_work() {
    let script = with_environment(&commands_of("README.md"))
        // What is running now.
        .replace("cargo test --release --all-features\n", "")
        // The same program, already built.
        .replace("cargo run --release -- ", "lsmi-etl ");
    assert!(!script.contains("cargo") && script.lines().count() > 12, "{script}");
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&script, dir.path());
    for sign in
        ["5. Compare with the truth.", "fit would take", "classifier 1 and 2", "| label | r ", "597 ['"]
    {
        assert!(ran.stdout.contains(sign), "no {sign:?} in\n{}", ran.stdout);
    }
    assert!(dir.path().join("report-2026-11-23.html").exists());
}

#[test]
fn the_tutorial_works() {
    let dir = page_works(
        "docs/tutorial.md",
        &["x1          top, 32 values", "classifier 1 and 2", "| 8     |", "| x2      |"],
    );
    for made in ["report.html", "mislabelled-2026-11-23.csv", "report-2026-11-23.html"] {
        assert!(dir.path().join(made).exists(), "no {made}");
    }
}

#[test]
fn the_guides_to_data_and_fit_work() {
    page_works("docs/data.md", &["fit would take", "label y"]);
    page_works("docs/fit.md", &["classifier 1 and 2", "2000 rows"]);
}

#[test]
fn the_guide_to_annotate_works() {
    let dir = page_works("docs/annotate.md", &["| 2026-02-01 |", "s_mean", "\"skipped_files\":2"]);
    assert!(dir.path().join("night.prom").exists());
}

#[test]
fn the_guides_to_sql_and_reports_work() {
    let dir = page_works("docs/sql.md", &["| label | rows", "| rows", "i12"]);
    assert!(dir.path().join("pair.parquet").exists());
    let dir = page_works("docs/report.md", &[]);
    assert!(dir.path().join("report.html").exists() && dir.path().join("report.json").exists());
}

#[test]
fn the_guides_to_models_work() {
    page_works("docs/modalities.md", &["classifier 1, 2 and 3", "| in_any_two"]);
    page_works("docs/bundles.md", &["density 1"]);
    page_works("docs/engines.md", &["engine   onnxruntime"]);
    page_works("docs/install.md", &["\"version\""]);
}

#[test]
fn the_guide_to_airflow_works() {
    // With the packages of the tests: the environment is that of all tests of Airflow, which run meanwhile.
    let digits = "pip install -r pipelines/digits/requirements.txt\npython pipelines/digits/make_digits.py\n";
    let made = format!("{} pipelines/digits/make_digits.py\n", python().display());
    let script = with_environment(&commands_of("docs/airflow.md")).replace(digits, &made);
    assert!(script.contains(&made), "{script}");
    let dir = tempfile::tempdir().unwrap();
    run(&script, dir.path());
    assert!(dir.path().join("data/report-2026-11-24.html").exists());
}
