//! The selection of classes for charts.

use crate::report::numbers::{Class, Dataset};

/// Maximum number of classes in a chart.
const MOST_CLASSES: usize = 24;

/// A selection of the classes that charts show.
pub(in crate::report) struct ClassSelection {
    names: Vec<String>,
    /// Number of classes omitted between the two halves of `names`.
    pub(in crate::report) left_out: usize,
}

impl ClassSelection {
    /// All classes in order. If there are more than [`MOST_CLASSES`], those with the largest and those
    /// with the smallest mean r, by r.
    pub(in crate::report) fn of(set: &Dataset) -> Self {
        let mut classes: Vec<&Class> = set.classes.iter().collect();
        let left_out = classes.len().saturating_sub(MOST_CLASSES);
        if left_out > 0 {
            let r = |class: &Class| class.parts.r.mean_nats.unwrap_or(f64::NEG_INFINITY);
            classes.sort_by(|a, b| r(b).total_cmp(&r(a)));
            classes.drain(MOST_CLASSES / 2..MOST_CLASSES / 2 + left_out);
        }
        Self { names: classes.into_iter().map(|class| class.class.clone()).collect(), left_out }
    }

    /// The number of classes before those that are omitted, where some are.
    pub(super) fn before_gap(&self) -> Option<usize> {
        (self.left_out > 0).then_some(MOST_CLASSES / 2)
    }

    /// The selected classes of a data set; `None` for those that it lacks.
    pub(super) fn in_set<'a>(&'a self, set: &'a Dataset) -> Vec<(&'a str, Option<&'a Class>)> {
        let found = |name: &'_ String| set.classes.iter().find(|class| class.class == *name);
        self.names.iter().map(|name| (name.as_str(), found(name))).collect()
    }
}
