//! The HTML page: text, tables and pictures in one self-contained file. The template escapes all
//! text.

mod classes;
mod combinations;
mod models;
mod samples;
mod sentences;
mod tables;

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::{AutoEscape, Environment, HtmlEscape, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

use self::classes::ClassTable;
use self::combinations::Combinations;
use self::samples::SampleList;
use self::sentences::{classes_note, redundancy_note, sentence, subtitle, summary};
use self::tables::{MetadataItem, Table};
use super::charts::{Picture, palette};
use super::format::{list, number, signed};
use super::modality_sets::all_together;
use super::numbers::{Dataset, Report};

const SCRIPT: &str = include_str!("page.js");

/// The template's context.
#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    created_by: &'a str,
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    is_comparison: bool,
    label: &'a str,
    sets: Vec<DatasetHeader>,
    parts: Vec<PartCard>,
    warnings: Vec<String>,
    summary: String,
    pictures: BTreeMap<&'a str, PictureSvg<'a>>,
    figures: PictureNames<'a>,
    means: Table,
    is_of_two: bool,
    combinations: Vec<Combinations>,
    all: &'static str,
    quantiles: Vec<Table>,
    classes_note: Option<String>,
    redundancy_notes: Vec<String>,
    cases: Vec<Table>,
    class_tables: Vec<ClassTable>,
    samples: Vec<SampleList>,
    training_note: Option<String>,
    origins: Vec<Vec<MetadataItem>>,
    models: Vec<Table>,
    estimates: Option<Table>,
    estimates_note: Option<String>,
    models_note: Option<String>,
}

#[derive(Serialize)]
struct DatasetHeader {
    name: String,
    subtitle: String,
}

#[derive(Serialize)]
struct PartCard {
    class: &'static str,
    name: &'static str,
    mean: String,
    lines: Vec<String>,
    meaning: String,
}

#[derive(Serialize)]
struct PictureSvg<'a> {
    title: &'a str,
    wide: &'a str,
    narrow: &'a str,
}

/// The pictures' names by section.
#[derive(Serialize)]
struct PictureNames<'a> {
    means: Vec<&'a str>,
    lattice: Vec<&'a str>,
    distributions: Vec<&'a str>,
    classes: Vec<&'a str>,
    dominant: Vec<&'a str>,
    density: Vec<&'a str>,
    calibration: Vec<&'a str>,
}

/// Renders the report as one HTML file with the pictures of [`super::pictures`].
///
/// # Errors
/// [`Error::Internal`] where the template does not match its context.
pub fn html(report: &Report, pictures: &[Picture]) -> Result<String> {
    let failed = |e: minijinja::Error| Error::Internal(format!("the report's template: {e:#}"));
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("code", with_code);
    environment.add_template("page.html", include_str!("page.html")).map_err(failed)?;
    let template = environment.get_template("page.html").map_err(failed)?;
    template.render(view(report, pictures)).map_err(failed)
}

/// Escaped text in which what stands between backticks is code.
fn with_code(text: &str) -> Value {
    let mut pieces = text.split('`').map(|piece| HtmlEscape(piece).to_string());
    let mut html = pieces.next().unwrap_or_default();
    while let Some(code) = pieces.next() {
        match pieces.next() {
            Some(after) => html += &format!("<code>{code}</code>{after}"),
            None => html += &format!("`{code}"),
        }
    }
    Value::from_safe_string(html)
}

/// The source of an inline script or style by its hash, as the page's Content-Security-Policy names it:
/// a browser runs these texts and no other, whatever a name or label might bring into the page.
fn source_hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The page's style sheet, with the colours of the charts.
fn style(modalities: usize) -> String {
    let more = if modalities > 2 { include_str!("page_of_more.css") } else { "" };
    format!("{}{}{more}", palette(modalities), include_str!("page.css"))
}

