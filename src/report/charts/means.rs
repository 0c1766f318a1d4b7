//! Bars of the mean information about the label. Of two modalities r, u1, u2 and s add up to that of each
//! and of both; of more a bar is the information of a set of them, or a part where no set's is known.

use plotters::prelude::ChartBuilder;
use plotters_backend::text_anchor::HPos;

use crate::error::Result;
use crate::report::format::{fixed, number, tick};
use crate::report::modality_sets::{all_together, set_name};
use crate::report::numbers::{Dataset, Figure, Report};
use crate::report::parts::part_names;

use super::axes::styled;
use super::category_axis::CategoryAxis;
use super::marks::{LineMark, RectMark, TextMark, legend};
use super::picture::{HALF, PHONE, Picture, part_title, title_suffix};
use super::svg::{DrawResult, SvgArea, draw, px, text_width, truncate_to_width};

struct Bar {
    name: String,
    segments: Vec<Segment>,
    total: Figure,
}

struct Segment {
    /// Its style class.
    class: &'static str,
    name: String,
    mean: f64,
}

/// Height of the chart of two modalities, and the heights of a bar and of the axis in others.
const HEIGHT: i32 = 218;
const LANE: i32 = 30;
const AXIS: i32 = 42;

pub(super) fn picture(set: &Dataset, report: &Report, name: &str) -> Result<Picture> {
    let bars = bars(set);
    let range = range(report);
    let title = format!("Mean information about the label{}", title_suffix(set, report));
    let sentence = |bar: &Bar| {
        let segments =
            bar.segments.iter().map(|segment| format!("{} {}", segment.name, fixed(segment.mean, 3)));
        let segments: Vec<String> = segments.collect();
        let of = if segments.len() > 1 { format!(", of {}", segments.join(", ")) } else { String::new() };
        format!("{}: {} nats{of}.", bar.name, number(bar.total.mean_nats, 3))
    };
    let description = bars.iter().map(sentence).collect::<Vec<_>>().join(" ");
    let legend = legend_items(set);
    Picture::new(name, (HALF, PHONE), (title, description), |id, width, said| {
        let height = if legend.is_empty() { bars.len() as i32 * LANE + AXIS } else { HEIGHT };
        draw(id, (width, height), said, |area| {
            body(area, (width, &legend), &bars, range, set.label_entropy_nats)
        })
    })
}

/// What the colours are, where a bar has more than one.
fn legend_items(set: &Dataset) -> Vec<(&'static str, String)> {
    let parts = part_names(set.modality_count()).into_iter().filter(|_| set.modality_count() == 2);
    parts.map(|part| (part, part_title(part))).collect()
}

fn bars(set: &Dataset) -> Vec<Bar> {
    let segment = |class: &'static str, figure: &Figure| Segment {
        class,
        name: class.to_owned(),
        mean: figure.mean_nats.unwrap_or(0.0),
    };
    let names = set.modalities();
    if set.modality_count() == 2 {
        let parts: Vec<_> = set.parts.named().collect();
        let bars = set.information.named().map(|(name, total)| {
            let (meaning, without) = match name.as_ref() {
                "i1" => (names.first().map(String::as_str), vec!["u2", "s"]),
                "i2" => (names.last().map(String::as_str), vec!["u1", "s"]),
                _ => (None, Vec::new()),
            };
            let held = parts.iter().filter(|(part, _)| !without.contains(part));
            Bar {
                name: format!("{name} {}", meaning.unwrap_or(all_together(2))),
                segments: held.map(|(part, figure)| segment(part, figure)).collect(),
                total: *total,
            }
        });
        return bars.collect();
    }
    let whole = |name: String, class: &'static str, total: &Figure| Bar {
        segments: vec![Segment { name: name.clone(), ..segment(class, total) }],
        name,
        total: *total,
    };
    let information = set.information.each().zip(set.information.named());
    let information: Vec<Bar> = information
        .map(|((set, figure), (column, _))| {
            let is_all = set.len() == names.len();
            let meaning =
                if is_all { all_together(names.len()).to_owned() } else { set_name(&names, set, "and") };
            whole(format!("{column} {meaning}"), "rows", figure)
        })
        .collect();
    if information.is_empty() {
        return set.parts.named().map(|(part, figure)| whole(part_title(part), part, figure)).collect();
    }
    information
}

/// The value range, common to both data sets.
fn range(report: &Report) -> (f64, f64) {
    let (mut low, mut high) = (0.0f64, 0.0f64);
    for set in std::iter::once(&report.data).chain(&report.compare) {
        for bar in bars(set) {
            let sum = |keep: fn(&f64) -> bool| {
                bar.segments.iter().map(|segment| segment.mean).filter(keep).sum::<f64>()
            };
            low = low.min(sum(|mean| *mean < 0.0));
            high = high.max(sum(|mean| *mean > 0.0));
        }
        high = high.max(set.label_entropy_nats.unwrap_or(0.0));
    }
    (low, if high > low { high } else { low + 1.0 })
}

fn body(
    area: &SvgArea<'_>,
    (width, items): (i32, &[(&'static str, String)]),
    bars: &[Bar],
    (low, high): (f64, f64),
    entropy: Option<f64>,
) -> DrawResult {
    let used = if items.is_empty() { 0 } else { legend(area, items, 0, width)? };
    let (_, lower) = area.split_vertically(px(used));

    // Sets of modalities have long names.
    let share = if items.is_empty() { 3.0 } else { 4.0 };
    let names_width =
        bars.iter().map(|bar| text_width(&bar.name)).fold(0.0, f64::max).min(f64::from(width) / share);
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
        for &Segment { class, ref name, mean } in &bar.segments {
            let start = if mean < 0.0 { below } else { above };
            let end = start + mean;
            if mean < 0.0 {
                below = end;
            } else {
                above = end;
            }
            let bits = mean / std::f64::consts::LN_2;
            plotting.draw(&RectMark {
                points: [(start, lane(0.24)), (end, lane(0.76))],
                class,
                opacity: 1.0,
                tip: format!("{name}: {} nats, {} bits", fixed(mean, 4), fixed(bits, 4)),
            })?;
            let text = fixed(mean, 2);
            let middle = start + mean / 2.0;
            // The text must fit its segment and not overlap the stroke of the total.
            let room = bar.total.mean_nats.map_or(f64::INFINITY, |total| (total - middle).abs() / per_pixel);
            let is_part = bar.segments.len() > 1;
            if is_part
                && mean.abs() / per_pixel > text_width(&text) + 8.0
                && room > text_width(&text) / 2.0 + 4.0
            {
                plotting.draw(&TextMark {
                    point: (middle, lane(0.5)),
                    text,
                    class: label_class(class),
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
