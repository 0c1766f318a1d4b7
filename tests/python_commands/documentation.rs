//! The page on Python, as its reader types it: the `sh` blocks, then the `python` blocks, in one folder.

use std::fs;

use crate::harness::{must, repository, shell};

use super::python;

/// The lines between ```LANGUAGE and ```.
fn blocks(markdown: &str, language: &str) -> String {
    let mut inside = None;
    let mut text = String::new();
    for line in markdown.lines() {
        match (inside, line.strip_prefix("```")) {
            (None, Some(begun)) => inside = Some(begun == language),
            (Some(_), Some(_)) => inside = None,
            (Some(true), None) => text += &format!("{line}\n"),
            _ => {}
        }
    }
    text
}

#[test]
fn the_examples_of_the_page_work() {
    let page = fs::read_to_string(repository().join("docs/python.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let commands = blocks(&page, "sh");
    let commands = commands.lines().filter(|line| !line.starts_with("pip install"));
    must(shell(&commands.collect::<Vec<_>>().join("\n")).current_dir(dir.path()));
    let examples = blocks(&page, "python");
    assert!(examples.lines().count() > 20, "{examples}");
    fs::write(dir.path().join("page.py"), examples).unwrap();
    must(python(dir.path()).arg("page.py"));
}
