//! A job's share of the files, for array jobs and mapped tasks. All jobs list the same files
//! and compute the same partition, so they need no coordination.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

/// The I-th of N shares, written `I/N` with I from 1 to N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: usize,
    of: usize,
}

impl Share {
    /// For each file, given by its size, whether it belongs to this share. Files are
    /// assigned from the largest on, each to the share with the fewest bytes (longest
    /// processing time first, Graham 1969): no share exceeds 4/3 of the optimum, and all jobs
    /// get the same result.
    pub(super) fn select(self, sizes: &[u64]) -> Vec<bool> {
        let mut order: Vec<(usize, u64)> = sizes.iter().copied().enumerate().collect();
        order.sort_by_key(|&(file, size)| (Reverse(size), file));
        let mut shares: BinaryHeap<_> =
            (0..self.of.min(sizes.len())).map(|share| Reverse((0_u64, share))).collect();
        let mut mine = vec![false; sizes.len()];
        for (file, size) in order {
            let Some(Reverse((load, share))) = shares.pop() else { break };
            if let Some(mine) = mine.get_mut(file) {
                *mine = share == self.index;
            }
            // An empty file has a cost, too.
            shares.push(Reverse((load.saturating_add(size.max(1)), share)));
        }
        mine
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<(usize, usize)> =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((i, n)) if 1 <= i && i <= n => Ok(Self { index: i - 1, of: n }),
            _ => Err("expected I/N with I from 1 to N, such as 2/20".to_owned()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_share() {
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "-1/3"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!("2/20".parse::<Share>().unwrap().to_string(), "2/20");
    }

    proptest! {
        #[test]
        fn shares_hold_every_file_once_and_are_balanced(
            sizes in prop::collection::vec(0_u64..1_000_000, 0..60),
            of in 1_usize..9,
        ) {
            let mut times = vec![0; sizes.len()];
            let mut loads = Vec::new();
            for index in 0..of {
                let mine = Share { index, of }.select(&sizes);
                prop_assert_eq!(mine.len(), sizes.len());
                loads.push(sizes.iter().zip(&mine).filter(|(_, mine)| **mine).map(|(size, _)| size).sum::<u64>());
                times.iter_mut().zip(mine).for_each(|(times, mine)| *times += usize::from(mine));
            }
            prop_assert!(times.iter().all(|&times| times == 1));
            // No share got its last file while another had less to do.
            let largest = sizes.iter().copied().max().unwrap_or(0);
            let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
            prop_assert!(most - least <= largest + sizes.len() as u64);
        }
    }
}
