//! What is off about training rows or trained models, in plain sentences: before training, so that
//! nobody waits for models that the rows can't support, and after it.

use std::collections::HashSet;

use crate::bundle::{Class, Estimates, Figures, FitWarning, MeanEstimate, Redundancy};
use crate::interaction::{Quantity, Subset};
use crate::samples::class_examples;

use super::scaling::Scaling;
use super::training_set::{EmbeddingMatrix, TrainingSet};

/// Rows per dimension below which covariances are mostly shrinkage.
const ROWS_PER_DIMENSION: usize = 10;
/// Rows of a class below which its probabilities are little more than a guess.
const ROWS_PER_CLASS: u64 = 30;
/// Largest relative deviation of the norms from each other at which they count as equal.
const EQUAL_NORMS: f64 = 1e-3;
/// Share of repeated rows that is worth a word.
const REPEATED: f64 = 0.01;
/// Part of R or I12 that the units of the densities may decide without a word.
const OF_UNITS: f64 = 0.5;
/// A range that says nothing: columns without information have an R next to zero.
const LEAST_RANGE_NATS: f64 = 0.01;
/// Share of the rows on which one density decides r that is worth a word, where that moves R by this
/// part of it or of I12.
const OF_ONE_DENSITY: f64 = 0.97;
const MOVED: f64 = 0.1;
/// The models' error over that of the rows from which the models are the cause. Of five folds whose models
/// are alike, one in a hundred is above it.
const OF_MODELS: f64 = 1.5;

/// Warnings about the rows. `classes` are the classes of `set.y`.
pub(super) fn of_rows(set: &TrainingSet<'_>, classes: &[Class]) -> Vec<FitWarning> {
    let mut counts = vec![0_u64; set.classes];
    set.y.iter().for_each(|&class| counts[class as usize] += 1);
    of_sample(set, set.y.len(), classes, &counts)
}

/// Warnings about `rows` rows, of `counts` in each of `classes`, whose embeddings are known by a sample.
pub(super) fn of_sample(
    set: &TrainingSet<'_>,
    rows: usize,
    classes: &[Class],
    counts: &[u64],
) -> Vec<FitWarning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, text: String| warnings.push(FitWarning { code: code.into(), text });
    let mut wide: Vec<Subset> = Vec::new();
    for modalities in Subset::proper(set.x.len()) {
        let matrices = set.matrices(modalities);
        let dim = matrices.iter().map(|x| x.dim).sum::<usize>();
        // What holds for a set holds for those that contain it.
        let is_known = wide.iter().any(|smaller| smaller.is_subset_of(modalities));
        if rows < dim * ROWS_PER_DIMENSION && !is_known {
            wide.push(modalities);
            warn(
                "few_rows",
                format!(
                    "{rows} rows for the {dim} values of {}: {} density is mostly shrinkage, and i and h have errors \
                     of several tenths of a nat; {} rows are advised, or fewer dimensions (PCA)",
                    modalities.listed(|index| format!("{:?}", set.x[index].column)),
                    if modalities.len() > 1 { "their" } else { "its" },
                    dim * ROWS_PER_DIMENSION
                ),
            );
        }
        let [x] = &matrices[..] else { continue };
        if is_constant(x) {
            warn(
                "constant",
                format!(
                    "no value of {:?} varies between rows in single precision: its density is left out (h is 0), and \
                     with it what r would be; leave the column out, or subtract an offset or scale it up before it is \
                     stored",
                    x.column
                ),
            );
        } else if have_equal_norms(x) {
            warn(
                "equal_norms",
                format!(
                    "all vectors of {:?} have the same length: they lie on a sphere, where h compares with that of \
                     {} only up to a constant; fit on vectors before they are normalised, or with --units centred",
                    x.column,
                    if set.x.len() > 2 { "other modalities" } else { "the other modality" }
                ),
            );
        }
    }
    for (index, x) in set.x.iter().enumerate() {
        let others = set.x.iter().skip(index + 1);
        let is_same = |other: &&EmbeddingMatrix<'_>| other.dim == x.dim && other.values == x.values;
        if let Some(other) = others.clone().find(is_same).filter(|_| !is_constant(x)) {
            warn(
                "same_values",
                format!(
                    "{:?} and {:?} hold the same values: neither tells anything that the other does not; is one of them \
                     meant to be another column?",
                    x.column, other.column
                ),
            );
        }
    }
    let rare: Vec<&Class> = classes
        .iter()
        .zip(counts)
        .filter(|(_, count)| **count < ROWS_PER_CLASS)
        .map(|(class, _)| class)
        .collect();
    if !rare.is_empty() {
        warn(
            "rare_classes",
            format!(
                "{} of {} classes {} fewer than {ROWS_PER_CLASS} rows ({}): {} values are little more than guesses; \
                 merge {}, or give more rows",
                rare.len(),
                classes.len(),
                if rare.len() == 1 { "has" } else { "have" },
                class_examples(&rare),
                if rare.len() == 1 { "its" } else { "their" },
                if rare.len() == 1 { "it with another" } else { "them" }
            ),
        );
    }
    let (repeated, rows) = (repeated_rows(set), set.y.len());
    if repeated as f64 > REPEATED * rows as f64 {
        warn(
            "repeated_rows",
            format!(
                "{repeated} of {rows} rows repeat the embeddings of another: densities and classifiers that have \
                 seen one know the other; leave copies out"
            ),
        );
    }
    warnings
}

