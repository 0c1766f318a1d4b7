//! What a cluster refuses, and what executors do.

use super::{Cluster, annotate_on, files, run};
use crate::harness::files::copy_folder;
use crate::harness::{bundle, fitted, last_json, lsmi, refused};

#[test]
fn what_a_cluster_cannot_do_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (fitted().join("in.parquet"), folder.path().join("out.parquet"));
    let adjusted = run(&mut annotate_on("127.0.0.1:1", &input, &output, &["--adjust", "dataset"]));
    refused(&adjusted, 64, &["--adjust", "omit --cluster"]);
    let ran = run(&mut annotate_on("local:0", &input, &output, &[]));
    assert!(ran.code == 64 && ran.stderr.contains("local:N"), "{}", ran.stderr);
}

#[test]
fn without_a_scheduler_a_run_is_to_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&mut annotate_on(
        "127.0.0.1:1",
        &fitted().join("in.parquet"),
        &folder.path().join("out.parquet"),
        &[],
    ));
    refused(&ran, 75, &["127.0.0.1:1", "cannot connect to the scheduler"]);
}

#[test]
fn an_executor_with_another_engine_leaves_the_files_to_others_and_alone_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    files(&input, 4, 500);
    let mut cluster = Cluster::start(0);
    cluster.add_executor(&["--engine", "embedded"]);
    let ran = run(&mut cluster.annotate(&input, &folder.path().join("no"), &["--engine", "onnxruntime"]));
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("runs embedded") && ran.stderr.contains("onnxruntime"), "{}", ran.stderr);
    let ran = run(&mut cluster.annotate(&input, &folder.path().join("yes"), &["--engine", "embedded"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_bundle_travels_with_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    files(&input, 3, 500);
    copy_folder(&bundle(), &folder.path().join("models"));
    let cluster = Cluster::start(1);
    let mut command = lsmi();
    command.current_dir(folder.path()).args(["annotate", "--json", "--cluster", &cluster.address]);
    // Another folder in each process.
    command.args(["--bundle", "/proc/self/cwd/models", "in", "out"]);
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["cluster"]["executors"], 1);
}
