//! Charts by class: a heat map of means, and stacked bars of rows by their largest part.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::{ChartBuilder, LabelAreaPosition};
use plotters_backend::text_anchor::HPos;

use crate::error::Result;
use crate::report::format::{count, fixed, percent, tick};
use crate::report::numbers::{Class, Dataset, Report};
use crate::report::parts::{Parts, part_names};

use super::axes::styled;
use super::category_axis::CategoryAxis;
use super::class_selection::ClassSelection;
use super::marks::{LineMark, RectMark, TextMark, legend};
use super::picture::{HALF, PHONE, Picture, title_suffix};
use super::svg::{DrawResult, SvgArea, draw, px, text_width, truncate_to_width};

/// Height of a class's row in pixels.
const ROW: i32 = 22;

/// Class names, and the numbers of those that the data set has.
type ClassRows<'a> = Vec<(&'a str, Option<&'a Class>)>;

pub(super) fn means(set: &Dataset, classes: &ClassSelection, report: &Report, name: &str) -> Result<Picture> {
    let rows = classes.in_set(set);
    let largest = largest_mean(report, classes);
    let title = format!("Means by class of {}{}", set.label, title_suffix(set, report));
    let sentence = |(name, class): &(&str, Option<&Class>)| match class {
        Some(class) => {
            let parts = class.parts.named();
            let parts =
                parts.map(|(part, figure)| format!("{part} {}", fixed(figure.mean_nats.unwrap_or(0.0), 2)));
            format!("{name}: {}.", parts.collect::<Vec<_>>().join(", "))
        }
        None => format!("{name}: no rows."),
    };
    let description = rows.iter().map(sentence).collect::<Vec<_>>().join(" ");
    let height = rows.len() as i32 * ROW + 30;
    let parts = part_names(set.modality_count());
    Picture::new(name, (HALF, PHONE), (title, description), |id, width, said| {
        draw(id, (width, height), said, |area| {
            heat(area, (width, &parts), (&rows, classes.before_gap()), largest)
        })
    })
}

/// The largest absolute mean of any class shown in either data set, drawn at full opacity.
fn largest_mean(report: &Report, classes: &ClassSelection) -> f64 {
    let sets = std::iter::once(&report.data).chain(&report.compare);
    let classes = sets.flat_map(|set| classes.in_set(set)).filter_map(|(_, class)| class);
    let figures = classes.flat_map(|class| class.parts.each());
    let means = figures.map(|figure| figure.mean_nats.unwrap_or(0.0).abs());
    means.fold(1e-9, f64::max)
}

/// Width of the name column in pixels.
fn names_width(rows: &ClassRows<'_>, width: i32) -> f64 {
    let widest = rows.iter().map(|(name, _)| text_width(name)).fold(24.0, f64::max);
    widest.min(f64::from(width) * 0.3)
}

