//! Warnings about the validity of the numbers: poor calibration, one-sided redundancy, missing rows.

use crate::bundle::ClassifierFigures;
use crate::interaction::{Quantity, Subset};

use super::format::{count, counted, list};
use super::modality_sets::set_name;
use super::numbers::{Dataset, Figure, Models, Warning};
use super::origin::Origin;
use super::parts::part_names;

/// Calibration error above which probabilities are unreliable.
const CALIBRATION: f64 = 0.05;
/// Share of rows with r = i of one modality above which redundancy is one-sided.
const ONE_SIDED: f64 = 0.9;
/// Share of bad rows above which the computed rows may not be representative.
const BAD: f64 = 0.01;
/// Number of rows below which means are unreliable.
const FEW: u64 = 100;

/// Nats below zero at which mean information is no estimation error.
const BELOW_ZERO: f64 = 0.2;

/// The warnings about one or two data sets and their models. `shifts` says of each set what is off beside the rows
/// that the models were validated on.
pub(super) fn warnings(
    (data, compare): (&Dataset, Option<&Dataset>),
    shifts: &[Option<String>],
    models: Option<&Models>,
) -> Vec<Warning> {
    let mut all = Vec::new();
    for (index, set) in std::iter::once(data).chain(compare).enumerate() {
        let shift = shifts.get(index).and_then(Option::as_deref);
        // With two data sets the text starts with the name.
        let of = if compare.is_some() { format!("{}: ", set.name) } else { String::new() };
        let mut warn = |code: &str, text: String| {
            all.push(Warning { code: code.to_owned(), text: format!("{of}{text}") });
        };
        rows(set, &mut warn);
        reduced(set, &mut warn);
        origin(set, &mut warn);
        information(set, shift, &mut warn);
        specificity(set, &mut warn);
    }
    all.extend(compare.and_then(|compare| other_origin(&data.origin, &compare.origin)));
    if let Some(models) = models {
        model_warnings(models, &data.modalities(), &mut all);
    }
    all
}

fn rows(set: &Dataset, warn: &mut impl FnMut(&str, String)) {
    if set.computed_rows == 0 {
        warn("no_rows", "no row has values, so the report is empty".to_owned());
    } else if set.computed_rows < FEW {
        warn(
            "few_rows",
            format!(
                "only {} with values; means of so few rows are unreliable",
                counted(set.computed_rows, "row", "rows")
            ),
        );
    }
    let share = set.bad_rows as f64 / set.rows.max(1) as f64;
    if set.computed_rows > 0 && share > BAD {
        warn(
            "bad_rows",
            format!(
                "{:.1} % of the rows have no values; if they differ systematically from the others, the means are biased",
                100.0 * share
            ),
        );
    }
}

/// The basis of the numbers where some rows lack a modality.
fn reduced(set: &Dataset, warn: &mut impl FnMut(&str, String)) {
    if set.reduced_rows == 0 {
        return;
    }
    let of_complete = match set.complete_rows() {
        0 => "no row has them all, so that nothing is known of what all carry together".to_owned(),
        complete => format!(
            "what is said of combinations of modalities, of the origin of r and of single rows is of {}",
            counted(complete, "complete row", "complete rows")
        ),
    };
    warn(
        "reduced_rows",
        format!(
            "{} of {} rows with values lack a modality and have the values of the others; each mean is of the rows that \
             have the column, and {of_complete}",
            count(set.reduced_rows),
            count(set.computed_rows)
        ),
    );
}

fn origin(set: &Dataset, warn: &mut impl FnMut(&str, String)) {
    let origin = &set.origin;
    if origin.silent_files > 0 {
        warn(
            "unknown_origin",
            match set.files {
                1 => "the file's metadata do not state how it was computed (a rewritten file loses them)"
                    .to_owned(),
                files => format!(
                    "the metadata of {} of {files} files do not state how they were computed (a rewritten file loses them)",
                    origin.silent_files
                ),
            },
        );
    }
    let mixed: Vec<&str> =
        bases(origin).into_iter().filter_map(|(name, values)| (values.len() > 1).then_some(name)).collect();
    if !mixed.is_empty() {
        warn(
            "mixed_origin",
            format!(
                "the files were computed with different {}; their values are not comparable",
                mixed.join(" and ")
            ),
        );
    }
}

