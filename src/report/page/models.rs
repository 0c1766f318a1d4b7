//! The models' tables: their figures, and the means of the training rows by them.

use crate::bundle::Figures;
use crate::interaction::Subset;
use crate::report::format::{count, fixed, truncate};
use crate::report::modality_sets::set_name;
use crate::report::numbers::{Models, Report};
use crate::report::parts::part_names;

use super::tables::{Row, Table, head};

fn figures(report: &Report) -> Option<(&Models, &Figures)> {
    report.models.as_ref().and_then(|models| Some((models, models.validation.as_ref()?)))
}

/// Which rows the figures are of.
fn rows_of(figures: &Figures) -> String {
    let rows = count(figures.measured_rows as u64);
    match figures.folds {
        Some(_) => format!("on {rows} training rows, each by the models that have not seen it"),
        None => format!("on {rows} rows held out"),
    }
}

pub(super) fn tables(report: &Report) -> Vec<Table> {
    let Some((models, figures)) = figures(report) else { return Vec::new() };
    let modalities = report.data.modalities();
    let names: Vec<String> =
        Subset::all(modalities.len()).into_iter().map(|set| set_name(&modalities, set, "and")).collect();
    let classifiers = names.iter().zip(&figures.classifiers).map(|(name, figures)| Row {
        name: format!("classifier of {}", truncate(name, 40)),
        chip: None,
        cells: vec![
            fixed(figures.cross_entropy_nats, 4),
            format!("{} %", fixed(100.0 * figures.accuracy, 1)),
            fixed(figures.calibration_error, 3),
        ],
    });
    let densities = names.iter().zip(&figures.densities).map(|(name, figures)| Row {
        name: format!("density of {}", truncate(name, 40)),
        chip: None,
        cells: vec![fixed(figures.mean_nats, 2), figures.form()],
    });
    vec![
        Table {
            caption: Some(format!("Models of {}, {}", models.bundle, rows_of(figures))),
            head: head(&["", "cross-entropy", "accuracy", "calibration error"]),
            rows: classifiers.collect(),
        },
        Table { caption: None, head: head(&["", "mean −ln p", "mixture"]), rows: densities.collect() },
    ]
}

/// The means of the training rows with their errors; `None` for bundles without.
pub(super) fn estimates(report: &Report) -> Option<Table> {
    let found = figures(report)?.1.estimates.as_ref()?;
    let rows = found.means.by_symbol().map(|(name, mean)| Row {
        chip: part_names(report.data.modality_count())
            .into_iter()
            .find(|part| part.eq_ignore_ascii_case(&name)),
        name,
        cells: vec![
            format!("{} ± {}", fixed(mean.mean_nats, 3), fixed(mean.error_nats, 3)),
            fixed(mean.rows_error_nats, 3),
            fixed(mean.models_error_nats, 3),
        ],
    });
    Some(Table {
        caption: Some(format!("Means of the {} training rows, nats", count(found.rows as u64))),
        head: head(&["", "mean ± error", "of the rows", "of the models"]),
        rows: rows.collect(),
    })
}

/// What the errors are, and what other units would make of R.
pub(super) fn estimates_note(report: &Report) -> Option<String> {
    let found = figures(report)?.1.estimates.as_ref()?;
    let errors = format!(
        "Each row by the models that have not seen it. The error of the rows is a bootstrap over {} {}; that of the \
         models is the spread of the folds' means beyond it.",
        count(found.groups as u64),
        if found.groups < found.rows { "groups of rows" } else { "rows" },
    );
    let Some(redundancy) = &found.redundancy else { return Some(errors) };
    let [low, high] = redundancy.by_shift.range_nats;
    let shifted = match report.data.modality_count() {
        2 => "h1 − h2",
        _ => "the h of the modalities against each other",
    };
    Some(format!(
        "{errors} In other units, which shift {shifted}, R of these rows lies between {} and {} nats.",
        fixed(low, 3),
        fixed(high, 3)
    ))
}

/// Why there are no figures, where there are none.
pub(super) fn note(report: &Report) -> Option<String> {
    match &report.models {
        None => Some(
            "The bundle holds the validation figures of the models: `--bundle DIR` shows them here. No bundle of these data was found."
                .to_owned(),
        ),
        Some(models) if models.validation.is_none() => {
            Some("The bundle was packed from models that were fitted elsewhere and has no validation figures.".to_owned())
        }
        Some(_) => None,
    }
}
