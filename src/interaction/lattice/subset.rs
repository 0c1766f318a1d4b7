//! Non-empty sets of modalities, and the order in which columns and models of a bundle are listed.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

/// A non-empty set of modalities, at most [`Subset::MODALITIES`] of them.
///
/// Ordered by size, then lexicographically: 1, 2, 3, 12, 13, 23, 123. Written as the digits of its
/// modalities, which count from 1; their indices count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subset {
    /// Bit m for modality m; never 0.
    bits: u8,
}

impl Subset {
    /// The number of modalities that can be told apart.
    pub const MODALITIES: usize = u8::BITS as usize;

    /// The set of the modalities with these indices, from 0; `None` where there is none, or one out
    /// of range.
    pub fn new(indices: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut bits = 0;
        for index in indices {
            bits |= 1u8.checked_shl(u32::try_from(index).ok()?)?;
        }
        (bits != 0).then_some(Self { bits })
    }

    /// All non-empty sets of m modalities, in order: 2^m − 1 of them, the full set last.
    pub fn all(modalities: usize) -> Vec<Self> {
        let count = 1u32 << modalities.min(Self::MODALITIES);
        let mut sets: Vec<_> = (1..count).map(|bits| Self { bits: bits as u8 }).collect();
        sets.sort_unstable();
        sets
    }

    /// The sets of one modality, in order.
    pub fn singles(modalities: usize) -> impl Iterator<Item = Self> {
        (0..modalities).filter_map(|index| Self::new([index]))
    }

    /// All non-empty sets but the full one, in order.
    pub fn proper(modalities: usize) -> Vec<Self> {
        let mut sets = Self::all(modalities);
        sets.pop();
        sets
    }

    /// The set of all m modalities; `None` for m = 0, and for more than can be told apart.
    pub fn full(modalities: usize) -> Option<Self> {
        (modalities <= Self::MODALITIES).then(|| Self::new(0..modalities)).flatten()
    }

    /// The position among [`Subset::all`] of m modalities, of which it must be a set.
    pub fn index(self, modalities: usize) -> usize {
        Self::all(modalities).iter().take_while(|&&other| other < self).count()
    }

    /// The indices of its modalities, from 0, ascending.
    pub fn members(self) -> impl Iterator<Item = usize> {
        (0..Self::MODALITIES).filter(move |&index| self.contains(index))
    }

    /// Whether the modality of this index is one of it.
    pub fn contains(self, index: usize) -> bool {
        index < Self::MODALITIES && self.bits >> index & 1 == 1
    }

    /// The number of its modalities.
    #[expect(clippy::len_without_is_empty, reason = "it never is empty")]
    pub fn len(self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether all its modalities are in the other set.
    pub fn is_subset_of(self, other: Self) -> bool {
        self.bits & !other.bits == 0
    }

    /// The modalities of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    /// The set without the modality of this index; `None` where it has no other.
    pub fn without(self, index: usize) -> Option<Self> {
        Self::new(self.members().filter(|&member| member != index))
    }

    /// The names of its modalities as in a sentence: "x1", "x1 and x2", "x1, x2 and x3".
    pub fn listed(self, name: impl Fn(usize) -> String) -> String {
        let mut names: Vec<_> = self.members().map(name).collect();
        match names.pop() {
            Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
            last => last.unwrap_or_default(),
        }
    }

    /// The others of m modalities; `None` where there are none.
    pub fn complement(self, modalities: usize) -> Option<Self> {
        Self::new((0..modalities).filter(|&index| !self.contains(index)))
    }
}

impl Ord for Subset {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The lowest modality in the highest bit: of two sets of one size, the one that comes first
        // lexicographically is the larger number.
        let key = |set: &Self| (set.len(), Reverse(set.bits.reverse_bits()));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Subset {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.members().try_for_each(|index| write!(f, "{}", index + 1))
    }
}

impl fmt::Debug for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl FromStr for Subset {
    type Err = String;

    /// Parses digits in ascending order, each once: every set has one name.
    fn from_str(text: &str) -> Result<Self, String> {
        let index = |c: char| c.to_digit(10).and_then(|digit| usize::try_from(digit).ok()?.checked_sub(1));
        let set = text.chars().map(index).collect::<Option<Vec<_>>>().and_then(Self::new);
        set.filter(|set| set.to_string() == text).ok_or_else(|| {
            format!(
                "{text:?} names no set of modalities: write their numbers, 1 to {}, in ascending \
                 order, as in 13",
                Self::MODALITIES
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sets: &[Subset]) -> String {
        sets.iter().map(Subset::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_modalities_of_a_set_are_named_in_a_sentence() {
        let listed = |set: &str| set.parse::<Subset>().unwrap().listed(|index| format!("x{}", index + 1));
        assert_eq!(["2", "13", "134"].map(listed), ["x2", "x1 and x3", "x1, x3 and x4"]);
    }

    #[test]
    fn sets_are_listed_by_size_then_lexicographically() {
        assert_eq!(names(&Subset::all(1)), "1");
        assert_eq!(names(&Subset::all(2)), "1 2 12");
        assert_eq!(names(&Subset::proper(3)), "1 2 3 12 13 23");
        assert_eq!(names(&Subset::all(4)), "1 2 3 4 12 13 14 23 24 34 123 124 134 234 1234");
        assert_eq!(Subset::all(8).len(), 255);
        for modalities in 1..=8 {
            for (position, set) in Subset::all(modalities).into_iter().enumerate() {
                assert_eq!(set.index(modalities), position);
                assert_eq!(set.to_string().parse(), Ok(set));
            }
            assert_eq!(Subset::full(modalities), Subset::all(modalities).last().copied());
        }
        assert_eq!((Subset::full(0), Subset::full(9)), (None, None));
    }

    #[test]
    fn members_and_inclusion() {
        let set = |text: &str| text.parse::<Subset>().unwrap();
        assert_eq!(set("13").members().collect::<Vec<_>>(), [0, 2]);
        assert_eq!((set("13").len(), set("13").contains(1)), (2, false));
        assert!(set("13").is_subset_of(set("123")) && !set("13").is_subset_of(set("12")));
        assert_eq!(set("13").union(set("2")), set("123"));
        assert_eq!(set("13").complement(4), Some(set("24")));
        assert_eq!(set("13").complement(3), Some(set("2")));
        assert_eq!(set("12").complement(2), None);
        assert_eq!((set("13").without(0), set("13").without(1)), (Some(set("3")), Some(set("13"))));
        assert_eq!(set("2").without(1), None);
        assert_eq!((Subset::new([]), Subset::new([8])), (None, None));
    }

    #[test]
    fn every_set_has_one_name() {
        for text in ["", "0", "9", "21", "11", "1 2", "1_2", "x", "-1", "१"] {
            let error = text.parse::<Subset>().unwrap_err();
            assert!(error.contains(&format!("{text:?}")) && error.contains("as in 13"), "{error}");
        }
    }
}
