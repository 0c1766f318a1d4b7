//! Passes over all rows on disk that gather sufficient statistics, fold by fold.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::fit::progress::{FitProgress, check_interrupted};
use crate::fit::training_set::{EmbeddingMatrix, TrainingSet};

use super::row_store::{RowBlock, RowStore};

/// Maximum number of passes: from the sample's solution most models need three or four.
const MOST_PASSES: usize = 10;
/// Blocks that are computed at a time.
const GROUP: usize = 8;

/// A model between two passes.
pub(super) trait Pass: Send {
    /// For the progress display.
    fn name(&self) -> String;
    /// How far it is.
    fn progress(&self) -> &Progress;
    /// Adds the statistics of some rows of a fold.
    fn add(&mut self, fold: usize, rows: &TrainingSet<'_>) -> Result<()>;
    /// Ends a pass: the next model, and the folds' once it has settled.
    fn end(&mut self) -> Result<()>;
}

/// How far a model is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    passes: usize,
    finished: bool,
    /// Its loss on the sample.
    nats: f64,
}

impl Progress {
    /// Before the first pass.
    pub(super) fn new(nats: f64) -> Self {
        Self { passes: 0, finished: false, nats }
    }

    /// Notes the end of a pass; whether it was the last, since the loss changed by less than
    /// `settled` or for another reason.
    pub(super) fn end(&mut self, nats: f64, settled: f64, is_last: bool) -> bool {
        let change = (self.nats - nats).abs();
        (self.nats, self.passes) = (nats, self.passes + 1);
        // Not so that a loss that is not a number goes on for ever.
        self.finished = is_last || change < settled || !change.is_finite() || self.passes >= MOST_PASSES;
        self.finished
    }

    /// Whether no further pass is needed.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }
}

/// One pass: every row of every fold once, then the next models.
pub(super) fn pass(
    store: &RowStore,
    classes: usize,
    models: &mut [&mut dyn Pass],
    progress: &dyn FitProgress,
) -> Result<()> {
    let passes = models.iter().map(|model| model.progress().passes + 1).max().unwrap_or(0);
    add_all(store, classes, models, &format!("pass {passes} over all rows"), progress)?;
    for model in models {
        model.end()?;
        let Progress { passes, nats, .. } = *model.progress();
        progress.epoch(&model.name(), passes, MOST_PASSES, nats);
    }
    Ok(())
}

/// Adds every row of every fold, while the next ones are read.
fn add_all(
    store: &RowStore,
    classes: usize,
    models: &mut [&mut dyn Pass],
    name: &str,
    progress: &dyn FitProgress,
) -> Result<()> {
    let groups: Vec<(usize, usize)> = (0..store.folds())
        .flat_map(|fold| (0..store.blocks(fold)).step_by(GROUP).map(move |first| (fold, first)))
        .collect();
    let read = |at: usize, rows: &mut RowBlock| -> Result<()> {
        rows.clear();
        let Some(&(fold, first)) = groups.get(at) else { return Ok(()) };
        (first..store.blocks(fold).min(first + GROUP)).try_for_each(|block| store.read(fold, block, rows))
    };
    let block = || RowBlock::new(store.dims().len());
    let (mut current, mut next) = (block(), block());
    read(0, &mut current)?;
    let mut done = 0;
    for (at, &(fold, _)) in groups.iter().enumerate() {
        check_interrupted(progress)?;
        let rows = training_set(&current, store.dims(), classes);
        let add = || models.par_iter_mut().try_for_each(|model| model.add(fold, &rows));
        let (read, added) = rayon::join(|| read(at + 1, &mut next), add);
        read.and(added)?;
        done += current.len();
        progress.rows(name, done as u64, store.rows() as u64);
        std::mem::swap(&mut current, &mut next);
    }
    Ok(())
}

/// Rows of a block as a training set.
pub(super) fn training_set<'a>(rows: &'a RowBlock, dims: &[usize], classes: usize) -> TrainingSet<'a> {
    let x = rows.x.iter().zip(dims);
    TrainingSet {
        place: Place::default(),
        x: x.map(|(values, dim)| EmbeddingMatrix { column: "", dim: *dim, values }).collect(),
        y: &rows.y,
        classes,
        groups: None,
        keys: None,
    }
}