/// Warnings about the models, by their validation figures.
pub(super) fn of_models(figures: &Figures, prior: &[f64]) -> Vec<FitWarning> {
    let entropy: f64 = prior.iter().map(|p| -p * p.ln()).sum();
    let mut warnings = Vec::new();
    for (set, classifier) in Subset::all(figures.modalities()).into_iter().zip(&figures.classifiers) {
        let name = set.listed(|index| format!("x{}", index + 1));
        let nats = classifier.cross_entropy_nats;
        let most_frequent = prior.iter().copied().fold(0.0, f64::max);
        if nats >= entropy && classifier.accuracy > 0.5 * (1.0 + most_frequent) {
            let text = format!(
                "the classifier of {name} is right on {:.1} % of the rows and too certain of the others, so that it says \
                 less ({nats:.3} nats) than the classes' frequencies ({entropy:.3}): give more rows, or more folds",
                100.0 * classifier.accuracy
            );
            warnings.push(FitWarning { code: "too_certain".into(), text });
        } else if nats >= entropy {
            let text = format!(
                "the classifier of {name} predicts no better ({nats:.3} nats) than the classes' frequencies \
                 ({entropy:.3}): either nothing of the label is told by {name}, or these rows are too few to \
                 learn it"
            );
            warnings.push(FitWarning { code: "no_information".into(), text });
        }
    }
    if let Some(estimates) = &figures.estimates {
        if let Some(redundancy) = &estimates.redundancy {
            let of_units = units_decide(estimates, redundancy);
            warnings.extend(of_units.or_else(|| one_density_decides(estimates, redundancy)));
        }
        warnings.extend(models_decide(estimates));
    }
    warnings
}

/// A warning where other units would give another R.
fn units_decide(estimates: &Estimates, redundancy: &Redundancy) -> Option<FitWarning> {
    let [low, high] = redundancy.by_shift.range_nats;
    let modalities = estimates.means.modalities();
    let (r, scale) = r_and_scale(estimates)?;
    let x: Vec<String> = (1..=modalities).map(|modality| format!("x{modality}")).collect();
    let shifted = match modalities {
        2 => "h1 - h2 is shifted".to_owned(),
        _ => format!(
            "{} are shifted against each other",
            listed(&Quantity::single_names(Quantity::H, modalities), "and")
        ),
    };
    let defaults: Vec<String> = Quantity::defaults(modalities)
        .into_iter()
        .map(|column| column.name(modalities).into_owned())
        .collect();
    let information: Vec<String> = Subset::all(modalities)
        .into_iter()
        .map(|set| Quantity::I(set).name(modalities).into_owned())
        .collect();
    let text = format!(
        "the units of the densities decide R: it is {r:.3} nats by this convention, and from {low:.3} to {high:.3} \
         where {shifted}, as by another scale of {}; compare {} only with values of one convention (--units), and \
         rest conclusions on {}, which have no units",
        listed(&x, "or"),
        listed(&defaults, "and"),
        listed(&information, "and")
    );
    (high - low > (OF_UNITS * scale).max(LEAST_RANGE_NATS))
        .then(|| FitWarning { code: "units_decide".into(), text })
}

