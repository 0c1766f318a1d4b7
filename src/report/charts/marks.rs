//! Marks that charts draw on the SVG backend: rectangles with tooltips, lines, texts and legends.

use plotters::element::{Drawable, PointCollection};
use plotters_backend::BackendCoord;
use plotters_backend::text_anchor::{HPos, VPos};

use super::svg::{
    BackendResult, DrawResult, SvgArea, SvgBackend, TEXT, baseline_offset, escape, pixels, px,
    round_to_tenth, text_width,
};

/// A rectangle between two points, with a style class and a tooltip.
pub(super) struct RectMark<C> {
    pub(super) points: [C; 2],
    pub(super) class: &'static str,
    /// Opacity from 0 to 1.
    pub(super) opacity: f64,
    pub(super) tip: String,
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a RectMark<C> {
    type Point = &'a C;
    type IntoIter = &'a [C; 2];

    fn point_iter(self) -> Self::IntoIter {
        &self.points
    }
}

impl<C> Drawable<SvgBackend<'_>> for RectMark<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut at: I,
        svg: &mut SvgBackend<'_>,
        _: (u32, u32),
    ) -> BackendResult {
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
        svg.write(format_args!("><title>{}</title></rect>", escape(&self.tip)))
    }
}

/// A polyline.
pub(super) struct LineMark<C> {
    pub(super) points: Vec<C>,
    pub(super) class: &'static str,
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a LineMark<C> {
    type Point = &'a C;
    type IntoIter = &'a [C];

    fn point_iter(self) -> Self::IntoIter {
        &self.points
    }
}

impl<C> Drawable<SvgBackend<'_>> for LineMark<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        at: I,
        svg: &mut SvgBackend<'_>,
        _: (u32, u32),
    ) -> BackendResult {
        svg.write(format_args!("<polyline class=\"{}\" points=\"", self.class))?;
        svg.points(at)?;
        svg.write(format_args!("\"/>"))
    }
}

/// A text at a point, with an offset in pixels.
pub(super) struct TextMark<C> {
    pub(super) point: C,
    pub(super) text: String,
    pub(super) class: &'static str,
    pub(super) anchor: HPos,
    pub(super) offset_px: (f64, f64),
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a TextMark<C> {
    type Point = &'a C;
    type IntoIter = std::iter::Once<&'a C>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.point)
    }
}

impl<C> Drawable<SvgBackend<'_>> for TextMark<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut at: I,
        svg: &mut SvgBackend<'_>,
        _: (u32, u32),
    ) -> BackendResult {
        let Some((x, y)) = at.next() else { return Ok(()) };
        let below = baseline_offset(VPos::Center, TEXT);
        let at = (
            round_to_tenth(pixels(x) + self.offset_px.0),
            round_to_tenth(pixels(y) + self.offset_px.1 + below),
        );
        svg.text(&self.text, self.class, at, self.anchor, false)
    }
}

/// A legend of colour chips and names, wrapped to the width. Returns its height in pixels.
pub(super) fn legend(
    area: &SvgArea<'_>,
    items: &[(&'static str, String)],
    left: i32,
    width: i32,
) -> DrawResult<i32> {
    const LINE: i32 = 20;
    let (mut x, mut line) = (left, 0);
    for (class, name) in items {
        let needs = 10 + 6 + text_width(name).ceil() as i32 + 16;
        if x > left && x + needs - 16 > width {
            (x, line) = (left, line + 1);
        }
        let y = line * LINE;
        let points = [(px(x), px(y + 3)), (px(x + 10), px(y + 13))];
        area.draw(&RectMark { points, class, opacity: 1.0, tip: String::new() })?;
        area.draw(&TextMark {
            point: (px(x + 16), px(y + 8)),
            text: name.clone(),
            class: "label",
            anchor: HPos::Left,
            offset_px: (0.0, 0.0),
        })?;
        x += needs;
    }
    Ok((line + 1) * LINE + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::charts::svg::draw;

    #[test]
    fn text_is_escaped_and_pictures_are_named() {
        let svg = draw("x", (100, 50), ("a<b", "\"c\" & 'd'\u{1}"), |area| {
            area.draw(&RectMark {
                points: [(0, 0), (100, 50)],
                class: "r",
                opacity: 0.5,
                tip: "1 < 2".into(),
            })
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
}
