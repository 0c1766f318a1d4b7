//! Where plotters draws: an SVG whose elements have classes in place of colours, so that
//! the page's style sheet colours them for light, dark and print, and whose marks tell
//! their numbers. Plotters places axes, ticks and marks; this writes them down.

use std::fmt::{Error as FmtError, Write};

use plotters::coord::Shift;
use plotters::element::{Drawable, PointCollection};
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

/// Plotters counts in whole numbers: this many to a pixel.
const SCALE: i32 = 10;

/// What drawing gives; writing to a string does not fail.
pub(super) type Drawn<T = ()> = std::result::Result<T, DrawingAreaErrorKind<FmtError>>;
/// All or part of a picture.
pub(super) type Area<'a> = DrawingArea<Svg<'a>, Shift>;

/// Lengths in plotters' units.
pub(super) const fn px(pixels: i32) -> i32 {
    pixels * SCALE
}

/// What plotters itself draws, as the colours that stand for classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Axis,
    Grid,
    Label,
}

impl Ink {
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
const TEXT: f64 = 12.0;

/// The style of axis labels.
pub(super) fn label_style() -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, TEXT * f64::from(SCALE), FontStyle::Normal);
    font.color(&Ink::Label.color())
}

/// A picture of so many pixels, with a title and a description for those who can't see it.
pub(super) fn draw(
    id: &str,
    (width, height): (i32, i32),
    (title, description): (&str, &str),
    body: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String> {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\" style=\"max-width:{width}px\"><title id=\"{id}-t\">{}</title>\
         <desc id=\"{id}-d\">{}</desc>",
        escaped(title),
        escaped(description)
    );
    let size = (px(width).unsigned_abs(), px(height).unsigned_abs());
    let area = Svg { out: &mut out, size }.into_drawing_area();
    let drawn = body(&area);
    drop(area);
    drawn.map_err(|e| Error::Internal(format!("the picture {title:?}: {e}")))?;
    out.push_str("</svg>");
    Ok(out)
}

/// Text as it stands in XML and HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML knows no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Width of a text in pixels, a little more than Helvetica and Arial make it.
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

/// The text, cut to fit a width in pixels.
pub(super) fn fitting(text: &str, width: f64) -> String {
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

/// Writes SVG elements as plotters asks for them.
pub(super) struct Svg<'a> {
    out: &'a mut String,
    size: (u32, u32),
}

type Written = std::result::Result<(), DrawingErrorKind<FmtError>>;

/// Plotters' units as pixels.
fn pixels(units: i32) -> f64 {
    f64::from(units) / f64::from(SCALE)
}

impl Svg<'_> {
    fn write(&mut self, element: std::fmt::Arguments<'_>) -> Written {
        self.out.write_fmt(element).map_err(DrawingErrorKind::DrawingError)
    }

    fn points(&mut self, points: impl IntoIterator<Item = BackendCoord>) -> Written {
        for (index, (x, y)) in points.into_iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            self.write(format_args!("{space}{},{}", pixels(x), pixels(y)))?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, class: &str, (x, y): (f64, f64), anchor: HPos, turned: bool) -> Written {
        let anchor = match anchor {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let turn = if turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        self.write(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}{turn}>{}</text>",
            escaped(text)
        ))
    }
}

