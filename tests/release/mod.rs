//! What a release holds beside the program: the licences of its dependencies, which `deny.toml` allows,
//! and their inventory; and its recipes for package managers.

mod recipes;

use std::process::Command;

use serde_json::Value;

use crate::harness::{self, must, python, repository};

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

/// The dependencies of this target, which have been downloaded to compile the suite.
fn metadata() -> Value {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository()).args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let told = must(cargo.args(["--all-features", "--filter-platform", &target()]));
    serde_json::from_str(&told.stdout).unwrap()
}

/// Whether an SPDX expression can be fulfilled by allowed licences. AND binds more tightly than OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let plain = expression.replace('/', " OR ");
    if let Some(open) = plain.rfind('(') {
        let close = open + plain[open..].find(')').unwrap();
        let inner = if is_allowed(&plain[open + 1..close], allowed) { &allowed[0] } else { "refused" };
        return is_allowed(&format!("{}{inner}{}", &plain[..open], &plain[close + 1..]), allowed);
    }
    let is_listed = |licence: &str| allowed.iter().any(|it| it == licence.trim());
    plain.split(" OR ").any(|choice| choice.split(" AND ").all(is_listed))
}

#[test]
fn expressions_are_read_as_spdx_reads_them() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for expression in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC"] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT WITH exception"] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let text = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let rules: toml::Value = toml::from_str(&text).unwrap();
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<String> = allowed.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 300, "{} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_allowed(licence, &allowed), "{} has the licence {licence}", package["name"]);
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
