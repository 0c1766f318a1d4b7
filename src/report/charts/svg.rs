//! A plotters backend that writes SVG. Elements have style classes instead of colours, so that the
//! page's style sheet colours them for light, dark and print.

use std::fmt::{Error as FmtError, Write};

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, FontFamily, FontStyle, IntoDrawingArea, RGBColor, TextStyle,
};
use plotters::style::FontDesc;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use crate::error::{Error, Result};

/// Plotters units in a pixel. Plotters uses integer coordinates.
const SCALE: i32 = 10;

/// The result of drawing; writing to a string does not fail.
pub(super) type DrawResult<T = ()> = std::result::Result<T, DrawingAreaErrorKind<FmtError>>;
/// All or part of a picture.
pub(super) type SvgArea<'a> = DrawingArea<SvgBackend<'a>, Shift>;

/// Converts pixels to plotters units.
pub(super) const fn px(pixels: i32) -> i32 {
    pixels * SCALE
}

/// Style classes of the elements that plotters itself draws, encoded as colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StyleClass {
    Axis,
    Grid,
    Label,
}

impl StyleClass {
    pub(super) fn color(self) -> RGBColor {
        RGBColor(0, 0, self as u8)
    }

    fn class(color: BackendColor) -> &'static str {
        match color.rgb.2 {
            0 => "axis",
            1 => "grid",
            _ => "label",
        }
    }
}

/// Size of all text, in pixels.
pub(super) const TEXT: f64 = 12.0;

/// The style of axis labels.
pub(super) fn label_style() -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, TEXT * f64::from(SCALE), FontStyle::Normal);
    font.color(&StyleClass::Label.color())
}

/// Draws an SVG of a given size in pixels, with a title and a description for screen readers.
pub(super) fn draw(
    id: &str,
    (width, height): (i32, i32),
    (title, description): (&str, &str),
    body: impl FnOnce(&SvgArea<'_>) -> DrawResult,
) -> Result<String> {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\" width=\"{width}\"><title id=\"{id}-t\">{}</title>\
         <desc id=\"{id}-d\">{}</desc>",
        escape(title),
        escape(description)
    );
    let size = (px(width).unsigned_abs(), px(height).unsigned_abs());
    let area = SvgBackend { out: &mut out, size }.into_drawing_area();
    let drawn = body(&area);
    drop(area);
    drawn.map_err(|e| Error::Internal(format!("the picture {title:?}: {e}")))?;
    out.push_str("</svg>");
    Ok(out)
}

/// Text escaped for XML and HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML allows no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Estimated width of a text in pixels, slightly above that in Helvetica and Arial.
pub(super) fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '\u{202f}' => 0.28,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | '*' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.95,
        c if c.is_uppercase() => 0.72,
        c if c.is_ascii() => 0.56,
        // Wide scripts, among others.
        c if c > '\u{2e80}' => 1.05,
        _ => 0.62,
    };
    1.04 * TEXT * text.chars().map(em).sum::<f64>()
}

/// The text, cut with an ellipsis to fit a width in pixels.
pub(super) fn truncate_to_width(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept) + text_width("…") > width {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

/// The backend: writes an SVG element for each drawing call of plotters.
pub(super) struct SvgBackend<'a> {
    out: &'a mut String,
    size: (u32, u32),
}

pub(super) type BackendResult = std::result::Result<(), DrawingErrorKind<FmtError>>;

/// Converts plotters units to pixels.
pub(super) fn pixels(units: i32) -> f64 {
    f64::from(units) / f64::from(SCALE)
}

impl SvgBackend<'_> {
    pub(super) fn write(&mut self, element: std::fmt::Arguments<'_>) -> BackendResult {
        self.out.write_fmt(element).map_err(DrawingErrorKind::DrawingError)
    }

    pub(super) fn points(&mut self, points: impl IntoIterator<Item = BackendCoord>) -> BackendResult {
        for (index, (x, y)) in points.into_iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            self.write(format_args!("{space}{},{}", pixels(x), pixels(y)))?;
        }
        Ok(())
    }

    pub(super) fn text(
        &mut self,
        text: &str,
        class: &str,
        (x, y): (f64, f64),
        anchor: HPos,
        is_vertical: bool,
    ) -> BackendResult {
        let anchor = match anchor {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let turn = if is_vertical { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        self.write(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}{turn}>{}</text>",
            escape(text)
        ))
    }
}

/// Offset of a text's baseline below its anchor, in pixels.
pub(super) fn baseline_offset(anchor: VPos, size: f64) -> f64 {
    match anchor {
        VPos::Top => 0.92 * size,
        VPos::Center => 0.35 * size,
        VPos::Bottom => -0.22 * size,
    }
}

pub(super) fn round_to_tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl DrawingBackend for SvgBackend<'_> {
    type ErrorType = FmtError;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> BackendResult {
        Ok(())
    }

    fn present(&mut self) -> BackendResult {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> BackendResult {
        self.draw_rect(at, (at.0 + 1, at.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> BackendResult {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        _: bool,
    ) -> BackendResult {
        let (x, y) = (pixels(from.0), pixels(from.1));
        let (width, height) = (pixels(to.0 - from.0), pixels(to.1 - from.1));
        let class = StyleClass::class(style.color());
        self.write(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> BackendResult {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.write(format_args!("<polyline class=\"{}\" points=\"", StyleClass::class(style.color())))?;
        self.points(path)?;
        self.write(format_args!("\"/>"))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        _: bool,
    ) -> BackendResult {
        let (x, y, r) = (pixels(center.0), pixels(center.1), f64::from(radius) / f64::from(SCALE));
        let class = StyleClass::class(style.color());
        self.write(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> BackendResult {
        self.write(format_args!("<polygon class=\"{}\" points=\"", StyleClass::class(style.color())))?;
        self.points(corners)?;
        self.write(format_args!("\"/>"))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> BackendResult {
        let anchor = style.anchor();
        let is_vertical = matches!(style.transform(), FontTransform::Rotate270);
        let below = round_to_tenth(baseline_offset(anchor.v_pos, style.size() / f64::from(SCALE)));
        let at = if is_vertical {
            (round_to_tenth(pixels(x) + below), pixels(y))
        } else {
            (pixels(x), round_to_tenth(pixels(y) + below))
        };
        self.text(text, StyleClass::class(style.color()), at, anchor.h_pos, is_vertical)
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> std::result::Result<(u32, u32), DrawingErrorKind<FmtError>> {
        let width = text_width(text) * style.size() / TEXT;
        Ok((width.ceil() as u32, style.size().ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_its_width() {
        assert_eq!(truncate_to_width("short", 100.0), "short");
        let cut = truncate_to_width("a rather long name of a class", 60.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 60.0, "{cut}");
    }
}
