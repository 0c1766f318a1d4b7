//! Cases of the redundancy of a sample, and their counts: a diagnostic of how much of R
//! depends on the densities.

use serde::{Deserialize, Serialize};

use super::{Interaction, Pointwise};

/// Where r lies between i1 and i2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// r = i1: all information of x1 is redundant.
    First,
    /// r = i2: all information of x2 is redundant.
    Second,
    /// i1 = i2 = r: independent of the densities.
    Both,
    /// r lies strictly between, at i_hi − (h_hi − h_lo): only here a small error of a
    /// density moves r.
    Between,
}

impl Case {
    /// The case of a sample and its decomposition; `None` where a value is NaN.
    pub fn of(p: &Pointwise, parts: &Interaction) -> Option<Self> {
        match (parts.r == p.i1, parts.r == p.i2) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::First),
            (false, true) => Some(Self::Second),
            (false, false) => (!parts.r.is_nan()).then_some(Self::Between),
        }
    }
}

/// How many samples fell into each [`Case`]. Samples with NaN are in none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cases {
    /// Samples with r = i1 ≠ i2.
    pub first: u64,
    /// Samples with r = i2 ≠ i1.
    pub second: u64,
    /// Samples with r = i1 = i2.
    pub both: u64,
    /// Samples with r strictly between i1 and i2.
    pub between: u64,
}

impl Cases {
    /// Counts one sample.
    #[inline]
    pub fn push(&mut self, p: &Pointwise, parts: &Interaction) {
        let at_first = u64::from(parts.r == p.i1);
        let at_second = u64::from(parts.r == p.i2);
        let both = at_first & at_second;
        self.first += at_first - both;
        self.second += at_second - both;
        self.both += both;
        self.between += u64::from(!parts.r.is_nan()) & !(at_first | at_second);
    }

    /// Adds the counts of other samples.
    pub fn merge(&mut self, other: &Self) {
        self.first += other.first;
        self.second += other.second;
        self.both += other.both;
        self.between += other.between;
    }

    /// The samples counted.
    pub fn total(&self) -> u64 {
        self.first + self.second + self.both + self.between
    }
}

#[cfg(test)]
mod tests {
    use super::super::decompose;
    use super::*;

    #[test]
    fn each_sample_is_in_its_case() {
        let sample = |i1, i2, h1, h2| Pointwise { i1, i2, i12: 2.0, h1, h2 };
        let expected = [
            (sample(1.0, 0.5, 3.0, 4.0), Some(Case::First)),
            (sample(1.0, 0.5, 9.0, 4.0), Some(Case::Second)),
            (sample(0.5, 1.0, 9.0, 4.0), Some(Case::Second)),
            (sample(0.5, 1.0, 4.0, 9.0), Some(Case::First)),
            (sample(1.0, 1.0, 9.0, 4.0), Some(Case::Both)),
            (sample(1.0, 0.5, 4.25, 4.0), Some(Case::Between)),
            (sample(f64::NAN, 0.5, 4.25, 4.0), None),
            (sample(1.0, 0.5, f64::NAN, 4.0), None),
        ];
        let mut counts = Cases::default();
        for (p, case) in expected {
            assert_eq!(Case::of(&p, &decompose(p)), case, "{p:?}");
            counts.push(&p, &decompose(p));
        }
        assert_eq!(counts, Cases { first: 2, second: 2, both: 1, between: 1 });
        assert_eq!(counts.total(), 6);

        let mut doubled = counts;
        doubled.merge(&counts);
        assert_eq!(doubled, Cases { first: 4, second: 4, both: 2, between: 2 });
    }
}
