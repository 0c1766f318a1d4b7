//! Which value holds, and whether that is what is said of it.

use serde_json::{Value, json};

use crate::harness::{last_json, lsmi, must};

use super::{project, run_in};

const PIPELINE: &str = "\
input = 'raw/{{ name }}'
output = 'out/{{ name }}'
[variables]
name = 'in.parquet'
[annotate]
columns = ['i1']
workers = 1
overwrite = true
memory_limit = '1GiB'
[[sql]]
name = 'count'
query = 'SELECT count(*) AS n FROM annotated'
[report]
output = '{{ name }}.html'
";

/// The value of a setting and its origin.
fn of<'a>(settings: &'a Value, key: &str) -> (&'a Value, &'a str) {
    let found = settings.as_array().unwrap().iter().find(|setting| setting["key"] == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {settings}"));
    (&found["value"], found["origin"].as_str().unwrap())
}

#[test]
fn flags_go_before_the_environment_that_before_the_file_and_that_before_defaults() {
    let dir = project(PIPELINE);
    let show = ["run", "pipeline.toml", "--show-config", "--json"];
    let shown = |more: &[&str], environment: &[(&str, &str)]| {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(show).args(more).envs(environment.iter().copied());
        last_json(&must(&mut command))
    };

    let plain = shown(&[], &[]);
    assert_eq!(of(&plain, "variables.name"), (&json!("in.parquet"), "file, line 4"));
    assert_eq!(of(&plain, "input"), (&json!("raw/in.parquet"), "file, line 1"));
    assert_eq!(of(&plain, "annotate.columns"), (&json!(["i1"]), "file, line 6"));
    assert_eq!(of(&plain, "annotate.bundle"), (&json!("lsmi-bundle"), "default"));
    assert_eq!(of(&plain, "annotate.workers"), (&json!(1), "file, line 7"));
    assert_eq!(of(&plain, "annotate.memory_limit"), (&json!("1GiB"), "file, line 9"));
    assert_eq!(of(&plain, "annotate.rejects"), (&json!(null), "default"));
    assert_eq!(of(&plain, "engine.engine"), (&json!("auto"), "default"));
    assert_eq!(of(&plain, "sql[0].name"), (&json!("count"), "file, line 11"));
    assert_eq!(of(&plain, "report.output"), (&json!("in.parquet.html"), "file, line 14"));
    assert_eq!(of(&plain, "report.samples"), (&json!(8), "default"));

    let environment = [
        ("LSMI_ETL_WORKERS", "2"),
        ("LSMI_ETL_COLUMNS", "i2,h1"),
        ("LSMI_ETL_OVERWRITE", "false"),
        ("LSMI_ETL_ENGINE", "embedded"),
        ("name", "other.parquet"),
    ];
    let changed = shown(&[], &environment);
    assert_eq!(of(&changed, "annotate.workers"), (&json!(2), "environment LSMI_ETL_WORKERS"));
    assert_eq!(of(&changed, "annotate.columns"), (&json!(["i2", "h1"]), "environment LSMI_ETL_COLUMNS"));
    assert_eq!(of(&changed, "annotate.overwrite"), (&json!(false), "environment LSMI_ETL_OVERWRITE"));
    assert_eq!(of(&changed, "engine.engine"), (&json!("embedded"), "environment LSMI_ETL_ENGINE"));
    assert_eq!(of(&changed, "variables.name"), (&json!("other.parquet"), "environment name"));
    assert_eq!(of(&changed, "output"), (&json!("out/other.parquet"), "file, line 2"));

    let flags =
        ["--workers", "3", "--set", "name=third.parquet", "--output", "there", "--max-bad-rows", "1%"];
    let flagged = shown(&flags, &environment);
    assert_eq!(of(&flagged, "annotate.workers"), (&json!(3), "flag --workers"));
    assert_eq!(of(&flagged, "annotate.max_bad_rows"), (&json!("1%"), "flag --max-bad-rows"));
    assert_eq!(of(&flagged, "annotate.columns"), (&json!(["i2", "h1"]), "environment LSMI_ETL_COLUMNS"));
    assert_eq!(of(&flagged, "variables.name"), (&json!("third.parquet"), "flag --set name"));
    assert_eq!(of(&flagged, "input"), (&json!("raw/third.parquet"), "file, line 1"));
    assert_eq!(of(&flagged, "output"), (&json!("there"), "flag --output"));
}

#[test]
fn the_columns_of_one_place_go_before_the_other_notation_of_the_next() {
    let dir = project(&PIPELINE.replace("workers = 1", "x = ['a', 'b']"));
    let shown = |more: &[&str], environment: &[(&str, &str)]| {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["run", "pipeline.toml", "--show-config", "--json"]);
        last_json(&must(command.args(more).envs(environment.iter().copied())))
    };
    let plain = shown(&[], &[]);
    assert_eq!(of(&plain, "annotate.x"), (&json!(["a", "b"]), "file, line 7"));
    let variable = [("LSMI_ETL_X1", "c")];
    let changed = shown(&[], &variable);
    assert_eq!(of(&changed, "annotate.x"), (&json!([]), "default"));
    assert_eq!(of(&changed, "annotate.x1"), (&json!("c"), "environment LSMI_ETL_X1"));
    let flagged = shown(&["--x", "d,\"e,f\""], &variable);
    assert_eq!(of(&flagged, "annotate.x"), (&json!(["d", "e,f"]), "flag --x"));
    assert_eq!(of(&flagged, "annotate.x1"), (&json!(null), "default"));
}

#[test]
fn for_a_person_a_setting_is_a_line() {
    let dir = project(PIPELINE);
    let ran = run_in(dir.path(), &["--show-config", "--workers", "4"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line = |key: &str| {
        let found = ran.stdout.lines().find(|line| line.split_whitespace().next() == Some(key));
        found.unwrap_or_else(|| panic!("no {key} in {}", ran.stdout)).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("annotate.workers"), ["annotate.workers", "4", "flag", "--workers"]);
    assert_eq!(line("annotate.x1"), ["annotate.x1", "-", "default"]);
    assert_eq!(line("annotate.overwrite"), ["annotate.overwrite", "true", "file,", "line", "8"]);
}

#[test]
fn what_is_shown_is_what_holds() {
    let dir = project(PIPELINE);
    let ran = must(
        lsmi()
            .current_dir(dir.path())
            .args(["run", "pipeline.toml", "--json", "--columns", "prior_y", "--output", "flag.parquet"])
            .env("LSMI_ETL_COLUMNS", "h1")
            .env("LSMI_ETL_ENGINE", "embedded"),
    );
    let summary = last_json(&ran);
    let annotate = &summary["annotate"];
    assert_eq!(annotate["output"], "flag.parquet");
    assert!(annotate["engine"].as_str().unwrap().starts_with("embedded"), "{annotate}");
    let columns: Vec<&String> = annotate["columns"].as_object().unwrap().keys().collect();
    assert_eq!(columns, ["prior_y", "r", "s", "u1", "u2"]);
    assert!(dir.path().join("in.parquet.html").exists());
    // The same variables count for the subcommand itself.
    let ran = must(
        lsmi()
            .current_dir(dir.path())
            .args(["annotate", "raw/in.parquet", "out.parquet", "--json"])
            .env("LSMI_ETL_COLUMNS", "h1")
            .env("LSMI_ETL_BATCH_ROWS", "100"),
    );
    assert!(last_json(&ran)["columns"].get("h1").is_some(), "{}", ran.stdout);
}
