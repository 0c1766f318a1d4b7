//! The order of the sources: imports between rooms point one way and files do not import
//! each other in a circle, files keep their size, schemas match the types.

mod circles;
mod rooms;
mod source;

use std::fs;

use crate::harness::repository;

use self::source::{SourceFile, sources};

#[test]
fn files_say_what_they_are_and_stay_small() {
    for SourceFile { path, text } in sources() {
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
    let summary = lsmi_etl::cli::fit_summary_schema();
    matches_file("schemas/fit-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
    let summary = lsmi_etl::cli::inspect_summary_schema();
    matches_file("schemas/inspect-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
    let summary = lsmi_etl::cli::split_summary_schema();
    matches_file("schemas/split-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
    let summary = lsmi_etl::cli::pipeline_summary_schema();
    matches_file("schemas/pipeline-summary.schema.json", &serde_json::to_string_pretty(&summary).unwrap());
    let failure = lsmi_etl::cli::failure_schema();
    matches_file("schemas/failure.schema.json", &serde_json::to_string_pretty(&failure).unwrap());
}

#[test]
fn the_table_of_messages_is_that_of_the_errors() {
    matches_file("docs/messages.md", lsmi_etl::cli::message_table().trim_end());
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
