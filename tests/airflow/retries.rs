//! Tasks in which something goes wrong, and what Airflow makes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Airflow;
use crate::harness::files::listing;
use crate::harness::{Ran, last_json, lsmi, must, repository, run};

const DAGS: &str = "tests/airflow/dags";
const DATE: &str = "2026-02-01";
const ROW_GROUPS: u64 = 40;

/// Rows enough for a run to be met in its midst.
fn many(airflow: &Airflow) {
    let args = ["synth", "gaussian", "--classes", "4", "--truth", "none", "--rows", "2000000"];
    let input = airflow.data().join("in.parquet");
    must(lsmi().args(args).args(["--row-group-rows", "50000", "-o"]).arg(input));
}

fn few(airflow: &Airflow, name: &str) {
    let args = ["synth", "gaussian", "--classes", "4", "--rows", "100", "-o"];
    must(lsmi().args(args).arg(airflow.data().join(name)));
}

/// Waits for a run on this data to have computed some row groups.
fn wait_for_midway(airflow: &Airflow) {
    let journal = airflow.data().join(".out.parquet.lsmi-journal");
    let start = Instant::now();
    // 24 bytes a row: some row groups of the 40.
    while journal.metadata().map_or(0, |metadata| metadata.len()) < 5 * 24 * 50_000 {
        assert!(start.elapsed() < Duration::from_secs(120), "no run has begun");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run of a DAG on many rows, in the midst of its first try.
fn midway(airflow: &Airflow, dag: &str) -> Child {
    many(airflow);
    let mut test = airflow.command();
    test.args(["dags", "test", dag, DATE]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let test = test.spawn().unwrap();
    wait_for_midway(airflow);
    test
}

/// Waits for the end of a DAG's run, which must be good.
fn ended(test: Child) -> Ran {
    let ran: Ran = test.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// The pattern of the command line of a run on this data.
fn its_run(airflow: &Airflow) -> String {
    format!("lsmi-etl annotate {}", airflow.data().join("in.parquet").display())
}

fn is_running(airflow: &Airflow) -> bool {
    run(Command::new("pgrep").arg("-f").arg(its_run(airflow))).code == 0
}

/// Checks that a run ends soon, unfinished: it would keep the next try from its output.
fn ends(airflow: &Airflow) {
    let start = Instant::now();
    while is_running(airflow) {
        assert!(start.elapsed() < Duration::from_secs(10), "the run is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!airflow.data().join("out.parquet").exists(), "it was not in the midst");
}

/// Checks that the second try went on where the first one was.
fn went_on(airflow: &Airflow) {
    let state = airflow.state("killed");
    assert_eq!(state.tasks(), [("annotate", "success", 2)]);
    resumed(state.xcom("annotate"));
}

/// Checks that a run went on where another one was.
fn resumed(summary: &Value) {
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert!(count("resumed_row_groups") >= 4, "{summary}");
    assert_eq!(count("resumed_row_groups") + count("computed_row_groups"), ROW_GROUPS, "{summary}");
    assert_eq!(summary["fates"]["good"], 2_000_000);
}

#[test]
fn a_task_that_is_killed_is_tried_again_and_resumes() {
    let airflow = Airflow::new(DAGS);
    let test = midway(&airflow, "killed");
    must(Command::new("pkill").args(["-KILL", "-f"]).arg(its_run(&airflow)));
    ended(test);
    went_on(&airflow);
    let state = airflow.state("killed");
    let uri = format!("file://{}", airflow.data().join("out.parquet").display());
    assert_eq!(state.events().iter().map(|(uri, _)| *uri).collect::<Vec<_>>(), [uri]);
}

#[test]
fn a_task_that_is_ended_ends_its_run_in_order_and_resumes() {
    let airflow = Airflow::new(DAGS);
    // As a worker that is told to stop tells its tasks: on_kill is asked.
    let test = midway(&airflow, "killed");
    must(Command::new("kill").arg("-TERM").arg(test.id().to_string()));
    let ran = ended(test);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("ending the run") && said.contains("interrupted"), "{said}");
    went_on(&airflow);
    assert!(!is_running(&airflow));
}

#[test]
fn a_run_ends_with_its_task_however_that_ends() {
    let airflow = Airflow::new(DAGS);
    let mut test = midway(&airflow, "killed");
    test.kill().unwrap();
    test.wait().unwrap();
    ends(&airflow);
    let ran = airflow.test("killed", DATE);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    resumed(airflow.state("killed").xcom("annotate"));
}

#[test]
fn a_deferred_run_ends_with_its_keeper() {
    let airflow = Airflow::new(DAGS);
    let mut test = midway(&airflow, "deferred");
    let keeper = format!("airflow_provider_lsmi_etl.job {}", airflow.data().join("job").display());
    must(Command::new("pkill").args(["-KILL", "-f"]).arg(keeper));
    ends(&airflow);
    test.kill().unwrap();
    test.wait().unwrap();
}

#[test]
fn a_tasks_span_is_the_runs_parent() {
    let airflow = Airflow::new(DAGS);
    let mut python = Command::new(super::python());
    let script = repository().join("tests/python/airflow_trace.py");
    let said = last_json(&must(python.arg(script).current_dir(airflow.data())));
    assert_eq!(said["outside"], serde_json::json!({}));
    assert_eq!(said["inside"], said["expected"]);
    assert_eq!(said["logged"][0], serde_json::json!([30, " WARN 5 rows have no values"]));
    assert_eq!(said["logged"][1], serde_json::json!([40, "no such input"]));
    assert_eq!(said["logged"][2], serde_json::json!([20, "{neither}"]));
}

#[test]
fn a_deferred_task_waits_without_a_worker() {
    let airflow = Airflow::new(DAGS);
    many(&airflow);
    let ran = airflow.test("deferred", DATE);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("deferred");
    assert_eq!(state.tasks().iter().map(|task| task.1).collect::<Vec<_>>(), ["success"]);
    assert_eq!(state.xcom("annotate")["rows"], 2_000_000);
    assert!(airflow.data().join("job/exit.json").exists());
}

#[test]
fn what_a_lost_try_has_done_is_the_next_ones() {
    let airflow = Airflow::new(DAGS);
    few(&airflow, "in.parquet");
    let program = airflow.data().join("killed-at-the-end");
    let script = "#!/bin/sh\nlsmi-etl \"$@\"\ncode=$?\n[ -e \"$0.once\" ] || { touch \"$0.once\"; kill -KILL $$; }\nexit $code\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = airflow.test("lost", DATE);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("lost");
    // Not skipped: what follows is to run.
    assert_eq!(state.tasks(), [("annotate", "success", 2), ("count", "success", 1)]);
    assert_eq!(state.xcom("annotate")["skipped"], true);
    assert_eq!(state.xcom("count")[0]["rows"], 100);
}

#[test]
fn a_pipeline_waits_without_a_worker_too() {
    let airflow = Airflow::new(DAGS);
    few(&airflow, "in.parquet");
    let file = "input = 'in.parquet'\noutput = 'out.parquet'\nannotate = { bundle = 'bundle' }\n[[sql]]\n\
                name = 'rows'\nexpect = 'all_true'\n\
                query = 'SELECT count(r) >= {{ least }} AS enough FROM annotated'\n";
    fs::write(airflow.data().join("night.toml"), file).unwrap();
    let ran = airflow.test("night", DATE);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("night");
    assert_eq!(state.xcom("night")["annotate"]["rows"], 100);
    assert_eq!(state.xcom("night")["steps"][0]["name"], "rows");
}

#[test]
fn a_bad_bundle_fails_without_retry() {
    let airflow = Airflow::new(DAGS);
    few(&airflow, "in.parquet");
    fs::remove_file(airflow.data().join("bundle")).unwrap();
    fs::create_dir(airflow.data().join("bundle")).unwrap();
    fs::write(airflow.data().join("bundle/bundle.json"), "{}").unwrap();
    let ran = airflow.test("killed", DATE);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("78 (bad bundle)"), "{}", ran.stdout);
    assert_eq!(airflow.state("killed").tasks(), [("annotate", "failed", 1)]);
}

#[test]
fn a_bad_file_among_others_fails_without_retry_unless_it_is_skipped() {
    let airflow = Airflow::new(DAGS);
    let (input, output) = (airflow.data().join("in"), airflow.data().join("out"));
    fs::create_dir(&input).unwrap();
    few(&airflow, "in/good.parquet");
    fs::write(input.join("bad.parquet"), "PAR1").unwrap();
    for (dag, code, state) in [("bad_file", 1, "failed"), ("bad_file_skipped", 0, "success")] {
        let ran = airflow.test(dag, DATE);
        assert_eq!(ran.code, code, "{}\n{}", ran.stdout, ran.stderr);
        assert_eq!(airflow.state(dag).tasks(), [("annotate", state, 1)]);
        assert_eq!(listing(&output), ["good.parquet"]);
        fs::remove_dir_all(&output).unwrap();
    }
    let state = airflow.state("bad_file_skipped");
    let bad = &state.xcom("annotate")["bad_files"];
    assert_eq!(bad.as_array().unwrap().len(), 1, "{bad}");
    assert!(bad[0]["input"].as_str().unwrap().ends_with("in/bad.parquet"), "{bad}");
}

#[test]
fn an_input_that_is_late_is_tried_again() {
    let airflow = Airflow::new(DAGS);
    let ran = airflow.test("killed", DATE);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(airflow.state("killed").tasks(), [("annotate", "failed", 3)]);
}

#[test]
fn a_gate_that_is_not_passed_fails_and_names_what_is_not_true() {
    let airflow = Airflow::new(DAGS);
    few(&airflow, "out.parquet");
    let ran = run(airflow.command().args(["dags", "test", "gate", DATE]));
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("not true: has_fewer_than_none"), "{said}");
    assert_eq!(airflow.state("gate").tasks(), [("gate", "failed", 1)]);
}
