//! What combinations of more than two modalities carry the information: the text above the lattice's
//! picture, or a table of the largest atoms where the lattice has too many nodes to be drawn.

use serde::Serialize;

use crate::interaction::lattice::Antichain;
use crate::report::format::{count, fixed, number};
use crate::report::modality_sets::{all_together, combination};
use crate::report::numbers::{Dataset, Figure, Report};
use crate::report::parts::Atoms;

use super::tables::{Row, Table, head};

/// Combinations named in the sentence.
const NAMED: usize = 3;
/// Rows of the table.
const LISTED: usize = 16;
/// The number of modalities whose lattice is drawn instead of a table.
const DRAWN: usize = 3;

/// The section of one data set.
#[derive(Serialize)]
pub(super) struct Combinations {
    text: String,
    table: Option<Table>,
}

/// The section, of complete rows; `None` of two modalities, whose parts are all there is.
pub(super) fn of(set: &Dataset, report: &Report) -> Option<Combinations> {
    if set.modality_count() == 2 || set.complete_rows() == 0 {
        return None;
    }
    let of = if report.compare.is_some() { format!("{}: ", set.name) } else { String::new() };
    let Some(atoms) = &set.atoms else {
        let text = format!(
            "{of}These files hold r, u and s only; `lsmi-etl annotate --columns atoms` adds what every combination of \
             modalities carries."
        );
        return Some(Combinations { text, table: None });
    };
    let largest = largest(atoms);
    let names = set.modalities();
    let all = set.information.full().and_then(|figure| figure.mean_nats);
    let positive = largest.iter().filter(|(_, figure)| figure.mean_nats > Some(0.0)).take(NAMED);
    let named: Vec<String> = positive
        .map(|(node, figure)| {
            format!("{} nats from {}", number(figure.mean_nats, 3), combination(&names, node))
        })
        .collect();
    let named = if named.is_empty() {
        "no combination is positive".to_owned()
    } else {
        format!("the largest are {}", named.join("; "))
    };
    let rows = match set.reduced_rows {
        0 => String::new(),
        _ => format!("On the {} rows that lack no modality: ", count(set.complete_rows())),
    };
    let text = format!(
        "{of}{rows}Of the {} nats that {} together carry about {}, {named}.",
        number(all, 3),
        all_together(names.len()),
        set.quoted_label()
    );
    let table = (atoms.modalities() != DRAWN).then(|| table(set, &names, &largest, all, report));
    Some(Combinations { text, table })
}

/// All atoms, that of the largest absolute mean first.
fn largest(atoms: &Atoms<Figure>) -> Vec<(&'static Antichain, &Figure)> {
    let size = |figure: &Figure| figure.mean_nats.unwrap_or(0.0).abs();
    let mut all: Vec<_> = atoms.each().collect();
    all.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)));
    all
}

fn table(
    set: &Dataset,
    names: &[String],
    largest: &[(&'static Antichain, &Figure)],
    all: Option<f64>,
    report: &Report,
) -> Table {
    let share = |nats: f64| match all {
        Some(all) if all > 0.0 => format!("{} %", fixed(100.0 * nats / all, 1)),
        _ => "–".to_owned(),
    };
    let (shown, others) = largest.split_at_checked(LISTED).unwrap_or((largest, &[]));
    let row = |(node, figure): &(&Antichain, &Figure)| Row {
        name: combination(names, node),
        chip: None,
        cells: vec![
            format!("{} ± {}", number(figure.mean_nats, 3), number(figure.std_error_nats, 3)),
            share(figure.mean_nats.unwrap_or(0.0)),
        ],
    };
    let rest: f64 = others.iter().filter_map(|(_, figure)| figure.mean_nats).sum();
    let rest = Row {
        name: format!("{} others together", count(others.len() as u64)),
        chip: None,
        cells: vec![fixed(rest, 3), share(rest)],
    };
    let caption = format!("The {} largest of {} combinations", shown.len(), largest.len());
    let of = if report.compare.is_some() { format!(", {}", set.name) } else { String::new() };
    Table {
        caption: Some(caption + &of),
        head: head(&["", "mean, nats", "share"]),
        rows: shown.iter().map(row).chain([rest]).collect(),
    }
}
