//! An accumulator of the second pass: fine histograms, a density grid and top-k lists. Its size depends
//! on the scales only, not on the number of rows.

use super::bins::{BinScale, Histogram};
use super::density_grid::DensityGrid;
use super::numbers::Density;
use super::parts::Parts;
use super::top_k::{ExtremeRow, Ranking, RowDescription, RowLocation, RowValues, TopK};

/// The bin scales of the second pass.
#[derive(Debug, Clone)]
pub(super) struct RowScales {
    /// Scales of r, u1 … uM and s.
    pub(super) parts: Vec<BinScale>,
    /// Scales of the density grid of r and s.
    pub(super) density: [BinScale; 2],
}

impl RowScales {
    /// The scales that cover the values of both.
    pub(super) fn union(self, other: &Self) -> Self {
        let mut both = self;
        for (mine, theirs) in both.parts.iter_mut().zip(&other.parts) {
            *mine = mine.union(*theirs);
        }
        for (mine, theirs) in both.density.iter_mut().zip(&other.density) {
            *mine = mine.union(*theirs);
        }
        both
    }
}

/// Histograms of a stream of rows, density grid and rankings of the complete ones among them.
#[derive(Debug, Clone)]
pub(super) struct RowAccumulator {
    pub(super) histograms: Vec<Histogram>,
    density: DensityGrid,
    pub(super) rankings: Vec<TopK>,
    /// Rows with values.
    pub(super) rows: u64,
    /// Rows that have all parts.
    pub(super) complete_rows: u64,
}

impl RowAccumulator {
    /// An empty accumulator with `limit` rows in each ranking; of the information of all modalities where
    /// it is known.
    pub(super) fn new(scales: &RowScales, has_information: bool, limit: usize) -> Self {
        let rankings = Ranking::all(scales.parts.len().saturating_sub(2), has_information);
        Self {
            histograms: scales.parts.iter().copied().map(Histogram::new).collect(),
            density: DensityGrid::new(scales.density),
            rankings: rankings.into_iter().map(|ranking| TopK::new(ranking, limit)).collect(),
            rows: 0,
            complete_rows: 0,
        }
    }

    /// Adds one row with values. `describe` is called only for rows that enter a ranking.
    ///
    /// # Errors
    /// Those of `describe`.
    #[inline]
    pub(super) fn push<E>(
        &mut self,
        values: &RowValues,
        location: &RowLocation,
        mut describe: impl FnMut() -> Result<RowDescription, E>,
    ) -> Result<(), E> {
        self.rows += 1;
        for (histogram, value) in self.histograms.iter_mut().zip(&values.parts) {
            value.iter().for_each(|value| histogram.push(*value));
        }
        if values.parts.iter().any(Option::is_none) {
            return Ok(());
        }
        self.complete_rows += 1;
        if let [Some(r), .., Some(s)] = values.parts.as_slice() {
            self.density.push(*r, *s);
        }
        for ranking in &mut self.rankings {
            if ranking.accepts(values, location) {
                let description = describe()?;
                ranking.insert(ExtremeRow {
                    location: location.clone(),
                    values: values.clone(),
                    description,
                });
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.complete_rows += other.complete_rows;
        self.histograms.iter_mut().zip(&other.histograms).for_each(|(mine, theirs)| mine.merge(theirs));
        self.density.merge(&other.density);
        self.rankings.iter_mut().zip(&other.rankings).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    /// The ranges of the parts that pictures show.
    pub(super) fn central_ranges(&self) -> Option<Parts<(f64, f64)>> {
        Parts::from_values(self.histograms.iter().map(Histogram::central_range))
    }

    /// The density of r and s in these ranges.
    pub(super) fn density(&self, r: (f64, f64), s: (f64, f64)) -> Density {
        self.density.density(r, s, self.complete_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales() -> RowScales {
        let scale = BinScale::fine(-2.0, 2.0, 0.0, 1.0);
        RowScales { parts: vec![scale; 4], density: [BinScale::coarse(-2.0, 2.0, 250.0); 2] }
    }

    fn row(i: u64) -> RowValues {
        let x = |k: f64| ((i as f64) * k).sin();
        let parts = [x(1.3), x(0.7), x(2.1), x(0.4)];
        let information = Some(parts.iter().sum());
        RowValues { information, parts: parts.map(Some).to_vec(), ..RowValues::default() }
    }

    fn described(class: String) -> Result<RowDescription, ()> {
        Ok(RowDescription { class, ..RowDescription::default() })
    }

    fn folded(rows: std::ops::Range<u64>, file: &str) -> RowAccumulator {
        let mut fold = RowAccumulator::new(&scales(), true, 3);
        for i in rows {
            let location = RowLocation { file: file.into(), row: i };
            fold.push(&row(i), &location, || described(i.to_string())).unwrap();
        }
        fold
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let mut halves = folded(0..500, "a");
        halves.merge(&folded(500..1000, "b"));
        let whole = folded(0..1000, "a");
        let classes = |accumulator: &RowAccumulator| {
            let classes =
                |top: &TopK| top.rows.iter().map(|row| row.description.class.clone()).collect::<Vec<_>>();
            accumulator.rankings.iter().map(classes).collect::<Vec<_>>()
        };
        assert_eq!(classes(&halves), classes(&whole));
        let cores = whole.central_ranges().unwrap();
        assert_eq!(halves.density(cores.r, cores.s), whole.density(cores.r, cores.s));
        assert_eq!(
            whole.histograms[1].distribution(cores.u[0]),
            halves.histograms[1].distribution(cores.u[0])
        );
    }

    #[test]
    fn the_furthest_rows_are_kept_in_their_order() {
        let whole = folded(0..1000, "a");
        let mut all: Vec<u64> = (0..1000).collect();
        let i12 = |i: u64| row(i).information.unwrap();
        all.sort_by(|a, b| i12(*a).total_cmp(&i12(*b)));
        let kept: Vec<String> =
            whole.rankings[4].rows.iter().map(|row| row.description.class.clone()).collect();
        assert_eq!(kept, all[..3].iter().map(u64::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn of_equal_rows_the_first_is_kept() {
        let mut fold = RowAccumulator::new(&scales(), true, 2);
        let mut later = RowAccumulator::new(&scales(), true, 2);
        let values = RowValues { parts: vec![Some(1.0); 4], information: Some(4.0), ..RowValues::default() };
        for (fold, file) in [(&mut later, "b"), (&mut fold, "a")] {
            for row in (0..5).rev() {
                let location = RowLocation { file: file.into(), row };
                fold.push(&values, &location, || described(format!("{file}.{row}"))).unwrap();
            }
        }
        later.merge(&fold);
        let kept: Vec<_> = later.rankings[0].rows.iter().map(|row| row.description.class.as_str()).collect();
        assert_eq!(kept, ["a.0", "a.1"]);
    }

    #[test]
    fn a_row_without_some_part_is_in_the_histograms_of_the_others_only() {
        let mut fold = folded(0..10, "a");
        let values = RowValues { parts: vec![None, Some(1.9), None, None], ..RowValues::default() };
        let location = RowLocation { file: "a".into(), row: 10 };
        fold.push(&values, &location, || described("10".to_owned())).unwrap();
        assert_eq!((fold.rows, fold.complete_rows), (11, 10));
        let rows = [0, 1].map(|part: usize| fold.histograms[part].distribution((-2.0, 2.0)).rows);
        assert_eq!(rows, [10, 11]);
        assert!(fold.rankings[1].rows.iter().all(|row| row.description.class != "10"));
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
