//! Output of `--dry-run` and `--show-config`: the plan of a run and the settings in effect, as
//! text or JSON.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::annotate::Plan;
use crate::config::{Config, Setting};
use crate::error::Result;
use crate::printable::{redact, shown, without_secrets};

use super::super::{annotate_texts, output};

/// Values longer than this are truncated.
const MAX_VALUE_CHARS: usize = 60;

/// Prints settings with their origins.
pub(super) fn print_settings(settings: &[Setting], as_json: bool) -> Result<()> {
    let mut settings = settings.to_vec();
    settings.iter_mut().for_each(|setting| redact_value(&mut setting.value));
    if as_json {
        return output::json(&settings);
    }
    let rows: Vec<[String; 3]> =
        settings.iter().map(|it| [it.key.clone(), value_text(&it.value), it.origin.to_string()]).collect();
    let keys = rows.iter().map(|[key, ..]| key.chars().count()).max().unwrap_or(0);
    let values = rows.iter().map(|[_, value, _]| value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for [key, value, origin] in &rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key:<keys$}  {value:<values$}  {origin}");
    }
    output::text(&text)
}

/// Takes the secrets out of the strings of a value: paths may be URLs, and queries name them.
fn redact_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(redact_value),
        Value::Object(fields) => fields.values_mut().for_each(redact_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A value on one line: strings without quotes, null as a dash.
fn value_text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The plan of a run.
#[derive(Serialize)]
struct Preview<'a> {
    annotate: &'a Plan,
    steps: Vec<Step<'a>>,
    report: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    kind: &'static str,
    sql: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// Prints the plan of annotating and the steps after it.
pub(super) fn print_plan(plan: &Plan, config: &Config, as_json: bool) -> Result<()> {
    let steps = config.queries.iter().map(|query| Step {
        name: &query.step.name,
        kind: if query.step.expect.is_some() { "check" } else { "query" },
        sql: redact(&query.sql),
        output: query.step.output.as_deref().map(without_secrets),
    });
    let report = config
        .report
        .as_ref()
        .map(|it| it.written().into_iter().chain(it.svg.as_deref()).map(without_secrets).collect());
    let preview = Preview { annotate: plan, steps: steps.collect(), report };
    if as_json {
        return output::json(&preview);
    }
    let mut text = format!(
        "annotate {} to {}\n{}",
        shown(&config.input),
        shown(&config.output),
        annotate_texts::plan_text(plan)
    );
    for step in &preview.steps {
        let to = step.output.as_ref().map_or(String::new(), |path| format!(" to {path}"));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}{to}", step.kind, step.name);
        for line in step.sql.trim().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for path in preview.report.iter().flatten() {
        let _ = writeln!(text, "report to {path}");
    }
    output::text(&text)
}
