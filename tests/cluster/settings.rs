//! Where a run on a cluster is asked for: by a flag, the environment or a pipeline file; and what a refusal
//! says of that.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::run;
use crate::harness::{bundle, fitted, last_json, lsmi, refused};

const PIPELINE: &str = "input = 'in.parquet'
output = 'out.parquet'
[annotate]
bundle = 'lsmi-bundle'
[cluster]
scheduler = 'local:1'
";

/// A folder with a pipeline file that runs on a cluster.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fitted().join("in.parquet"), folder.path().join("in.parquet")).unwrap();
    std::os::unix::fs::symlink(bundle(), folder.path().join("lsmi-bundle")).unwrap();
    std::fs::write(folder.path().join("pipeline.toml"), PIPELINE).unwrap();
    folder
}

fn pipeline(folder: &Path, more: &[&str], variable: Option<&str>) -> Command {
    let mut command = lsmi();
    command.current_dir(folder).args(["run", "pipeline.toml"]).args(more);
    command.envs(variable.map(|value| ("LSMI_ETL_CLUSTER", value)));
    command
}

#[test]
fn a_pipeline_file_names_a_cluster_below_the_environment_and_flags() {
    let folder = project();
    let shown = |more: &[&str], variable| {
        let all = [&["--show-config", "--json"], more].concat();
        let settings = last_json(&run(&mut pipeline(folder.path(), &all, variable)));
        let found = settings.as_array().unwrap().iter().find(|it| it["key"] == "cluster.scheduler").unwrap();
        (found["value"].clone(), found["origin"].as_str().unwrap().to_owned())
    };
    let value = |value: Value, origin: &str| (value, origin.to_owned());
    assert_eq!(shown(&[], None), value(json!("local:1"), "file, line 6"));
    assert_eq!(shown(&[], Some("")), value(json!("local:1"), "file, line 6"));
    assert_eq!(shown(&[], Some("a:1")), value(json!("a:1"), "environment LSMI_ETL_CLUSTER"));
    assert_eq!(shown(&["--cluster", "b:2"], Some("a:1")), value(json!("b:2"), "flag --cluster"));

    let plan = run(&mut pipeline(folder.path(), &["--dry-run"], None));
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("cluster    local:1\n"), "{}", plan.stdout);
    let plan = last_json(&run(&mut pipeline(folder.path(), &["--dry-run", "--json"], None)));
    assert_eq!(plan["annotate"]["cluster"], "local:1");

    let ran = run(&mut pipeline(folder.path(), &["--json"], None));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["annotate"]["cluster"]["executors"], 1);
}

#[test]
fn a_wrong_address_in_a_pipeline_file_is_named_with_its_line() {
    let folder = project();
    std::fs::write(folder.path().join("pipeline.toml"), PIPELINE.replace("local:1", "nowhere")).unwrap();
    let ran = run(&mut pipeline(folder.path(), &[], None));
    refused(&ran, 78, &["pipeline.toml", "line 6", "cluster.scheduler", "HOST:PORT"]);
}

#[test]
fn a_refusal_says_what_has_named_the_cluster() {
    let folder = project();
    let stream = |flag: &[&str], variable: Option<&str>| {
        let mut command = lsmi();
        command.current_dir(folder.path()).args(["annotate", "in.parquet", "-", "--bundle", "lsmi-bundle"]);
        run(command.args(flag).envs(variable.map(|value| ("LSMI_ETL_CLUSTER", value))))
    };
    refused(&stream(&["--cluster", "a:1"], Some("b:2")), 64, &["a stream", "omit --cluster"]);
    refused(&stream(&[], Some("b:2")), 64, &["a stream", "unset LSMI_ETL_CLUSTER"]);
    let adjusted = run(&mut pipeline(folder.path(), &["--adjust", "dataset"], None));
    refused(&adjusted, 64, &["--adjust", "line 6 of the pipeline file"]);
    let adjusted = run(&mut pipeline(folder.path(), &["--adjust", "dataset"], Some("b:2")));
    refused(&adjusted, 64, &["--adjust", "unset LSMI_ETL_CLUSTER"]);
}
