//! More than two modalities: bundles of the exact models of discrete systems, whose atoms are those of `dit`
//! (`tests/fixtures/m3_discrete_truth.json`, `m4_discrete_truth.json`), and what goes wrong.

mod columns;
mod diagnostics;
mod fitted;
mod missing;
mod missing_sql;
mod recipes;
mod refused;
mod report;
mod sql;
mod synthetic;
mod systems;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{Ran, build, lsmi, must, once, python, repository, run, runtime};

/// The folder of all systems, and what they are.
fn systems() -> &'static [(PathBuf, Value)] {
    static SYSTEMS: OnceLock<Vec<(PathBuf, Value)>> = OnceLock::new();
    SYSTEMS.get_or_init(|| {
        let script = repository().join("tests/python/export_systems.py");
        let folder = once("systems", &(build() + &std::fs::read_to_string(&script).unwrap()), |dir| {
            for truth in ["m3_discrete_truth.json", "m4_discrete_truth.json"] {
                let truth = repository().join("tests/fixtures").join(truth);
                must(Command::new(python()).arg(&script).arg(truth).arg(dir));
            }
        });
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let folder = entry.unwrap().path();
            let described = std::fs::read(folder.join("system.json")).unwrap();
            found.push((folder, serde_json::from_slice(&described).unwrap()));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    })
}

/// The folder of a system of three variables.
fn system(name: &str) -> &'static (PathBuf, Value) {
    systems().iter().find(|(folder, _)| folder.ends_with(name)).unwrap()
}

/// The names of all non-empty sets of so many modalities, by size.
fn sets(modalities: usize) -> Vec<String> {
    let mut sets: Vec<String> = (1..1_usize << modalities)
        .map(|bits| (0..modalities).filter(|m| bits >> m & 1 == 1).map(|m| (m + 1).to_string()).collect())
        .collect();
    sets.sort_by_key(|set: &String| (set.len(), set.clone()));
    sets
}

/// `bundle pack` of a system's models into `bundle`.
fn pack((folder, described): &(PathBuf, Value), bundle: &Path, engine: &str) -> Ran {
    run(&mut pack_command((folder, described), bundle, engine))
}

fn pack_command((folder, described): (&Path, &Value), bundle: &Path, engine: &str) -> Command {
    let modalities = described["modalities"].as_u64().unwrap() as usize;
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).args(["bundle", "pack", "--engine", engine]).arg(bundle);
    let sets = sets(modalities);
    for set in &sets {
        let file = |kind: &str| format!("{set}={}", folder.join(format!("{kind}_{set}.onnx")).display());
        if set.len() < modalities {
            command.args(["--density", &file("density")]);
        }
        command.args(["--classifier", &file("classifier")]);
    }
    (1..=modalities).for_each(|m| _ = command.args(["--x", &format!("x{m}")]));
    let classes: Vec<String> =
        (0..described["classes"].as_u64().unwrap()).map(|class| class.to_string()).collect();
    let prior: Vec<String> = described["prior"].as_array().unwrap().iter().map(ToString::to_string).collect();
    command.args(["--label", "y", "--output", "logits", "--classes", &classes.join(",")]);
    command.args(["--prior", &prior.join(",")]);
    command
}

/// A system packed into `bundle` of a folder, and its outcomes annotated into `out.parquet` there.
fn annotated(of: &(PathBuf, Value), dir: &Path, engine: &str, more: &[&str]) -> Ran {
    let packed = pack(of, &dir.join("bundle"), engine);
    assert_eq!(packed.code, 0, "{}: {}", of.0.display(), packed.stderr);
    let input = of.0.join("in.parquet");
    let annotate = ["annotate", input.to_str().unwrap(), "out.parquet", "--bundle", "bundle", "--json"];
    let ran = on(dir, engine, &[&annotate[..], more].concat());
    assert_eq!(ran.code, 0, "{}: {}", of.0.display(), ran.stderr);
    ran
}

/// A command on a bundle with this engine, in a folder.
fn on(dir: &Path, engine: &str, args: &[&str]) -> Ran {
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).current_dir(dir).args(args).args(["--engine", engine]);
    run(&mut command)
}
