//! The pages on files that the program reads and prints: keys, types and meaning, made from `schemas`.

use std::fmt::Write;
use std::fs;

use serde_json::{Map, Value};

use crate::harness::repository;
use crate::house::matches_file;

const GENERATED: &str = "made from the types of the program (`LSMI_ETL_REGENERATE=1`, tests/README.md)";

#[test]
fn the_page_on_the_manifest_is_its_schema() {
    let mut page = format!(
        "# The bundle's manifest\n\n`bundle.json` in a bundle says what its models are. `lsmi-etl fit` and `lsmi-etl bundle \
         pack` write it; `lsmi-etl bundle inspect` shows it. This page is {GENERATED}, as is \
         `schemas/bundle.schema.json`.\n"
    );
    schema(&mut page, "bundle");
    matches_file("docs/manifest.md", page.trim_end());
}

#[test]
fn the_page_on_keys_of_pipelines_is_their_schema() {
    let mut page = format!(
        "# Keys of pipeline files\n\n[Pipeline files](pipelines.md) says what they are for. This page is {GENERATED}, as is \
         `schemas/pipeline.schema.json`, with which editors complete keys. The keys of `annotate`, `engine` and `cluster` are \
         the options of [`lsmi-etl annotate`](commands.md#lsmi-etl-annotate) with `_` for `-`.\n"
    );
    schema(&mut page, "pipeline");
    matches_file("docs/pipeline-keys.md", page.trim_end());
}

#[test]
fn the_page_on_summaries_is_their_schemas() {
    let mut page = format!(
        "# Summaries\n\n`--json` prints the summary of a command as its last line on stdout, `--summary PATH` writes it to a \
         file. This page is {GENERATED}, as are the JSON Schemas in `schemas`, and the dataclasses of the Python package.\n"
    );
    for (name, title) in [
        ("run-summary", "annotate"),
        ("fit-summary", "fit"),
        ("pipeline-summary", "run"),
        ("inspect-summary", "inspect"),
        ("split-summary", "split"),
        ("report", "report --format json"),
        ("version", "--version --json"),
        ("failure", "A command that fails"),
    ] {
        write!(page, "\n## {title}\n\n`schemas/{name}.schema.json`").unwrap();
        page.push('\n');
        schema(&mut page, name);
    }
    matches_file("docs/summaries.md", page.trim_end());
}

/// The tables of a schema: its own keys, and those of each of its types.
fn schema(page: &mut String, name: &str) {
    let path = repository().join("schemas").join(format!("{name}.schema.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    table(page, &schema);
    for (name, kind) in schema["$defs"].as_object().unwrap_or(&Map::new()) {
        let about = kind["description"].as_str().map(text).unwrap_or_default();
        if kind["properties"].is_object() {
            write!(page, "\n**{name}**. {about}\n").unwrap();
            table(page, kind);
        } else {
            write!(page, "\n**{name}** is {}. {about}\n", shape(kind)).unwrap();
            variants(page, kind);
        }
    }
}

/// The variants of a type that say what they mean.
fn variants(page: &mut String, kind: &Value) {
    let listed = kind["oneOf"].as_array().or(kind["anyOf"].as_array()).into_iter().flatten();
    let told: Vec<_> = listed.filter(|variant| variant["description"].is_string()).collect();
    for (index, variant) in told.iter().enumerate() {
        let about = variant["description"].as_str().map(text).unwrap_or_default();
        let first = if index == 0 { "\n" } else { "" };
        writeln!(page, "{first}- {}: {about}", shape(variant)).unwrap();
        table(page, variant);
    }
}

fn table(page: &mut String, of: &Value) {
    let Some(keys) = of["properties"].as_object() else { return };
    page.push_str("\n| key | type | meaning |\n|---|---|---|\n");
    for (key, value) in keys {
        let about = value["description"].as_str().map(text).unwrap_or_default();
        let default = match value.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(value) => format!(" Default `{value}`."),
        };
        writeln!(page, "| `{key}` | {} | {about}{default} |", shape(value)).unwrap();
    }
}

/// The type in words: `integer`, `string or null`, `list of Step`.
fn shape(value: &Value) -> String {
    if let Some(reference) = value["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(values) = value["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(constant) = value.get("const") {
        return format!("`{constant}`");
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(kinds) = value[several].as_array() {
            return kinds.iter().map(shape).collect::<Vec<_>>().join(" or ");
        }
    }
    let simple = |kind: &Value| match kind.as_str() {
        Some("array") => format!("list of {}", shape(&value["items"])),
        Some("object") if value["additionalProperties"].is_object() => {
            format!("object of {}", shape(&value["additionalProperties"]))
        }
        Some(kind) => kind.to_owned(),
        None => "any value".to_owned(),
    };
    match &value["type"] {
        Value::Array(kinds) => kinds.iter().map(simple).collect::<Vec<_>>().join(" or "),
        kind => simple(kind),
    }
}

/// A description within a cell.
fn text(description: &str) -> String {
    description.replace('\n', " ").replace('|', "\\|").replace('<', "\\<")
}
