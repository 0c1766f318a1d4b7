//! What a cluster makes of files is what one machine makes of them, byte for byte.

use std::path::Path;

use serde_json::Value;

use super::{Cluster, annotate_on, files, run};
use crate::harness::files::contents;
use crate::harness::{Ran, bundle, fitted, last_json, lsmi, must};

/// A folder `in` of four files, and `one`, what one machine makes of it.
fn work(folder: &Path) -> Ran {
    let input = folder.join("in");
    files(&input, 3, 4_000);
    std::fs::create_dir(input.join("part=1")).unwrap();
    std::fs::copy(fitted().join("in.parquet"), input.join("part=1/large.parquet")).unwrap();
    let mut one = lsmi();
    one.args(["annotate", "--json", "--bundle"]).arg(bundle());
    must(one.arg(&input).arg(folder.join("one")))
}

/// A summary without what differs from run to run.
fn lasting(mut summary: Value) -> Value {
    let fields = summary.as_object_mut().unwrap();
    for name in ["output", "seconds", "rows_per_second", "peak_memory_bytes", "cluster"] {
        fields.remove(name);
    }
    summary
}

#[test]
fn a_local_cluster_makes_the_same_files_and_summary() {
    let folder = tempfile::tempdir().unwrap();
    let one = work(folder.path());
    let (input, output) = (folder.path().join("in"), folder.path().join("two"));
    let ran = run(&mut annotate_on("local:2", &input, &output, &[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(contents(&output), contents(&folder.path().join("one")));
    let summary = last_json(&ran);
    assert_eq!(summary["cluster"]["attempts"], 4, "{summary}");
    assert_eq!(lasting(summary), lasting(last_json(&one)));

    // Again, there is nothing to do.
    let again = run(&mut annotate_on("local:1", &input, &output, &["--if-nothing", "exit99"]));
    assert_eq!(again.code, 99, "{}", again.stderr);
    assert_eq!(last_json(&again)["skipped_files"], 4);
}

#[test]
fn one_file_has_the_summary_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let input = fitted().join("in.parquet");
    let (one, two) = (folder.path().join("one.parquet"), folder.path().join("two.parquet"));
    let alone = must(lsmi().args(["annotate", "--json", "--bundle"]).arg(bundle()).arg(&input).arg(&one));
    let ran = run(&mut annotate_on("local:1", &input, &two, &[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    assert_eq!(lasting(last_json(&ran)), lasting(last_json(&alone)));
}

/// Columns with a prefix, those of an earlier run replaced, and the most probable class.
#[test]
fn the_choice_of_columns_travels() {
    let folder = tempfile::tempdir().unwrap();
    work(folder.path());
    let mut input = folder.path().join("one");
    for (step, options) in [
        &["--prefix", "b_", "--columns", "i1,top_class,p_top"][..],
        &["--prefix", "b_", "--columns", "i2", "--replace-columns"],
        &["--replace-columns", "--columns", "top_class"],
    ]
    .into_iter()
    .enumerate()
    {
        let (alone, two) =
            (folder.path().join(format!("alone{step}")), folder.path().join(format!("two{step}")));
        let mut one = lsmi();
        one.args(["annotate", "--json", "--bundle"]).arg(bundle()).arg(&input).arg(&alone).args(options);
        must(&mut one);
        let ran = run(&mut annotate_on("local:2", &input, &two, options));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(contents(&two), contents(&alone), "{options:?}");
        input = alone;
    }
}

#[test]
fn processes_make_the_same_files_and_paths_may_be_relative() {
    let folder = tempfile::tempdir().unwrap();
    work(folder.path());
    let cluster = Cluster::start(2);
    let mut command = cluster.annotate(Path::new("in"), Path::new("two"), &["--rejects", "rejects"]);
    let ran = run(command.current_dir(folder.path()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(contents(&folder.path().join("two")), contents(&folder.path().join("one")));
    let summary = last_json(&ran);
    assert_eq!((&summary["input"], &summary["output"]), (&"in".into(), &"two".into()));
    assert!(summary["cluster"]["executors"].as_u64().unwrap() >= 1, "{summary}");
}

#[test]
fn a_bad_file_ends_as_on_one_machine_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("two"));
    files(&input, 3, 500);
    std::fs::write(input.join("bad.parquet"), "PAR1 and nothing else").unwrap();
    let mut one = lsmi();
    one.args(["annotate", "--json", "--bundle"]).arg(bundle()).arg(&input).arg(folder.path().join("one"));
    let one = run(&mut one);
    let ran = run(&mut annotate_on("local:2", &input, &output, &[]));
    assert_eq!((one.code, ran.code), (65, 65), "{}", ran.stderr);
    let error = |ran: &Ran| ran.stderr.lines().find(|line| line.starts_with("ERROR")).unwrap().to_owned();
    assert_eq!(error(&ran), error(&one));
    assert_eq!(last_json(&ran)["bad_files"], last_json(&one)["bad_files"]);
    assert_eq!(contents(&output), contents(&folder.path().join("one")));
    let skipped = run(&mut annotate_on("local:2", &input, &output, &["--on-bad-file", "skip"]));
    assert_eq!(skipped.code, 0, "{}", skipped.stderr);
}

#[test]
fn an_error_of_a_file_has_its_message_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let input = fitted().join("in.parquet");
    let output = folder.path().join("out.parquet");
    std::fs::write(&output, "not ours").unwrap();
    let ran = run(&mut annotate_on("local:1", &input, &output, &[]));
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains("give --overwrite"), "{}", ran.stderr);
    let missing = run(&mut annotate_on("local:1", &input, &folder.path().join("o.parquet"), &["--x1", "no"]));
    assert_eq!(missing.code, 65, "{}", missing.stderr);
}
