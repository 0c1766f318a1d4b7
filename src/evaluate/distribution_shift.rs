//! The comparison of computed rows with the rows that the models were validated on: a bundle of other
//! data, swapped columns and drift give values that look like numbers and mean nothing.

use std::collections::BTreeMap;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{Bundle, Figures};
use crate::interaction::{MomentSummary, Quantity, Subset};

use super::specificity_shift::{STANDARD_ERRORS, is_of_other_rows};

/// Fewest rows whose means are compared.
const LEAST_ROWS: u64 = 30;
/// Share of the information that rows of the most frequent class should have below which rows are suspect.
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

/// What [`distribution_shift`] compares beside the default columns: h of each modality, and of more than two
/// modalities i of each and of all, which of two follow from r, u1, u2 and s.
pub fn compared_quantities(modalities: usize) -> Vec<Quantity> {
    let is_compared = |set: &Subset| modalities > 2 && [1, modalities].contains(&set.len());
    let information = Subset::all(modalities).into_iter().filter(is_compared).map(Quantity::I);
    information.chain(Subset::singles(modalities).map(Quantity::H)).collect()
}

/// What is off about the means of rows: mean information of a modality or of all together below zero, or far
/// below that of the validation rows (entropy of the prior minus held-out mean −ln p(y|x), as far as rows of the
/// most frequent class have it); mean h of a
/// modality far from that of the validation rows. `columns` are the moments of the computed columns by name,
/// shifted or not: of two modalities i1 = r + u1, i2 = r + u2 and i12 = r + u1 + u2 + s do not depend on a
/// shift. `others` are those of what [`compared_quantities`] names, as far as they are known.
pub fn distribution_shift(
    bundle: &Bundle,
    columns: &BTreeMap<String, MomentSummary>,
    others: &BTreeMap<String, MomentSummary>,
) -> Option<String> {
    let manifest = bundle.manifest();
    let validation = manifest.training.as_ref().map(|training| &training.validation);
    let reference = Reference {
        prior: &manifest.label.prior,
        validation,
        dims: &bundle.dims(),
        h_offsets: &bundle.h_offsets(),
    };
    reference.shift(columns, others)
}

/// What a bundle says of the rows that its models describe.
struct Reference<'a> {
    prior: &'a [f64],
    validation: Option<&'a Figures>,
    /// By modality.
    dims: &'a [usize],
    /// What h is less than −ln p(x), by density.
    h_offsets: &'a [f64],
}

impl Reference<'_> {
    fn shift(
        &self,
        columns: &BTreeMap<String, MomentSummary>,
        others: &BTreeMap<String, MomentSummary>,
    ) -> Option<String> {
        let found = match self.dims.len() {
            2 => information_of_two(columns).unwrap_or_default(),
            modalities => information_of_more(modalities, others),
        };
        let (information, specificity) = (self.information(&found), self.specificity(others));
        let scale = match specificity[..] {
            [] => "",
            _ => "have the embeddings another scale or normalisation than in the fit, ",
        };
        let off: Vec<String> = information.into_iter().chain(specificity).chain(absurd(columns)).collect();
        (!off.is_empty()).then(|| {
            format!(
                "{}: the models do not describe these rows; is it another bundle, are columns swapped, {scale}or did \
                 the data drift?",
                off.join(", ")
            )
        })
    }

    fn information(&self, found: &[Information]) -> Vec<String> {
        let entropy: f64 = self.prior.iter().map(|p| -p * p.ln()).sum();
        // Rows of the most frequent class alone have at most −ln p(y), which is the average only where the prior is flat.
        let least = self.prior.iter().map(|p| -p.ln()).fold(entropy, f64::min);
        let of_set = |Information { name, classifier, mean, error }: &Information| {
            let most = mean + STANDARD_ERRORS * error;
            let figures = self.validation.and_then(|figures| figures.classifiers.get(*classifier));
            let expected = figures.map(|figures| entropy - figures.cross_entropy_nats);
            let is_far_below = |expected: f64| {
                let frequent = expected * least / entropy;
                most < SUSPECT_SHARE * frequent && frequent - mean > MISSING_NATS
            };
            match expected {
                Some(expected) if is_far_below(expected) => Some(beside_validation(name, *mean, expected)),
                _ if most < 0.0 && *mean < -MISSING_NATS => Some(format!("mean {name} is {mean:.2} nats")),
                _ => None,
            }
        };
        found.iter().filter_map(of_set).collect()
    }

    fn specificity(&self, others: &BTreeMap<String, MomentSummary>) -> Vec<String> {
        let names = Quantity::single_names(Quantity::H, self.dims.len());
        let modalities = names.into_iter().zip(self.dims).enumerate();
        let of_modality = |(density, (name, dim)): (usize, (String, &usize))| {
            let (mean, error) = mean_of(others.get(&name))?;
            let validation = self.validation?;
            let figures = validation.densities.get(density)?;
            let offset = self.h_offsets.get(density)?;
            let is_off = is_of_other_rows((mean + offset, error), figures, validation.measured_rows, *dim);
            is_off.then(|| beside_validation(&name, mean, figures.mean_nats - offset))
        };
        modalities.filter_map(of_modality).collect()
    }
}

