//! The page in headless Chromium: at 2560, 1280, 768 and 390 pixels and in print, light and
//! dark, with scripts and without.

use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use super::odd_rows;
use crate::harness::files::write;
use crate::harness::{annotate, chromium, fitted, lsmi, must, python, repository, scratch};

/// One way of looking at a page, as `browse.py` prints it.
#[derive(serde::Deserialize)]
pub struct Look {
    way: String,
    wrong: Vec<String>,
    pictures: usize,
    text: String,
}

/// Looks at a page in every way; its screenshots stay under the target folder.
pub fn look(page: &Path, name: &str) -> Vec<Look> {
    let shots = scratch().join("screenshots").join(name);
    let script = repository().join("tests/python/browse.py");
    let ran = must(Command::new(python()).arg(script).arg(chromium()).arg(page).arg(&shots));
    let looks: Vec<Look> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(looks.len(), 11);
    looks
}

#[track_caller]
pub fn nothing_wrong(looks: &[Look], pictures: usize, words: &[&str]) {
    for look in looks {
        assert!(look.wrong.is_empty(), "{}: {:#?}", look.way, look.wrong);
        assert_eq!(look.pictures, pictures, "{}", look.way);
        for word in words {
            assert!(look.text.contains(word), "{}: no {word:?} in {}", look.way, look.text);
        }
    }
}

#[test]
fn everything_is_drawn_and_in_its_box() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let input = fitted().join("in.parquet");
    let ran = annotate(dir, input.to_str().unwrap(), "out.parquet", &["--columns", "h1,h2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bundle = fitted().join("bundle");
    must(lsmi().current_dir(dir).args(["report", "out.parquet", "-o", "a.html", "--bundle"]).arg(&bundle));
    let words = [
        "out.parquet",
        "Information about the label",
        "Most synergistic",
        "calibration error",
        "embedded",
        "have not seen it",
        "of the models",
    ];
    nothing_wrong(&look(&dir.join("a.html"), "one"), 9, &words);
}

#[test]
fn names_are_text_and_links_lead_where_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("a.parquet"), &odd_rows(4000, 0.0));
    let link = "https://host/{id}.jpg?l={label}";
    let title = "<b>bold</b> & \"so\"";
    let report = ["report", "a.parquet", "-o", "a.html", "--title", title, "--link-template", link];
    must(lsmi().current_dir(dir).args(report));
    let looks = look(&dir.join("a.html"), "odd");
    let words =
        [title, "<script>alert(1)</script>", "Of 40 classes", "onerror=alert(1)", "Means of 40 classes"];
    nothing_wrong(&looks, 8, &words);
    let html = std::fs::read_to_string(dir.join("a.html")).unwrap().replace("&#x2f;", "/");
    assert_eq!(html.matches("<script").count(), 1, "the page's own");
    assert!(!html.contains("<img"));
    policy_names_the_sources(&html);
    let encoded = "href=\"https://host/a/";
    let links: Vec<&str> = html.split(encoded).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), 40);
    for link in links {
        assert!(link.contains("%22%3E%3Cimg%20src%3Dx") && !link.contains('<'), "{link}");
    }
}

/// Checks that the policy allows the page's script and style by their hashes, and nothing by its place.
/// That the browser takes them is seen by what it draws.
fn policy_names_the_sources(html: &str) {
    let policy =
        html.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    for element in ["style", "script"] {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        let source = html.split(&start).nth(1).unwrap().split(&end).next().unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(source));
        assert!(policy.contains(&format!("{element}-src 'sha256-{hash}';")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(!html.contains("style=\""), "an attribute, which the policy forbids");
}

#[test]
fn two_data_sets_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("monday.parquet"), &odd_rows(4000, 0.0));
    write(&dir.join("tuesday.parquet"), &odd_rows(3000, 0.3));
    let report = ["report", "monday.parquet", "--compare", "tuesday.parquet", "-o", "a.html"];
    must(lsmi().current_dir(dir).args(report));
    let words = ["monday.parquet", "tuesday.parquet", "difference", "+0.3"];
    nothing_wrong(&look(&dir.join("a.html"), "two"), 12, &words);
}

#[test]
fn ten_thousand_classes_stay_readable() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("rows.parquet"), &odd_rows(20_000, 0.0));
    let sql = "SELECT r, u1, u2, s, id, concat('class ', row_number() OVER () % 10000) AS label FROM 'rows.parquet'";
    must(lsmi().current_dir(dir).args(["sql", sql, "--output", "many.parquet"]));
    must(lsmi().current_dir(dir).args(["report", "many.parquet", "-o", "a.html"]));
    let looks = look(&dir.join("a.html"), "many");
    let words = ["Of 10\u{202f}000 classes", "the table has all", "Means of 10\u{202f}000 classes"];
    nothing_wrong(&looks, 8, &words);
    for look in looks {
        let rows = look.text.lines().filter(|line| line.starts_with("class ")).count();
        let is_printed = look.way.contains("print");
        assert_eq!(is_printed, look.text.contains("The first 200 rows"), "{}", look.way);
        let is_right = match (is_printed, look.way.contains("no-scripts")) {
            (true, _) => (200..300).contains(&rows),
            (false, true) => rows >= 10_000,
            // A script keeps the first of them, of which it can sort and filter all.
            (false, false) => (500..600).contains(&rows) && look.text.contains("the first 500 of 10000"),
        };
        assert!(is_right, "{}: {rows} rows", look.way);
    }
}
