//! The HTML page: text, tables and pictures in one self-contained file. The template escapes all
//! text.

mod models;
mod tables;

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

use self::tables::{MetadataItem, SampleList, Table};
use super::charts::{ClassSelection, Picture};
use super::format::{count, counted, fixed, number, percent, signed};
use super::numbers::{Dataset, Report};

/// Names of the parts and their headings.
const PARTS: [(&str, &str); 4] =
    [("r", "Redundant"), ("u1", "Unique"), ("u2", "Unique"), ("s", "Synergistic")];

const STYLE: &str = concat!(include_str!("../charts/palette.css"), include_str!("page.css"));
const SCRIPT: &str = include_str!("page.js");

/// The template's context.
#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    created_by: &'a str,
    style: &'static str,
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
    quantiles: Vec<Table>,
    classes_note: Option<String>,
    redundancy_notes: Vec<String>,
    cases: Vec<Table>,
    samples: Vec<SampleList>,
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
    wide: &'a str,
    narrow: &'a str,
}

/// The pictures' names by section.
#[derive(Serialize)]
struct PictureNames<'a> {
    means: Vec<&'a str>,
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
    environment.add_template("page.html", include_str!("page.html")).map_err(failed)?;
    let template = environment.get_template("page.html").map_err(failed)?;
    template.render(view(report, pictures)).map_err(failed)
}

/// The source of an inline script or style by its hash, as the page's Content-Security-Policy names it:
/// a browser runs these texts and no other, whatever a name or label might bring into the page.
fn source_hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn view<'a>(report: &'a Report, pictures: &'a [Picture]) -> View<'a> {
    let sets: Vec<&Dataset> = std::iter::once(&report.data).chain(&report.compare).collect();
    let named = |start: &str| {
        let names = pictures.iter().map(|picture| picture.name.as_str());
        names.filter(|name| name.starts_with(start)).collect()
    };
    View {
        title: &report.title,
        created_by: &report.created_by,
        style: STYLE,
        style_hash: source_hash(STYLE),
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
                (picture.name.as_str(), PictureSvg { wide: &picture.wide, narrow: &picture.narrow })
            })
            .collect(),
        figures: PictureNames {
            means: named("means"),
            distributions: named("distribution"),
            classes: named("classes"),
            dominant: named("dominant"),
            density: named("density"),
            calibration: named("calibration"),
        },
        means: tables::means(report),
        quantiles: sets.iter().map(|set| tables::quantiles(set, report)).collect(),
        classes_note: classes_note(&report.data),
        redundancy_notes: sets.iter().map(|set| redundancy_note(set, report)).collect(),
        cases: sets.iter().filter_map(|set| tables::cases(set, report)).collect(),
        samples: sets.iter().flat_map(|set| tables::samples(set, report)).collect(),
        origins: sets.iter().map(|set| tables::origin(set)).collect(),
        models: models::tables(report),
        estimates: models::estimates(report),
        estimates_note: models::estimates_note(report),
        models_note: models::note(report),
    }
}

/// Capitalizes a fragment and ends it with a full stop. A leading data set name keeps its case.
fn sentence(fragment: &str) -> String {
    let mut rest = fragment.chars();
    match rest.next() {
        Some(first) if !fragment.contains(": ") || fragment.find(": ") > fragment.find(' ') => {
            format!("{}{}.", first.to_uppercase(), rest.as_str())
        }
        _ => format!("{fragment}."),
    }
}

fn subtitle(set: &Dataset) -> String {
    let [x1, x2] = set.modalities();
    let files = if set.files == 1 {
        set.inputs.join(", ")
    } else {
        format!("{} files of {}", count(set.files), set.inputs.join(", "))
    };
    let bad = match set.bad_rows {
        0 => String::new(),
        bad => format!(" ({} without values)", count(bad)),
    };
    format!(
        "{}{bad} from {files}. Modalities {x1} and {x2}; {} of {}.",
        counted(set.rows, "row", "rows"),
        counted(set.classes.len() as u64, "class", "classes"),
        set.label
    )
}

