//! The figures of a fit as text, for `fit`, `bundle inspect` and `demo`.

use std::fmt::Write;

use crate::bundle::{Agreement, Estimates, Figures, LabelFreeCheck, PowerPoint, RedundancyOfTwo};
use crate::interaction::Subset;

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
            "on a sample of {} of {} rows, each by the models that have not seen it:\n",
            figures.measured_rows, figures.trained_rows
        ),
        Some(_) => format!("on {} rows, each by the models that have not seen it:\n", figures.measured_rows),
        None => format!("on {} rows held out:\n", figures.measured_rows),
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
        groups if groups < found.rows => format!("{} rows in {groups} groups", found.rows),
        _ => format!("{} rows", found.rows),
    };
    let mut text = format!("means of {rows} in nats, each with its standard error:\n");
    for (name, mean) in found.means.by_symbol() {
        let _ = writeln!(
            text,
            "  {name:<4} {:>8.4} ± {:.4}   of the rows {:.4}, of the models {}",
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
    let Some(RedundancyOfTwo { shares, by_shift }) = &found.redundancy else { return text };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let both = if shares.both > 0.0 { format!(", both on {}", percent(shares.both)) } else { String::new() };
    let _ = writeln!(
        text,
        "  r is i1 on {} of the rows, i2 on {}{both}, between them on {}",
        percent(shares.i1),
        percent(shares.i2),
        percent(shares.between)
    );
    let shifts: Vec<String> = std::iter::once(("-inf".to_owned(), by_shift.at_minus_infinity_nats))
        .chain(by_shift.shifts.iter().map(|at| (at.shift_nats.to_string(), at.r_nats)))
        .chain([("inf".to_owned(), by_shift.at_plus_infinity_nats)])
        // Rounded before it is printed, and without the sign of a zero.
        .map(|(shift, r)| format!("{shift}: {:.3}", (r * 1e3).round() / 1e3 + 0.0))
        .collect();
    let _ = writeln!(text, "  R in other units, by the nats that they add to h1 - h2:");
    let _ = writeln!(text, "    {}", shifts.join("   "));
    text
}

fn power_curve(points: &[PowerPoint]) -> String {
    let mut text = "fits on parts of the rows, on the same held-out rows; r and s against the whole fit:\n\
         \x20     rows        R       U1       U2        S      I12   RMSE r   RMSE s   corr r   corr s\n"
        .to_owned();
    for point in points {
        let _ = write!(text, "  {:>8}", point.trained_rows);
        for mean in [point.r_nats, point.u1_nats, point.u2_nats, point.s_nats, point.i12_nats] {
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
    let parts = [("r", found.r), ("u1", found.u1), ("u2", found.u2), ("s", found.s)];
    for (name, Agreement { mean_difference_nats, rmse_nats, correlation }) in parts {
        let correlation = cell(correlation);
        let _ = writeln!(text, "  {name:<4} {mean_difference_nats:>19.4} {rmse_nats:>8.4} {correlation:>13}");
    }
    text
}

/// A number of a column, or a dash.
fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| format!(" {:>8}", "-"), |value| format!(" {value:>8.4}"))
}
