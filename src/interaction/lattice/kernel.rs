//! The values of a plan for N rows at once. Loops over rows are innermost and of a known length, so
//! that they compile to vector instructions.

use super::super::{Pointwise, decompose};
use super::plan::{AtomPlan, Term};

/// One number for each of N rows.
pub(super) type Rows<const N: usize> = [f64; N];

/// i and h of all sets of modalities, by their position among [`Subset::all`](super::Subset::all). Of
/// sets that a plan does not need they are not read.
#[derive(Debug)]
pub(super) struct Inputs<const N: usize> {
    pub i: Vec<Rows<N>>,
    pub h: Vec<Rows<N>>,
    /// Whether all are finite.
    pub finite: bool,
}

impl<const N: usize> Inputs<N> {
    pub fn new(modalities: usize) -> Self {
        let sets = (1 << modalities) - 1;
        Self { i: vec![[0.0; N]; sets], h: vec![[0.0; N]; sets], finite: true }
    }
}

/// Computes the terms of a plan, in the end those of its outputs.
#[inline(always)]
pub(super) fn evaluate<const N: usize>(plan: &AtomPlan, inputs: &Inputs<N>, terms: &mut [Rows<N>]) {
    if plan.is_pair {
        pair(plan, inputs, terms);
    } else if inputs.finite {
        lattice::<N, false>(plan, inputs, terms);
    } else {
        lattice::<N, true>(plan, inputs, terms);
    }
}

/// The closed form for two modalities: the bits of [`decompose`].
#[inline(always)]
fn pair<const N: usize>(plan: &AtomPlan, Inputs { i, h, .. }: &Inputs<N>, terms: &mut [Rows<N>]) {
    let (mut r, mut u1, mut u2, mut s) = ([0.0; N], [0.0; N], [0.0; N], [0.0; N]);
    for row in 0..N {
        let (i1, i2, i12) = (i[0][row], i[1][row], i[2][row]);
        let parts = decompose(Pointwise { i1, i2, i12, h1: h[0][row], h2: h[1][row] });
        (r[row], u1[row], u2[row], s[row]) = (parts.r, parts.u1, parts.u2, parts.s);
    }
    for (term, value) in plan.terms.iter().zip(terms) {
        *value = match term {
            Term::Redundancy(_) => r,
            Term::Information(0) => u1,
            Term::Information(_) => u2,
            Term::Synergy { .. } => s,
        };
    }
}

/// CHECKED for inputs that are not all finite: a NaN must not be hidden by a comparison.
#[inline(always)]
fn lattice<const N: usize, const CHECKED: bool>(
    plan: &AtomPlan,
    Inputs { i, h, .. }: &Inputs<N>,
    terms: &mut [Rows<N>],
) {
    for (term, value) in plan.terms.iter().zip(terms.iter_mut()) {
        *value = match term {
            Term::Information(set) => i[*set],
            Term::Redundancy(sets) => {
                let least = fold(sets.iter().map(|&set| h[set]), smaller::<CHECKED>);
                let parts = sets.iter().map(|&set| part(&i[set], &h[set], &least));
                fold(parts, larger::<CHECKED>)
            }
            // The redundancies of all choices among the sets that lack one modality, by inclusion
            // and exclusion: alternating sums of minima are a maximum. It holds for any h, as no
            // such set lies within another.
            Term::Synergy { lacking_one, full } => {
                let most = fold(lacking_one.iter().map(|&set| h[set]), larger::<CHECKED>);
                let parts = lacking_one.iter().map(|&set| part(&i[set], &h[set], &most));
                let known = fold(parts, smaller::<CHECKED>);
                zip(&i[*full], &known, |i, known| i - known)
            }
        };
    }
    for step in &plan.steps {
        terms[step.from] = zip(&terms[step.from], &terms[step.take], |value, below| value - below);
    }
}

/// i − (h − bound).
#[inline(always)]
fn part<const N: usize>(i: &Rows<N>, h: &Rows<N>, bound: &Rows<N>) -> Rows<N> {
    std::array::from_fn(|row| i[row] - (h[row] - bound[row]))
}

#[inline(always)]
fn zip<const N: usize>(a: &Rows<N>, b: &Rows<N>, f: impl Fn(f64, f64) -> f64) -> Rows<N> {
    std::array::from_fn(|row| f(a[row], b[row]))
}

#[inline(always)]
fn fold<const N: usize>(mut values: impl Iterator<Item = Rows<N>>, f: impl Fn(f64, f64) -> f64) -> Rows<N> {
    let mut result = values.next().unwrap_or([f64::NAN; N]);
    for value in values {
        result = zip(&result, &value, &f);
    }
    result
}

/// The larger of two; where `CHECKED`, NaN if either is.
#[inline(always)]
fn larger<const CHECKED: bool>(a: f64, b: f64) -> f64 {
    if a > b || CHECKED && a.is_nan() { a } else { b }
}

/// The smaller of two; where `CHECKED`, NaN if either is.
#[inline(always)]
fn smaller<const CHECKED: bool>(a: f64, b: f64) -> f64 {
    if a < b || CHECKED && a.is_nan() { a } else { b }
}
