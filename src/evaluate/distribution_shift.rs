//! The comparison of computed rows with the rows that the models were validated on: a bundle of other
//! data, swapped columns and drift give values that look like numbers and mean nothing.

use std::collections::BTreeMap;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::Figures;
use crate::interaction::{MomentSummary, Quantity, Subset};

/// Fewest rows whose means are compared.
const LEAST_ROWS: u64 = 30;
/// Standard errors that a mean must be away.
const STANDARD_ERRORS: f64 = 5.0;
/// Share of the information of the validation rows below which these rows are suspect: rows of one
/// frequent class have less than the average, too.
const SUSPECT_SHARE: f64 = 0.25;
/// Fewest nats that must be missing.
const MISSING_NATS: f64 = 0.2;

/// A value of one row, in nats, that no model of these data gives, and the least that it moves a mean.
const ABSURD: f64 = 100.0;
const MOVED_NATS: f64 = 0.05;

/// The treatment of rows that the models do not describe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnShift {
    /// A warning; annotate's summary says it, too
    #[default]
    Warn,
    /// The run fails with exit code 65, and the file gets no output
    Fail,
}

/// Of more than two modalities i of each of them and of all: what [`distribution_shift`] compares. Of two
/// they follow from r, u1, u2 and s.
pub fn compared_information(modalities: usize) -> Vec<Quantity> {
    let is_compared = |set: &Subset| modalities > 2 && [1, modalities].contains(&set.len());
    Subset::all(modalities).into_iter().filter(is_compared).map(Quantity::I).collect()
}

/// What is off about the means of the columns: mean information of a modality or of all together below
/// zero, or far below that of the validation rows (entropy of the prior minus held-out mean −ln p(y|x)).
/// `columns` are the moments of the computed columns by name, shifted or not; `information` those of
/// [`compared_information`], and empty for two modalities, where i1 = r + u1, i2 = r + u2 and
/// i12 = r + u1 + u2 + s, which do not depend on a shift.
pub fn distribution_shift(
    prior: &[f64],
    validation: Option<&Figures>,
    columns: &BTreeMap<String, MomentSummary>,
    information: &BTreeMap<String, MomentSummary>,
) -> Option<String> {
    let found = match information.is_empty() {
        true => information_of_two(columns)?,
        false => information_of_more(information),
    };
    let entropy: f64 = prior.iter().map(|p| -p * p.ln()).sum();
    let off: Vec<String> = found
        .iter()
        .filter_map(|Information { name, classifier, mean, error }| {
            let most = mean + STANDARD_ERRORS * error;
            let figures = validation.and_then(|figures| figures.classifiers.get(*classifier));
            let expected = figures.map(|figures| entropy - figures.cross_entropy_nats);
            match expected {
                Some(expected) if most < SUSPECT_SHARE * expected && expected - mean > MISSING_NATS => Some(
                    format!("mean {name} is {mean:.2} nats, {expected:.2} on the validation rows of fit"),
                ),
                _ if most < 0.0 && *mean < -MISSING_NATS => Some(format!("mean {name} is {mean:.2} nats")),
                _ => None,
            }
        })
        .collect();
    let off: Vec<String> = off.into_iter().chain(absurd(columns)).collect();
    (!off.is_empty()).then(|| {
        format!(
            "{}: the models do not describe these rows; is it another bundle, are columns swapped, or did the data drift?",
            off.join(", ")
        )
    })
}

/// The mean information of a set of modalities, and its standard error.
struct Information {
    name: String,
    /// The place of the set's classifier.
    classifier: usize,
    mean: f64,
    error: f64,
}

/// A mean and its standard error, of enough rows.
fn mean_of(column: Option<&MomentSummary>) -> Option<(f64, f64)> {
    let column = column.filter(|column| column.count >= LEAST_ROWS)?;
    Some((column.mean?, column.std_error?))
}

fn information_of_two(columns: &BTreeMap<String, MomentSummary>) -> Option<Vec<Information>> {
    let of = |name: &str| mean_of(columns.get(name));
    let (r, u1, u2, s) = (of("r")?, of("u1")?, of("u2")?, of("s")?);
    // The standard error of a sum is at most the sum of the standard errors.
    let sum = |parts: &[(f64, f64)]| parts.iter().fold((0.0, 0.0), |(m, e), part| (m + part.0, e + part.1));
    let found = [("i1", sum(&[r, u1])), ("i2", sum(&[r, u2])), ("i12", sum(&[r, u1, u2, s]))];
    let found = found.into_iter().enumerate().map(|(classifier, (name, (mean, error)))| Information {
        name: name.to_owned(),
        classifier,
        mean,
        error,
    });
    Some(found.collect())
}

