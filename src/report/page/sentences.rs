//! The page's sentences.

use crate::interaction::{Quantity, Subset};
use crate::report::charts::ClassSelection;
use crate::report::format::{count, counted, fixed, list, number, percent};
use crate::report::modality_sets::all_together;
use crate::report::numbers::{Dataset, Report};

/// Capitalizes a fragment and ends it with a full stop. A leading data set name keeps its case.
pub(super) fn sentence(fragment: &str) -> String {
    let mut rest = fragment.chars();
    match rest.next() {
        Some(first) if !fragment.contains(": ") || fragment.find(": ") > fragment.find(' ') => {
            format!("{}{}.", first.to_uppercase(), rest.as_str())
        }
        _ => format!("{fragment}."),
    }
}

pub(super) fn subtitle(set: &Dataset) -> String {
    let files = if set.files == 1 {
        set.inputs.join(", ")
    } else {
        format!("{} files of {}", count(set.files), set.inputs.join(", "))
    };
    let bad = (set.bad_rows > 0).then(|| format!("{} without values", count(set.bad_rows)));
    let reduced = (set.reduced_rows > 0).then(|| format!("{} that lack a modality", count(set.reduced_rows)));
    let others: Vec<String> = bad.into_iter().chain(reduced).collect();
    let bad = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let classes = match set.label.as_str() {
        "" => "no label was read, so that the values are expectations over it, and nothing is by class"
            .to_owned(),
        label => format!("{} of {label}", counted(set.classes.len() as u64, "class", "classes")),
    };
    format!(
        "{}{bad} from {files}. Modalities {}; {classes}.",
        counted(set.rows, "row", "rows"),
        list(&set.modalities(), "and")
    )
}

/// The means in one sentence.
pub(super) fn summary(set: &Dataset) -> String {
    if set.computed_rows == 0 {
        return "No row has values.".to_owned();
    }
    let label = set.quoted_label();
    let bound = |before: &str, after: &str| {
        let entropy = set.label_entropy_nats.map(|entropy| fixed(entropy, 3));
        entropy.map_or_else(String::new, |entropy| format!("{before}{entropy} nats{after}"))
    };
    if set.complete_rows() == 0 {
        return format!(
            "No row has {} modalities, so that nothing is known of what they carry together about {label}{}.",
            all_together(set.modality_count()),
            bound("; its entropy is ", "")
        );
    }
    let names = set.modalities();
    let mean = |of: Subset| set.information.of(of).and_then(|figure| figure.mean_nats);
    let mut alone: Vec<(&String, f64)> = (0..names.len())
        .filter_map(|index| Some((names.get(index)?, mean(Subset::new([index])?)?)))
        .collect();
    let full = Subset::full(names.len());
    let Some(all) = full.and_then(mean).filter(|_| alone.len() == names.len()) else {
        return format!(
            "How much each modality alone and {} together carry about {label} is not in these files{}. \
             `lsmi-etl annotate --columns atoms` adds what tells it.",
            all_together(names.len()),
            bound("; its entropy, the upper bound, is ", "")
        );
    };
    alone.sort_by(|a, b| b.1.total_cmp(&a.1));
    let share = match set.label_entropy_nats {
        Some(entropy) if entropy > 0.0 => format!(", {:.0} % of the label's entropy", 100.0 * all / entropy),
        _ => String::new(),
    };
    let each = alone.iter().enumerate().map(|(place, (name, mean))| {
        let mean = fixed(*mean, 3);
        if place == 0 {
            format!("“{name}” carries {mean} nats about {label} on average")
        } else {
            format!("“{name}” {mean}")
        }
    });
    let trained = match set.origin.trained_rows {
        Some(rows) if rows > 0 => format!(
            " {} of these rows were trained on; evaluated out of fold, by models that have not seen them.",
            percent(rows, set.computed_rows)
        ),
        _ => String::new(),
    };
    format!(
        "{}; {} together carry {}{share}{}.{}{trained}",
        each.collect::<Vec<_>>().join(", "),
        all_together(names.len()),
        fixed(all, 3),
        bound(&format!(" (the entropy of {label} is "), ")"),
        without_one(set, &names).unwrap_or_default()
    )
}

