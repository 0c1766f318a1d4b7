//! Calibration curves of the classifiers: accuracy against the probability of the most probable class,
//! for bins of equally many rows that the models had not seen.

use plotters::prelude::ChartBuilder;

use crate::bundle::{CalibrationBin, ClassifierFigures, Figures};
use crate::error::Result;
use crate::interaction::Subset;
use crate::report::format::{count, fixed, tick};
use crate::report::modality_sets::set_name;
use crate::report::numbers::Report;
use crate::report::parts::unique_name;

use super::axes::styled;
use super::marks::{LineMark, RectMark, legend};
use super::picture::{HALF, PHONE, Picture};
use super::svg::{DrawResult, SvgArea, draw, px, truncate_to_width};

const HEIGHT: i32 = 300;
/// Pixels beside the plot and below it.
const MARGINS: (i32, i32) = (64, 46);
/// Half the width of a point, in pixels.
const POINT: f64 = 3.0;

/// The chart; `None` where the bundle has no curves.
pub(super) fn picture(report: &Report, name: &str) -> Result<Option<Picture>> {
    let Some(figures) = report.models.as_ref().and_then(|models| models.validation.as_ref()) else {
        return Ok(None);
    };
    if figures.classifiers.iter().all(|classifier| classifier.calibration.is_empty()) {
        return Ok(None);
    }
    let curves = curves(report, figures);
    let sentence = |Curve { name, bins, .. }: &Curve<'_>| {
        let points = bins
            .iter()
            .map(|bin| format!("{} where it says {}", fixed(bin.accuracy, 2), fixed(bin.confidence, 2)));
        format!("Right by {name}: {}.", points.collect::<Vec<_>>().join(", "))
    };
    let description = curves.iter().map(sentence).collect::<Vec<_>>().join(" ");
    let labels = ("Calibration of the classifiers".to_owned(), description);
    let picture = Picture::new(name, (HALF, PHONE), labels, |id, width, said| {
        draw(id, (width, HEIGHT), said, |area| body(area, width, &curves))
    })?;
    Ok(Some(picture))
}

/// The curve of one classifier.
struct Curve<'a> {
    class: &'static str,
    name: String,
    bins: &'a [CalibrationBin],
}

/// The curves of the classifiers of single modalities and of all; those of other sets would cover them.
fn curves<'a>(report: &Report, figures: &'a Figures) -> Vec<Curve<'a>> {
    let names = report.data.modalities();
    let sets = Subset::all(names.len()).into_iter().zip(&figures.classifiers);
    let curve = |(set, classifier): (Subset, &'a ClassifierFigures)| {
        let class = match set.len() {
            1 => set.members().next().and_then(|index| unique_name(index))?,
            len if len == names.len() => "r",
            _ => return None,
        };
        Some(Curve { class, name: set_name(&names, set, "and"), bins: &classifier.calibration })
    };
    sets.filter_map(curve).collect()
}

fn body(area: &SvgArea<'_>, width: i32, curves: &[Curve<'_>]) -> DrawResult {
    let items: Vec<(&'static str, String)> = curves
        .iter()
        .map(|curve| (curve.class, truncate_to_width(&curve.name, f64::from(width - 32))))
        .collect();
    let used = legend(area, &items, 0, width)?;
    let (_, lower) = area.split_vertically(px(used));
    let values = || curves.iter().flat_map(|curve| curve.bins).flat_map(|bin| [bin.confidence, bin.accuracy]);
    let low = (values().fold(1.0, f64::min) * 10.0 - 0.2).floor().max(0.0) / 10.0;
    let margin = 0.02 * (1.0 - low);
    let range = low - margin..1.0 + margin;
    let mut chart = ChartBuilder::on(&lower)
        .margin_right(px(10))
        .margin_top(px(8))
        .y_label_area_size(px(MARGINS.0 - 10))
        .x_label_area_size(px(MARGINS.1 - 8))
        .build_cartesian_2d(range.clone(), range)?;
    styled(&mut chart.configure_mesh())
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| tick(*y))
        .x_desc("probability of the most probable class")
        .y_desc("share of rows with it")
        .draw()?;
    let plotting = chart.plotting_area();
    plotting.draw(&LineMark { points: vec![(low, low), (1.0, 1.0)], class: "bound" })?;
    let of_pixels = |pixels: i32| POINT * (1.0 - low + 2.0 * margin) / f64::from(pixels.max(1));
    let (half_x, half_y) = (of_pixels(width - MARGINS.0), of_pixels(HEIGHT - used - MARGINS.1));
    for &Curve { class, ref name, bins } in curves {
        let points = bins.iter().map(|bin| (bin.confidence, bin.accuracy)).collect();
        plotting.draw(&LineMark { points, class })?;
        for bin in bins {
            let (x, y) = (bin.confidence, bin.accuracy);
            plotting.draw(&RectMark {
                points: [(x - half_x, y + half_y), (x + half_x, y - half_y)],
                class,
                opacity: 1.0,
                tip: format!(
                    "{name}: probability {}, right {}, {} rows",
                    fixed(x, 3),
                    fixed(y, 3),
                    count(bin.rows as u64)
                ),
            })?;
        }
    }
    Ok(())
}