fn information_of_more(information: &BTreeMap<String, MomentSummary>) -> Vec<Information> {
    let set = |name: &str| name.strip_prefix("i_")?.parse::<Subset>().ok();
    let modalities = information.keys().filter_map(|name| set(name)).map(Subset::len).max().unwrap_or(0);
    let found = information.iter().filter_map(|(name, column)| {
        let (mean, error) = mean_of(Some(column))?;
        Some(Information { name: name.clone(), classifier: set(name)?.index(modalities), mean, error })
    });
    found.collect()
}

/// A single row that decides a mean: its standard error hides that from a comparison of means.
fn absurd(columns: &BTreeMap<String, MomentSummary>) -> Option<String> {
    let extreme = |name: &str| {
        let column = columns.get(name).filter(|column| column.count >= LEAST_ROWS)?;
        let value =
            [column.min, column.max].into_iter().flatten().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
        let moved = value / column.count as f64;
        (value.abs() > ABSURD && moved.abs() > MOVED_NATS).then(|| (name.to_owned(), value, moved))
    };
    let found = Quantity::DEFAULT_NAMES.into_iter().filter_map(extreme);
    let (name, value, moved) = found.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    Some(format!("one row has {name} = {value:.3e} nats, which alone moves the mean by {moved:.2} nats"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{ClassifierFigures, DensityFigures};

    fn columns(r: f64, u1: f64, u2: f64, s: f64, rows: u64) -> BTreeMap<String, MomentSummary> {
        let summary = |mean| MomentSummary {
            count: rows,
            mean: Some(mean),
            variance: Some(1.0),
            std_error: Some(0.01),
            min: None,
            max: None,
        };
        [("r", r), ("u1", u1), ("u2", u2), ("s", s)]
            .into_iter()
            .map(|(name, mean)| (name.to_owned(), summary(mean)))
            .collect()
    }

    fn shift(columns: &BTreeMap<String, MomentSummary>) -> Option<String> {
        distribution_shift(&[0.5, 0.5], None, columns, &BTreeMap::new())
    }

    #[test]
    fn rows_that_the_models_know_pass() {
        assert_eq!(shift(&columns(0.3, 0.0, 0.1, 0.1, 1000)), None);
        // Little information is no sign of a shift.
        assert_eq!(shift(&columns(0.0, -0.05, 0.0, 0.0, 1000)), None);
        // Too few rows to say.
        assert_eq!(shift(&columns(-5.0, 0.0, 0.0, 0.0, 10)), None);
        assert_eq!(shift(&BTreeMap::new()), None);
    }

    #[test]
    fn information_below_zero_is_named() {
        let text = shift(&columns(-5.0, 0.5, 6.0, 0.2, 1000)).unwrap();
        assert!(text.starts_with("mean i1 is -4.50 nats: ") && text.contains("columns swapped"), "{text}");
    }

    #[test]
    fn of_three_modalities_the_information_itself_is_compared() {
        let of = |means: [f64; 4]| {
            let all = columns(means[0], means[1], means[2], means[3], 1000);
            let named = [("i_1", "r"), ("i_2", "u1"), ("i_3", "u2"), ("i_123", "s")];
            let information = named.map(|(i, of)| (i.to_owned(), all[of])).into_iter().collect();
            distribution_shift(&[0.5, 0.5], None, &columns(-5.0, -5.0, 0.0, 0.0, 1000), &information)
        };
        assert_eq!(of([0.1, 0.2, 0.0, 0.4]), None);
        let text = of([0.1, 0.2, -0.7, 0.4]).unwrap();
        assert!(text.starts_with("mean i_3 is -0.70 nats: "), "{text}");
    }

    #[test]
    fn a_row_that_decides_a_mean_is_named() {
        let mut columns = columns(0.3, -7.0, 0.1, 6.0, 1000);
        let u1 = columns.get_mut("u1").unwrap();
        (u1.min, u1.std_error) = (Some(-7000.0), Some(7.0));
        let text = shift(&columns).unwrap();
        assert!(
            text.starts_with("one row has u1 = -7.000e3 nats, which alone moves the mean by -7.00"),
            "{text}"
        );
        columns.get_mut("u1").unwrap().min = Some(-40.0);
        assert_eq!(shift(&columns), None);
    }

    #[test]
    fn information_far_below_that_of_the_validation_rows_is_named() {
        let classifier =
            |nats| ClassifierFigures { cross_entropy_nats: nats, ..ClassifierFigures::default() };
        let figures = Figures {
            folds: None,
            trained_rows: 1,
            measured_rows: 1,
            densities: vec![DensityFigures::default(); 2],
            classifiers: vec![classifier(0.1), classifier(0.6), classifier(0.05)],
            ..Figures::default()
        };
        let shift = |columns| distribution_shift(&[0.5, 0.5], Some(&figures), &columns, &BTreeMap::new());
        assert_eq!(shift(columns(0.2, 0.2, 0.0, 0.1, 1000)), None);
        let text = shift(columns(0.02, 0.0, 0.02, 0.3, 1000)).unwrap();
        assert!(text.starts_with("mean i1 is 0.02 nats, 0.59 on the validation rows of fit: "), "{text}");
    }
}
