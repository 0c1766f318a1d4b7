//! Density chart of r against s. The opacity of a bin is the logarithm of its row count.

use plotters::prelude::ChartBuilder;

use crate::error::Result;
use crate::report::format::{count, counted, tick};
use crate::report::numbers::{Dataset, Density, Report};

use super::axes::styled;
use super::marks::{LineMark, RectMark};
use super::picture::{HALF, PHONE, Picture, rows_suffix, title_suffix};
use super::svg::{DrawResult, SvgArea, draw, px};

pub(super) fn picture(set: &Dataset, report: &Report, name: &str) -> Result<Picture> {
    let shown = &set.density;
    let most = highest_count(report);
    let title = format!("Redundancy against synergy{}{}", rows_suffix(set), title_suffix(set, report));
    let description = format!(
        "Rows by r and s; the fullest bin holds {}. {} outside the picture.",
        counted(shown.counts.iter().flatten().copied().max().unwrap_or(0), "row", "rows"),
        counted(shown.outside_rows, "row lies", "rows lie")
    );
    Picture::new(name, (HALF, PHONE), (title, description), |id, width, said| {
        draw(id, (width, 340), said, |area| body(area, shown, most))
    })
}

fn highest_count(report: &Report) -> u64 {
    let sets = std::iter::once(&report.data).chain(&report.compare);
    sets.flat_map(|set| set.density.counts.iter().flatten()).copied().max().unwrap_or(1)
}

fn body(area: &SvgArea<'_>, shown: &Density, most: u64) -> DrawResult {
    let ends = |edges: &[f64]| edges.first().copied().zip(edges.last().copied());
    let (Some((left, right)), Some((low, high))) = (ends(&shown.r_edges_nats), ends(&shown.s_edges_nats))
    else {
        return Ok(());
    };
    let mut chart = ChartBuilder::on(area)
        .margin_right(px(10))
        .margin_top(px(8))
        .y_label_area_size(px(54))
        .x_label_area_size(px(38))
        .build_cartesian_2d(left..right, low..high)?;
    styled(&mut chart.configure_mesh())
        .x_labels(7)
        .y_labels(7)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| tick(*y))
        .x_desc("r, nats")
        .y_desc("s, nats")
        .draw()?;
    let plotting = chart.plotting_area();
    let pairs = |edges: &[f64]| -> Vec<(f64, f64)> {
        edges.iter().copied().zip(edges.iter().copied().skip(1)).collect()
    };
    let (columns, lines) = (pairs(&shown.r_edges_nats), pairs(&shown.s_edges_nats));
    for (&(from, to), cells) in columns.iter().zip(&shown.counts) {
        for (&(below, above), &rows) in lines.iter().zip(cells).filter(|(_, rows)| **rows > 0) {
            let depth = (1.0 + rows as f64).ln() / (1.0 + most as f64).ln();
            plotting.draw(&RectMark {
                points: [(from, above), (to, below)],
                class: "rows",
                opacity: 0.1 + 0.9 * depth,
                tip: format!(
                    "r {} to {}, s {} to {}: {} rows",
                    tick(from),
                    tick(to),
                    tick(below),
                    tick(above),
                    count(rows)
                ),
            })?;
        }
    }
    if low < 0.0 && high > 0.0 {
        plotting.draw(&LineMark { points: vec![(left, 0.0), (right, 0.0)], class: "zero" })?;
    }
    if left < 0.0 && right > 0.0 {
        plotting.draw(&LineMark { points: vec![(0.0, low), (0.0, high)], class: "zero" })?;
    }
    Ok(())
}
