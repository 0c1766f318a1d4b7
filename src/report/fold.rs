//! What the second pass keeps of the rows as they stream by: counts in fine bins, and
//! the few rows at the ends. Its size is that of the scales, whatever the rows.

use std::sync::Arc;

use super::bins::{Histogram, Scale, tidy};
use super::numbers::{Density, Parts};

/// The scales of one pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    /// Of r, u1, u2 and s.
    pub(super) parts: [Scale; 4],
    /// Of r and s against each other.
    pub(super) density: [Scale; 2],
}

impl Scales {
    /// The scales that hold the values of both.
    pub(super) fn with(self, other: Self) -> Self {
        let mut both = self;
        for (mine, theirs) in both.parts.iter_mut().zip(other.parts) {
            *mine = mine.with(theirs);
        }
        for (mine, theirs) in both.density.iter_mut().zip(other.density) {
            *mine = mine.with(theirs);
        }
        both
    }
}

/// Which end of which quantity a list of rows is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Redundant,
    Unique1,
    Unique2,
    Synergistic,
    Contradicted,
}

impl End {
    pub(super) const ALL: [Self; 5] =
        [Self::Redundant, Self::Unique1, Self::Unique2, Self::Synergistic, Self::Contradicted];

    /// How far a row is at this end: more is further.
    #[inline]
    fn rank(self, [r, u1, u2, s]: [f64; 4]) -> f64 {
        match self {
            Self::Redundant => r,
            Self::Unique1 => u1,
            Self::Unique2 => u2,
            Self::Synergistic => s,
            Self::Contradicted => -(r + u1 + u2 + s),
        }
    }
}

/// Where a row is: its file, as DataFusion knows it, and its position there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Met {
    pub(super) file: Arc<str>,
    pub(super) row: u64,
}

/// A row at an end.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) met: Met,
    pub(super) parts: [f64; 4],
    pub(super) class: String,
    pub(super) key: Vec<String>,
}

/// The rows furthest at one end, the furthest first; equal ones in the order of their
/// files and positions, whichever came first.
#[derive(Debug, Clone)]
pub(super) struct Furthest {
    end: End,
    most: usize,
    pub(super) rows: Vec<Kept>,
}

impl Furthest {
    fn new(end: End, most: usize) -> Self {
        Self { end, most, rows: Vec::with_capacity(most + 1) }
    }

    #[inline]
    fn wants(&self, parts: [f64; 4], met: &Met) -> bool {
        match self.rows.last() {
            Some(last) if self.rows.len() >= self.most => {
                let (rank, least) = (self.end.rank(parts), self.end.rank(last.parts));
                rank > least || rank == least && *met < last.met
            }
            _ => self.most > 0,
        }
    }

    fn keep(&mut self, row: Kept) {
        let rank = self.end.rank(row.parts);
        let end = self.end;
        let at = self.rows.partition_point(|kept| {
            let other = end.rank(kept.parts);
            other > rank || other == rank && kept.met < row.met
        });
        self.rows.insert(at, row);
        self.rows.truncate(self.most);
    }

    fn merge(&mut self, other: &Self) {
        other.rows.iter().for_each(|row| self.keep(row.clone()));
    }
}

/// All that is kept of a stream of rows.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub(super) histograms: [Histogram; 4],
    density: Grid,
    pub(super) ends: [Furthest; 5],
    pub(super) rows: u64,
}

impl Fold {
    /// Keeps nothing yet; `most` rows at each end.
    pub(super) fn new(scales: &Scales, most: usize) -> Self {
        Self {
            histograms: scales.parts.map(Histogram::new),
            density: Grid::new(scales.density),
            ends: End::ALL.map(|end| Furthest::new(end, most)),
            rows: 0,
        }
    }

