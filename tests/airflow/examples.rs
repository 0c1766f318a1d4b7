//! Every example DAG, on generated data.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Airflow, is_valid, python};
use crate::harness::{last_json, lsmi, must, query};

const EXAMPLES: &str = "pipelines/airflow/example_dags";

pub fn gaussian(path: &Path, rows: u32, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (rows, seed) = (rows.to_string(), seed.to_string());
    let args = ["synth", "gaussian", "--classes", "4", "--rows", &rows, "--seed", &seed, "-o"];
    must(lsmi().args(args).arg(path));
}

#[test]
fn airflow_knows_the_provider_and_loads_every_example() {
    let airflow = Airflow::new(EXAMPLES);
    let listed = must(airflow.command().args(["providers", "list", "--output", "plain"]));
    assert!(listed.stdout.contains("airflow-provider-lsmi-etl"), "{}", listed.stdout);
    must(airflow.command().args(["dags", "reserialize"]));
    let errors = must(airflow.command().args(["dags", "list-import-errors", "--output", "plain"]));
    assert!(errors.stdout.contains("No data found"), "{}", errors.stdout);
    let dags = must(airflow.command().args(["dags", "list", "--output", "plain"]));
    for dag in ["lsmi_nightly", "lsmi_pipeline", "lsmi_shards", "lsmi_refit", "lsmi_kubernetes"] {
        assert!(dags.stdout.contains(dag), "{}", dags.stdout);
    }
}

#[test]
fn the_nightly_partition_is_annotated_checked_and_reported() {
    let airflow = Airflow::new(EXAMPLES);
    let raw = airflow.data().join("raw");
    gaussian(&raw.join("ds=2026-02-01/a.parquet"), 3000, 3);
    gaussian(&raw.join("ds=2026-02-01/b.parquet"), 2000, 4);
    fs::create_dir_all(raw.join("ds=2026-02-02")).unwrap();

    let ran = airflow.test("lsmi_nightly", "2026-02-01");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("lsmi_nightly");
    assert_eq!(state.tasks(), [("annotate", "success", 1), ("gate", "success", 1), ("report", "success", 1)]);
    let summary = state.xcom("annotate");
    assert_eq!((&summary["rows"], &summary["files"]), (&5000.into(), &2.into()), "{summary}");
    // The wheel's program, and the library that its extra brings.
    assert!(summary["engine"].as_str().unwrap().starts_with("onnxruntime ("), "{summary}");
    let output = airflow.data().join("annotated/ds=2026-02-01");
    let [(uri, extra)] = state.events()[..] else { panic!("not one event: {:?}", state.events()) };
    assert_eq!(uri, format!("file://{}", output.display()));
    assert_eq!(extra["rows"], 5000);
    assert_eq!(extra["means_nats"]["r"], summary["columns"]["r"]["mean"]);
    let counted = query(&output, "SELECT count(r) AS n, avg(r) AS r FROM '.'");
    assert_eq!(counted["n"], 5000);
    let (mean, told) = (counted["r"].as_f64().unwrap(), extra["means_nats"]["r"].as_f64().unwrap());
    assert!((mean - told).abs() < 1e-6, "{mean} {told}");
    let report = fs::read_to_string(airflow.data().join("report-2026-02-01.html")).unwrap();
    assert!(report.contains("<svg"));

    // The same night again, and a night without data: nothing to do, all is skipped.
    for date in ["2026-02-01", "2026-02-02"] {
        let ran = airflow.test("lsmi_nightly", date);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    }
    let state = airflow.state("lsmi_nightly");
    let skipped = state.tasks().iter().filter(|(_, state, _)| *state == "skipped").count();
    assert!(skipped >= 3, "{:?}", state.tasks());
}

#[test]
fn a_pipeline_file_is_a_task() {
    let airflow = Airflow::new(EXAMPLES);
    let data = airflow.data();
    gaussian(&data.join("raw/ds=2026-02-01/a.parquet"), 2000, 3);
    fs::create_dir_all(data.join("raw/ds=2026-02-02")).unwrap();
    let file = "input = 'raw/ds={{ ds }}'\noutput = 'annotated/ds={{ ds }}'\nannotate = { bundle = 'bundle' }\n\
                report = { output = 'report-{{ ds }}.html' }\n[[sql]]\nname = 'gate'\nexpect = 'all_true'\n\
                query = 'SELECT count(r) = 2000 AS has_values FROM annotated'\n";
    fs::write(data.join("nightly.toml"), file).unwrap();
    for date in ["2026-02-01", "2026-02-02"] {
        let ran = airflow.test("lsmi_pipeline", date);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    }
    let state = airflow.state("lsmi_pipeline");
    let mut ends: Vec<_> = state.tasks().iter().map(|(_, state, _)| *state).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["skipped", "success"], "a night without data is skipped");
    let summary = state.xcom("night");
    is_valid(summary, "schemas/pipeline-summary.schema.json");
    assert_eq!((&summary["annotate"]["rows"], &summary["steps"][0]["name"]), (&2000.into(), &"gate".into()));
    assert_eq!(summary["report"]["output"], "report-2026-02-01.html");
    // Paths are taken in the task's folder.
    let [(uri, extra)] = state.events()[..] else { panic!("not one event: {:?}", state.events()) };
    assert_eq!(uri, format!("file://{}", data.join("annotated/ds=2026-02-01").display()));
    assert_eq!(extra["means_nats"]["s"], summary["annotate"]["columns"]["s"]["mean"]);
}