fn view<'a>(report: &'a Report, pictures: &'a [Picture]) -> View<'a> {
    let style = style(report.data.modality_count());
    let sets: Vec<&Dataset> = std::iter::once(&report.data).chain(&report.compare).collect();
    let named = |start: &str| {
        let names = pictures.iter().map(|picture| picture.name.as_str());
        names.filter(|name| name.starts_with(start)).collect()
    };
    let with_classes = sets.iter().filter(|set| !set.classes.is_empty());
    View {
        title: &report.title,
        created_by: &report.created_by,
        style_hash: source_hash(&style),
        style,
        script: SCRIPT,
        script_hash: source_hash(SCRIPT),
        is_comparison: report.compare.is_some(),
        label: &report.data.label,
        sets: sets
            .iter()
            .map(|set| DatasetHeader { name: set.name.clone(), subtitle: subtitle(set) })
            .collect(),
        parts: parts(report),
        warnings: report.warnings.iter().map(|warning| sentence(&warning.text)).collect(),
        summary: summary(&report.data),
        pictures: pictures
            .iter()
            .map(|picture| {
                (
                    picture.name.as_str(),
                    PictureSvg { title: &picture.title, wide: &picture.wide, narrow: &picture.narrow },
                )
            })
            .collect(),
        figures: PictureNames {
            means: named("means"),
            lattice: named("lattice"),
            distributions: named("distribution"),
            classes: named("classes"),
            dominant: named("dominant"),
            density: named("density"),
            calibration: named("calibration"),
        },
        means: tables::means(report),
        is_of_two: report.data.modality_count() == 2,
        combinations: sets.iter().filter_map(|set| combinations::of(set, report)).collect(),
        all: all_together(report.data.modality_count()),
        quantiles: sets.iter().map(|set| tables::quantiles(set, report)).collect(),
        classes_note: classes_note(&report.data),
        redundancy_notes: sets.iter().map(|set| redundancy_note(set, report)).collect(),
        cases: sets.iter().filter_map(|set| tables::cases(set, report)).collect(),
        class_tables: with_classes.map(|set| classes::table(set, report)).collect(),
        samples: sets.iter().flat_map(|set| samples::lists(set, report)).collect(),
        training_note: samples::training_note(&sets),
        origins: sets.iter().map(|set| tables::origin(set)).collect(),
        models: models::tables(report),
        estimates: models::estimates(report),
        estimates_note: models::estimates_note(report),
        models_note: models::note(report),
    }
}

fn parts(report: &Report) -> Vec<PartCard> {
    let names = report.data.modalities();
    let meanings = std::iter::once(format!("shared by {}", list(&names, "and")))
        .chain(names.iter().map(|name| format!("only in {name}")))
        .chain([format!("only in {} together", all_together(names.len()))]);
    let mut cards = Vec::new();
    for (index, ((class, figure), meaning)) in report.data.parts.named().zip(meanings).enumerate() {
        let mut lines =
            vec![format!("± {} · {} bits", number(figure.std_error_nats, 3), number(figure.mean_bits, 3))];
        if let (Some(compare), Some(differences)) = (&report.compare, &report.differences)
            && let (Some(other), Some(difference)) =
                (compare.parts.each().nth(index), differences.parts.each().nth(index))
        {
            lines.push(format!(
                "{}: {} ({} ± {})",
                compare.name,
                number(other.mean_nats, 3),
                signed(difference.nats, 3),
                number(difference.std_error_nats, 3)
            ));
        }
        let name = match class {
            "r" => "Redundant",
            "s" => "Synergistic",
            _ => "Unique",
        };
        cards.push(PartCard { class, name, mean: number(figure.mean_nats, 3), lines, meaning });
    }
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_stands_between_backticks() {
        let html = |text: &str| with_code(text).to_string();
        assert_eq!(html("run `a <b>` or `c`."), "run <code>a &lt;b&gt;</code> or <code>c</code>.");
        assert_eq!((html("a`b <i>"), html("")), ("a`b &lt;i&gt;".to_owned(), String::new()));
    }
}
