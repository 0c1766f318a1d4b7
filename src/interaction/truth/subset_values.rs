//! The exact values of one row: information and specificity of every set of modalities.

use super::super::Pointwise;
use super::super::lattice::Subset;

/// i and h of a row, in nats and in the order of [`Subset`]: what
/// [`AtomPlan::decompose`](crate::interaction::lattice::AtomPlan::decompose) takes. Of two modalities
/// they are a [`Pointwise`].
#[derive(Debug, Clone, PartialEq)]
pub struct SubsetValues {
    /// i_A = ln p(y|x_A) − ln p(y) of every set A among [`Subset::all`].
    pub i: Vec<f64>,
    /// h_A = −ln p(x_A) of every set A among [`Subset::proper`].
    pub h: Vec<f64>,
}

impl SubsetValues {
    /// The values of M modalities: of each set those of [`evidence`](super::mixture::evidence), i and
    /// ln p(x_A) − base, and of the proper ones −base.
    pub(super) fn new(
        modalities: usize,
        evidence: impl Fn(Subset) -> (f64, f64),
        minus_base: impl Fn(Subset) -> f64,
    ) -> Self {
        let sets = Subset::all(modalities);
        let (i, mut h): (Vec<_>, Vec<_>) = sets.iter().map(|&set| evidence(set)).unzip();
        // h of all modalities cancels in every atom.
        h.pop();
        h.iter_mut().zip(sets).for_each(|(mixture, set)| *mixture = minus_base(set) - *mixture);
        Self { i, h }
    }
}

impl From<Pointwise> for SubsetValues {
    fn from(Pointwise { i1, i2, i12, h1, h2 }: Pointwise) -> Self {
        Self { i: vec![i1, i2, i12], h: vec![h1, h2] }
    }
}
