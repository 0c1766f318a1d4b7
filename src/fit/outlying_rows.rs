//! Rows that lie far from all others, such as placeholders of -999: a single one of them decides
//! covariances, temperatures and means of a loss. They are left out of the training, with a warning.

use crate::bundle::FitWarning;

use super::training_set::{EmbeddingMatrix, TrainingSet};

/// How many times as far as is usual.
const FAR: f64 = 20.0;
/// Rows that may be left out: one in so many, or a few. More are a heavy tail or a cluster.
const ONE_IN: usize = 1_000;
const FEW: usize = 3;
/// Rows from which a column's centre and spread are taken.
const MEASURED_ROWS: usize = 2_000;

/// The distance beyond which a row is left out.
#[derive(Debug, Clone)]
pub(super) struct OutlyingRows {
    modalities: Vec<Distance>,
}

/// The rows of a training set that are left out.
pub(super) struct LeftOut {
    /// What finds others like them.
    pub outlying: OutlyingRows,
    /// Their places, ascending.
    pub rows: Vec<usize>,
    /// What is said about them.
    pub warning: FitWarning,
}

/// The distance of an embedding from the centre: the mean over its columns of ((x − median)/IQR)². A
/// column whose quartiles are equal says nothing.
#[derive(Debug, Clone)]
struct Distance {
    median: Vec<f64>,
    spread: Vec<f64>,
    limit: f64,
}

impl OutlyingRows {
    /// Finds the rows to leave out of a training set; `None` where there are none. A class keeps its
    /// rows where all of them are far.
    pub(super) fn find(set: &TrainingSet<'_>) -> Option<LeftOut> {
        // The fit says that there are too few.
        if set.y.is_empty() {
            return None;
        }
        let outlying = Self { modalities: set.x.iter().map(Distance::measure).collect() };
        let is_far = |row: &usize| outlying.contains(set.x.iter().map(|x| x.row(*row)));
        let far: Vec<usize> = (0..set.y.len()).filter(is_far).collect();
        if far.is_empty() || far.len() > (set.y.len() / ONE_IN).max(FEW) {
            return None;
        }
        let mut left = vec![0usize; set.classes];
        set.y.iter().for_each(|&class| left[class as usize] += 1);
        far.iter().for_each(|&row| left[set.y[row] as usize] -= 1);
        let warning = warning(set, &far);
        left.iter().all(|&rows| rows > 0).then_some(LeftOut { outlying, rows: far, warning })
    }

    /// Whether a row lies so far away.
    pub(super) fn contains<'a>(&self, x: impl Iterator<Item = &'a [f32]>) -> bool {
        self.modalities.iter().zip(x).any(|(distance, x)| distance.of(x) > distance.limit)
    }
}

impl Distance {
    fn measure(x: &EmbeddingMatrix<'_>) -> Self {
        let rows = x.values.len() / x.dim;
        let step = rows.div_ceil(MEASURED_ROWS).max(1);
        let measured: Vec<usize> = (0..rows).step_by(step).collect();
        let quartiles = |column: usize| {
            let mut values: Vec<f32> = measured.iter().map(|&row| x.row(row)[column]).collect();
            values.sort_by(f32::total_cmp);
            [1, 2, 3].map(|quarter| f64::from(values[values.len() * quarter / 4]))
        };
        let quartiles: Vec<[f64; 3]> = (0..x.dim).map(quartiles).collect();
        let mut distance = Self {
            median: quartiles.iter().map(|[_, median, _]| *median).collect(),
            spread: quartiles.iter().map(|[low, _, high]| high - low).collect(),
            limit: f64::INFINITY,
        };
        let mut usual: Vec<f64> = measured.iter().map(|&row| distance.of(x.row(row))).collect();
        usual.sort_by(f64::total_cmp);
        let middle = usual[usual.len() / 2];
        if middle > 0.0 {
            distance.limit = FAR * FAR * middle;
        }
        distance
    }

