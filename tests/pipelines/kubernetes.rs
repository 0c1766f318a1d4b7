//! The manifests of Kubernetes: by its schemas, and by the arguments that their containers give the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{environment, lsmi, must, repository, run};

const FOLDER: &str = "pipelines/kubernetes";

fn python() -> PathBuf {
    environment("venv-kubernetes", "tests/python/requirements-kubernetes.txt")
}

fn manifests() -> Vec<PathBuf> {
    let pattern = repository().join(FOLDER).join("*.yaml");
    glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).collect()
}

fn validate(manifests: &[PathBuf], version: &str) -> Command {
    let mut command = Command::new(python().with_file_name("kubernetes-validate"));
    command.args(["--strict", "--kubernetes-version", version]).args(manifests);
    command
}

#[test]
fn the_manifests_are_valid() {
    for version in ["1.31", "1.37"] {
        let ran = must(&mut validate(&manifests(), version));
        assert!((ran.stdout + &ran.stderr).matches("passed").count() >= 7);
    }
    // The validator is at work.
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(repository().join(FOLDER).join("scheduler.yaml")).unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, text.replace("readinessProbe", "readynessProbe")).unwrap();
    assert_ne!(run(&mut validate(&[wrong], "1.37")).code, 0);
}

/// The arguments of all containers of a manifest.
fn arguments(manifest: &Path) -> Vec<Vec<String>> {
    let script = "import json, sys, yaml
pods = [d['spec']['template']['spec'] for d in yaml.safe_load_all(open(sys.argv[1])) if 'template' in d['spec']]
print(json.dumps([c['args'] for pod in pods for c in pod['containers']]))";
    let ran = must(Command::new(python()).args(["-c", script]).arg(manifest));
    let all: Value = serde_json::from_str(&ran.stdout).unwrap();
    serde_json::from_value(all).unwrap()
}

#[test]
fn the_program_takes_the_arguments_of_each_container() {
    let mut containers = 0;
    for manifest in manifests() {
        for arguments in arguments(&manifest) {
            let arguments = arguments.iter().map(|it| it.replace("$(POD_IP)", "10.0.0.7"));
            // Parsed, and not run.
            let ran = must(lsmi().args(arguments).arg("--help"));
            assert!(ran.stdout.contains("Usage:"), "{}", ran.stdout);
            containers += 1;
        }
    }
    assert_eq!(containers, 4);
}