#[test]
fn shares_of_a_folder_are_mapped_tasks() {
    let airflow = Airflow::new(EXAMPLES);
    for file in 0..4 {
        gaussian(&airflow.data().join(format!("raw/{file}.parquet")), 1000 + 100 * file, file);
    }
    // More shares than files: some have nothing to do.
    let ran = crate::harness::run(airflow.command().env("LSMI_SHARES", "5").args([
        "dags",
        "test",
        "lsmi_shards",
        "2026-02-01",
    ]));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("lsmi_shards");
    let count = |wanted: &str| state.tasks().iter().filter(|t| t.0 == "annotate" && t.1 == wanted).count();
    assert_eq!((count("success"), count("skipped")), (4, 1), "{:?}", state.tasks());
    assert_eq!(state.xcom("count")[0]["rows"], 4600);
    let rows: u64 = state.events().iter().map(|(_, extra)| extra["rows"].as_u64().unwrap()).sum();
    assert_eq!((state.events().len(), rows), (4, 4600), "{:?}", state.events());
}

#[test]
fn new_models_are_promoted_where_they_hold() {
    let airflow = Airflow::new(EXAMPLES);
    let data = airflow.data();
    fs::remove_file(data.join("bundle")).unwrap();
    gaussian(&data.join("train.parquet"), 3000, 1);
    let ran = airflow.test("lsmi_refit", "2026-02-01");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let first = fs::read_link(data.join("bundle")).unwrap();
    assert_eq!(first, data.join("bundles/20260201"));

    // Labels that the embeddings know nothing of give models that do not hold.
    let noise = "COPY (SELECT x1, x2, CAST(row_number() OVER () % 4 AS INT) AS y FROM 'train.parquet') \
                 TO 'noise.parquet'";
    must(lsmi().current_dir(&data).args(["sql", noise]));
    fs::rename(data.join("noise.parquet"), data.join("train.parquet")).unwrap();
    let ran = airflow.test("lsmi_refit", "2026-02-08");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(data.join("bundles/20260208/bundle.json").exists());
    assert_eq!(fs::read_link(data.join("bundle")).unwrap(), first);
}

#[test]
fn the_operators_name_the_columns_of_all_modalities() {
    let arguments = |of: &str| {
        let script = format!(
            "import json
from airflow_provider_lsmi_etl.operators import LsmiAnnotateOperator, LsmiFitOperator
task = {of}
assert {{'x1_column', 'x2_column', 'x_columns'}} <= set(task.template_fields)
print(json.dumps(task.command_arguments()))"
        );
        let ran = must(
            Command::new(python()).args(["-c", &script]).env("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR"),
        );
        let arguments: Vec<String> = serde_json::from_value(last_json(&ran)).unwrap();
        arguments
    };
    let annotate = "LsmiAnnotateOperator(task_id='a', input_path='rows.parquet', output_path='out.parquet', bundle='models'";
    let three =
        arguments(&format!("{annotate}, x_columns=['image', 'text', 'audio'], options=['--workers', '1'])"));
    let named = ["--x", "image", "--x", "text", "--x", "audio", "--workers", "1"];
    assert!(three.ends_with(&named.map(str::to_owned)), "{three:?}");
    assert!(!arguments(&format!("{annotate})")).contains(&"--x".to_owned()));
    let fit = "LsmiFitOperator(task_id='f', train='rows.parquet', bundle='models', key='id', x_columns=['x1', 'x2', 'x3'])";
    let named = ["--x", "x1", "--x", "x2", "--x", "x3", "--key", "id"];
    assert!(arguments(fit).ends_with(&named.map(str::to_owned)));

    let two = arguments(&format!("{annotate}, x_columns=('x1', 'x2'))"));
    let dir = tempfile::tempdir().unwrap();
    gaussian(&dir.path().join("rows.parquet"), 100, 1);
    std::os::unix::fs::symlink(crate::harness::bundle(), dir.path().join("models")).unwrap();
    let summary = last_json(&must(lsmi().current_dir(dir.path()).args(two)));
    assert_eq!(summary["rows"], 100, "{summary}");
}

#[test]
fn the_operator_of_fit_has_the_flags_of_folds() {
    let arguments = |of: &str| {
        let script = format!(
            "import json
from airflow_provider_lsmi_etl.operators import LsmiFitOperator
fit = LsmiFitOperator(task_id='fit', train='train.parquet', bundle='models', {of})
assert {{'group', 'key'}} <= set(fit.template_fields)
print(json.dumps(fit.command_arguments()))"
        );
        let ran = must(
            Command::new(python()).args(["-c", &script]).env("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR"),
        );
        let arguments: Vec<String> = serde_json::from_value(last_json(&ran)).unwrap();
        arguments
    };
    let plain = ["fit", "train.parquet", "--json", "--bundle", "models"];
    assert_eq!(arguments(""), plain);
    assert_eq!(arguments("folds=1, key='id'"), [&plain[..], &["--folds", "1", "--key", "id"]].concat());
    let all = arguments("folds=2, group='patient', key=['source', 'id']");
    let dir = tempfile::tempdir().unwrap();
    gaussian(&dir.path().join("rows.parquet"), 400, 1);
    let query = "COPY (SELECT x1, x2, y, row_number() OVER () AS id, 'a' AS source, row_number() OVER () / 4 AS patient \
                 FROM 'rows.parquet') TO 'train.parquet'";
    must(lsmi().current_dir(dir.path()).args(["sql", query]));
    must(lsmi().current_dir(dir.path()).args(all));
    let manifest = fs::read(dir.path().join("models/bundle.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let rows = &manifest["training_rows"];
    assert_eq!(rows["key"], serde_json::json!(["source", "id"]));
    assert_eq!(rows["filters"].as_array().unwrap().len(), 2);
}