fn beside_validation(name: &str, mean: f64, expected: f64) -> String {
    format!("mean {name} is {mean:.2} nats, {expected:.2} on the validation rows of fit")
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

fn information_of_more(modalities: usize, others: &BTreeMap<String, MomentSummary>) -> Vec<Information> {
    let set = |name: &str| name.strip_prefix("i_")?.parse::<Subset>().ok();
    let found = others.iter().filter_map(|(name, column)| {
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

    /// Of so many modalities, without figures.
    fn reference(dims: &[usize]) -> Reference<'_> {
        Reference { prior: &[0.5, 0.5], validation: None, dims, h_offsets: &[0.0, 5.0] }
    }

    fn shift(columns: &BTreeMap<String, MomentSummary>) -> Option<String> {
        reference(&[4, 8]).shift(columns, &BTreeMap::new())
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
            reference(&[4; 3]).shift(&columns(-5.0, -5.0, 0.0, 0.0, 1000), &information)
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
        let reference = Reference { validation: Some(&figures), ..reference(&[4, 8]) };
        let shift = |columns| reference.shift(&columns, &BTreeMap::new());
        assert_eq!(shift(columns(0.2, 0.2, 0.0, 0.1, 1000)), None);
        let text = shift(columns(0.02, 0.0, 0.02, 0.3, 1000)).unwrap();
        assert!(text.starts_with("mean i1 is 0.02 nats, 0.59 on the validation rows of fit: "), "{text}");
        assert!(!text.contains("scale"), "{text}");
    }

    #[test]
    fn rows_of_the_frequent_class_alone_pass() {
        let classifier = ClassifierFigures { cross_entropy_nats: 0.05, ..ClassifierFigures::default() };
        let figures = Figures {
            measured_rows: 1,
            densities: vec![DensityFigures::default(); 2],
            classifiers: vec![classifier; 3],
            ..Figures::default()
        };
        let reference = Reference { validation: Some(&figures), prior: &[0.85, 0.15], ..reference(&[4, 8]) };
        let shift = |columns| reference.shift(&columns, &BTreeMap::new());
        // Of −ln 0.85 = 0.16 nats at most; the average is 0.37.
        assert_eq!(shift(columns(0.1, 0.03, 0.03, -0.02, 1000)), None);
        assert_eq!(shift(columns(0.01, 0.0, 0.0, 0.0, 1000)), None);
        let text = shift(columns(-0.2, 0.0, 0.3, 0.0, 1000)).unwrap();
        assert!(text.starts_with("mean i1 is -0.20 nats, 0.37 on the validation rows of fit: "), "{text}");
    }

    #[test]
    fn h_far_from_that_of_the_validation_rows_is_named_in_the_units_of_the_column() {
        let density = |nats| DensityFigures {
            mean_nats: nats,
            standard_error_nats: Some(0.1),
            in_sample_nats: Some(nats - 0.5),
            ..DensityFigures::default()
        };
        let figures = Figures {
            measured_rows: 400,
            densities: vec![density(6.0), density(12.0)],
            classifiers: vec![ClassifierFigures { cross_entropy_nats: 0.6, ..Default::default() }; 3],
            ..Figures::default()
        };
        let reference = Reference { validation: Some(&figures), ..reference(&[4, 8]) };
        let shift = |h1, h2, rows| {
            let of = columns(h1, h2, 0.0, 0.0, rows);
            let others = BTreeMap::from([("h1".to_owned(), of["r"]), ("h2".to_owned(), of["u1"])]);
            reference.shift(&columns(0.1, 0.0, 0.0, 0.0, rows), &others)
        };
        assert_eq!(shift(6.0, 7.0, 1000), None);
        // Five nats, 2.5 standard deviations of a row.
        assert_eq!(shift(10.9, 11.9, 1000), None);
        assert_eq!(shift(11.1, 12.1, 20), None);
        let text = shift(6.0, 12.1, 1000).unwrap();
        assert!(text.starts_with("mean h2 is 12.10 nats, 7.00 on the validation rows of fit: "), "{text}");
        assert!(
            text.contains("have the embeddings another scale or normalisation than in the fit, or "),
            "{text}"
        );
        let text = shift(0.4, 1.4, 1000).unwrap();
        assert!(
            text.starts_with("mean h1 is 0.40 nats, 6.00 on the validation rows of fit, mean h2 is 1.40")
        );
    }
}
