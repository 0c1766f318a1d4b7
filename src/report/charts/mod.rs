//! Charts of a report as SVG, each drawn in two widths so that text keeps its size.

mod axes;
mod by_class;
mod calibration;
mod category_axis;
mod class_selection;
mod density;
mod distribution;
mod lattice;
mod marks;
mod means;
mod picture;
mod svg;

use crate::error::Result;

use super::numbers::Report;
use super::parts::part_names;

pub(super) use class_selection::ClassSelection;
pub use picture::Picture;
pub(super) use picture::palette;

/// All charts of a report in page order. The names of those of the second data set end in `-compare`.
///
/// # Errors
/// [`crate::Error::Internal`] where plotters fails.
pub fn pictures(report: &Report) -> Result<Vec<Picture>> {
    let (data, compare) = (&report.data, report.compare.as_ref());
    let mut all = Vec::new();
    let sets = || std::iter::once((data, "")).chain(compare.map(|set| (set, "-compare")));
    for (set, suffix) in sets() {
        all.push(means::picture(set, report, &format!("means{suffix}"))?);
    }
    for (set, suffix) in sets() {
        all.extend(lattice::picture(set, report, &format!("lattice{suffix}"))?);
    }
    let modalities = data.modality_count();
    for part in 0..part_names(modalities).len() {
        all.push(distribution::picture(data, compare, part)?);
    }
    if data.computed_rows > 0 {
        let classes = ClassSelection::of(data);
        for (set, suffix) in sets().filter(|(set, _)| !set.classes.is_empty()) {
            all.push(by_class::means(set, &classes, report, &format!("classes{suffix}"))?);
        }
        for (set, suffix) in sets() {
            all.push(by_class::dominant(set, &classes, report, &format!("dominant{suffix}"))?);
        }
        for (set, suffix) in sets().filter(|(set, _)| set.complete_rows() > 0) {
            all.push(density::picture(set, report, &format!("density{suffix}"))?);
        }
    }
    all.extend(calibration::picture(report, "calibration")?);
    all.iter_mut().for_each(|picture| picture.modalities = modalities);
    Ok(all)
}
