//! The figures of a fit as text, for `fit`, `bundle inspect` and `demo`.

use std::fmt::Write;

use crate::bundle::{
    Agreement, Estimates, Figures, LabelFreeCheck, PowerPoint, Redundancy, RedundancyByShift, RedundancyCurve,
};
use crate::interaction::{Quantity, Subset};
use crate::printable::counted;

/// The validation figures, and the diagnostics that there are, as tables.
pub(super) fn text(figures: &Figures) -> String {
    let mut text = models(figures);
    if let Some(found) = &figures.estimates {
        text += &estimates(found);
    }
    if !figures.power_curve.is_empty() {
        text += &power_curve(&figures.power_curve);
    }
    if let Some(found) = &figures.label_free {
        text += &label_free(found);
    }
    text
}

// Writing to a string does not fail.
fn models(figures: &Figures) -> String {
    let mut text = match figures.folds {
        Some(_) if figures.measured_rows < figures.trained_rows => format!(
            "on a sample of {} of {}, each by the models that have not seen it:\n",
            figures.measured_rows,
            counted(figures.trained_rows, "row")
        ),
        Some(_) => {
            let rows = counted(figures.measured_rows, "row");
            format!("on {rows}, each by the models that have not seen it:\n")
        }
        None => format!("on {} held out:\n", counted(figures.measured_rows, "row")),
    };
    let sets = Subset::all(figures.modalities());
    let names: Vec<String> = sets.iter().map(|set| set.listed(|index| (index + 1).to_string())).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(10);
    for (name, density) in names.iter().zip(&figures.densities) {
        let _ = writeln!(
            text,
            "  density {name:<0$} mean -ln p {1:>10.4} nats   {2}",
            width + 3,
            density.mean_nats,
            density.form()
        );
    }
    for (name, c) in names.iter().zip(&figures.classifiers) {
        let _ = writeln!(
            text,
            "  classifier {name:<width$} cross-entropy {:>6.4} nats   accuracy {:.4}   calibration error {:.4}",
            c.cross_entropy_nats, c.accuracy, c.calibration_error
        );
    }
    text
}

fn estimates(found: &Estimates) -> String {
    let rows = match found.groups {
        groups if groups < found.rows => {
            format!("{} in {}", counted(found.rows, "row"), counted(groups, "group"))
        }
        _ => counted(found.rows, "row"),
    };
    let mut text = format!("means of {rows} in nats, each with its standard error:\n");
    let width = found.means.by_symbol().map(|(name, _)| name.len()).max().unwrap_or(0).max(4);
    for (name, mean) in found.means.by_symbol() {
        let _ = writeln!(
            text,
            "  {name:<width$} {:>8.4} ± {:.4}   of the rows {:.4}, of the models {}",
            mean.mean_nats,
            mean.error_nats,
            mean.rows_error_nats,
            // The folds' models differ by no more than their rows make them.
            if mean.models_error_nats > 0.0 {
                format!("{:.4}", mean.models_error_nats)
            } else {
                "none seen".into()
            }
        );
    }
    if let Some(Redundancy { shares, by_shift }) = &found.redundancy {
        let names = Quantity::single_names(Quantity::I, shares.at.len());
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let each = names.iter().zip(&shares.at).enumerate().map(|(place, (name, share))| {
            format!("{name} on {}{}", percent(*share), if place == 0 { " of the rows" } else { "" })
        });
        let several = if shares.at.len() == 2 { "both" } else { "several of them" };
        let several = if shares.several > 0.0 {
            format!(", {several} on {}", percent(shares.several))
        } else {
            String::new()
        };
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  r is {each}{several}, between them on {}", percent(shares.between));
        text += &other_units(by_shift);
    }
    text
}

/// R by the nats that other units add.
fn other_units(by_shift: &RedundancyByShift) -> String {
    let line = |curve: &RedundancyCurve| {
        let shifts: Vec<String> = std::iter::once(("-inf".to_owned(), curve.at_minus_infinity_nats))
            .chain(curve.shifts.iter().map(|at| (at.shift_nats.to_string(), at.r_nats)))
            .chain([("inf".to_owned(), curve.at_plus_infinity_nats)])
            // Rounded before it is printed, and without the sign of a zero.
            .map(|(shift, r)| format!("{shift}: {:.3}", (r * 1e3).round() / 1e3 + 0.0))
            .collect();
        shifts.join("   ")
    };
    let mut text = "  R in other units, by the nats that they add to ".to_owned();
    if let [curve] = &by_shift.curves[..] {
        let _ = writeln!(text, "h1 - h2:\n    {}", line(curve));
        return text;
    }
    text += "the h of one modality:\n";
    for (name, curve) in
        Quantity::single_names(Quantity::H, by_shift.curves.len()).iter().zip(&by_shift.curves)
    {
        let _ = writeln!(text, "    {name}   {}", line(curve));
    }
    let [low, high] = by_shift.range_nats;
    let _ = writeln!(text, "    of several at once: from {low:.3} to {high:.3}");
    text
}

fn power_curve(points: &[PowerPoint]) -> String {
    let mut text = "fits on parts of the rows, on the same held-out rows; r and s against the whole fit:\n\
         \x20     rows"
        .to_owned();
    let symbols = points.first().into_iter().flat_map(|point| point.means.by_symbol());
    let symbols = symbols.map(|(symbol, _)| symbol);
    for heading in symbols.chain(["RMSE r", "RMSE s", "corr r", "corr s"].map(str::to_owned)) {
        let _ = write!(text, " {heading:>8}");
    }
    text.push('\n');
    for point in points {
        let _ = write!(text, "  {:>8}", point.trained_rows);
        for (_, mean) in point.means.each() {
            let _ = write!(text, " {mean:>8.4}");
        }
        let agreements = [point.r_agreement, point.s_agreement];
        for rmse in agreements.map(|own| own.map(|own| own.rmse_nats)) {
            text += &cell(rmse);
        }
        for correlation in agreements.map(|own| own.and_then(|own| own.correlation)) {
            text += &cell(correlation);
        }
        text.push('\n');
    }
    text
}

fn label_free(found: &LabelFreeCheck) -> String {
    let mut text = format!(
        "expectations without the label against the labels' values, on {} rows (entropy {:.4} nats):\n\
         \x20          mean difference     RMSE   correlation\n",
        found.rows, found.mean_entropy_nats
    );
    for (name, Agreement { mean_difference_nats, rmse_nats, correlation }) in found.columns.by_column() {
        let correlation = cell(*correlation);
        let _ = writeln!(text, "  {name:<4} {mean_difference_nats:>19.4} {rmse_nats:>8.4} {correlation:>13}");
    }
    text
}

/// A number of a column, or a dash.
fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| format!(" {:>8}", "-"), |value| format!(" {value:>8.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{EstimatedMeans, MeanEstimate};

    #[test]
    fn the_means_of_any_number_of_modalities_stand_in_line() {
        for modalities in 2..=4 {
            // r, u of each, s and the information of all.
            let means = EstimatedMeans::new(vec![MeanEstimate::default(); modalities + 3]).unwrap();
            let text = estimates(&Estimates { rows: 9, groups: 9, means, redundancy: None });
            let places: Vec<_> = text.lines().skip(1).map(|line| line.find('±')).collect();
            assert_eq!(places.len(), modalities + 3, "{text}");
            assert!(places.iter().all(|place| place.is_some() && place == &places[0]), "{text}");
        }
    }
}
