//! The part of each row: chosen by selection sampling (Knuth, algorithm S), which takes exactly the wanted
//! number of rows of each stratum in one pass and no memory for the rows; or by the row's group.

use super::choice::{below, hash};
use super::grouped::{GroupCounts, GroupParts};
use super::part::Part;
use super::strata::Strata;

/// What decides on a row's part.
#[derive(Debug)]
pub(super) enum Allotment {
    /// For each stratum the rows of each part that are still to come.
    Rows { left: Vec<[u64; 3]>, seed: u64 },
    /// The part of each group.
    Groups(GroupParts),
}

impl Allotment {
    /// Rows by themselves: each stratum gives each part its share, rounded so that the parts have the
    /// right size.
    pub(super) fn of_rows(strata: &Strata, [_, test, validation]: [f64; 3], seed: u64) -> Self {
        let rows = strata.rows();
        let tests = quotas(rows, rows, test, seed);
        let free: Vec<u64> = rows.iter().zip(&tests).map(|(rows, test)| rows - test).collect();
        let validations = quotas(rows, &free, validation, seed.wrapping_add(1));
        let left = free.iter().zip(tests).zip(validations);
        Self::Rows {
            left: left.map(|((free, test), validation)| [free - validation, test, validation]).collect(),
            seed,
        }
    }

    /// Groups as a whole.
    pub(super) fn of_groups(groups: GroupCounts, strata: &Strata, shares: [f64; 3], seed: u64) -> Self {
        Self::Groups(groups.into_parts(strata.rows(), shares, seed))
    }

    /// The part of the next row; `None` where the rows are other ones than those counted.
    pub(super) fn part(&mut self, stratum: usize, group: Option<u64>, row: u64) -> Option<Part> {
        match self {
            Self::Rows { left, seed } => {
                let left = left.get_mut(stratum)?;
                let rows: u64 = left.iter().sum();
                let mut at = below(hash(*seed, row), rows)?;
                for (part, left) in Part::ALL.into_iter().zip(left) {
                    if at < *left {
                        *left -= 1;
                        return Some(part);
                    }
                    at -= *left;
                }
                None
            }
            Self::Groups(parts) => parts.get(group?),
        }
    }
}

/// A share of each stratum, at most its free rows, rounded down or up so that their sum is nearest to the
/// share of all rows: up where most is lost, and among equals by hash.
fn quotas(rows: &[u64], free: &[u64], share: f64, seed: u64) -> Vec<u64> {
    let exact: Vec<f64> = rows.iter().map(|rows| *rows as f64 * share).collect();
    // A share such as 0.2 is no exact number.
    let mut quotas: Vec<u64> =
        exact.iter().zip(free).map(|(x, free)| ((x + 1e-9) as u64).min(*free)).collect();
    let wanted = (rows.iter().sum::<u64>() as f64 * share).round() as u64;
    let missing = wanted.saturating_sub(quotas.iter().sum());
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let lost =
        |at: &usize| exact.get(*at).zip(quotas.get(*at)).map_or(0.0, |(exact, quota)| exact - *quota as f64);
    order.sort_by(|a, b| {
        let tie = hash(seed, *a as u64).cmp(&hash(seed, *b as u64));
        let (a, b) = ((lost(a) * 1e6).round(), (lost(b) * 1e6).round());
        b.total_cmp(&a).then(tie)
    });
    let may_grow = |at: &usize, quotas: &[u64]| free.get(*at) > quotas.get(*at);
    order.retain(|at| may_grow(at, &quotas));
    for at in order.into_iter().take(usize::try_from(missing).unwrap_or(usize::MAX)) {
        quotas.get_mut(at).into_iter().for_each(|quota| *quota += 1);
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    fn strata(rows: &[u64]) -> Strata {
        let mut strata = Strata::default();
        for (value, rows) in rows.iter().enumerate() {
            strata.add(Some(value.to_string().as_bytes()), *rows, Place::default).unwrap();
        }
        strata
    }

    #[test]
    fn every_stratum_gives_its_share_and_the_parts_have_their_size() {
        for (rows, shares) in [
            (vec![1000, 500, 7, 1], [0.7, 0.2, 0.1]),
            (vec![1; 100], [0.6, 0.2, 0.2]),
            (vec![3; 100], [0.8, 0.2, 0.0]),
            (vec![10], [0.8, 0.2, 0.0]),
        ] {
            let mut allotment = Allotment::of_rows(&strata(&rows), shares, 5);
            let mut found = vec![[0_u64; 3]; rows.len()];
            let mut number = 0;
            for (stratum, rows) in rows.iter().enumerate() {
                for _ in 0..*rows {
                    found[stratum][allotment.part(stratum, None, number).unwrap() as usize] += 1;
                    number += 1;
                }
                assert!(allotment.part(stratum, None, number).is_none());
                for (share, count) in shares.iter().zip(found[stratum]) {
                    let exact = *rows as f64 * share;
                    assert!((count as f64 - exact).abs() < 2.0 - 1e-9, "{count} of {exact}");
                }
            }
            for part in [1, 2] {
                let sum: u64 = found.iter().map(|parts| parts[part]).sum();
                assert_eq!(sum, (number as f64 * shares[part]).round() as u64, "{rows:?}");
            }
        }
    }

    #[test]
    fn one_seed_one_choice_and_no_pattern() {
        let choose = |seed| {
            let mut allotment = Allotment::of_rows(&strata(&[10_000]), [0.5, 0.5, 0.0], seed);
            (0..10_000).map(|row| allotment.part(0, None, row).unwrap()).collect::<Vec<_>>()
        };
        let first = choose(1);
        assert_eq!(first, choose(1));
        let same = first.iter().zip(choose(2)).filter(|(a, b)| **a == *b).count();
        assert!((4800..5200).contains(&same), "{same}");
        let runs = first.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!((4800..5200).contains(&runs), "{runs}");
    }
}
