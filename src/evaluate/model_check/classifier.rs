//! The check of a classifier: whether its output is log-probabilities, probabilities or logits,
//! as declared.

use crate::bundle::{OutputKind, RawModel};

use super::probe::{ModelOutput, log_sum_exp, magnitude, shown};

/// Logarithms of probabilities in other units: the factor to nats, and their name.
const OTHER_LOGARITHMS: [(f64, &str, &str); 3] = [
    (std::f64::consts::LN_2, "logarithms to base 2", "multiply them by ln 2"),
    (std::f64::consts::LN_10, "logarithms to base 10", "multiply them by ln 10"),
    (-1.0, "-ln p(y|x)", "negate them"),
];

/// What the rows show an output to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    Kind(OutputKind),
    /// An entry of [`OTHER_LOGARITHMS`].
    Other(&'static str, &'static str),
    /// Between 0 and 1, but not of sum one.
    Unnormalised,
}

/// Returns warnings, or what is wrong.
pub(super) fn check(
    output: &ModelOutput,
    declared: OutputKind,
    model: &RawModel,
) -> Result<Vec<String>, String> {
    let is_valid = |row: &Vec<f64>| {
        row.iter().all(|v| !v.is_nan() && *v < f64::INFINITY) && row.iter().any(|v| v.is_finite())
    };
    let groups: Vec<_> =
        output.groups().map(|(name, rows)| (name, rows, rows.iter().all(is_valid))).collect();
    let invalid = groups.iter().filter(|(_, _, valid)| !valid);
    let invalid: Vec<String> = invalid
        .map(|(name, rows, _)| {
            let first = rows.iter().find(|row| !is_valid(row)).map(|row| shown(row)).unwrap_or_default();
            format!("rows {name} ({first})")
        })
        .collect();
    let rows: Vec<&[f64]> = groups
        .iter()
        .filter(|(.., valid)| *valid)
        .flat_map(|(_, rows, _)| rows.iter().map(Vec::as_slice))
        .collect();
    let Some(example) = rows.first() else {
        return Err(format!("its output is not finite on {}; check the export", invalid.join(", ")));
    };
    let found = recognise(&rows, output.rounding);
    let says = describe(&rows, found, model);
    let remedy = match (declared, found) {
        (_, Found::Kind(found)) if found == declared => None,
        // The log-softmax of log-probabilities are the same log-probabilities.
        (OutputKind::Logits, Found::Kind(OutputKind::LogProb)) => None,
        (_, Found::Kind(found)) => Some(format!("if so, pack it with --output {}", found.name())),
        (_, Found::Other(_, remedy)) => Some(format!("{remedy} in the model")),
        (OutputKind::Logits, Found::Unnormalised) => None,
        (_, Found::Unnormalised) if model.last_operator == "Sigmoid" => {
            Some("export it with Softmax in place of Sigmoid and pack it with --output prob".to_owned())
        }
        (_, Found::Unnormalised) => Some("if they are logits, pack it with --output logits".to_owned()),
    };
    if let Some(remedy) = remedy {
        return Err(format!("its output is declared to be {declared}, but {says}; {remedy}"));
    }
    let mut warnings: Vec<String> = invalid.iter().map(|rows| format!("not finite on {rows}")).collect();
    if declared == OutputKind::Logits && found == Found::Unnormalised && model.last_operator == "Sigmoid" {
        warnings.push(format!("its logits end with Sigmoid: {says}, so that no class is ever probable"));
    }
    if rows.iter().all(|row| row == example) {
        warnings.push(format!("it gives {} on every row, whatever x is", shown(example)));
    }
    Ok(warnings)
}

fn recognise(rows: &[&[f64]], rounding: f64) -> Found {
    let every = |holds: &dyn Fn(&[f64]) -> bool| rows.iter().all(|row| holds(row));
    let in_unit = |row: &[f64]| row.iter().all(|v| (-rounding..=1.0 + rounding).contains(v));
    let log_sum = |row: &[f64], factor: f64| log_sum_exp(row.iter().map(|v| v * factor));
    if every(&|row| in_unit(row) && (row.iter().sum::<f64>() - 1.0).abs() <= rounding) {
        return Found::Kind(OutputKind::Prob);
    }
    // A log-softmax in decomposed form rounds in the size of its logits.
    let tolerance = |row: &[f64]| rounding * (1.0 + magnitude(row) / 100.0);
    if every(&|row| log_sum(row, 1.0).abs() <= tolerance(row)) {
        return Found::Kind(OutputKind::LogProb);
    }
    for (factor, name, remedy) in OTHER_LOGARITHMS {
        if every(&|row| log_sum(row, factor).abs() <= tolerance(row)) {
            return Found::Other(name, remedy);
        }
    }
    if every(&in_unit) { Found::Unnormalised } else { Found::Kind(OutputKind::Logits) }
}

/// What the values are, with the numbers that show it.
fn describe(rows: &[&[f64]], found: Found, model: &RawModel) -> String {
    let range = |of: &dyn Fn(&[f64]) -> f64| -> String {
        let values = rows.iter().map(|row| of(row));
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        format!("{least:.4} to {most:.4}")
    };
    let last = match model.last_operator.as_str() {
        "" => String::new(),
        operator => format!(", and the graph ends with {operator}"),
    };
    let sum = range(&|row| row.iter().sum());
    let exp_sum = range(&|row| row.iter().map(|v| v.exp()).sum());
    match found {
        Found::Kind(OutputKind::Prob) => {
            format!("its values are probabilities: none is negative and they sum to one on every row{last}")
        }
        Found::Kind(OutputKind::LogProb) => {
            format!("its values are log-probabilities: their exponentials sum to one on every row{last}")
        }
        Found::Kind(OutputKind::Logits) => format!(
            "its values look like logits: they sum to {sum} and their exponentials to {exp_sum}, neither to one{last}"
        ),
        Found::Other(name, _) => format!("its values are {name}{last}"),
        Found::Unnormalised => format!("its values lie between 0 and 1 and sum to {sum}, not to one{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_recognised_by_their_numbers() {
        let p: [[f64; 3]; 3] = [[0.2, 0.3, 0.5], [0.9, 0.1, 0.0], [0.1, 0.2, 0.7]];
        let found = |value: &dyn Fn(f64) -> f64| {
            let rows = p.map(|row| row.map(value));
            let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
            recognise(&rows, 1e-3)
        };
        assert_eq!(found(&|p| p), Found::Kind(OutputKind::Prob));
        assert_eq!(found(&|p| p + 1e-5), Found::Kind(OutputKind::Prob));
        assert_eq!(found(&f64::ln), Found::Kind(OutputKind::LogProb));
        assert_eq!(found(&|p| p.ln() + 0.01), Found::Kind(OutputKind::Logits));
        assert_eq!(found(&|p| 3.0 * p - 1.0), Found::Kind(OutputKind::Logits));
        assert_eq!(found(&|p| 0.9 * p), Found::Unnormalised);
        for (value, name) in [
            (&f64::log2 as &dyn Fn(f64) -> f64, "base 2"),
            (&f64::log10, "base 10"),
            (&|p: f64| -p.ln(), "-ln p"),
        ] {
            let Found::Other(found, _) = found(value) else { panic!("{name}") };
            assert!(found.contains(name), "{found}");
        }
    }
}
