//! A table layout that fits a given width. Long cells are cut first, of which numbers are rounded and integers stay; if
//! that is not enough, columns in the middle are omitted.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Minimum width of a cut cell while there are columns to omit.
const MIN_CUT_WIDTH: usize = 12;
/// Width of a column's padding and separator, and of the left border.
const COLUMN_OVERHEAD: usize = 3;
const BORDER: usize = 1;
const ELLIPSIS: &str = "…";
/// Digits of the longest integer that is never cut, with its sign.
const INTEGER_WIDTH: usize = 20;

/// A column's name and cells as text.
pub(super) struct TextColumn {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

impl TextColumn {
    fn width(&self) -> usize {
        self.cells.iter().chain([&self.name]).map(|text| width(text)).max().unwrap_or_default()
    }

    /// Least width of its cells: a number without its end would be another number.
    fn least_width(&self) -> usize {
        self.cells.iter().filter(|text| is_integer(text)).map(|text| width(text)).max().unwrap_or_default()
    }

    fn truncate(&mut self, limit: usize) {
        for text in &mut self.cells {
            if width(text) > limit && !is_integer(text) {
                *text = rounded(text, limit).unwrap_or_else(|| truncate(text, limit));
            }
        }
        let limit = limit.max(self.least_width());
        if width(&self.name) > limit {
            self.name = truncate(&self.name, limit);
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.len() <= INTEGER_WIDTH && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number with a fraction or an exponent, to as many digits as there is room for.
fn rounded(text: &str, limit: usize) -> Option<String> {
    const DIGITS: usize = 17;
    let number =
        text.parse::<f64>().ok().filter(|number| number.is_finite() && text.contains(['.', 'e', 'E']))?;
    let mut shorter = (0..DIGITS).rev().map(|digits| {
        let value: f64 = format!("{number:.digits$e}").parse().unwrap_or(number);
        format!("{value:?}")
    });
    shorter.find(|text| text.len() <= limit)
}

/// Formats a table of one or more columns, of at most `limit` characters' width. Also returns the number of columns shown.
pub(super) fn table(columns: Vec<TextColumn>, limit: usize) -> Result<(String, usize), ArrowError> {
    let (columns, shown) = fit_columns(columns, limit);
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, DataType::Utf8, true)).collect();
    let cells = columns.into_iter().map(|column| Arc::new(StringArray::from(column.cells)) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), cells.collect())?;
    Ok((pretty_format_batches(&[batch])?.to_string(), shown))
}

fn fit_columns(mut columns: Vec<TextColumn>, limit: usize) -> (Vec<TextColumn>, usize) {
    let widths: Vec<(usize, usize)> =
        columns.iter().map(|column| (column.width(), column.least_width())).collect();
    let cut = |(width, least): (usize, usize), cell: usize| width.min(cell.max(least)) + COLUMN_OVERHEAD;
    let total = |cell: usize| BORDER + widths.iter().map(|width| cut(*width, cell)).sum::<usize>();
    let widest = widths.iter().map(|(width, _)| *width).max().unwrap_or_default();
    let all = columns.len();
    if let Some(cell) = (MIN_CUT_WIDTH.min(widest)..=widest).rev().find(|cell| total(*cell) <= limit) {
        columns.iter_mut().for_each(|column| column.truncate(cell));
        return (columns, all);
    }
    // Columns are taken from both ends inwards, with room for the ellipsis between them.
    let mut left = BORDER + 1 + COLUMN_OVERHEAD;
    let (mut first, mut last) = (0, 0);
    while first + last < all {
        let from_the_front = first <= last;
        let next = if from_the_front { first } else { all - 1 - last };
        let takes = widths.get(next).map_or(0, |width| cut(*width, MIN_CUT_WIDTH));
        if left + takes > limit && first > 0 {
            break;
        }
        left += takes;
        if from_the_front {
            first += 1;
        } else {
            last += 1;
        }
    }
    let mut shown: Vec<TextColumn> = columns.drain(..first).collect();
    let tail = columns.split_off(columns.len() - last);
    if !columns.is_empty() {
        let rows = shown.first().map_or(0, |column| column.cells.len());
        shown.push(TextColumn { name: ELLIPSIS.to_owned(), cells: vec![ELLIPSIS.to_owned(); rows] });
    }
    shown.extend(tail);
    let cell = MIN_CUT_WIDTH.min(limit.saturating_sub(2 * (BORDER + COLUMN_OVERHEAD)).max(1));
    shown.iter_mut().for_each(|column| column.truncate(cell));
    (shown, first + last)
}

fn width(text: &str) -> usize {
    text.lines().map(UnicodeWidthStr::width).max().unwrap_or_default()
}

/// The beginning of the first line, with an ellipsis.
fn truncate(text: &str, limit: usize) -> String {
    let mut room = limit.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or_default();
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    let mut short: String = text.lines().next().unwrap_or_default().chars().take_while(fits).collect();
    short.push_str(ELLIPSIS);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(widths: &[usize]) -> Vec<TextColumn> {
        let column = |(index, width): (usize, &usize)| TextColumn {
            name: format!("c{index}"),
            cells: vec!["x".repeat(*width), "y".to_owned()],
        };
        widths.iter().enumerate().map(column).collect()
    }

    fn checked(widths: &[usize], limit: usize) -> (String, usize) {
        let (text, shown) = table(columns(widths), limit).unwrap();
        for line in text.lines() {
            assert!(UnicodeWidthStr::width(line) <= limit, "{text}");
        }
        (text, shown)
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let (text, shown) = checked(&[3, 20, 5], 38);
        assert_eq!(shown, 3);
        assert!(text.contains(&"x".repeat(20)), "{text}");
    }

    #[test]
    fn long_cells_are_cut_before_columns_are_left_out() {
        let (text, shown) = checked(&[3, 60, 5], 60);
        assert_eq!(shown, 3);
        assert!(text.contains("x…") && text.lines().any(|line| UnicodeWidthStr::width(line) == 60), "{text}");
    }

    #[test]
    fn columns_in_the_middle_go_first() {
        let (text, shown) = checked(&[10; 30], 80);
        assert_eq!(shown, 5);
        let header = text.lines().nth(1).unwrap().replace(' ', "");
        assert_eq!(header, "|c0|c1|c2|…|c28|c29|");
        assert_eq!(checked(&[40], 20).1, 1);
        assert_eq!(checked(&[40, 40], 12).1, 1);
    }

    #[test]
    fn numbers_are_rounded_and_integers_stay() {
        let column = |cell: &str| TextColumn { name: "name".repeat(5), cells: vec![cell.to_owned()] };
        let of = |cells: &[&str], limit| {
            let (text, shown) = table(cells.iter().map(|cell| column(cell)).collect(), limit).unwrap();
            (text.lines().nth(3).unwrap_or_default().replace(' ', ""), shown)
        };
        let cells = ["1.5124110257637128e-6", "0.000071743123456789", "-8.856900961234567"];
        let (line, shown) = of(&cells, 46);
        assert_eq!((line.as_str(), shown), ("|1.512411e-6|7.1743123e-5|-8.856900961|", 3));
        assert_eq!(
            of(&["98765432109876543", "-12345678901234567"], 50).0,
            "|98765432109876543|-12345678901234567|"
        );
        assert_eq!(
            of(&["98765432109876543", "-12345678901234567"], 30),
            ("|98765432109876543|…|".to_owned(), 1)
        );
        // No numbers: a version, a list.
        assert_eq!(of(&["1.2.3.4.5.6.7.8.9.10", "[0.5, 0.25, 0.125]"], 31).0, "|1.2.3.4.5.6…|[0.5,0.25,…|");
    }

    #[test]
    fn wide_letters_take_two_places() {
        assert_eq!(truncate("漢字かな", 5), "漢字…");
        assert_eq!(truncate("two\nlines", 9), "two…");
    }
}