/// A warning where one modality has the lowest h on nearly all rows, as the one of fewer dimensions has.
fn one_density_decides(estimates: &Estimates, redundancy: &Redundancy) -> Option<FitWarning> {
    let modalities = estimates.means.modalities();
    let mut shares = redundancy.shares.at.iter().enumerate();
    let (index, share) = shares.find(|(_, share)| **share >= OF_ONE_DENSITY)?;
    let (i, h) =
        (Quantity::single_names(Quantity::I, modalities), Quantity::single_names(Quantity::H, modalities));
    let others: Vec<String> =
        h.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, h)| h.clone()).collect();
    let [least, most] = redundancy.by_shift.range_nats;
    let (_, scale) = r_and_scale(estimates)?;
    let text = format!(
        "r is {} on {:.1} % of the rows, because {} is below {} there, whatever the rows say about the label: \
         another scale or length of the embeddings could give an R from {least:.3} to {most:.3} nats; where these \
         mean nothing, fit with --units centred",
        i.get(index)?,
        100.0 * share,
        h.get(index)?,
        listed(&others, "and")
    );
    (most - least > MOVED * scale).then(|| FitWarning { code: "one_density_decides".into(), text })
}

/// R, and the nats that its range is compared with.
fn r_and_scale(estimates: &Estimates) -> Option<(f64, f64)> {
    let r = estimates.means.of(Quantity::R)?.mean_nats;
    Some((r, r.abs().max(estimates.means.of_all()?.mean_nats)))
}

