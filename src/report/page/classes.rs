//! The page's table of all classes. A script lets the reader sort and filter it; without one it is a table.

use serde::Serialize;

use crate::interaction::{Quantity, Subset};
use crate::report::charts::ClassSelection;
use crate::report::format::{count, counted, number, truncate};
use crate::report::numbers::{Class, Dataset, Report};
use crate::report::parts::part_names;

/// Maximum number of rows on paper.
const PRINTED: usize = 200;

/// The classes of a data set.
#[derive(Serialize)]
pub(super) struct ClassTable {
    summary: String,
    /// Whether it is unfolded: the charts show only some of the classes.
    is_open: bool,
    /// Headings, the label first.
    head: Vec<String>,
    rows: Vec<ClassRow>,
    /// Rows that are printed, where it is not all.
    printed: Option<String>,
}

#[derive(Serialize)]
struct ClassRow {
    name: String,
    cells: Vec<String>,
}

/// The table of a data set, in the order of its label's values.
pub(super) fn table(set: &Dataset, report: &Report) -> ClassTable {
    let of = if report.compare.is_some() { format!(" of {}", set.name) } else { String::new() };
    let modalities = set.modality_count();
    // More columns leave less space on a phone.
    let digits = if modalities == 2 { 3 } else { 2 };
    let all = Subset::full(modalities).filter(|all| set.information.of(*all).is_some());
    let all = all.map(|all| Quantity::I(all).name(modalities).into_owned());
    let head = std::iter::once(truncate(&set.label, 24)).chain(["rows".to_owned()]);
    let head = head.chain(part_names(modalities).into_iter().map(str::to_owned)).chain(all);
    let row = |class: &Class| {
        let figures = class.parts.each().chain(class.information.full());
        let means = figures.map(|figure| number(figure.mean_nats, digits));
        ClassRow {
            name: truncate(&class.class, 80),
            cells: std::iter::once(count(class.rows)).chain(means).collect(),
        }
    };
    let classes = set.classes.len();
    ClassTable {
        summary: format!("Means of {}{of}", counted(classes as u64, "class", "classes")),
        is_open: ClassSelection::of(set).left_out > 0,
        head: head.collect(),
        rows: set.classes.iter().map(row).collect(),
        printed: (classes > PRINTED).then(|| count(PRINTED as u64)),
    }
}