    /// Takes in one computed row; `describe` gives its class and key where it is kept.
    ///
    /// # Errors
    /// Those of `describe`.
    #[inline]
    pub(super) fn push<E>(
        &mut self,
        parts: [f64; 4],
        met: &Met,
        mut describe: impl FnMut() -> Result<(String, Vec<String>), E>,
    ) -> Result<(), E> {
        self.rows += 1;
        for (histogram, value) in self.histograms.iter_mut().zip(parts) {
            histogram.push(value);
        }
        let [r, _, _, s] = parts;
        self.density.push(r, s);
        for end in &mut self.ends {
            if end.wants(parts, met) {
                let (class, key) = describe()?;
                end.keep(Kept { met: met.clone(), parts, class, key });
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.histograms.iter_mut().zip(&other.histograms).for_each(|(mine, theirs)| mine.merge(theirs));
        self.density.merge(&other.density);
        self.ends.iter_mut().zip(&other.ends).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    /// The ranges that pictures of the four parts show.
    pub(super) fn cores(&self) -> Parts<(f64, f64)> {
        let [r, u1, u2, s] = &self.histograms;
        Parts { r: r.core(), u1: u1.core(), u2: u2.core(), s: s.core() }
    }

    /// r against s in these ranges.
    pub(super) fn density(&self, r: (f64, f64), s: (f64, f64)) -> Density {
        self.density.shown(r, s, self.rows)
    }
}

/// Counts by two values.
#[derive(Debug, Clone)]
struct Grid {
    scales: [Scale; 2],
    counts: Vec<u64>,
}

/// Bins of the picture on either axis, about.
const SHOWN: f64 = 32.0;

impl Grid {
    fn new(scales: [Scale; 2]) -> Self {
        let [across, up] = scales;
        Self { scales, counts: vec![0; across.bins * up.bins] }
    }

    #[inline]
    fn push(&mut self, x: f64, y: f64) {
        let [across, up] = &self.scales;
        if let (Some(column), Some(line)) = (across.inside(x), up.inside(y))
            && let Some(count) = self.counts.get_mut(column * up.bins + line)
        {
            *count += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }

    fn shown(&self, x: (f64, f64), y: (f64, f64), rows: u64) -> Density {
        let [across, up] = &self.scales;
        let groups = |scale: &Scale, (low, high): (f64, f64)| {
            let size = scale.group_size(low, high, SHOWN);
            scale.groups(low, high, size)
        };
        let (columns, lines) = (groups(across, x), groups(up, y));
        let edges = |scale: &Scale, groups: &[i64]| {
            groups.iter().map(|&bin| scale.edge(0) + bin as f64 * scale.width).map(tidy).collect()
        };
        let inside = |from: i64, to: i64, bins: usize| {
            let clamp = |bin: i64| usize::try_from(bin.max(0)).unwrap_or(usize::MAX).min(bins);
            clamp(from)..clamp(to)
        };
        let pairs = |groups: &[i64]| -> Vec<(i64, i64)> {
            groups.iter().copied().zip(groups.iter().copied().skip(1)).collect()
        };
        let column = |(from, to): (i64, i64)| -> Vec<u64> {
            let cell = |(low, high): (i64, i64)| -> u64 {
                let of = |column: usize| {
                    let bins = inside(low, high, up.bins);
                    let start = column * up.bins;
                    self.counts.get(start + bins.start..start + bins.end).into_iter().flatten().sum::<u64>()
                };
                inside(from, to, across.bins).map(of).sum()
            };
            pairs(&lines).into_iter().map(cell).collect()
        };
        let counts: Vec<Vec<u64>> = pairs(&columns).into_iter().map(column).collect();
        let shown: u64 = counts.iter().flatten().sum();
        Density {
            r_edges_nats: edges(across, &columns),
            s_edges_nats: edges(up, &lines),
            counts,
            outside_rows: rows - shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales() -> Scales {
        let scale = Scale::fine(-2.0, 2.0, 0.0, 1.0);
        Scales { parts: [scale; 4], density: [Scale::coarse(-2.0, 2.0, 250.0); 2] }
    }

    fn row(i: u64) -> [f64; 4] {
        let x = |k: f64| ((i as f64) * k).sin();
        [x(1.3), x(0.7), x(2.1), x(0.4)]
    }

    fn folded(rows: std::ops::Range<u64>, file: &str) -> Fold {
        let mut fold = Fold::new(&scales(), 3);
        for i in rows {
            let met = Met { file: file.into(), row: i };
            fold.push(row(i), &met, || Ok::<_, ()>((i.to_string(), vec![]))).unwrap();
        }
        fold
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let mut halves = folded(0..500, "a");
        halves.merge(&folded(500..1000, "b"));
        let whole = folded(0..1000, "a");
        let classes = |fold: &Fold| {
            fold.ends.clone().map(|end| end.rows.iter().map(|row| row.class.clone()).collect::<Vec<_>>())
        };
        assert_eq!(classes(&halves), classes(&whole));
        let cores = whole.cores();
        assert_eq!(halves.density(cores.r, cores.s), whole.density(cores.r, cores.s));
        assert_eq!(whole.histograms[1].distribution(cores.u1), halves.histograms[1].distribution(cores.u1));
    }

    #[test]
    fn the_furthest_rows_are_kept_in_their_order() {
        let whole = folded(0..1000, "a");
        let mut all: Vec<u64> = (0..1000).collect();
        let i12 = |i: u64| row(i).iter().sum::<f64>();
        all.sort_by(|a, b| i12(*a).total_cmp(&i12(*b)));
        let kept: Vec<String> = whole.ends[4].rows.iter().map(|row| row.class.clone()).collect();
        assert_eq!(kept, all[..3].iter().map(u64::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn of_equal_rows_the_first_is_kept() {
        let mut fold = Fold::new(&scales(), 2);
        let mut later = Fold::new(&scales(), 2);
        for (fold, file) in [(&mut later, "b"), (&mut fold, "a")] {
            for row in (0..5).rev() {
                let met = Met { file: file.into(), row };
                fold.push([1.0; 4], &met, || Ok::<_, ()>((format!("{file}.{row}"), vec![]))).unwrap();
            }
        }
        later.merge(&fold);
        let kept: Vec<_> = later.ends[0].rows.iter().map(|row| row.class.as_str()).collect();
        assert_eq!(kept, ["a.0", "a.1"]);
    }

    #[test]
    fn every_row_is_in_the_density_or_outside() {
        let fold = folded(0..1000, "a");
        let density = fold.density((-0.5, 0.5), (-0.5, 0.5));
        let shown: u64 = density.counts.iter().flatten().sum();
        assert!(shown > 0 && density.outside_rows > 0);
        assert_eq!(shown + density.outside_rows, 1000);
        assert!(density.r_edges_nats.contains(&0.0));
    }
}
