//! The book in `docs`, built by mdBook; its links.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{must, once, python, repository};

const MDBOOK_VERSION: &str = "0.5.4";

/// The program `mdbook`, compiled once for all test processes.
fn mdbook() -> PathBuf {
    let folder = once("mdbook", MDBOOK_VERSION, |folder| {
        // Its artefacts take 400 MB and are not needed again.
        let target = tempfile::tempdir().unwrap();
        let mut cargo = Command::new("cargo");
        // It writes one book: unoptimised, it is compiled in less than half the time.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").args([
            "install",
            "mdbook",
            "--debug",
            "--quiet",
            "--locked",
            "--no-default-features",
            "--features",
            "search",
        ]);
        cargo
            .args(["--version", MDBOOK_VERSION, "--root"])
            .arg(folder)
            .arg("--target-dir")
            .arg(target.path());
        must(&mut cargo);
    });
    folder.join("bin/mdbook")
}

#[test]
fn the_book_is_built_and_its_links_lead_somewhere() {
    let book = tempfile::tempdir().unwrap();
    let built =
        must(Command::new(mdbook()).arg("build").arg(repository().join("docs")).arg("-d").arg(book.path()));
    let said = format!("{}{}", built.stdout, built.stderr);
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let links = repository().join("tests/python/links.py");
    let ran = must(Command::new(python()).arg(links).arg("book").arg(book.path()));
    assert!(ran.stdout.contains(" links of "), "{}", ran.stdout);
}

#[test]
fn every_page_is_in_the_summary() {
    let docs = repository().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for entry in fs::read_dir(&docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let listed = !name.ends_with(".md") || name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "docs/SUMMARY.md does not list {name}");
    }
}
