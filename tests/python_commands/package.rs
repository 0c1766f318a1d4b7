//! The package's source: its types, its style, and the classes that are made from the schemas.

use crate::harness::{must, repository};

use super::python;

#[test]
fn the_classes_are_those_of_the_schemas() {
    must(python(repository()).args(["pipelines/wheel/classes_of_schemas.py", "--check"]));
}

#[test]
fn types_and_style_are_checked() {
    let wheel = repository().join("pipelines/wheel");
    let cache = tempfile::tempdir().unwrap();
    let configuration = repository().join("pyproject.toml");
    let mypy = ["-m", "mypy", "--strict", "-p", "lsmi_etl", "--config-file"];
    must(python(&wheel).args(mypy).arg(&configuration).arg("--cache-dir").arg(cache.path()));
    let ruff = ["-m", "ruff", "check", "--no-cache", "--config"];
    must(python(&wheel).args(ruff).arg(&configuration).arg("."));
}
