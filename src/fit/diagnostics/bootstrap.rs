//! Standard errors of means: of the rows by a bootstrap over groups of related rows, and of the models by
//! the spread of the folds' means.

use std::collections::HashMap;

use rand::Rng;
use rayon::prelude::*;

use crate::bundle::MeanEstimate;
use crate::fit::random::{RandomStream, random_stream};

/// Resamples of the bootstrap: the error of an error is then five per cent.
const RESAMPLES: usize = 200;

/// The sums of a group's rows, which lie in one fold.
#[derive(Clone)]
struct GroupSums {
    fold: u8,
    rows: f64,
    sums: Vec<f64>,
}

/// The rows of the means.
pub(super) struct Rows<'a> {
    /// Values of each row, as many of each.
    pub values: &'a [Vec<f64>],
    /// The group of each row.
    pub groups: &'a [usize],
    /// The fold of each row.
    pub folds: &'a [u8],
}

impl Rows<'_> {
    /// Sums by group, in the order of the groups' first rows.
    fn group_sums(&self) -> Vec<GroupSums> {
        let mut places = HashMap::new();
        let mut sums: Vec<GroupSums> = Vec::new();
        for ((values, group), &fold) in self.values.iter().zip(self.groups).zip(self.folds) {
            let at = *places.entry(*group).or_insert(sums.len());
            if at == sums.len() {
                sums.push(GroupSums { fold, rows: 0.0, sums: vec![0.0; values.len()] });
            }
            sums[at].rows += 1.0;
            sums[at].sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        sums
    }

    /// The means with their errors, and the number of groups.
    pub(super) fn estimate(&self, seed: u64) -> (Vec<MeanEstimate>, usize) {
        let groups = self.group_sums();
        let means = mean_of(groups.iter());
        let of_rows = bootstrap_errors(&groups, seed);
        let of_models = model_errors(&groups, &means);
        let errors = means.iter().zip(of_rows).zip(of_models);
        let estimates = errors.map(|((mean, of_rows), of_models)| MeanEstimate {
            mean_nats: *mean,
            rows_error_nats: of_rows,
            models_error_nats: of_models,
            error_nats: of_rows.hypot(of_models),
        });
        (estimates.collect(), groups.len())
    }
}

/// The mean over the rows of some groups.
fn mean_of<'a>(groups: impl Iterator<Item = &'a GroupSums>) -> Vec<f64> {
    let (mut rows, mut sums) = (0.0, Vec::new());
    for group in groups {
        rows += group.rows;
        sums.resize(group.sums.len(), 0.0);
        sums.iter_mut().zip(&group.sums).for_each(|(sum, own)| *sum += own);
    }
    sums.into_iter().map(|sum| sum / f64::max(rows, 1.0)).collect()
}

/// Standard deviations of the means over resamples of the groups.
fn bootstrap_errors(groups: &[GroupSums], seed: u64) -> Vec<f64> {
    let Some(first) = groups.first() else { return Vec::new() };
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .into_par_iter()
        .map(|resample| {
            let mut rng = random_stream(seed, RandomStream::Bootstrap(resample));
            mean_of((0..groups.len()).map(|_| &groups[rng.random_range(0..groups.len())]))
        })
        .collect();
    let n = resampled.len() as f64;
    let error = |k: usize| {
        let mean = resampled.iter().map(|means| means[k]).sum::<f64>() / n;
        let square: f64 = resampled.iter().map(|means| (means[k] - mean).powi(2)).sum();
        (square / (n - 1.0)).sqrt()
    };
    (0..first.sums.len()).map(error).collect()
}