/// What values rest on, by its name in a sentence.
fn bases(origin: &Origin) -> [(&'static str, &Vec<String>); 3] {
    [("bundles", &origin.bundle_sha256), ("units", &origin.units), ("adjustments", &origin.adjust)]
}

/// A warning where two data sets were computed differently, as far as their metadata tell.
fn other_origin(first: &Origin, second: &Origin) -> Option<Warning> {
    let pairs = bases(first).into_iter().zip(bases(second));
    let is_other = |one: &[String], other: &[String]| !one.is_empty() && !other.is_empty() && one != other;
    let different: Vec<&str> =
        pairs.filter_map(|((name, one), (_, other))| is_other(one, other).then_some(name)).collect();
    let text = format!(
        "the two data sets were computed with different {}: their differences are not those of the rows alone",
        different.join(" and ")
    );
    (!different.is_empty()).then(|| Warning { code: "other_origin".to_owned(), text })
}

fn information(set: &Dataset, shift: Option<&str>, warn: &mut impl FnMut(&str, String)) {
    if let Some(shift) = shift {
        warn("distribution_shift", shift.to_owned());
    }
    for (name, figure) in set.information.named().filter(|_| shift.is_none()) {
        let (mean, error) = (figure.mean_nats.unwrap_or_default(), figure.std_error_nats.unwrap_or_default());
        if mean < -(5.0 * error).max(BELOW_ZERO) {
            warn(
                "distribution_shift",
                format!(
                    "the mean of {name} is {mean:.2} nats: the models do not describe these rows; is it another bundle, \
                     are columns swapped, or did the data drift?"
                ),
            );
        }
    }
    let Some((name, all)) = set.information.named().last().filter(|_| set.information.full().is_some())
    else {
        return;
    };
    let Some(((entropy, mean), error)) = set.label_entropy_nats.zip(all.mean_nats).zip(all.std_error_nats)
    else {
        return;
    };
    if mean > entropy + 3.0 * error + 1e-3 {
        // Both are of complete rows.
        let rows = if set.reduced_rows > 0 { "the rows that have all modalities" } else { "these rows" };
        warn(
            "more_than_the_label",
            format!(
                "the mean of {name}, {mean:.3} nats, exceeds the entropy of the label, {entropy:.3} nats; either the classes \
                 have other frequencies in {rows} than in the training data, or the models were trained on {rows}"
            ),
        );
    }
}

/// r is the i of the modality with the least h wherever it also has the least h − i; of two, wherever h1 − h2
/// does not lie between 0 and i1 − i2.
fn specificity(set: &Dataset, warn: &mut impl FnMut(&str, String)) {
    let Some(cases) = set.cases.as_ref().filter(|_| set.complete_rows() > 0) else { return };
    let names = set.modalities();
    let rows = set.complete_rows().max(1) as f64;
    let mut sides = cases.at.iter().zip(&names).enumerate();
    let Some((near, (at, name))) = sides.find(|(_, (at, _))| **at as f64 / rows > ONE_SIDED) else {
        return;
    };
    let known = match &set.specificity {
        Some(specificity) => {
            let mean = |figure: &Figure| figure.mean_nats.unwrap_or_default();
            let means = specificity.named().map(|(h, figure)| format!("{h} {:.1}", mean(figure)));
            format!(" (mean {} nats)", means.collect::<Vec<_>>().join(", "))
        }
        None => String::new(),
    };
    let [i, h] = [Quantity::I, Quantity::H].map(|of| Quantity::single_names(of, names.len()));
    let of = |columns: &[String], index: usize| columns.get(index).cloned().unwrap_or_default();
    let (i_near, h_near) = (of(&i, near), of(&h, near));
    let others: Vec<usize> = (0..names.len()).filter(|index| *index != near).collect();
    let far: Vec<String> =
        others.iter().map(|&other| format!("{} ({})", of(&h, other), of(&names, other))).collect();
    // Of two modalities u is the rest of i; of more, other atoms hold a part of it.
    let unique = match others[..] {
        [far] => {
            format!(": there u{} is 0 and u{} is {} − {i_near}", near + 1, far + 1, of(&i, far))
        }
        _ => String::new(),
    };
    let raw = set.origin.units.iter().any(|units| units == "raw");
    let advice = if raw {
        "; that may reflect the units of the columns rather than shared information: `fit --units centred` \
         compares each h with its own mean"
    } else {
        ""
    };
    warn(
        "one_sided_redundancy",
        format!(
            "on {:.0} % of the {}rows {h_near} (−ln p of {name}) lies so far below {}{known} that r is {i_near} \
             itself{unique}{advice}",
            100.0 * *at as f64 / rows,
            if set.reduced_rows > 0 { "complete " } else { "" },
            list(&far, "and")
        ),
    );
}

fn model_warnings(models: &Models, names: &[String], all: &mut Vec<Warning>) {
    let mut warn = |code: &str, text: String| all.push(Warning { code: code.to_owned(), text });
    if !models.is_the_files {
        warn(
            "other_bundle",
            format!(
                "the files were not computed by {} (SHA-256 {:.12}…); its validation figures may not apply",
                models.bundle, models.sha256
            ),
        );
    }
    let Some(figures) = &models.validation else { return };
    let modalities = names.len();
    let classifiers: Vec<(Subset, &ClassifierFigures)> =
        Subset::all(modalities).into_iter().zip(&figures.classifiers).collect();
    for (set, figures_of) in &classifiers {
        if figures_of.calibration_error > CALIBRATION {
            warn(
                "calibration",
                format!(
                    "the classifier of {} is off by {:.0} points of probability on average (calibration error \
                     {:.3} on {} rows that it has not seen); such errors pass on to {}",
                    set_name(names, *set, "and"),
                    100.0 * figures_of.calibration_error,
                    figures_of.calibration_error,
                    figures.measured_rows,
                    affected(*set, modalities)
                ),
            );
        }
    }
    for (set, figures_of) in &classifiers {
        let within = classifiers.iter().filter(|(other, _)| other != set && other.is_subset_of(*set));
        let best = within.min_by(|a, b| a.1.cross_entropy_nats.total_cmp(&b.1.cross_entropy_nats));
        let Some((other, best)) =
            best.filter(|(_, best)| figures_of.cross_entropy_nats > best.cross_entropy_nats)
        else {
            continue;
        };
        let (nats, best) = (figures_of.cross_entropy_nats, best.cross_entropy_nats);
        warn(
            "weak_pair",
            if modalities == 2 {
                format!(
                    "the classifier of both modalities predicts worse ({nats:.3} nats) than one of them alone \
                     ({best:.3}); s is too low"
                )
            } else {
                format!(
                    "the classifier of {} predicts worse ({nats:.3} nats) than that of {} ({best:.3}); the information \
                     that they hold together is too low",
                    set_name(names, *set, "and"),
                    set_name(names, *other, "and")
                )
            },
        );
    }
}

/// The default columns that the classifier of a set enters: r those of single modalities, u of one its own
/// and that of all others, s those that lack at most one.
fn affected(set: Subset, modalities: usize) -> String {
    let names = part_names(modalities);
    let lacks_one = set.complement(modalities).filter(|others| others.len() == 1);
    let is_in = |part: usize| match part {
        0 => set.len() == 1,
        part if part <= modalities => {
            let alone = Subset::new([part - 1]);
            Some(set) == alone || lacks_one.is_some() && lacks_one == alone
        }
        _ => set.len() == modalities || lacks_one.is_some(),
    };
    let parts: Vec<&str> =
        names.into_iter().enumerate().filter(|(part, _)| is_in(*part)).map(|(_, name)| name).collect();
    if parts.is_empty() { "the atoms".to_owned() } else { list(&parts, "and") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{DensityFigures, Figures};
    use crate::report::Origin;
    use crate::report::parts::{Information, Parts};
    use crate::report::redundancy_cases::Cases;

    fn codes(data: &Dataset, models: Option<&Models>) -> Vec<String> {
        warnings((data, None), &[], models).into_iter().map(|warning| warning.code).collect()
    }

    fn figure(mean: f64) -> Figure {
        Figure { mean_nats: Some(mean), std_error_nats: Some(0.01), ..Figure::default() }
    }

    fn information(means: [f64; 3]) -> Information<Figure> {
        Information::new(2, Subset::all(2).into_iter().zip(means.map(figure)))
    }

    fn data() -> Dataset {
        Dataset {
            rows: 1000,
            computed_rows: 1000,
            files: 1,
            label_entropy_nats: Some(2.3),
            parts: Parts::from_values(vec![figure(0.5); 4]).unwrap(),
            information: information([1.0, 1.0, 2.0]),
            cases: Some(Cases { at: vec![400, 400], several: 0, between: 200 }),
            origin: Origin { units: vec!["raw".into()], ..Origin::default() },
            ..Dataset::default()
        }
    }

    fn models(calibration_errors: [f64; 3], cross_entropies: [f64; 3]) -> Models {
        let density =
            || DensityFigures { mean_nats: 1.0, components: 1, iterations: 1, ..DensityFigures::default() };
        let classifier = |index: usize| ClassifierFigures {
            cross_entropy_nats: cross_entropies[index],
            accuracy: 0.9,
            calibration_error: calibration_errors[index],
            l2: 1.0,
            weight_decay: 1.0,
            epochs: 1,
            betas: [0.5, 0.5],
            ..ClassifierFigures::default()
        };
        let validation = Figures {
            folds: None,
            trained_rows: 900,
            measured_rows: 100,
            densities: vec![density(), density()],
            classifiers: [0, 1, 2].map(classifier).into(),
            ..Figures::default()
        };
        let (bundle, sha256) = ("b".into(), "0".repeat(64));
        Models { bundle, sha256, is_the_files: true, validation: Some(validation) }
    }

    #[test]
    fn sound_data_are_let_alone() {
        assert!(codes(&data(), Some(&models([0.04, 0.01, 0.05], [0.5, 0.4, 0.1]))).is_empty());
    }

    #[test]
    fn each_fault_is_told() {
        let with = |change: fn(&mut Dataset)| {
            let mut data = data();
            change(&mut data);
            codes(&data, None)
        };
        assert_eq!(with(|data| data.computed_rows = 0), ["no_rows"]);
        assert_eq!(with(|data| (data.rows, data.bad_rows) = (1020, 20)), ["bad_rows"]);
        assert_eq!(with(|data| data.reduced_rows = 400), ["reduced_rows"]);
        assert_eq!(with(|data| data.origin.silent_files = 1), ["unknown_origin"]);
        assert_eq!(with(|data| data.origin.units.push("centred".into())), ["mixed_origin"]);
        assert_eq!(with(|data| data.label_entropy_nats = Some(1.9)), ["more_than_the_label"]);
        let mut gaps = Dataset { label_entropy_nats: Some(1.9), reduced_rows: 400, ..data() };
        let texts =
            |data: &Dataset| warnings((data, None), &[], None).into_iter().map(|warning| warning.text);
        assert!(
            texts(&gaps)
                .next_back()
                .unwrap()
                .contains("frequencies in the rows that have all modalities than")
        );
        gaps.reduced_rows = 0;
        assert!(texts(&gaps).next_back().unwrap().contains("frequencies in these rows than"));
        let swapped = |data: &mut Dataset| data.information = information([1.0, -3.0, 2.0]);
        assert_eq!(with(swapped), ["distribution_shift"]);
        let scaled = warnings((&data(), None), &[Some("mean h1 is 9 nats".to_owned())], None);
        assert_eq!(
            (scaled[0].code.as_str(), &scaled[0].text[..]),
            ("distribution_shift", "mean h1 is 9 nats")
        );
        let one_sided = |data: &mut Dataset| {
            data.cases = Some(Cases { at: vec![0, 950], several: 0, between: 50 });
        };
        assert_eq!(with(one_sided), ["one_sided_redundancy"]);
        let mut set = data();
        one_sided(&mut set);
        let text = &warnings((&set, None), &[], None)[0].text;
        assert!(
            text.contains("on 95 % of the rows h2 (−ln p of x2) lies so far below h1 (x1) that r is i2"),
            "{text}"
        );
        assert!(text.contains("fit --units centred"), "{text}");

        let poor = models([0.06, 0.01, 0.2], [0.5, 0.4, 0.45]);
        assert_eq!(codes(&data(), Some(&poor)), ["calibration", "calibration", "weak_pair"]);
        let other = Models { is_the_files: false, ..models([0.0; 3], [0.5, 0.5, 0.1]) };
        assert_eq!(codes(&data(), Some(&other)), ["other_bundle"]);
    }

    #[test]
    fn data_sets_of_different_models_are_told() {
        let mut other = data();
        let codes = |other: &Dataset| -> Vec<String> {
            warnings((&data(), Some(other)), &[], None).into_iter().map(|warning| warning.code).collect()
        };
        assert!(codes(&other).is_empty());
        other.origin.units = vec!["centred".into()];
        assert_eq!(codes(&other), ["other_origin"]);
        other.origin.units.clear();
        assert!(codes(&other).is_empty(), "what is not known is no difference");
    }

    #[test]
    fn columns_that_a_classifier_enters() {
        let of = |set: &str, modalities| affected(set.parse().unwrap(), modalities);
        assert_eq!([of("1", 2), of("2", 2), of("12", 2)], ["r, u1, u2 and s", "r, u1, u2 and s", "s"]);
        assert_eq!([of("2", 3), of("13", 3), of("123", 3)], ["r and u2", "u2 and s", "s"]);
        assert_eq!([of("12", 4), of("124", 4)], ["the atoms", "u3 and s"]);
    }
}