/// Names in a sentence: "x1, x2 and x3".
fn listed(names: &[String], conjunction: &str) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} {conjunction} {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// A warning where the folds' models differ by more than their rows make them.
fn models_decide(estimates: &Estimates) -> Option<FitWarning> {
    let is_it = |mean: &MeanEstimate| mean.models_error_nats > OF_MODELS * mean.rows_error_nats;
    let found: Vec<_> = estimates.means.by_symbol().filter(|(_, mean)| is_it(mean)).collect();
    let of = |(name, mean): &(String, &MeanEstimate)| {
        format!(
            "{name} ± {:.4} by the models, {:.4} by the rows",
            mean.models_error_nats, mean.rows_error_nats
        )
    };
    let text = format!(
        "the models are most of the error of a mean ({}): the folds' models do not agree, and only more training \
         rows make it smaller",
        found.iter().map(of).collect::<Vec<_>>().join("; ")
    );
    (!found.is_empty()).then(|| FitWarning { code: "models_decide".into(), text })
}

fn have_equal_norms(x: &EmbeddingMatrix<'_>) -> bool {
    let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let mut norms = x.values.chunks_exact(x.dim).map(norm);
    let first = norms.next().unwrap_or_default();
    // Vectors far from zero have nearly equal norms, too: the spread about the mean counts.
    let tolerance = EQUAL_NORMS * spread(x).min(first);
    x.dim > 1 && first > 0.0 && norms.all(|norm| (norm - first).abs() <= tolerance)
}

/// Root mean square distance of the rows from their mean.
fn spread(x: &EmbeddingMatrix<'_>) -> f64 {
    let rows = (x.values.len() / x.dim).max(1) as f64;
    let column = |j: usize| x.values.iter().skip(j).step_by(x.dim).map(|&value| f64::from(value));
    let variance = |j: usize| {
        let mean = column(j).sum::<f64>() / rows;
        column(j).map(|value| (value - mean).powi(2)).sum::<f64>() / rows
    };
    (0..x.dim).map(variance).sum::<f64>().sqrt()
}

/// Whether every column has one value.
fn is_constant(x: &EmbeddingMatrix<'_>) -> bool {
    let rows: Vec<usize> = (0..x.len()).collect();
    Scaling::measure(x, &rows).varying().is_empty()
}

/// Rows whose embeddings are those of an earlier row.
fn repeated_rows(set: &TrainingSet<'_>) -> usize {
    let mut known = HashSet::new();
    set.row_hashes().filter(|hash| !known.insert(*hash)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{
        ClassifierFigures, DensityFigures, EstimatedMeans, RedundancyByShift, RedundancyCurve,
        RedundancyShares, ShiftedRedundancy,
    };
    use crate::error::Place;

    fn codes(x1: &[f32], dim: usize, x2: &[f32], y: &[u32]) -> Vec<String> {
        let x = vec![
            EmbeddingMatrix { column: "x1", dim, values: x1 },
            EmbeddingMatrix { column: "x2", dim: 1, values: x2 },
        ];
        let set = TrainingSet { place: Place::file("f"), x, y, classes: 2, groups: None, keys: None };
        of_rows(&set, &[Class::Integer(0), Class::Integer(1)]).into_iter().map(|w| w.code).collect()
    }

    #[test]
    fn rows_that_carry_the_models_are_no_reason_for_a_warning() {
        let x1: Vec<f32> = (0..200).map(|at| (at as f32).sin()).collect();
        let x2: Vec<f32> = (0..100).map(|at| at as f32).collect();
        let y: Vec<u32> = (0..100).map(|row| row % 2).collect();
        assert!(codes(&x1, 2, &x2, &y).is_empty());
        let uneven: Vec<u32> = (0..100).map(|row| u32::from(row > 80)).collect();
        assert_eq!(codes(&x1, 2, &x2, &uneven), ["rare_classes"]);
        let wide: Vec<f32> = (0..2000).map(|at| (at as f32).sin()).collect();
        assert_eq!(codes(&wide, 20, &x2, &y), ["few_rows"]);
        let circle: Vec<f32> = (0..100).flat_map(|at| [(at as f32).sin(), (at as f32).cos()]).collect();
        assert_eq!(codes(&circle, 2, &x2, &y), ["equal_norms"]);
        assert_eq!(codes(&x2, 1, &x2, &y), ["same_values"]);
        let twice: Vec<f32> = (0..200).map(|at| ((at / 4) as f32).sin() + (at % 2) as f32).collect();
        let same: Vec<f32> = (0..100).map(|at| (at / 2) as f32).collect();
        assert_eq!(codes(&twice, 2, &same, &y), ["repeated_rows"]);
    }

    #[test]
    fn a_classifier_that_knows_nothing_is_named() {
        let classifier =
            |nats| ClassifierFigures { cross_entropy_nats: nats, ..ClassifierFigures::default() };
        let figures = Figures {
            folds: None,
            trained_rows: 1,
            measured_rows: 1,
            densities: vec![DensityFigures::default(); 2],
            classifiers: vec![classifier(0.5), classifier(0.7), classifier(0.4)],
            ..Figures::default()
        };
        let [warning] = &of_models(&figures, &[0.5, 0.5])[..] else { panic!("not one warning") };
        assert!(warning.code == "no_information" && warning.text.contains("of x2 predicts"), "{warning:?}");
        // One that is wrong on few rows, and certain of them, knows much.
        let of = |accuracy| ClassifierFigures { accuracy, ..classifier(0.7) };
        for (accuracy, code) in [(0.98, "too_certain"), (0.76, "too_certain"), (0.74, "no_information")] {
            let figures = Figures {
                classifiers: vec![classifier(0.5), of(accuracy), classifier(0.4)],
                ..figures.clone()
            };
            let [warning] = &of_models(&figures, &[0.5, 0.5])[..] else { panic!("not one warning") };
            assert_eq!(warning.code, code, "{accuracy}");
        }
    }

    fn curve(r: f64, at_minus_infinity_nats: f64, at_plus_infinity_nats: f64) -> RedundancyCurve {
        let shifts = vec![ShiftedRedundancy { shift_nats: 0.0, r_nats: r }];
        RedundancyCurve { shifts, at_minus_infinity_nats, at_plus_infinity_nats }
    }

    fn estimates(r: f64, i1: f64, i2: f64, errors: [f64; 2]) -> Estimates {
        let mean = |mean_nats: f64| MeanEstimate {
            mean_nats,
            rows_error_nats: errors[0],
            models_error_nats: errors[1],
            error_nats: errors[0].hypot(errors[1]),
        };
        Estimates {
            rows: 100,
            groups: 100,
            means: EstimatedMeans::new([r, i1 - r, i2 - r, 0.0, 1.0].map(mean).into()).unwrap(),
            redundancy: Some(Redundancy {
                shares: RedundancyShares { at: vec![0.0; 2], ..RedundancyShares::default() },
                by_shift: RedundancyByShift::new(vec![curve(r, i1, i2)], &[], [0.0, 1.0]),
            }),
        }
    }

    #[test]
    fn units_and_models_that_decide_are_named() {
        let codes = |r, i1, i2, errors| -> Vec<String> {
            let figures = Figures { estimates: Some(estimates(r, i1, i2, errors)), ..Figures::default() };
            of_models(&figures, &[0.5, 0.5]).into_iter().map(|warning| warning.code).collect()
        };
        assert!(codes(0.8, 0.9, 0.5, [0.01, 0.014]).is_empty());
        assert_eq!(codes(0.8, 0.9, 0.3, [0.01, 0.0]), ["units_decide"]);
        assert!(codes(0.0, 0.001, 0.0, [0.01, 0.0]).is_empty(), "no information");
        // The range counts, not only its ends: both modalities have the same information.
        assert_eq!(codes(1.2, 0.5, 0.5, [0.01, 0.0]), ["units_decide"]);
        assert_eq!(codes(0.8, 0.9, 0.5, [0.01, 0.02]), ["models_decide"]);
        let mut one = estimates(0.8, 0.9, 0.5, [0.01, 0.0]);
        one.redundancy.as_mut().unwrap().shares.at[1] = 0.98;
        let figures = Figures { estimates: Some(one), ..Figures::default() };
        let [warning] = &of_models(&figures, &[0.5, 0.5])[..] else { panic!("not one warning") };
        assert!(
            warning.code == "one_density_decides" && warning.text.starts_with("r is i2 on 98.0 %"),
            "{warning:?}"
        );
        let text = &of_models(
            &Figures { estimates: Some(estimates(0.8, 0.9, 0.3, [0.0; 2])), ..Figures::default() },
            &[0.5, 0.5],
        )[0]
        .text;
        assert_eq!(
            text,
            "the units of the densities decide R: it is 0.800 nats by this convention, and from 0.300 to 0.900 where \
             h1 - h2 is shifted, as by another scale of x1 or x2; compare r, u1, u2 and s only with values of one \
             convention (--units), and rest conclusions on i1, i2 and i12, which have no units"
        );
    }

    #[test]
    fn units_of_three_modalities_are_named() {
        let mean = |mean_nats: f64| MeanEstimate { mean_nats, ..MeanEstimate::default() };
        let text = |shares: [f64; 3], joint: [f64; 2]| {
            let estimates = Estimates {
                rows: 100,
                groups: 100,
                means: EstimatedMeans::new([0.8, 0.1, 0.1, 0.1, 0.0, 1.2].map(mean).into()).unwrap(),
                redundancy: Some(Redundancy {
                    shares: RedundancyShares { at: shares.into(), several: 0.0, between: 0.0 },
                    by_shift: RedundancyByShift::new(vec![curve(0.8, 0.7, 0.9); 3], &joint, [0.0, 2.0]),
                }),
            };
            let figures = Figures { estimates: Some(estimates), ..Figures::default() };
            of_models(&figures, &[0.5; 2]).into_iter().map(|warning| warning.text).collect::<Vec<_>>()
        };
        assert!(text([0.3; 3], [0.7, 0.9]).is_empty());
        let [units] = &text([0.3; 3], [0.25, 0.95])[..] else { panic!("not one warning") };
        let words = [
            "from 0.250 to 0.950 where h_1, h_2 and h_3 are shifted against each other, as by another scale of x1, x2 \
             or x3; compare r, u1, u2, u3 and s",
            "on i_1, i_2, i_3, i_12, i_13, i_23 and i_123, which",
        ];
        assert!(words.iter().all(|words| units.contains(words)), "{units}");
        let [one] = &text([0.01, 0.99, 0.0], [0.7, 0.9])[..] else { panic!("not one warning") };
        let words = "r is i_2 on 99.0 % of the rows, because h_2 is below h_1 and h_3 there, whatever the rows say about \
                     the label: another scale";
        assert!(one.starts_with(words), "{one}");
    }
}