fn parts(report: &Report) -> Vec<PartCard> {
    let [x1, x2] = report.data.modalities();
    let meanings = [
        format!("shared by {x1} and {x2}"),
        format!("only in {x1}"),
        format!("only in {x2}"),
        "only in both together".to_owned(),
    ];
    let figures = report.data.parts.each();
    let mut cards = Vec::new();
    for (index, ((class, name), meaning)) in PARTS.into_iter().zip(meanings).enumerate() {
        let Some(figure) = figures.get(index) else { continue };
        let mut lines =
            vec![format!("± {} · {} bits", number(figure.std_error_nats, 3), number(figure.mean_bits, 3))];
        if let (Some(compare), Some(differences)) = (&report.compare, &report.differences)
            && let (Some(other), Some(difference)) =
                (compare.parts.each().get(index), differences.parts.each().get(index))
        {
            lines.push(format!(
                "{}: {} ({} ± {})",
                compare.name,
                number(other.mean_nats, 3),
                signed(difference.nats, 3),
                number(difference.std_error_nats, 3)
            ));
        }
        cards.push(PartCard { class, name, mean: number(figure.mean_nats, 3), lines, meaning });
    }
    cards
}

/// The means in one sentence.
fn summary(set: &Dataset) -> String {
    let [x1, x2] = set.modalities();
    let information = &set.information;
    let (Some(i1), Some(i2), Some(i12), Some(entropy)) = (
        information.i1.mean_nats,
        information.i2.mean_nats,
        information.i12.mean_nats,
        set.label_entropy_nats,
    ) else {
        return "No row has values.".to_owned();
    };
    let share = if entropy > 0.0 {
        format!(", {:.0} % of the label's entropy", 100.0 * i12 / entropy)
    } else {
        String::new()
    };
    let stronger = if i1 >= i2 { (&x1, i1, &x2, i2) } else { (&x2, i2, &x1, i1) };
    let trained = match set.origin.trained_rows {
        Some(rows) if rows > 0 => format!(
            " {} of these rows were trained on; evaluated out of fold, by models that have not seen them.",
            percent(rows, set.computed_rows)
        ),
        _ => String::new(),
    };
    format!(
        "“{}” carries {} nats about “{label}” on average, “{}” {}; both together carry {}{share} (the entropy of “{label}” \
         is {} nats).{trained}",
        stronger.0,
        fixed(stronger.1, 3),
        stronger.2,
        fixed(stronger.3, 3),
        fixed(i12, 3),
        fixed(entropy, 3),
        label = set.label
    )
}

fn classes_note(set: &Dataset) -> Option<String> {
    let left_out = ClassSelection::of(set).left_out;
    (left_out > 0).then(|| {
        let shown = set.classes.len() - left_out;
        format!(
            "Of {} classes, the {} with the largest mean r and below them the {} with the smallest; the JSON report has the \
             numbers of all.",
            count(set.classes.len() as u64),
            shown / 2,
            shown - shown / 2
        )
    })
}

/// The origin of r in words.
fn redundancy_note(set: &Dataset, report: &Report) -> String {
    let of = if report.compare.is_some() { format!("{}: ", set.name) } else { String::new() };
    let [x1, x2] = set.modalities();
    if set.origin.is_adjusted() {
        return format!(
            "{of}r, u1, u2 and s were shifted by a constant of the data set (`annotate --adjust dataset`), so the \
             origin of r cannot be determined."
        );
    }
    let bounds = match set.redundancy_bounds_nats {
        Some([low, high]) => format!(
            " For any densities, the mean of r lies between {} and {} nats.",
            fixed(low, 3),
            fixed(high, 3)
        ),
        None => String::new(),
    };
    let decided = match set.cases {
        Some(cases) => format!(
            " On {} of the rows r equals one of the two, the i of the modality with the smaller h.",
            percent(set.computed_rows - cases.between, set.computed_rows)
        ),
        None => String::new(),
    };
    let densities = match &set.specificity {
        Some(h) => format!(
            " h1 is {} nats on average and h2 {}; h1 − h2 has a standard deviation of {}.",
            number(h.h1.mean_nats, 2),
            number(h.h2.mean_nats, 2),
            number(h.difference.std_dev_nats, 2)
        ),
        None => " These files do not contain h1 and h2; `annotate --columns h1,h2` adds them.".to_owned(),
    };
    format!(
        "{of}On every row r lies between i1 ({x1}) and i2 ({x2}); its position depends on the densities through h1 − h2.{decided}{bounds}{densities}"
    )
}
