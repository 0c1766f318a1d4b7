//! The page's lists of extreme rows, each with the command that shows the row.

use serde::Serialize;

use crate::interaction::lattice::Lattice;
use crate::interaction::{Quantity, Subset};
use crate::report::format::{count, fixed, percent, truncate};
use crate::report::numbers::{Dataset, Report};
use crate::report::parts::part_names;
use crate::report::row_query::command;
use crate::report::sample::Sample;

/// The table of a ranking's samples.
#[derive(Serialize)]
pub(super) struct SampleList {
    title: String,
    meaning: String,
    chip: &'static str,
    /// Heading of the first column.
    key: String,
    /// Headings of the columns of values.
    columns: Vec<String>,
    /// The ranked column.
    by: String,
    rows: Vec<SampleRow>,
}

#[derive(Serialize)]
struct SampleRow {
    key: String,
    /// Whether the models were trained on the row.
    is_trained: bool,
    link: Option<String>,
    command: String,
    class: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    by: bool,
}

const ORDINALS: [&str; Lattice::MODALITIES] = ["first", "second", "third", "fourth"];

/// The lists of a data set; none where no rows were to be listed.
pub(super) fn lists(set: &Dataset, report: &Report) -> Vec<SampleList> {
    if set.samples.limit == 0 {
        return Vec::new();
    }
    let names = set.modalities();
    let of = if report.compare.is_some() { format!(", {}", set.name) } else { String::new() };
    let all = Subset::full(names.len()).map(|all| Quantity::I(all).name(names.len()).into_owned());
    let columns: Vec<String> = part_names(names.len())
        .into_iter()
        .map(str::to_owned)
        .chain(all.filter(|_| set.samples.contradicted.is_some()))
        .collect();
    let of_rows = if set.reduced_rows > 0 { " Of the rows that lack no modality." } else { "" };
    let chips = part_names(names.len()).into_iter().chain(["negative"]);
    let key = match &set.samples.key[..] {
        [] => "row".to_owned(),
        columns => columns.join(" · "),
    };
    titles(set, &names)
        .into_iter()
        .zip(chips)
        .zip(&columns)
        .zip(set.samples.each())
        .map(|((((title, meaning), chip), by), rows)| SampleList {
            title: format!("{title}{of}"),
            meaning: meaning + of_rows,
            chip,
            key: truncate(&key, 24),
            columns: columns.clone(),
            by: by.clone(),
            rows: rows.iter().map(|sample| row(sample, &columns, by, set)).collect(),
        })
        .collect()
}

/// Title and meaning of every list. Where the files do not hold the information that a list demands besides
/// its part, the title is that of the part.
fn titles(set: &Dataset, names: &[String]) -> Vec<(String, String)> {
    let is_pair = names.len() == 2;
    let is_known = |of: Option<Subset>| of.is_some_and(|of| set.information.of(of).is_some());
    let is_single_known = |index: usize| is_known(Subset::new([index]));
    let unknown = |part: &str, who: &str, does: &str| {
        (format!("Largest {part}"), format!("Whether {who} {does} for the label, these files do not tell."))
    };
    let (either, lacking, together, all) = match is_pair {
        true => ("Either modality alone", "the other lacks", "neither tells alone", "Both modalities"),
        false => ("Any one modality alone", "the others lack", "fewer do not tell", "All modalities"),
    };
    let redundant = match (0..names.len()).all(is_single_known) {
        true => ("Most redundant".to_owned(), format!("{either} speaks for the label.")),
        false => unknown("r", "every modality alone", "speaks"),
    };
    let unique = names.iter().zip(ORDINALS).zip(part_names(names.len()).into_iter().skip(1));
    let unique = unique.enumerate().map(|(index, ((name, ordinal), part))| match is_single_known(index) {
        true => (
            format!("Most unique to {name}"),
            format!("The {ordinal} modality speaks for the label, with what {lacking}."),
        ),
        false => unknown(part, &format!("the {ordinal} modality alone"), "speaks"),
    });
    let synergistic = match is_known(Subset::full(names.len())) {
        true => (
            "Most synergistic".to_owned(),
            format!("{all} together speak for the label, with what {together}."),
        ),
        false => unknown("s", "all modalities together", "speak"),
    };
    let contradicted = (
        "Most contradicted".to_owned(),
        format!("{all} together contradict the label: a wrong label or a hard sample."),
    );
    std::iter::once(redundant).chain(unique).chain([synergistic, contradicted]).collect()
}

fn row(sample: &Sample, columns: &[String], by: &str, set: &Dataset) -> SampleRow {
    let key = match (&sample.key[..], set.files) {
        ([], 1) => count(sample.row),
        ([], _) => format!("{}, row {}", sample.file, count(sample.row)),
        (key, _) => key.join(" · "),
    };
    let values = sample.parts.each().chain(sample.information.full());
    let cells = columns.iter().zip(values);
    SampleRow {
        key: truncate(&key, 80),
        is_trained: sample.trained_on == Some(true),
        link: sample.link.clone(),
        command: command(&sample.query),
        class: truncate(&sample.class, 40),
        cells: cells.map(|(name, value)| Cell { text: fixed(*value, 2), by: name == by }).collect(),
    }
}

/// What is to be said of the rows that the models were trained on.
pub(super) fn training_note(sets: &[&Dataset]) -> Option<String> {
    let listed = sets.iter().flat_map(|set| set.samples.each().flatten());
    let marks: Vec<bool> = listed.filter_map(|sample| sample.trained_on).collect();
    if marks.contains(&true) {
        let what =
            "† The models were trained on this row; its values are of those models that have not seen it.";
        return Some(what.to_owned());
    }
    let (set, rows) =
        sets.iter().find_map(|set| Some((set, set.origin.trained_rows.filter(|rows| *rows > 0)?)))?;
    Some(if marks.is_empty() {
        format!(
            "The models were trained on {} of the rows{}; `annotate --columns fold` adds the column that tells \
             which, and they are marked here.",
            percent(rows, set.computed_rows),
            if sets.len() > 1 { format!(" of {}", set.name) } else { String::new() }
        )
    } else {
        "The models were trained on none of the rows that are listed.".to_owned()
    })
}