/// The folds' models differ, and so their folds' means differ by more than their rows make them: the
/// variance beyond that, divided by the number of folds.
fn model_errors(groups: &[GroupSums], means: &[f64]) -> Vec<f64> {
    let mut by_fold: Vec<Vec<&GroupSums>> = Vec::new();
    for group in groups {
        let fold = usize::from(group.fold);
        if by_fold.len() <= fold {
            by_fold.resize_with(fold + 1, Vec::new);
        }
        by_fold[fold].push(group);
    }
    // One group says nothing of its own error.
    by_fold.retain(|fold| fold.len() > 1);
    let k = by_fold.len() as f64;
    if by_fold.len() < 2 {
        return vec![0.0; means.len()];
    }
    let (mut between, mut within) = (vec![0.0; means.len()], vec![0.0; means.len()]);
    for fold in &by_fold {
        let of_fold = mean_of(fold.iter().copied());
        let rows: f64 = fold.iter().map(|group| group.rows).sum();
        let (count, scale) = (fold.len() as f64, rows * rows);
        for (q, mean) in means.iter().enumerate() {
            let square: f64 =
                fold.iter().map(|group| (group.sums[q] - of_fold[q] * group.rows).powi(2)).sum();
            between[q] += (of_fold[q] - mean).powi(2) / (k - 1.0);
            within[q] += square * count / (count - 1.0) / scale / k;
        }
    }
    between.iter().zip(&within).map(|(between, within)| ((between - within).max(0.0) / k).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use rand_distr::StandardNormal;

    use super::*;

    fn normal(n: usize, stream: RandomStream) -> Vec<f64> {
        let mut rng = random_stream(4, stream);
        (0..n).map(|_| rng.sample::<f64, _>(StandardNormal)).collect()
    }

    fn estimates(values: &[f64], groups: &[usize], folds: &[u8]) -> MeanEstimate {
        let values: Vec<Vec<f64>> = values.iter().map(|value| vec![*value]).collect();
        Rows { values: &values, groups, folds }.estimate(9).0[0]
    }

    fn folds(n: usize) -> Vec<u8> {
        (0..n).map(|row| (row % 5) as u8).collect()
    }

    #[test]
    fn independent_rows_have_the_textbooks_error() {
        let values: Vec<f64> = normal(5000, RandomStream::Split).iter().map(|z| 2.0 + 3.0 * z).collect();
        let rows: Vec<usize> = (0..5000).collect();
        let found = estimates(&values, &rows, &folds(5000));
        let truth = 3.0 / 5000f64.sqrt();
        assert!((found.rows_error_nats / truth - 1.0).abs() < 0.1, "{found:?}, not {truth}");
        assert!((found.mean_nats - 2.0).abs() < 4.0 * truth, "{found:?}");
        assert!(found.models_error_nats < truth, "{found:?}");
        assert!((found.error_nats - found.rows_error_nats.hypot(found.models_error_nats)).abs() < 1e-15);
    }

    #[test]
    fn copies_of_a_row_are_one() {
        // Ten copies of each of 500 values, in one fold: as uncertain as 500 rows.
        let drawn = normal(500, RandomStream::Split);
        let groups: Vec<usize> = (0..5000).map(|row| row % 500).collect();
        let values: Vec<f64> = groups.iter().map(|group| drawn[*group]).collect();
        let found = estimates(&values, &groups, &folds(5000));
        let truth = 1.0 / 500f64.sqrt();
        assert!((found.rows_error_nats / truth - 1.0).abs() < 0.12, "{found:?}, not {truth}");
        let rows: Vec<usize> = (0..5000).collect();
        let ungrouped = estimates(&values, &rows, &folds(5000));
        assert!(ungrouped.rows_error_nats < 0.4 * truth, "{ungrouped:?}");
    }

    #[test]
    fn models_that_differ_by_fold_add_to_the_error() {
        let mut values = normal(20_000, RandomStream::Split);
        let folds = folds(20_000);
        // Of variance 0.025 between folds.
        let offset = [-0.2, -0.1, 0.0, 0.1, 0.2];
        values.iter_mut().zip(&folds).for_each(|(value, fold)| *value += offset[usize::from(*fold)]);
        let rows: Vec<usize> = (0..20_000).collect();
        let found = estimates(&values, &rows, &folds);
        let truth = (0.025f64 / 5.0).sqrt();
        assert!((found.models_error_nats / truth - 1.0).abs() < 0.2, "{found:?}, not {truth}");
        assert!(found.error_nats > found.models_error_nats, "{found:?}");
        // One fold says nothing of its models.
        assert_eq!(estimates(&values, &rows, &[0; 20_000]).models_error_nats, 0.0);
    }
}
