//! The page's tables: cells as text, in the structure of the template.

use serde::Serialize;

use crate::interaction::Quantity;
use crate::report::format::{count, fixed, number, percent, signed, truncate};
use crate::report::modality_sets::{all_together, set_name};
use crate::report::numbers::{Dataset, Difference, Figure, Report};

/// A table with column headings and row names.
#[derive(Serialize)]
pub(super) struct Table {
    pub(super) caption: Option<String>,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Style class of the colour chip.
    pub(super) chip: Option<&'static str>,
    pub(super) cells: Vec<String>,
}

/// A name and a value of the provenance list.
#[derive(Serialize)]
pub(super) struct MetadataItem {
    name: &'static str,
    value: String,
    is_code: bool,
}

pub(super) fn head(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// The caption of a table that exists for each data set.
fn caption(set: &Dataset, report: &Report) -> Option<String> {
    report.compare.is_some().then(|| set.name.clone())
}

pub(super) fn means(report: &Report) -> Table {
    let data = &report.data;
    let modalities = data.modality_count();
    let names = data.modalities();
    // Each row with its figure, that of the other data set and the difference.
    let compared = |compare: Option<Figure>, difference: Option<Difference>| {
        report.compare.is_some().then(|| (compare.unwrap_or_default(), difference.unwrap_or_default()))
    };
    let meanings =
        std::iter::once("redundant".to_owned()).chain(names.clone()).chain(["synergistic".to_owned()]);
    let parts = data.parts.named().zip(meanings).enumerate().map(|(at, ((name, figure), meaning))| {
        let compare = report.compare.as_ref().and_then(|set| set.parts.each().nth(at).copied());
        let difference = report.differences.as_ref().and_then(|set| set.parts.each().nth(at).copied());
        (name.to_owned(), Some(name), meaning, *figure, compared(compare, difference))
    });
    let information = data.information.each().map(|(set, figure)| {
        let compare = report.compare.as_ref().and_then(|other| other.information.of(set).copied());
        let difference = report.differences.as_ref().and_then(|other| other.information.of(set).copied());
        let meaning = if set.len() == modalities {
            all_together(modalities).to_owned()
        } else {
            set_name(&names, set, "and")
        };
        let name = Quantity::I(set).name(modalities).into_owned();
        (name, None, meaning, *figure, compared(compare, difference))
    });
    let with_error =
        |value: Option<f64>, error: Option<f64>| format!("{} ± {}", number(value, 3), number(error, 3));
    let rows = parts.chain(information).map(|(name, chip, meaning, figure, compared)| {
        let cells = match compared {
            Some((other, difference)) => vec![
                with_error(figure.mean_nats, figure.std_error_nats),
                with_error(other.mean_nats, other.std_error_nats),
                format!("{} ± {}", signed(difference.nats, 3), number(difference.std_error_nats, 3)),
            ],
            None => vec![
                with_error(figure.mean_nats, figure.std_error_nats),
                with_error(figure.mean_bits, figure.std_error_bits),
                number(figure.std_dev_nats, 2),
            ],
        };
        // Three columns of means leave no space on a phone.
        let name =
            if report.compare.is_some() { name } else { format!("{name}, {}", truncate(&meaning, 24)) };
        Row { name, chip, cells }
    });
    let head = match &report.compare {
        Some(compare) => vec![
            "mean, nats".to_owned(),
            truncate(&data.name, 24),
            truncate(&compare.name, 24),
            "difference".to_owned(),
        ],
        None => head(&["mean", "nats", "bits", "sd, nats"]),
    };
    Table { caption: None, head, rows: rows.collect() }
}

pub(super) fn quantiles(set: &Dataset, report: &Report) -> Table {
    const SHOWN: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
    let rows = set.distributions.named().map(|(name, shown)| {
        let value = |share: f64| shown.quantiles.iter().find(|q| q.share == share).map(|q| q.nats);
        let mut cells: Vec<String> = SHOWN.into_iter().map(|share| number(value(share), 2)).collect();
        cells.push(percent(shown.zero_rows, shown.rows));
        Row { name: name.to_owned(), chip: Some(name), cells }
    });
    Table {
        caption: caption(set, report),
        head: head(&["share below", "5 %", "25 %", "50 %", "75 %", "95 %", "at 0"]),
        rows: rows.collect(),
    }
}

pub(super) fn cases(set: &Dataset, report: &Report) -> Option<Table> {
    let cases = set.cases.as_ref()?;
    let names = set.modalities();
    let at = Quantity::single_names(Quantity::I, names.len()).into_iter().zip(&names).zip(&cases.at);
    let at = at.map(|((i, name), rows)| (format!("r = {i}: all information of {name}"), *rows));
    let (between, several) = match names.len() {
        2 => ("r between i1 and i2", "i1 = i2 = r"),
        _ => ("r equal to none of them", "r equal to several of them"),
    };
    let others = [(between.to_owned(), cases.between), (several.to_owned(), cases.several)];
    let rows = at.chain(others).map(|(name, rows)| Row {
        name: truncate(&name, 40),
        chip: None,
        cells: vec![count(rows), percent(rows, set.complete_rows())],
    });
    let rows_of = if set.reduced_rows > 0 { "rows that lack no modality" } else { "rows" };
    Some(Table {
        caption: caption(set, report),
        head: head(&["origin of r", rows_of, "share"]),
        rows: rows.collect(),
    })
}

pub(super) fn origin(set: &Dataset) -> Vec<MetadataItem> {
    let origin = &set.origin;
    let mut items = Vec::new();
    let mut add = |name: &'static str, values: &[String], is_code: bool| {
        let value = if values.is_empty() { "unknown".to_owned() } else { values.join(", ") };
        items.push(MetadataItem { name, value, is_code });
    };
    add("data", &set.inputs, false);
    add("files", &[count(set.files)], false);
    let bad =
        origin.bad_rows.iter().map(|(reason, rows)| format!("{} {}", count(*rows), reason.replace('_', " ")));
    let bad: Vec<String> = bad.collect();
    let rows = match (set.bad_rows, bad.is_empty()) {
        (0, _) => format!("{}, all with values", count(set.rows)),
        (without, true) => format!("{}, {} without values", count(set.rows), count(without)),
        (without, false) => {
            format!("{}, {} without values: {}", count(set.rows), count(without), bad.join(", "))
        }
    };
    add("rows", &[rows], false);
    if !origin.is_whole && origin.silent_files == 0 {
        let what = "others than these: how many of these were trained on, and whether their means are those of the \
                    validation rows, is not known";
        add("rows when annotated", &[what.to_owned()], false);
    }
    if set.reduced_rows > 0 {
        let share = percent(set.reduced_rows, set.computed_rows);
        let rows = format!("{} ({share}), with the values of the others", count(set.reduced_rows));
        add("rows that lack a modality", &[rows], false);
    }
    if let Some(trained) = origin.trained_rows {
        let share = percent(trained, set.computed_rows);
        let rows =
            format!("{} ({share}), evaluated out of fold, by models that have not seen them", count(trained));
        add("rows that were trained on", &[rows], false);
    }
    add("modalities", &set.modalities(), false);
    let is_free = origin.labels.iter().any(String::is_empty);
    let label = match (set.label.as_str(), is_free) {
        ("", _) => "none was read; the values are expectations over it (annotate --label-free)".to_owned(),
        (label, true) => format!("{label}; the values are expectations over it (annotate --label-free)"),
        (label, false) => label.to_owned(),
    };
    add("label", &[label], false);
    add("bundle, SHA-256", &origin.bundle_sha256, true);
    add("engine", &origin.engines, false);
    add("units of h", &origin.units, false);
    let adjust: Vec<String> = match &origin.shifts_nats[..] {
        [] => origin.adjust.clone(),
        shifts => shifts.iter().map(|shift| format!("dataset, by {} nats", fixed(*shift, 4))).collect(),
    };
    add("adjustment", &adjust, false);
    add(
        "annotated by",
        &origin.versions.iter().map(|version| format!("lsmi-etl {version}")).collect::<Vec<_>>(),
        false,
    );
    add("input footer, SHA-256", &origin.input_footer_sha256, true);
    items
}
