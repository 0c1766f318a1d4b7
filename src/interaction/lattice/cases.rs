//! Where the redundancy of all modalities lies: a diagnostic of how much of it depends on the densities.

use std::array::from_fn;

use serde::{Deserialize, Serialize};

/// How many samples have their redundancy r({1}…{M}) at the information of one modality, and how
/// many between: [`Cases`](super::super::Cases) for M modalities. Samples with NaN are in none.
///
/// With a modality of the least h and one of the least h − i: if they are one, r is its i, whatever
/// the densities say within some range. If they are two, r = i − (h − least h) of the latter, and an
/// error of a density moves r by as much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatticeCases {
    /// Samples with r = i of this modality alone, for each modality.
    pub at: Vec<u64>,
    /// Samples with r equal to the i of several modalities.
    pub several: u64,
    /// Samples with r equal to no i.
    pub between: u64,
}

impl LatticeCases {
    /// No samples yet.
    pub fn new(modalities: usize) -> Self {
        Self { at: vec![0; modalities], ..Self::default() }
    }

    /// Counts the first `rows` samples by their r and by the i of every modality.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&mut self, r: &[f64; N], i: &[[f64; N]], rows: usize) {
        let modalities = &i[..self.at.len()];
        // Sums over arrays of numbers of one width: they vectorise.
        let count = |counted: [u64; N]| counted.iter().sum::<u64>();
        let is_sample: [u64; N] = from_fn(|row| u64::from(row < rows) & u64::from(!r[row].is_nan()));
        let mut equal = [0; N];
        for i in modalities {
            equal = from_fn(|row| equal[row] + u64::from(r[row] == i[row]));
        }
        let one: [u64; N] = from_fn(|row| is_sample[row] & u64::from(equal[row] == 1));
        for (at, i) in self.at.iter_mut().zip(modalities) {
            *at += count(from_fn(|row| one[row] & u64::from(r[row] == i[row])));
        }
        self.several += count(from_fn(|row| is_sample[row] & u64::from(equal[row] > 1)));
        self.between += count(from_fn(|row| is_sample[row] & u64::from(equal[row] == 0)));
    }

    /// Adds the counts of other samples.
    pub fn merge(&mut self, other: &Self) {
        self.at.resize(self.at.len().max(other.at.len()), 0);
        for (count, other) in self.at.iter_mut().zip(&other.at) {
            *count += other;
        }
        self.several += other.several;
        self.between += other.between;
    }

    /// The samples counted.
    pub fn total(&self) -> u64 {
        self.at.iter().sum::<u64>() + self.several + self.between
    }
}