/// How far below its anchor a text's baseline is, in pixels.
fn baseline(anchor: VPos, size: f64) -> f64 {
    match anchor {
        VPos::Top => 0.92 * size,
        VPos::Center => 0.35 * size,
        VPos::Bottom => -0.22 * size,
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl DrawingBackend for Svg<'_> {
    type ErrorType = FmtError;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Written {
        Ok(())
    }

    fn present(&mut self) -> Written {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Written {
        self.draw_rect(at, (at.0 + 1, at.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Written {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        _: bool,
    ) -> Written {
        let (x, y) = (pixels(from.0), pixels(from.1));
        let (width, height) = (pixels(to.0 - from.0), pixels(to.1 - from.1));
        let class = Ink::class(style.color());
        self.write(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Written {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.write(format_args!("<polyline class=\"{}\" points=\"", Ink::class(style.color())))?;
        self.points(path)?;
        self.write(format_args!("\"/>"))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        _: bool,
    ) -> Written {
        let (x, y, r) = (pixels(center.0), pixels(center.1), f64::from(radius) / f64::from(SCALE));
        let class = Ink::class(style.color());
        self.write(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Written {
        self.write(format_args!("<polygon class=\"{}\" points=\"", Ink::class(style.color())))?;
        self.points(corners)?;
        self.write(format_args!("\"/>"))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Written {
        let anchor = style.anchor();
        let turned = matches!(style.transform(), FontTransform::Rotate270);
        let below = tenth(baseline(anchor.v_pos, style.size() / f64::from(SCALE)));
        let at = if turned {
            (tenth(pixels(x) + below), pixels(y))
        } else {
            (pixels(x), tenth(pixels(y) + below))
        };
        self.text(text, Ink::class(style.color()), at, anchor.h_pos, turned)
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

/// A rectangle between two points, with a class, and a tip that tells its number.
pub(super) struct Mark<C> {
    pub(super) points: [C; 2],
    pub(super) class: &'static str,
    /// From 0 to 1.
    pub(super) opacity: f64,
    pub(super) tip: String,
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a Mark<C> {
    type Point = &'a C;
    type IntoIter = &'a [C; 2];

    fn point_iter(self) -> Self::IntoIter {
        &self.points
    }
}

impl<C> Drawable<Svg<'_>> for Mark<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, mut at: I, svg: &mut Svg<'_>, _: (u32, u32)) -> Written {
        let (Some(a), Some(b)) = (at.next(), at.next()) else { return Ok(()) };
        let (x, y) = (pixels(a.0.min(b.0)), pixels(a.1.min(b.1)));
        let (width, height) = (pixels((a.0 - b.0).abs()), pixels((a.1 - b.1).abs()));
        let opacity = match self.opacity {
            full if full >= 1.0 => String::new(),
            part => format!(" fill-opacity=\"{:.3}\"", part.max(0.0)),
        };
        svg.write(format_args!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{opacity}",
            self.class
        ))?;
        if self.tip.is_empty() {
            return svg.write(format_args!("/>"));
        }
        svg.write(format_args!("><title>{}</title></rect>", escaped(&self.tip)))
    }
}

/// A line through points.
pub(super) struct Trace<C> {
    pub(super) points: Vec<C>,
    pub(super) class: &'static str,
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a Trace<C> {
    type Point = &'a C;
    type IntoIter = &'a [C];

    fn point_iter(self) -> Self::IntoIter {
        &self.points
    }
}

impl<C> Drawable<Svg<'_>> for Trace<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, at: I, svg: &mut Svg<'_>, _: (u32, u32)) -> Written {
        svg.write(format_args!("<polyline class=\"{}\" points=\"", self.class))?;
        svg.points(at)?;
        svg.write(format_args!("\"/>"))
    }
}

/// A text at a point, moved by pixels.
pub(super) struct Note<C> {
    pub(super) point: C,
    pub(super) text: String,
    pub(super) class: &'static str,
    pub(super) anchor: HPos,
    pub(super) moved: (f64, f64),
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a Note<C> {
    type Point = &'a C;
    type IntoIter = std::iter::Once<&'a C>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.point)
    }
}

impl<C> Drawable<Svg<'_>> for Note<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, mut at: I, svg: &mut Svg<'_>, _: (u32, u32)) -> Written {
        let Some((x, y)) = at.next() else { return Ok(()) };
        let below = baseline(VPos::Center, TEXT);
        let at = (tenth(pixels(x) + self.moved.0), tenth(pixels(y) + self.moved.1 + below));
        svg.text(&self.text, self.class, at, self.anchor, false)
    }
}

/// Chips with their names, in as many lines as they need; gives their height in pixels.
pub(super) fn legend(area: &Area<'_>, items: &[(&'static str, String)], left: i32, width: i32) -> Drawn<i32> {
    const LINE: i32 = 20;
    let (mut x, mut line) = (left, 0);
    for (class, name) in items {
        let needs = 10 + 6 + text_width(name).ceil() as i32 + 16;
        if x > left && x + needs - 16 > width {
            (x, line) = (left, line + 1);
        }
        let y = line * LINE;
        let points = [(px(x), px(y + 3)), (px(x + 10), px(y + 13))];
        area.draw(&Mark { points, class, opacity: 1.0, tip: String::new() })?;
        area.draw(&Note {
            point: (px(x + 16), px(y + 8)),
            text: name.clone(),
            class: "label",
            anchor: HPos::Left,
            moved: (0.0, 0.0),
        })?;
        x += needs;
    }
    Ok((line + 1) * LINE + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_pictures_are_named() {
        let svg = draw("x", (100, 50), ("a<b", "\"c\" & 'd'\u{1}"), |area| {
            area.draw(&Mark { points: [(0, 0), (100, 50)], class: "r", opacity: 0.5, tip: "1 < 2".into() })
        })
        .unwrap();
        assert!(
            svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 50\" role=\"img\"")
        );
        assert!(svg.contains("<title id=\"x-t\">a&lt;b</title>"), "{svg}");
        assert!(svg.contains("&quot;c&quot; &amp; &#39;d&#39;\u{fffd}</desc>"), "{svg}");
        let mark = "<rect class=\"r\" x=\"0\" y=\"0\" width=\"10\" height=\"5\" fill-opacity=\"0.500\">\
                    <title>1 &lt; 2</title></rect></svg>";
        assert!(svg.ends_with(mark), "{svg}");
    }

    #[test]
    fn text_is_cut_to_its_width() {
        assert_eq!(fitting("short", 100.0), "short");
        let cut = fitting("a rather long name of a class", 60.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 60.0, "{cut}");
    }
}
