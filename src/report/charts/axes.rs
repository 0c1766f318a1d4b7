//! The look of axes and grids, the same in all charts.

use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::DrawingBackend;

use super::svg::{StyleClass, label_style, px};

/// A mesh with lines at the labels only.
pub(super) fn styled<'s, 'a, 'b, X: Ranged, Y: Ranged, DB: DrawingBackend>(
    mesh: &'s mut MeshStyle<'a, 'b, X, Y, DB>,
) -> &'s mut MeshStyle<'a, 'b, X, Y, DB> {
    mesh.bold_line_style(StyleClass::Grid.color())
        .light_line_style(plotters::style::TRANSPARENT)
        .axis_style(StyleClass::Axis.color())
        .label_style(label_style())
        .set_all_tick_mark_size(px(3))
}
