//! The comparison of a data set with the rows that the models of its bundle were validated on, as `annotate` makes
//! it, of files that have all rows of which their metadata speak: rows that were chosen by their values have other means.
//! h, which few files have as columns, is that of the metadata.

use std::collections::BTreeMap;

use crate::bundle::Bundle;
use crate::evaluate::distribution_shift;
use crate::interaction::MomentSummary;

use super::numbers::{Dataset, Figure};

/// What is off about a data set; none where the bundle did not compute it.
pub(super) fn validation_shift(bundle: &Bundle, set: &Dataset) -> Option<String> {
    let is_its_own = set.origin.bundle_sha256.iter().all(|hash| hash == bundle.digest());
    // Rows that were chosen by their values have other means.
    if !is_its_own || !set.origin.is_whole || bundle.modalities() != set.parts.modalities() {
        return None;
    }
    let columns = set.parts.named().map(|(name, figure)| (name.to_owned(), summary(figure))).collect();
    let mut others: BTreeMap<String, MomentSummary> =
        set.information.named().map(|(name, figure)| (name.into_owned(), summary(figure))).collect();
    match &set.specificity {
        Some(h) => others.extend(h.named().map(|(name, figure)| (name.into_owned(), summary(figure)))),
        None => others.extend(set.origin.h.iter().map(|(name, h)| (name.clone(), *h))),
    }
    distribution_shift(bundle, &columns, &others)
}

fn summary(figure: &Figure) -> MomentSummary {
    MomentSummary {
        count: figure.rows,
        mean: figure.mean_nats,
        variance: figure.std_dev_nats.map(|deviation| deviation * deviation),
        std_error: figure.std_error_nats,
        min: figure.min_nats,
        max: figure.max_nats,
    }
}
