//! Histogram of one part: bars for the data set, a line for the data set that it is compared with.

use plotters::prelude::ChartBuilder;
use plotters_backend::text_anchor::HPos;

use crate::error::Result;
use crate::report::format::{count, fixed, percent, tick};
use crate::report::numbers::{Dataset, Distribution};
use crate::report::parts::part_names;

use super::axes::styled;
use super::marks::{LineMark, RectMark, TextMark};
use super::picture::{PHONE, Picture, QUARTER, THIRD, part_title};
use super::svg::{DrawResult, SvgArea, draw, px};

const HEIGHT: i32 = 196;
/// Pixels on the right; where there is space, half a label of the axis that stands at its end.
const MARGIN: i32 = 6;
const WIDE_MARGIN: i32 = 16;
/// A bar higher than this multiple of the next is cut, so that the others remain visible.
const SPIKE: f64 = 3.0;

pub(super) fn picture(data: &Dataset, compare: Option<&Dataset>, part: usize) -> Result<Picture> {
    let names = part_names(data.modality_count());
    let name = names.get(part).copied().unwrap_or("r");
    let heading = part_title(name);
    let of = |set: &Dataset| set.distributions.each().nth(part).cloned().unwrap_or_default();
    let (shown, other) = (of(data), compare.map(of));
    let quantiles_text = |set: &Dataset, shown: &Distribution| {
        let quantile = |share: f64| {
            let found = shown.quantiles.iter().find(|quantile| quantile.share == share);
            found.map_or_else(|| "–".to_owned(), |quantile| fixed(quantile.nats, 2))
        };
        format!(
            "{}: median {}, 90 % of the rows between {} and {} nats.",
            set.name,
            quantile(0.5),
            quantile(0.05),
            quantile(0.95)
        )
    };
    let sets = std::iter::once((data, &shown)).chain(compare.zip(other.as_ref()));
    let description = sets.map(|(set, shown)| quantiles_text(set, shown)).collect::<Vec<_>>().join(" ");
    let title = format!("Distribution of {name}");
    // Four in a line, more in two lines of three.
    let (width, margin) = if names.len() > 4 { (THIRD, WIDE_MARGIN) } else { (QUARTER, MARGIN) };
    Picture::new(&format!("distribution-{name}"), (width, PHONE), (title, description), |id, width, texts| {
        draw(id, (width, HEIGHT), texts, |area| body(area, (name, &heading), margin, &shown, other.as_ref()))
    })
}

/// Share of each bin in all rows, including those outside the picture.
fn shares(shown: &Distribution) -> Vec<f64> {
    let rows: u64 = shown.counts.iter().sum::<u64>() + shown.below_rows + shown.above_rows;
    shown.counts.iter().map(|&count| count as f64 / rows.max(1) as f64).collect()
}

fn body(
    area: &SvgArea<'_>,
    (name, heading): (&'static str, &str),
    margin: i32,
    shown: &Distribution,
    other: Option<&Distribution>,
) -> DrawResult {
    let points = [(0, px(4)), (px(10), px(14))];
    area.draw(&RectMark { points, class: name, opacity: 1.0, tip: String::new() })?;
    area.draw(&TextMark {
        point: (px(16), px(9)),
        text: heading.to_owned(),
        class: "heading",
        anchor: HPos::Left,
        offset_px: (0.0, 0.0),
    })?;
    let (mine, theirs) = (shares(shown), other.map(shares).unwrap_or_default());
    let (Some(&low), Some(&high)) = (shown.edges_nats.first(), shown.edges_nats.last()) else {
        return Ok(());
    };
    let mut all: Vec<f64> = mine.iter().chain(&theirs).copied().collect();
    all.sort_by(|a, b| b.total_cmp(a));
    // Each data set may have one spike.
    let next = all.get(if other.is_some() { 2 } else { 1 }).copied().unwrap_or(0.0);
    let top = all.first().copied().unwrap_or(0.0);
    let top = if next > 0.0 && top > SPIKE * next { 1.7 * next } else { 1.06 * top };
    let top = if top > 0.0 { top } else { 1.0 };

    let (_, lower) = area.split_vertically(px(26));
    let mut chart = ChartBuilder::on(&lower)
        .margin_right(px(margin))
        .margin_top(px(8))
        .y_label_area_size(px(38))
        .x_label_area_size(px(34))
        .build_cartesian_2d(low..high, 0.0..top)?;
    styled(&mut chart.configure_mesh())
        .disable_x_mesh()
        .x_labels(5)
        .y_labels(4)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| format!("{} %", tick(100.0 * y)))
        .x_desc("nats")
        .draw()?;

    let plotting = chart.plotting_area();
    let edges = || shown.edges_nats.iter().zip(shown.edges_nats.iter().skip(1));
    let rows: u64 = shown.counts.iter().sum::<u64>() + shown.below_rows + shown.above_rows;
    for (((&from, &to), &share), &counted) in edges().zip(&mine).zip(&shown.counts) {
        if counted == 0 {
            continue;
        }
        plotting.draw(&RectMark {
            points: [(from, 0.0), (to, share.min(top))],
            class: name,
            opacity: 1.0,
            tip: format!(
                "{} to {} nats: {} rows, {}",
                tick(from),
                tick(to),
                count(counted),
                percent(counted, rows)
            ),
        })?;
        if share > top {
            let middle = f64::midpoint(from, to);
            let is_left = middle < f64::midpoint(low, high);
            plotting.draw(&TextMark {
                point: (if is_left { to } else { from }, top),
                text: format!("↑ {}", percent(counted, rows)),
                class: "tag",
                anchor: if is_left { HPos::Left } else { HPos::Right },
                offset_px: (if is_left { 4.0 } else { -4.0 }, 6.0),
            })?;
        }
    }
    if !theirs.is_empty() {
        let steps = edges()
            .zip(&theirs)
            .flat_map(|((&from, &to), &share)| [(from, share.min(top)), (to, share.min(top))]);
        plotting.draw(&LineMark { points: steps.collect(), class: "other" })?;
    }
    if low < 0.0 && high > 0.0 {
        plotting.draw(&LineMark { points: vec![(0.0, 0.0), (0.0, top)], class: "zero" })?;
    }
    Ok(())
}
