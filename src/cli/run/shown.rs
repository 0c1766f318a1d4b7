//! What a run would do, and which settings hold, for a person and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::annotate::Plan;
use crate::config::{Config, Setting};
use crate::error::Result;

use super::super::{annotate, output};

/// A value on one line is cut after so many characters.
const WIDEST: usize = 60;

/// Prints settings with their origins.
pub(super) fn settings(settings: &[Setting], as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&settings);
    }
    let rows: Vec<[String; 3]> =
        settings.iter().map(|it| [it.key.clone(), value(&it.value), it.origin.to_string()]).collect();
    let keys = rows.iter().map(|[key, ..]| key.chars().count()).max().unwrap_or(0);
    let values = rows.iter().map(|[_, value, _]| value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for [key, value, origin] in &rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key:<keys$}  {value:<values$}  {origin}");
    }
    output::print(&text)
}

/// A value on one line: text as it is, nothing as a dash.
fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The plan of a run.
#[derive(Serialize)]
struct Planned<'a> {
    annotate: &'a Plan,
    steps: Vec<Step<'a>>,
    report: Option<Vec<&'a Path>>,
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    kind: &'static str,
    sql: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Path>,
}

/// Prints what annotating would take, and the steps after it.
pub(super) fn plan(plan: &Plan, config: &Config, as_json: bool) -> Result<()> {
    let steps = config.queries.iter().map(|query| Step {
        name: &query.step.name,
        kind: if query.step.expect.is_some() { "check" } else { "query" },
        sql: &query.sql,
        output: query.step.output.as_deref(),
    });
    let report = config.report.as_ref().map(|it| it.written().into_iter().chain(it.svg.as_deref()).collect());
    let planned = Planned { annotate: plan, steps: steps.collect(), report };
    if as_json {
        return output::json(&planned);
    }
    let mut text = format!(
        "annotate {} to {}\n{}",
        config.input.display(),
        config.output.display(),
        annotate::planned(plan)
    );
    for step in &planned.steps {
        let to = step.output.map_or(String::new(), |path| format!(" to {}", path.display()));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}{to}", step.kind, step.name);
        for line in step.sql.trim().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for path in planned.report.iter().flatten() {
        let _ = writeln!(text, "report to {}", path.display());
    }
    output::print(&text)
}