/// The sum of some statistics.
pub(super) fn sum<'a, T: Clone + 'a>(
    mut parts: impl Iterator<Item = &'a T>,
    merge: impl Fn(&mut T, &T),
) -> Result<T> {
    let first = parts.next().cloned();
    let mut all = first.ok_or_else(|| Error::Internal("no statistics of the training rows".into()))?;
    parts.for_each(|part| merge(&mut all, part));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_distr::StandardNormal;

    use super::super::density_pass::DensityPass;
    use super::super::discriminant_pass::DiscriminantPass;
    use super::super::row_store::RowStoreWriter;
    use super::*;
    use crate::bundle::{DensityFigures, Discriminant, Mixture, Scales};
    use crate::fit::classifier_data::ClassifierData;
    use crate::fit::cross_density::CrossFittedDensity;
    use crate::fit::discriminant::Shape;
    use crate::fit::random::{RandomStream, random_stream};
    use crate::fit::split::assigned_folds;
    use crate::interaction::Subset;

    struct Silent;
    impl FitProgress for Silent {
        fn stage(&self, _: &str) {}
        fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
    }

    /// 30 000 rows of two classes in three folds: x1 has two dependent columns, x2 one.
    fn rows() -> (RowBlock, Vec<u8>) {
        let mut rng = random_stream(4, RandomStream::Sample);
        let mut rows = RowBlock::new(2);
        let mut folds = Vec::new();
        for row in 0..30_000u32 {
            let y = row % 2;
            let z: [f64; 3] = std::array::from_fn(|_| rng.sample(StandardNormal));
            let shift = f64::from(y);
            rows.hashes.push(u64::from(row));
            rows.y.push(y);
            rows.x[0].extend([(z[0] + shift) as f32, (3.0 + 0.5 * z[0] + 0.25 * z[1]) as f32]);
            rows.x[1].push((2.0 * z[2] - shift) as f32);
            folds.push((row % 7 % 3) as u8);
        }
        (rows, folds)
    }

    #[test]
    fn the_models_of_a_fold_are_those_of_the_other_rows() {
        let (rows, fold_of_row) = rows();
        let set = training_set(&rows, &[2, 1], 2);
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowStoreWriter::create(folder.path(), 3, &[2, 1]).unwrap();
        for (row, &fold) in fold_of_row.iter().enumerate() {
            writer
                .push(fold.into(), row as u64, rows.y[row], &[set.x[0].row(row), set.x[1].row(row)])
                .unwrap();
        }
        let store = RowStore::open(folder.path(), &writer.finish().unwrap(), &[2, 1]).unwrap();

        // One component, from a wrong start; one centre a class.
        let start = Mixture {
            dim: 2,
            log_weights: vec![0.0],
            means: vec![1.0, 1.0],
            factors: vec![1.0, 0.0, 0.5, 1.0],
            center: vec![0.0; 2],
            scales: Scales::default(),
        };
        let density = CrossFittedDensity {
            folds: vec![start.clone(); 3],
            main: start,
            figures: DensityFigures {
                mean_nats: 0.0,
                components: 1,
                scales: Vec::new(),
                shrinkage_rows: None,
                factors: None,
                iterations: 1,
                standard_error_nats: None,
                in_sample_nats: None,
                candidates: Vec::new(),
            },
        };
        let all: Vec<usize> = (0..rows.len()).collect();
        let [first, both] = [0..1, 0..2].map(|indices| Subset::new(indices).unwrap());
        let data = ClassifierData::measure(&set, both, &all);
        let shape = Shape { centres: 1, shrunk: false };
        let part =
            Discriminant { inputs: 3, classes: 2, centres: 1, weight: vec![0.0; 6], bias: vec![0.0; 2] };
        let mut densities = DensityPass::new(&set, first, &density).unwrap();
        let mut analyses = DiscriminantPass::new(&set, both, &data, shape, part, 3);
        pass(&store, 2, &mut [&mut densities, &mut analyses], &Silent).unwrap();
        assert!(densities.progress().is_finished() && analyses.progress().is_finished());

        for (fold, outside) in assigned_folds(&fold_of_row, 3).iter().enumerate() {
            let (_, folds) = densities.densities();
            let (n, x1) =
                (outside.train.len() as f64, |row: usize, j: usize| f64::from(set.x[0].row(row)[j]));
            let mean = |j: usize| outside.train.iter().map(|&row| x1(row, j)).sum::<f64>() / n;
            let means = [mean(0), mean(1)];
            assert!(folds[fold].means.iter().zip(means).all(|(a, b)| (a - b).abs() < 1e-9));
            // A Σ Aᵀ is the identity, but for the shrinkage.
            let covariance = |i: usize, j: usize| {
                let products =
                    outside.train.iter().map(|&row| (x1(row, i) - means[i]) * (x1(row, j) - means[j]));
                products.sum::<f64>() / n
            };
            let factor = |i: usize, j: usize| folds[fold].factors[2 * i + j];
            for (i, j) in [(0, 0), (1, 0), (1, 1)] {
                let product: f64 = (0..2)
                    .flat_map(|a| (0..2).map(move |b| (a, b)))
                    .map(|(a, b)| factor(i, a) * covariance(a, b) * factor(j, b))
                    .sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 2e-3, "{i} {j}: {product}");
            }
            // The slopes of class 1 less those of class 0, as of the rows outside the fold in memory.
            let standard = data.rows(&set, &outside.train);
            let sorted = crate::fit::class_rows::ClassRows::new(standard.labelled());
            let gamma = vec![vec![1.0; sorted.counts[0]], vec![1.0; sorted.counts[1]]];
            let centres = crate::fit::discriminant::estimate(&sorted, &[1, 1], &gamma);
            let totals = sorted.totals();
            let covariance = crate::fit::discriminant::residual_covariance(&totals, &centres).unwrap();
            let (truth, _) =
                crate::fit::discriminant::linear_functions(&totals, &centres, &covariance, shape).unwrap();
            let found = &analyses.state().folds[fold];
            let pairs = found.weight.iter().chain(&found.bias).zip(truth.weight.iter().chain(&truth.bias));
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 2e-4), "{found:?} {truth:?}");
        }
    }
}
