//! Stacked bars of the means: r, u1, u2 and s add up to the information of each modality and of both
//! about the label.

use plotters::prelude::ChartBuilder;
use plotters_backend::text_anchor::HPos;

use crate::error::Result;
use crate::report::format::{fixed, number, tick};
use crate::report::numbers::{Dataset, Figure, Report};

use super::axes::styled;
use super::category_axis::CategoryAxis;
use super::marks::{LineMark, RectMark, TextMark, legend};
use super::picture::{HALF, PARTS, PHONE, Picture, title_suffix};
use super::svg::{DrawResult, SvgArea, draw, px, text_width, truncate_to_width};

struct Bar {
    name: String,
    /// Parts and their means.
    segments: Vec<(usize, f64)>,
    total: Figure,
}

pub(super) fn picture(set: &Dataset, report: &Report, name: &str) -> Result<Picture> {
    let bars = bars(set);
    let range = range(report);
    let title = format!("Mean information about the label{}", title_suffix(set, report));
    let sentence = |bar: &Bar| {
        let segments = bar
            .segments
            .iter()
            .map(|(part, mean)| format!("{} {}", PARTS.get(*part).unwrap_or(&""), fixed(*mean, 3)));
        let segments: Vec<String> = segments.collect();
        format!("{}: {} nats, of {}.", bar.name, number(bar.total.mean_nats, 3), segments.join(", "))
    };
    let description = bars.iter().map(sentence).collect::<Vec<_>>().join(" ");
    Picture::new(name, (HALF, PHONE), (title, description), |id, width, said| {
        draw(id, (width, 218), said, |area| body(area, width, &bars, range, set.label_entropy_nats))
    })
}

fn bars(set: &Dataset) -> Vec<Bar> {
    let mean = |figure: &Figure| figure.mean_nats.unwrap_or(0.0);
    let [r, u1, u2, s] = set.parts.each().map(mean);
    let [x1, x2] = set.modalities();
    let information = &set.information;
    vec![
        Bar { name: format!("i1 {x1}"), segments: vec![(0, r), (1, u1)], total: information.i1 },
        Bar { name: format!("i2 {x2}"), segments: vec![(0, r), (2, u2)], total: information.i2 },
        Bar {
            name: "i12 both".into(),
            segments: vec![(0, r), (1, u1), (2, u2), (3, s)],
            total: information.i12,
        },
    ]
}

/// The value range, common to both data sets.
fn range(report: &Report) -> (f64, f64) {
    let (mut low, mut high) = (0.0f64, 0.0f64);
    for set in std::iter::once(&report.data).chain(&report.compare) {
        for bar in bars(set) {
            let sum =
                |keep: fn(&f64) -> bool| bar.segments.iter().map(|(_, mean)| *mean).filter(keep).sum::<f64>();
            low = low.min(sum(|mean| *mean < 0.0));
            high = high.max(sum(|mean| *mean > 0.0));
        }
        high = high.max(set.label_entropy_nats.unwrap_or(0.0));
    }
    (low, if high > low { high } else { low + 1.0 })
}

fn body(
    area: &SvgArea<'_>,
    width: i32,
    bars: &[Bar],
    (low, high): (f64, f64),
    entropy: Option<f64>,
) -> DrawResult {
    let names = [("r", "redundant r"), ("u1", "unique u1"), ("u2", "unique u2"), ("s", "synergistic s")];
    let items = names.map(|(class, name)| (class, name.to_owned()));
    let used = legend(area, &items, 0, width)?;
    let (_, lower) = area.split_vertically(px(used));

    let names_width =
        bars.iter().map(|bar| text_width(&bar.name)).fold(0.0, f64::max).min(f64::from(width) / 4.0);
    let left = names_width.ceil() as i32 + 12;
    // Margins for the totals' numbers on the right and for a tick label on the left.
    let numbers = 96.0;
    let plot = f64::from(width - left) - 8.0;
    let per_pixel = (high - low) / (plot - numbers);
    let low = if low < 0.0 { low - 12.0 * per_pixel } else { 0.0 };
    let right = high + numbers * per_pixel;

    let mut chart = ChartBuilder::on(&lower)
        .margin_right(px(8))
        .y_label_area_size(px(left))
        .x_label_area_size(px(34))
        .build_cartesian_2d(low..right, CategoryAxis { count: bars.len(), is_vertical: true })?;
    let row = |y: &f64| {
        bars.get(CategoryAxis::index(*y))
            .map(|bar| truncate_to_width(&bar.name, names_width))
            .unwrap_or_default()
    };
    styled(&mut chart.configure_mesh())
        .disable_y_mesh()
        .x_labels(if width < HALF { 5 } else { 7 })
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&row)
        .x_desc("nats")
        .draw()?;

    let plotting = chart.plotting_area();
    let line = |x: f64| vec![(x, 0.0), (x, bars.len() as f64)];
    if let Some(entropy) = entropy {
        plotting.draw(&LineMark { points: line(entropy), class: "bound" })?;
    }
    for (index, bar) in bars.iter().enumerate() {
        let lane = |share: f64| index as f64 + share;
        let (mut above, mut below) = (0.0, 0.0);
        for &(part, mean) in &bar.segments {
            let start = if mean < 0.0 { below } else { above };
            let end = start + mean;
            if mean < 0.0 {
                below = end;
            } else {
                above = end;
            }
            let name = PARTS.get(part).copied().unwrap_or("r");
            let bits = mean / std::f64::consts::LN_2;
            plotting.draw(&RectMark {
                points: [(start, lane(0.24)), (end, lane(0.76))],
                class: name,
                opacity: 1.0,
                tip: format!("{name}: {} nats, {} bits", fixed(mean, 4), fixed(bits, 4)),
            })?;
            let text = fixed(mean, 2);
            let middle = start + mean / 2.0;
            // The text must fit its segment and not overlap the stroke of the total.
            let room = bar.total.mean_nats.map_or(f64::INFINITY, |total| (total - middle).abs() / per_pixel);
            if mean.abs() / per_pixel > text_width(&text) + 8.0 && room > text_width(&text) / 2.0 + 4.0 {
                plotting.draw(&TextMark {
                    point: (middle, lane(0.5)),
                    text,
                    class: label_class(name),
                    anchor: HPos::Center,
                    offset_px: (0.0, 0.0),
                })?;
            }
        }
        let Some(total) = bar.total.mean_nats else { continue };
        plotting
            .draw(&LineMark { points: vec![(total, lane(0.16)), (total, lane(0.84))], class: "total" })?;
        if let Some(error) = bar.total.std_error_nats {
            let ends = [(total - error).max(low), (total + error).min(right)];
            plotting.draw(&LineMark { points: ends.map(|x| (x, lane(0.5))).to_vec(), class: "whisker" })?;
        }
        let text = match bar.total.std_error_nats {
            Some(error) => format!("{} ± {}", fixed(total, 3), fixed(error, 3)),
            None => fixed(total, 3),
        };
        // A separate column, clear of the entropy line.
        plotting.draw(&TextMark {
            point: (high, lane(0.5)),
            text,
            class: "tag",
            anchor: HPos::Left,
            offset_px: (8.0, 0.0),
        })?;
    }
    plotting.draw(&LineMark { points: line(0.0), class: "zero" })?;
    Ok(())
}

fn label_class(part: &str) -> &'static str {
    match part {
        "r" => "on-r",
        "u1" => "on-u1",
        "u2" => "on-u2",
        _ => "on-s",
    }
}
