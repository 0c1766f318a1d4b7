//! The pictures: each in a width for a screen or a sheet and one for a phone, so that
//! text keeps its size. Numbers in, SVG out.

mod by_class;
mod canvas;
mod density;
mod distribution;
mod lanes;
mod means;

use crate::error::Result;

use super::numbers::{Class, Dataset, Report};

/// Width of half a page, in pixels.
const HALF: i32 = 520;
/// Width of a quarter of a page.
const QUARTER: i32 = 252;
/// Width on a phone.
const PHONE: i32 = 346;

/// Classes beyond this many are left out of pictures, from the middle.
const MOST_CLASSES: usize = 24;

/// The parts' names, in their order, as classes of the style sheet.
const PARTS: [&str; 4] = ["r", "u1", "u2", "s"];

/// A picture in its two widths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// A file's name without its ending; the same for the same picture in every report.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The same in a sentence or two, for whoever can't see it.
    pub description: String,
    /// An SVG element for a page.
    pub wide: String,
    /// An SVG element for a phone.
    pub narrow: String,
}

impl Picture {
    /// The wide one as a file of its own, with its colours for light and dark.
    pub fn standalone(&self) -> String {
        let (head, rest) = self.wide.split_once('>').unwrap_or((&self.wide, ""));
        format!("{head}><style>{}</style>{rest}\n", include_str!("palette.css"))
    }

    fn new(
        name: &str,
        (wide, narrow): (i32, i32),
        (title, description): (String, String),
        draw: impl Fn(&str, i32, (&str, &str)) -> Result<String>,
    ) -> Result<Self> {
        let said = (title.as_str(), description.as_str());
        Ok(Self {
            wide: draw(&format!("{name}-wide"), wide, said)?,
            narrow: draw(&format!("{name}-narrow"), narrow, said)?,
            name: name.to_owned(),
            title,
            description,
        })
    }
}

/// All pictures of a report, in its order. Those of the second data set end in
/// `-compare`.
///
/// # Errors
/// [`crate::Error::Internal`] where plotters refuses.
pub fn pictures(report: &Report) -> Result<Vec<Picture>> {
    let (data, compare) = (&report.data, report.compare.as_ref());
    let mut all = Vec::new();
    let sets = || std::iter::once((data, "")).chain(compare.map(|set| (set, "-compare")));
    for (set, suffix) in sets() {
        all.push(means::picture(set, report, &format!("means{suffix}"))?);
    }
    for part in 0..PARTS.len() {
        all.push(distribution::picture(data, compare, part)?);
    }
    if data.computed_rows > 0 {
        let chosen = Chosen::of(data);
        for (set, suffix) in sets() {
            all.push(by_class::means(set, &chosen, report, &format!("classes{suffix}"))?);
        }
        for (set, suffix) in sets() {
            all.push(by_class::dominant(set, &chosen, report, &format!("dominant{suffix}"))?);
        }
        for (set, suffix) in sets() {
            all.push(density::picture(set, report, &format!("density{suffix}"))?);
        }
    }
    Ok(all)
}

/// "top", or "top in b" where there are two data sets.
fn of(set: &Dataset, report: &Report) -> String {
    if report.compare.is_some() { format!(", {}", set.name) } else { String::new() }
}

/// The classes that pictures show.
pub(super) struct Chosen {
    names: Vec<String>,
    /// Classes left out between the two halves of `names`.
    pub(super) left_out: usize,
}

impl Chosen {
    /// All classes in their order; where they are too many, those of the largest and of
    /// the smallest mean r, by r.
    pub(super) fn of(set: &Dataset) -> Self {
        let mut classes: Vec<&Class> = set.classes.iter().collect();
        let left_out = classes.len().saturating_sub(MOST_CLASSES);
        if left_out > 0 {
            let r = |class: &Class| class.parts.r.mean_nats.unwrap_or(f64::NEG_INFINITY);
            classes.sort_by(|a, b| r(b).total_cmp(&r(a)));
            classes.drain(MOST_CLASSES / 2..MOST_CLASSES / 2 + left_out);
        }
        Self { names: classes.into_iter().map(|class| class.class.clone()).collect(), left_out }
    }

    /// These classes of a data set, where it has them.
    fn in_set<'a>(&'a self, set: &'a Dataset) -> Vec<(&'a str, Option<&'a Class>)> {
        let found = |name: &'_ String| set.classes.iter().find(|class| class.class == *name);
        self.names.iter().map(|name| (name.as_str(), found(name))).collect()
    }
}
