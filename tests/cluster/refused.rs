//! What a cluster refuses, and what executors do.

use super::{Cluster, DEADLINE, Process, annotate_on, files, run, within};
use crate::harness::files::copy_folder;
use crate::harness::{bundle, fitted, last_json, lsmi, refused, runtime};

#[test]
fn what_a_cluster_cannot_do_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (fitted().join("in.parquet"), folder.path().join("out.parquet"));
    let adjusted = run(&mut annotate_on("127.0.0.1:1", &input, &output, &["--adjust", "dataset"]));
    refused(&adjusted, 64, &["--adjust", "omit --cluster"]);
    let piped = run(&mut annotate_on("127.0.0.1:1", &input, &output, &["--parquet-keys", "/dev/null"]));
    refused(&piped, 64, &["--parquet-keys", "/dev/null", "no regular file"]);
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

/// Each refused file would take two seconds.
#[test]
fn executors_are_asked_before_they_refuse_many_files() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    files(&input, 1, 100);
    for number in 1..100 {
        std::fs::copy(input.join("0.parquet"), input.join(format!("{number}.parquet"))).unwrap();
    }
    let mut cluster = Cluster::start(0);
    cluster.environment.push(("LSMI_ETL_RUNTIME_DIR".to_owned(), runtime().display().to_string()));
    (0..2).for_each(|_| cluster.add_executor(&["--engine", "embedded"]));
    within(DEADLINE, || (executors(&cluster.address) == 2).then_some(())).unwrap();
    let ran = run(&mut cluster.annotate(&input, &folder.path().join("no"), &["--engine", "onnxruntime"]));
    refused(&ran, 69, &["no executor can annotate 100 files", "runs embedded"]);
    let refusals = |executor: &Process| executor.log().matches("unit refused").count();
    assert!(cluster.executors.iter().map(refusals).sum::<usize>() <= 10, "{}", ran.stderr);
    // One that can among two that can't, and fewer files left than these have slots.
    cluster.add_executor(&["--engine", "onnxruntime"]);
    within(DEADLINE, || (executors(&cluster.address) == 3).then_some(())).unwrap();
    for (count, output) in [(100, "many"), (3, "few"), (1, "one")] {
        let some = folder.path().join(format!("in-{output}"));
        std::fs::create_dir(&some).unwrap();
        for number in 0..count {
            let name = format!("{number}.parquet");
            std::fs::copy(input.join(&name), some.join(&name)).unwrap();
        }
        let ran =
            run(&mut cluster.annotate(&some, &folder.path().join(output), &["--engine", "onnxruntime"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(last_json(&ran)["files"], count);
    }
}

/// The executors that a scheduler has.
fn executors(address: &str) -> u64 {
    let ran = run(lsmi().args(["cluster", "status", "--json", address]));
    last_json(&ran)["executors"].as_u64().unwrap()
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
