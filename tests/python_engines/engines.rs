//! Spark, Ray, Daft, DuckDB, polars and Hugging Face's datasets.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::script;
use crate::harness::heavy::heavy_environment;
use crate::harness::{bundle, fitted, last_json, lsmi, must, runtime};

const COLUMNS: &str = "i1,i2,i12";

/// Python with all engines.
fn python() -> PathBuf {
    heavy_environment("engines", "tests/python/requirements-engines.txt", &[])
}

/// A script that uses an engine. No engine asks or reports anything elsewhere.
fn with_engine(dir: &Path, name: &str) -> Command {
    let mut command = script(&python(), dir, name);
    command.envs([("RAY_USAGE_STATS_ENABLED", "0"), ("DO_NOT_TRACK", "1"), ("HF_HUB_OFFLINE", "1")]);
    command.env("HF_HOME", dir.join("huggingface")).env("SPARK_LOCAL_DIRS", dir.join("spark"));
    command.env("RAY_TMPDIR", dir);
    let spark = "--master local-cluster[2,1,1024] --conf spark.ui.enabled=false pyspark-shell";
    command.env("PYSPARK_SUBMIT_ARGS", spark).env("PYSPARK_PYTHON", python());
    command
}

/// The file that all of them annotate.
fn input() -> PathBuf {
    fitted().join("in.parquet")
}

/// A folder with `want.parquet`, which `annotate` has written.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut annotate = lsmi();
    annotate.current_dir(dir.path()).env("LSMI_ETL_RUNTIME_DIR", runtime()).arg("annotate").arg(input());
    must(annotate.args(["want.parquet", "--columns", COLUMNS, "--bundle"]).arg(bundle()));
    dir
}

/// The rows of a file or folder are those of `want.parquet`; what its footer says.
fn same_rows(dir: &Path, out: &str) -> Value {
    let mut compare = script(&python(), dir, "tests/python/same_rows.py");
    let ran = must(compare.args([out, "want.parquet", "r", "u1", "u2", "s"]).args(COLUMNS.split(',')));
    let said = last_json(&ran);
    assert_eq!(said["rows"], 3000);
    said
}

/// An example, as its reader runs it; what the footer of its output says.
fn example(name: &str, out: &str) -> Value {
    let dir = folder();
    let mut command = with_engine(dir.path(), &format!("pipelines/python/annotate_with_{name}.py"));
    must(command.arg(input()).arg(out).arg(bundle()));
    same_rows(dir.path(), out)
}

/// Whether a footer has the field's description and the keys of provenance.
fn kept(footer: &Value) -> (bool, bool) {
    let described = footer["r"]["description"].as_str().is_some_and(|text| text.starts_with("redundancy"));
    let keys = footer["file"].as_object().unwrap();
    (described, keys.contains_key("lsmi_etl.bundle_sha256"))
}

#[test]
fn spark_annotates_on_two_executors() {
    let footer = example("spark", "out");
    // Not as the fields' metadata of Arrow, but in Spark's own schema, which Spark reads back.
    assert_eq!(kept(&footer), (false, false));
    let schema = footer["file"]["org.apache.spark.sql.parquet.row.metadata"].as_str().unwrap();
    let schema: Value = serde_json::from_str(schema).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let r = &fields.iter().find(|field| field["name"] == "r").unwrap()["metadata"];
    assert_eq!(r["unit"], "nats");
    assert!(r["comment"].as_str().unwrap().starts_with("redundancy"), "{r}");
    assert_eq!(r["lsmi_etl.bundle_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn spark_reads_the_columns_that_the_program_has_added_to_its_files() {
    let dir = folder();
    let mut command = with_engine(dir.path(), "tests/python/spark_reads.py");
    let ran = must(command.arg(input()).arg(bundle()).arg(lsmi().get_program()));
    assert!(ran.stdout.contains("Spark reads all columns"), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn spark_survives_the_loss_of_a_worker_and_an_executor() {
    survives("tests/python/spark_kills.py", "killed: executor worker");
}

#[test]
fn ray_annotates_in_tasks() {
    assert_eq!(kept(&example("ray", "out")), (true, true));
}

#[test]
fn ray_survives_the_loss_of_an_actor_and_of_a_process_of_tasks() {
    let dir = survives("tests/python/ray_kills.py", "killed: actor task");
    same_rows(dir.path(), "out-tasks");
}

fn survives(name: &str, says: &str) -> tempfile::TempDir {
    let dir = folder();
    std::fs::create_dir(dir.path().join("kills")).unwrap();
    let mut command = with_engine(dir.path(), name);
    let ran = must(command.arg(input()).arg("out").arg(bundle()).arg(dir.path().join("kills")));
    assert!(ran.stdout.contains(says), "{}\n{}", ran.stdout, ran.stderr);
    same_rows(dir.path(), "out");
    dir
}

#[test]
fn daft_annotates() {
    assert_eq!(kept(&example("daft", "out")), (false, false));
}

#[test]
fn duckdb_annotates_and_asks() {
    assert_eq!(kept(&example("duckdb", "out.parquet")), (false, false));
}

#[test]
fn polars_annotates_as_it_streams() {
    assert_eq!(kept(&example("polars", "out.parquet")), (true, true));
}

#[test]
fn datasets_annotates_in_two_processes() {
    assert_eq!(kept(&example("datasets", "out.parquet")), (false, false));
}

#[test]
fn what_engines_do_differently() {
    let dir = folder();
    let mut command = with_engine(dir.path(), "tests/python/engine_details.py");
    let ran = must(command.arg(input()).arg("want.parquet").arg(bundle()));
    assert!(ran.stdout.contains("all hold"), "{}", ran.stdout);
}