fn heat(
    area: &SvgArea<'_>,
    (width, parts): (i32, &[&'static str]),
    (rows, before_gap): (&ClassRows<'_>, Option<usize>),
    largest: f64,
) -> DrawResult {
    let names_width = names_width(rows, width);
    let mut chart = ChartBuilder::on(area)
        .margin_right(px(2))
        .y_label_area_size(px(names_width.ceil() as i32 + 12))
        .set_label_area_size(LabelAreaPosition::Top, px(26))
        .build_cartesian_2d(
            CategoryAxis { count: parts.len(), is_vertical: false },
            CategoryAxis { count: rows.len(), is_vertical: true },
        )?;
    let row = |y: &f64| {
        rows.get(CategoryAxis::index(*y))
            .map(|(name, _)| truncate_to_width(name, names_width))
            .unwrap_or_default()
    };
    styled(&mut chart.configure_mesh())
        .disable_mesh()
        .axis_style(plotters::style::TRANSPARENT)
        .x_label_formatter(&|x| {
            parts.get(CategoryAxis::index(*x)).map(|part| (*part).to_owned()).unwrap_or_default()
        })
        .y_label_formatter(&row)
        .draw()?;
    let plotting = chart.plotting_area();
    for (line, (name, class)) in rows.iter().enumerate() {
        let Some(class) = class else { continue };
        for (column, (part, figure)) in class.parts.named().enumerate() {
            let Some(mean) = figure.mean_nats else { continue };
            let (x, y) = (column as f64, line as f64);
            let error =
                figure.std_error_nats.map(|error| format!(" ± {}", fixed(error, 3))).unwrap_or_default();
            plotting.draw(&RectMark {
                points: [(x + 0.01, y + 0.04), (x + 0.99, y + 0.96)],
                class: if mean < 0.0 { "negative" } else { part },
                // Sublinear, because one large part would make all others too pale.
                opacity: 0.62 * (mean.abs() / largest).clamp(0.0, 1.0).powf(0.7),
                tip: format!(
                    "{name}, {part}: {}{error} nats over {} rows",
                    fixed(mean, 3),
                    count(figure.rows)
                ),
            })?;
            plotting.draw(&TextMark {
                point: (x + 0.5, y + 0.5),
                text: fixed(mean, 2),
                class: "value",
                anchor: HPos::Center,
                offset_px: (0.0, 0.0),
            })?;
        }
    }
    let end = parts.len() as f64;
    if let Some(gap) = before_gap.map(|classes| classes as f64) {
        plotting.draw(&LineMark { points: vec![(0.0, gap), (end, gap)], class: "zero" })?;
    }
    Ok(())
}

pub(super) fn dominant(
    set: &Dataset,
    classes: &ClassSelection,
    report: &Report,
    name: &str,
) -> Result<Picture> {
    let mut lines: Vec<(String, Parts<u64>, u64)> = Vec::new();
    let all = set.classes.iter().map(|class| class.dominant.clone());
    let all = all.reduce(|a, b| a.zip_with(&b, |a, b| a + b)).unwrap_or_default();
    lines.push(("all".to_owned(), all, set.computed_rows));
    for (name, class) in classes.in_set(set) {
        let (dominant, rows) = class.map(|class| (class.dominant.clone(), class.rows)).unwrap_or_default();
        lines.push((name.to_owned(), dominant, rows));
    }
    let names = part_names(set.modality_count());
    let title = match set.label.as_str() {
        "" => format!("Largest part of each row{}", title_suffix(set, report)),
        label => format!("Largest part of each row, by class of {label}{}", title_suffix(set, report)),
    };
    let sentence = |(name, parts, rows): &(String, Parts<u64>, u64)| {
        let named = names.iter().zip(parts.each());
        let shares = named.map(|(part, n)| format!("{part} {}", percent(*n, *rows)));
        format!("{name}: {}.", shares.collect::<Vec<_>>().join(", "))
    };
    let description = lines.iter().map(sentence).collect::<Vec<_>>().join(" ");
    let height = lines.len() as i32 * ROW + 62;
    Picture::new(name, (HALF, PHONE), (title, description), |id, width, said| {
        draw(id, (width, height), said, |area| stacked(area, (width, &names), (&lines, classes.before_gap())))
    })
}

fn stacked(
    area: &SvgArea<'_>,
    (width, parts): (i32, &[&'static str]),
    (lines, before_gap): (&[(String, Parts<u64>, u64)], Option<usize>),
) -> DrawResult {
    let items: Vec<(&str, String)> = parts.iter().map(|part| (*part, (*part).to_owned())).collect();
    let used = legend(area, &items, 0, width)?;
    let (_, lower) = area.split_vertically(px(used));
    let rows: ClassRows<'_> = lines.iter().map(|(name, ..)| (name.as_str(), None)).collect();
    let names_width = names_width(&rows, width);
    let category_axis = CategoryAxis { count: lines.len(), is_vertical: true };
    let mut chart = ChartBuilder::on(&lower)
        .margin_right(px(18))
        .y_label_area_size(px(names_width.ceil() as i32 + 12))
        .x_label_area_size(px(24))
        .build_cartesian_2d(0.0..1.0, category_axis)?;
    let row = |y: &f64| {
        lines
            .get(CategoryAxis::index(*y))
            .map(|(name, ..)| truncate_to_width(name, names_width))
            .unwrap_or_default()
    };
    styled(&mut chart.configure_mesh())
        .disable_y_mesh()
        .x_labels(6)
        .x_label_formatter(&|x| format!("{} %", tick(100.0 * x)))
        .y_label_formatter(&row)
        .draw()?;
    let plotting = chart.plotting_area();
    for (line, (name, dominant, rows)) in lines.iter().enumerate() {
        let mut from = 0.0;
        for (part, &counted) in parts.iter().zip(dominant.each()) {
            let to = from + counted as f64 / (*rows).max(1) as f64;
            if counted > 0 {
                plotting.draw(&RectMark {
                    points: [(from, line as f64 + 0.12), (to, line as f64 + 0.88)],
                    class: part,
                    opacity: 1.0,
                    tip: format!(
                        "{name}: {part} is largest on {} rows, {}",
                        count(counted),
                        percent(counted, *rows)
                    ),
                })?;
            }
            from = to;
        }
    }
    // Lines between the total and the classes, and where classes are omitted.
    let end = category_axis.range().end;
    let total = (end > 1.0).then_some(1.0);
    let gap = before_gap.map(|classes| 1.0 + classes as f64);
    for at in total.into_iter().chain(gap) {
        plotting.draw(&LineMark { points: vec![(0.0, at), (1.0, at)], class: "zero" })?;
    }
    Ok(())
}
