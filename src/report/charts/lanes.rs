//! An axis of categories for plotters: one lane each, of height one, named at its middle.
//! The crate's own knows only edges and middles, and a bar ends between them.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// So many lanes: from the left, or as a vertical axis from the top.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    pub(super) count: usize,
    pub(super) is_vertical: bool,
}

impl Lanes {
    /// The lane that a position is in.
    pub(super) fn index(position: f64) -> usize {
        // A cast saturates: below zero to zero.
        position.floor() as usize
    }
}

impl Ranged for Lanes {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (start, end): (i32, i32)) -> i32 {
        // Plotters counts vertical axes from below.
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
