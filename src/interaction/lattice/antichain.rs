//! Antichains of sets of modalities: the nodes of the redundancy lattice, and their names.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::Subset;

/// Sets of modalities, none of which lies within another: the redundancy of a node is the information
/// that each of its sets holds. At least one set; sorted.
///
/// α ≤ β if every set of β has a subset in α: the more redundant is the smaller. Nodes that are not
/// comparable exist, so this order is partial. Written as in the name of a column, `1_23`;
/// [`Antichain::braces`] writes `{1}{23}`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Antichain {
    sets: Vec<Subset>,
}

impl Antichain {
    /// The antichain of these sets in any order; `None` where there are none, or one lies within
    /// another.
    pub fn new(sets: impl IntoIterator<Item = Subset>) -> Option<Self> {
        let sets: Vec<_> = sets.into_iter().collect();
        let count = sets.len();
        Self::minimal(sets).filter(|antichain| antichain.sets.len() == count)
    }

    /// The sets that contain no other of these, which is the meet of the nodes {A}; `None` where
    /// there are none.
    pub fn minimal(sets: impl IntoIterator<Item = Subset>) -> Option<Self> {
        let mut sets: Vec<_> = sets.into_iter().collect();
        sets.sort_unstable();
        sets.dedup();
        // Sorted by size: what lies within a set stands before it.
        let mut minimal: Vec<Subset> = Vec::new();
        for set in sets {
            if !minimal.iter().any(|smaller| smaller.is_subset_of(set)) {
                minimal.push(set);
            }
        }
        (!minimal.is_empty()).then_some(Self { sets: minimal })
    }

    /// Its sets, in the order of [`Subset`].
    pub fn sets(&self) -> &[Subset] {
        &self.sets
    }

    /// The set A of a node {A}, whose redundancy is the information i_A.
    pub fn single(&self) -> Option<Subset> {
        match self.sets.as_slice() {
            [set] => Some(*set),
            _ => None,
        }
    }

    /// Whether a set contains one of its sets.
    pub fn is_within(&self, set: Subset) -> bool {
        self.sets.iter().any(|smaller| smaller.is_subset_of(set))
    }

    /// The node in the notation of papers, `{1}{23}`.
    pub fn braces(&self) -> String {
        self.sets.iter().map(|set| format!("{set:?}")).collect()
    }
}

impl From<Subset> for Antichain {
    fn from(set: Subset) -> Self {
        Self { sets: vec![set] }
    }
}

impl PartialOrd for Antichain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let below = other.sets.iter().all(|&set| self.is_within(set));
        let above = self.sets.iter().all(|&set| other.is_within(set));
        match (below, above) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}

impl fmt::Display for Antichain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, set) in self.sets.iter().enumerate() {
            let separator = if position == 0 { "" } else { "_" };
            write!(f, "{separator}{set}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Antichain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.braces())
    }
}

impl FromStr for Antichain {
    type Err = String;

    /// Parses the name of a column, its sets in order: every node has one name.
    fn from_str(text: &str) -> Result<Self, String> {
        let sets = text.split('_').map(str::parse).collect::<Result<Vec<Subset>, _>>()?;
        let antichain = Self::minimal(sets.iter().copied()).filter(|antichain| antichain.sets == sets);
        antichain.ok_or_else(|| {
            format!(
                "{text:?} names no node of the lattice: write sets of which none contains another, \
                 the smaller first, as in 1_23"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Antichain {
        text.parse().unwrap()
    }

    #[test]
    fn a_node_has_a_name_of_a_column_and_one_in_braces() {
        for (column, braces) in
            [("1_2_3", "{1}{2}{3}"), ("1_23", "{1}{23}"), ("12_13_23", "{12}{13}{23}"), ("123", "{123}")]
        {
            assert_eq!(node(column).to_string(), column);
            assert_eq!(node(column).braces(), braces);
        }
        assert_eq!(node("3_12").sets(), ["3", "12"].map(|set| set.parse().unwrap()));
        assert_eq!(node("12").single(), "12".parse().ok());
        assert_eq!(node("1_2").single(), None);
    }

    #[test]
    fn every_node_has_one_name() {
        for text in ["", "1_12", "2_1", "1_1", "12_3", "1__2", "_1", "1_", "1-2", "1_32"] {
            text.parse::<Antichain>().unwrap_err();
        }
        let sets = ["23", "1", "12"].map(|set| set.parse().unwrap());
        assert_eq!(Antichain::new(sets), None);
        assert_eq!(Antichain::minimal(sets), Some(node("1_23")));
        assert_eq!(Antichain::new([sets[0], sets[1]]), Some(node("1_23")));
        assert_eq!(Antichain::new([]), None);
    }

    #[test]
    fn the_order_is_that_of_redundancy() {
        let chain = ["1_2_3", "1_2", "1_23", "1", "12_13", "12", "123"].map(node);
        for (position, lower) in chain.iter().enumerate() {
            assert!(lower <= lower);
            for upper in &chain[position + 1..] {
                assert_eq!(lower.partial_cmp(upper), Some(Ordering::Less));
                assert_eq!(upper.partial_cmp(lower), Some(Ordering::Greater));
            }
        }
        assert_eq!(node("1").partial_cmp(&node("2")), None);
        assert_eq!(node("1").partial_cmp(&node("12_13_23")), None);
    }
}
