//! A category axis for plotters: one lane of unit size for each category, labelled at its middle.
//! Plotters' own discrete axes allow positions at edges and middles only, and bars end between them.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An axis of `count` lanes, numbered from the left or, if vertical, from the top.
#[derive(Debug, Clone, Copy)]
pub(super) struct CategoryAxis {
    pub(super) count: usize,
    pub(super) is_vertical: bool,
}

impl CategoryAxis {
    /// The lane of a position.
    pub(super) fn index(position: f64) -> usize {
        // A cast saturates: below zero to zero.
        position.floor() as usize
    }
}

impl Ranged for CategoryAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (start, end): (i32, i32)) -> i32 {
        // Plotters' vertical axes start at the bottom.
        let (start, end) = if self.is_vertical { (end, start) } else { (start, end) };
        let share = position / self.count.max(1) as f64;
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        (0..self.count).map(|lane| lane as f64 + 0.5).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.count as f64
    }
}