/// What is left without one of more than two modalities.
fn without_one(set: &Dataset, names: &[String]) -> Option<String> {
    let left = |(index, name): (usize, &String)| {
        let others = Subset::new([index])?.complement(names.len())?;
        Some((name.clone(), set.information.of(others)?.mean_nats?))
    };
    let mut left = names.iter().enumerate().map(left).collect::<Option<Vec<_>>>()?;
    if left.len() < 3 {
        return None;
    }
    left.sort_by(|a, b| b.1.total_cmp(&a.1));
    let each = left.iter().enumerate().map(|(place, (name, mean))| {
        let mean = fixed(*mean, 3);
        if place == 0 {
            format!("Without “{name}” the others carry {mean}")
        } else {
            format!("without “{name}” {mean}")
        }
    });
    Some(format!(" {}.", each.collect::<Vec<_>>().join(", ")))
}

pub(super) fn classes_note(set: &Dataset) -> Option<String> {
    let left_out = ClassSelection::of(set).left_out;
    (left_out > 0).then(|| {
        let shown = set.classes.len() - left_out;
        format!(
            "Of {} classes, the {} with the largest mean r and below them the {} with the smallest; the table has all.",
            count(set.classes.len() as u64),
            shown / 2,
            shown - shown / 2
        )
    })
}

/// The origin of r in words.
pub(super) fn redundancy_note(set: &Dataset, report: &Report) -> String {
    let of = if report.compare.is_some() { format!("{}: ", set.name) } else { String::new() };
    let names = set.modalities();
    if set.origin.is_adjusted() {
        return format!(
            "{of}r, u1, u2 and s were shifted by a constant of the data set (`annotate --adjust dataset`), so the \
             origin of r cannot be determined."
        );
    }
    let bounds = match set.redundancy_bounds_nats {
        Some([low, high]) => format!(
            " For any densities, the mean of r{} lies between {} and {} nats.",
            if set.reduced_rows > 0 { " of these rows" } else { "" },
            fixed(low, 3),
            fixed(high, 3)
        ),
        None => String::new(),
    };
    let decided = match &set.cases {
        Some(cases) => format!(
            " On {} of the rows{} r equals one of {}.",
            percent(set.complete_rows().saturating_sub(cases.between), set.complete_rows()),
            if set.reduced_rows > 0 { " that lack no modality" } else { "" },
            match names.len() {
                2 => "the two, the i of the modality with the smaller h",
                _ => "them, the i of the modality with the smallest h",
            }
        ),
        None => String::new(),
    };
    let place = match names.as_slice() {
        [x1, x2] => format!(
            "On every row r lies between i1 ({x1}) and i2 ({x2}); its position depends on the densities through h1 − h2."
        ),
        _ => format!(
            "On every row r lies between the least and the largest i of {}; its position depends on the densities \
             through the differences of their h.",
            list(&names, "and")
        ),
    };
    format!("{of}{place}{decided}{bounds}{}", densities_note(set))
}

/// The means of h, or how to add the columns.
fn densities_note(set: &Dataset) -> String {
    let Some(specificity) = &set.specificity else {
        let modalities = set.modality_count();
        let columns = Quantity::single_names(Quantity::H, modalities);
        let names = columns.join(",");
        return format!(
            " These files do not contain {}; `annotate --columns {names}` adds them.",
            list(&columns, "and")
        );
    };
    let means = specificity.named().enumerate().map(|(place, (name, figure))| {
        let mean = number(figure.mean_nats, 2);
        if place == 0 { format!("{name} is {mean} nats on average") } else { format!("{name} {mean}") }
    });
    let means = list(&means.collect::<Vec<_>>(), "and");
    match &specificity.difference {
        Some(difference) => {
            format!(" {means}; h1 − h2 has a standard deviation of {}.", number(difference.std_dev_nats, 2))
        }
        None => format!(" {means}."),
    }
}
