//! A chart as SVG in two widths: one for a screen or a sheet, and one for a phone.

use crate::error::Result;
use crate::report::numbers::{Dataset, Report};

/// Width of a chart over half the page, in pixels.
pub(super) const HALF: i32 = 520;
/// Width of a chart over a quarter of the page, in pixels.
pub(super) const QUARTER: i32 = 252;
/// Width of a chart over a third of the page, in pixels.
pub(super) const THIRD: i32 = 344;
/// Width of a chart on a phone, in pixels.
pub(super) const PHONE: i32 = 346;

/// Width of a chart over the whole page, in pixels.
pub(super) const FULL: i32 = 1060;

/// The style sheet of the pictures of so many modalities.
pub(in crate::report) fn palette(modalities: usize) -> String {
    let more = if modalities > 2 { include_str!("palette_of_more.css") } else { "" };
    format!("{}{more}", include_str!("palette.css"))
}

/// A chart as SVG in two widths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// File stem, the same for the same chart in every report.
    pub name: String,
    /// Title.
    pub title: String,
    /// Text alternative in a sentence or two.
    pub description: String,
    /// SVG element for a screen or a sheet.
    pub wide: String,
    /// SVG element for a phone.
    pub narrow: String,
    /// The number of modalities, which determines the style sheet.
    pub(super) modalities: usize,
}

impl Picture {
    /// The wide SVG as a standalone file, with the palette for light and dark.
    pub fn standalone(&self) -> String {
        let (head, rest) = self.wide.split_once('>').unwrap_or((&self.wide, ""));
        format!("{head}><style>{}</style>{rest}\n", palette(self.modalities))
    }

    pub(super) fn new(
        name: &str,
        (wide, narrow): (i32, i32),
        (title, description): (String, String),
        draw: impl Fn(&str, i32, (&str, &str)) -> Result<String>,
    ) -> Result<Self> {
        let labels = (title.as_str(), description.as_str());
        Ok(Self {
            wide: draw(&format!("{name}-wide"), wide, labels)?,
            narrow: draw(&format!("{name}-narrow"), narrow, labels)?,
            name: name.to_owned(),
            title,
            description,
            modalities: 2,
        })
    }
}

/// The end of a title: the data set's name in a comparison, otherwise nothing.
pub(super) fn title_suffix(set: &Dataset, report: &Report) -> String {
    if report.compare.is_some() { format!(", {}", set.name) } else { String::new() }
}

/// The end of a title of what is of complete rows only, where there are others.
pub(super) fn rows_suffix(set: &Dataset) -> &'static str {
    if set.reduced_rows > 0 { ", of rows that lack no modality" } else { "" }
}

/// A part in words, with the name of its column.
pub(super) fn part_title(part: &str) -> String {
    let kind = match part {
        "r" => "redundant",
        "s" => "synergistic",
        _ => "unique",
    };
    format!("{kind} {part}")
}
