//! Groups and their parts: one after the other, in an order given by a hash, each group goes to the part
//! that lacks most of its strata. Sizes are thus as near to the wanted ones as about a group.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Place, Result};

use super::choice::hash;
use super::part::Part;

/// Maximum of groups and their strata: they are held in memory, about 40 bytes each.
const MOST: usize = 1 << 24;

/// The rows of each group in each stratum.
#[derive(Debug, Default)]
pub(super) struct GroupCounts {
    rows: HashMap<(u64, u32), u64>,
}

/// The part of each group.
#[derive(Debug)]
pub(super) struct GroupParts(HashMap<u64, Part>);

impl GroupCounts {
    /// Adds a row of a group.
    ///
    /// # Errors
    /// [`Error::BadData`] where there are too many groups.
    pub(super) fn add(&mut self, group: u64, stratum: usize, place: impl FnOnce() -> Place) -> Result<()> {
        let stratum = u32::try_from(stratum).unwrap_or(u32::MAX);
        *self.rows.entry((group, stratum)).or_default() += 1;
        if self.rows.len() > MOST {
            let what = format!(
                "has more than {MOST} groups, which are held in memory; where every row is a group of its own, leave \
                 out --group"
            );
            return Err(Error::bad_data(place(), what));
        }
        Ok(())
    }

    /// The number of groups.
    pub(super) fn groups(&self) -> u64 {
        self.rows.keys().map(|(group, _)| group).collect::<HashSet<_>>().len() as u64
    }

    /// Gives each group its part.
    pub(super) fn into_parts(self, strata: &[u64], shares: [f64; 3], seed: u64) -> GroupParts {
        let mut rows: Vec<(u64, u64, u32, u64)> = self
            .rows
            .into_iter()
            .map(|((group, stratum), rows)| (hash(seed, group), group, stratum, rows))
            .collect();
        rows.sort_unstable();
        let (mut given, mut seen) = (vec![[0.0_f64; 3]; strata.len()], vec![0.0_f64; strata.len()]);
        let mut parts = HashMap::new();
        for group in rows.chunk_by(|a, b| a.1 == b.1) {
            let mut excess = [0.0_f64; 3];
            for (_, _, stratum, rows) in group {
                let at = *stratum as usize;
                let (Some(seen), Some(given), Some(all)) = (seen.get_mut(at), given.get(at), strata.get(at))
                else {
                    continue;
                };
                *seen += *rows as f64;
                for ((excess, given), share) in excess.iter_mut().zip(given).zip(shares) {
                    *excess += *rows as f64 * (given - share * *seen) / *all as f64;
                }
            }
            let wanted = Part::ALL.into_iter().zip(excess).zip(shares).filter(|(_, share)| *share > 0.0);
            let part =
                wanted.min_by(|((_, a), _), ((_, b), _)| a.total_cmp(b)).map_or(Part::Train, |best| best.0.0);
            for (_, id, stratum, rows) in group {
                let given = given.get_mut(*stratum as usize).and_then(|given| given.get_mut(part as usize));
                given.into_iter().for_each(|given| *given += *rows as f64);
                parts.insert(*id, part);
            }
        }
        GroupParts(parts)
    }
}

impl GroupParts {
    pub(super) fn get(&self, group: u64) -> Option<Part> {
        self.0.get(&group).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_whole_and_the_shares_are_near() {
        // Groups of one to ten rows, of one of three strata or of all.
        let mut counts = GroupCounts::default();
        let mut strata = [0_u64; 3];
        for group in 0..600_u64 {
            for row in 0..=group % 10 {
                let stratum = if group % 4 == 0 { row % 3 } else { group % 3 } as usize;
                counts.add(group, stratum, Place::default).unwrap();
                strata[stratum] += 1;
            }
        }
        assert_eq!(counts.groups(), 600);
        let rows = counts.rows.clone();
        let parts = counts.into_parts(&strata, [0.7, 0.2, 0.1], 3);
        let mut found = [[0_u64; 3]; 3];
        for ((group, stratum), rows) in rows {
            found[stratum as usize][parts.get(group).unwrap() as usize] += rows;
        }
        for (parts, all) in found.iter().zip(strata) {
            for (rows, share) in parts.iter().zip([0.7, 0.2, 0.1]) {
                assert!((*rows as f64 - all as f64 * share).abs() < 15.0, "{found:?} of {strata:?}");
            }
        }
    }
}