    fn of(&self, x: &[f32]) -> f64 {
        let columns = x.iter().zip(&self.median).zip(&self.spread);
        let squares = columns.filter(|(_, spread)| **spread > 0.0);
        squares.map(|((x, median), spread)| ((f64::from(*x) - median) / spread).powi(2)).sum::<f64>()
            / x.len().max(1) as f64
    }
}

fn warning(set: &TrainingSet<'_>, rows: &[usize]) -> FitWarning {
    let far = |x: &EmbeddingMatrix<'_>| {
        let values = rows.iter().flat_map(|&row| x.row(row)).copied();
        values.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0)
    };
    let values: Vec<String> = set.x.iter().map(|x| format!("{:e} in {:?}", far(x), x.column)).collect();
    let text = format!(
        "{} of {} rows lie more than {FAR} times as far from the others as is usual and are left out (values up to \
         {}): are they placeholders?",
        rows.len(),
        set.y.len(),
        values.join(", ")
    );
    FitWarning { code: "outlying_rows".into(), text }
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_distr::StandardNormal;

    use super::*;
    use crate::error::Place;
    use crate::fit::random::{RandomStream, random_stream};

    fn found(change: impl Fn(&mut [f32], &mut [u32])) -> Option<Vec<usize>> {
        let mut rng = random_stream(1, RandomStream::Split);
        let mut x: Vec<f32> = (0..4_000).map(|_| rng.sample(StandardNormal)).collect();
        let mut y: Vec<u32> = (0..1_000).map(|row| row % 2).collect();
        change(&mut x, &mut y);
        let x2: Vec<f32> = (0..1_000).map(|_| rng.sample(StandardNormal)).collect();
        let matrix = |column, dim, values| EmbeddingMatrix { column, dim, values };
        let set = TrainingSet {
            place: Place::default(),
            x: vec![matrix("a", 4, &x), matrix("b", 1, &x2)],
            y: &y,
            classes: 2,
            groups: None,
            keys: None,
        };
        let LeftOut { outlying, rows, warning } = OutlyingRows::find(&set)?;
        assert!(rows.iter().all(|&row| outlying.contains(set.x.iter().map(|x| x.row(row)))));
        let text = warning.text;
        assert!(text.contains("of 1000 rows lie more than 20 times") && text.contains("in \"a\""), "{text}");
        Some(rows)
    }

    #[test]
    fn no_rows_have_none_far_away() {
        let matrix = |column| EmbeddingMatrix { column, dim: 2, values: &[] };
        let x = vec![matrix("a"), matrix("b")];
        let set = TrainingSet { place: Place::default(), x, y: &[], classes: 2, groups: None, keys: None };
        assert!(OutlyingRows::find(&set).is_none());
    }

    #[test]
    fn placeholders_are_found_and_clusters_are_not() {
        assert_eq!(found(|_, _| {}), None);
        assert_eq!(found(|x, _| x[20..24].fill(-999.0)), Some(vec![5]));
        assert_eq!(found(|x, _| x[20..28].fill(60.0)), Some(vec![5, 6]));
        assert_eq!(found(|x, _| x[20] = 1e30), Some(vec![5]));
        // Not far enough, too many, and a whole class.
        assert_eq!(found(|x, _| x[20..24].fill(10.0)), None);
        assert_eq!(found(|x, _| x[20..60].fill(60.0)), None);
        let class = |x: &mut [f32], y: &mut [u32]| {
            x[20..24].fill(60.0);
            y.fill(0);
            y[5] = 1;
        };
        assert_eq!(found(class), None);
    }

    #[test]
    fn a_column_that_is_mostly_one_value_says_nothing() {
        let sparse = |x: &mut [f32], _: &mut [u32]| {
            x.chunks_mut(4).enumerate().for_each(|(row, x)| x[0] = if row == 7 { 1e3 } else { 0.0 });
        };
        assert_eq!(found(sparse), None);
    }
}
