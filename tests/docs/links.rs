//! The links of the Markdown files as they stand in the repository.

use std::process::Command;

use crate::harness::{must, python, repository};

#[test]
fn links_in_the_repository_lead_somewhere() {
    let links = repository().join("tests/python/links.py");
    let ran = must(Command::new(python()).arg(links).arg("repository").arg(repository()));
    assert!(ran.stdout.contains(" links of "), "{}", ran.stdout);
}
