//! The house in order: imports between rooms point one way, files keep their size,
//! schemas match the types, the README's commands work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::repository;

/// Each room and those it may import.
const ROOMS: [(&str, &[&str]); 14] = [
    ("error", &[]),
    ("interaction", &["error"]),
    ("bundle", &["error"]),
    ("engine", &["bundle", "error"]),
    ("dataset", &["bundle", "error"]),
    ("synth", &["interaction", "dataset", "error"]),
    ("evaluate", &["interaction", "bundle", "engine", "dataset", "error"]),
    ("annotate", &["interaction", "bundle", "engine", "dataset", "evaluate", "error"]),
    ("fit", &["interaction", "bundle", "engine", "dataset", "error"]),
    ("sql", &["interaction", "bundle", "engine", "dataset", "evaluate", "error"]),
    ("report", &["interaction", "bundle", "dataset", "sql", "error"]),
    ("config", &["engine", "dataset", "annotate", "sql", "report", "error"]),
    ("telemetry", &["interaction", "dataset", "annotate", "fit", "error"]),
    (
        "cli",
        &[
            "interaction",
            "bundle",
            "engine",
            "dataset",
            "synth",
            "annotate",
            "fit",
            "sql",
            "report",
            "config",
            "telemetry",
            "error",
        ],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = repository().join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect()
}

/// The rooms that a line of code imports: `use crate::room…`, `crate::{room, …}`.
fn imported(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in line.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap();
                rooms.extend(list.split(',').map(|item| item.trim().split("::").next().unwrap().to_owned()));
            }
            None => {
                rooms.push(part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
            }
        }
    }
    rooms
}

#[test]
fn imports_point_one_way() {
    let allowed: BTreeMap<_, _> = ROOMS.into_iter().collect();
    let mut seen = 0;
    for (path, text) in sources() {
        let room = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let allowed = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is no room of the list"));
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for other in imported(line).into_iter().filter(|other| *other != room) {
                seen += 1;
                assert!(
                    allowed.contains(&other.as_str()) || ["Error", "Result"].contains(&other.as_str()),
                    "{} imports {other}, which {room} may not: {line}",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 50, "only {seen} imports were seen: the test no longer reads them");
}

#[test]
fn files_say_what_they_are_and_stay_small() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no module doc", path.display());
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        assert!(code.lines().count() <= 500, "{} has grown past 500 lines", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers"].contains(&name), "{}", path.display());
    }
    let main = fs::read_to_string(repository().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 60);
}

#[test]
fn the_manifests_schema_is_the_types() {
    let schema = schemars::schema_for!(lsmi_etl::bundle::Manifest);
    matches_file("schemas/bundle.schema.json", &serde_json::to_string_pretty(&schema).unwrap());
}

#[test]
fn the_summaries_schemas_are_the_types() {
    let summary = schemars::schema_for!(lsmi_etl::annotate::Summary);
    matches_file("schemas/run-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
    let summary = lsmi_etl::cli::pipeline_summary_schema();
    matches_file("schemas/pipeline-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
}

#[test]
fn the_pipelines_schema_is_the_types() {
    let schema = schemars::schema_for!(lsmi_etl::config::Pipeline);
    matches_file("schemas/pipeline.schema.json", &serde_json::to_string_pretty(&schema).unwrap());
    // Where the examples point editors to.
    for entry in fs::read_dir(repository().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("#:schema ../schemas/pipeline.schema.json\n"), "{}", path.display());
        }
    }
}

/// Compares a generated file with the one in the repository. `LSMI_ETL_REGENERATE=1`
/// writes it anew.
pub fn matches_file(name: &str, generated: &str) {
    let path = repository().join(name);
    let generated = format!("{generated}\n");
    if std::env::var_os("LSMI_ETL_REGENERATE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "{name} differs from the types; run the tests with LSMI_ETL_REGENERATE=1");
}
