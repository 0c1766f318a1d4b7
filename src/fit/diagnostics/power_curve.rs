//! Refits on a quarter and on half of the rows, measured on the same held-out rows as the whole fit: the
//! models of a fold are trained on those of the part that lie in other folds, and evaluate all rows of
//! the fold.

use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;

use crate::bundle::{ByColumn, PowerPoint, Units};
use crate::error::{Error, Result};
use crate::fit::density::gather;
use crate::fit::member::FoldContext;
use crate::fit::random::{RandomStream, random_stream};
use crate::fit::split::{self, Fold};
use crate::fit::training::{FittedModels, cross_fit_all, prior};
use crate::fit::training_set::{EmbeddingMatrix, LEAST_ROWS, TrainingSet};

use super::agreement::agreement;
use super::out_of_fold::OutOfFold;

/// The rows are divided into so many parts, of which one and then two are trained on.
const PARTS: usize = 4;

/// The points of the curve, the whole fit last. A part that is too small for its folds is left out.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Internal`] of training.
pub(super) fn refit(
    context: &FoldContext<'_>,
    fold_of_row: &[u8],
    whole: &OutOfFold,
    folds: usize,
    units: Units,
) -> Result<Vec<PowerPoint>> {
    let set = context.set;
    let all = set.y.len();
    let mut curve = Vec::new();
    let mut rng = random_stream(context.recipe.seed, RandomStream::PowerCurve);
    for rows in nested_parts(set.y, context.groups, fold_of_row, folds, &mut rng) {
        context.progress.stage(&format!("on {} of {} rows (power curve)", rows.len(), all));
        match refit_on(context, &rows, fold_of_row, folds) {
            Ok(Some(models)) => {
                let small = OutOfFold::evaluate(context, &models, units, false)?;
                curve.extend(point(&small, Some(whole), rows.len()));
            }
            Ok(None) => tracing::warn!(
                "the power curve has no point of {} rows: too few rows, groups or classes for {folds} folds",
                rows.len()
            ),
            Err(error @ Error::BadData { .. }) => {
                tracing::warn!("the power curve has no point of {} rows: {error}", rows.len());
            }
            Err(error) => return Err(error),
        }
    }
    curve.extend(point(whole, None, all));
    Ok(curve)
}

/// A quarter of the rows and then a half, which has the quarter in it. Each fold is divided by itself, so that
/// few groups leave none without rows; and each begins with another of its parts, so that classes of few
/// rows are not all in the first.
fn nested_parts(
    y: &[u32],
    groups: &[usize],
    fold_of_row: &[u8],
    folds: usize,
    rng: &mut ChaCha8Rng,
) -> [Vec<usize>; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for fold in 0..folds {
        let rows: Vec<usize> = (0..y.len()).filter(|&row| usize::from(fold_of_row[row]) == fold).collect();
        let parts = split::grouped_folds(&rows, y, groups, PARTS, rng);
        for (rows, count) in taken.iter_mut().zip([1, PARTS / 2]) {
            let parts = parts.iter().cycle().skip(fold).take(count.min(parts.len()));
            rows.extend(parts.flat_map(|part| &part.held_out));
        }
    }
    taken.iter_mut().for_each(|rows| rows.sort_unstable());
    taken
}

/// The models of some rows, with the folds that these rows are in; `None` where a fold is too small.
fn refit_on(
    context: &FoldContext<'_>,
    rows: &[usize],
    fold_of_row: &[u8],
    folds: usize,
) -> Result<Option<FittedModels>> {
    let whole = context.set;
    let x: Vec<Vec<f32>> = whole.x.iter().map(|x| gather(x, rows)).collect();
    let y: Vec<u32> = rows.iter().map(|&row| whole.y[row]).collect();
    let groups: Vec<usize> = rows.iter().map(|&row| context.groups[row]).collect();
    let of_rows: Vec<u8> = rows.iter().map(|&row| fold_of_row[row]).collect();
    let folds = split::assigned_folds(&of_rows, folds);
    if rows.len() < LEAST_ROWS || !folds.iter().all(|fold| is_trainable(fold, &y)) {
        return Ok(None);
    }
    let set = TrainingSet {
        place: whole.place.clone(),
        x: whole.x.iter().zip(&x).map(|(x, values)| EmbeddingMatrix { values, ..*x }).collect(),
        y: &y,
        classes: whole.classes,
        groups: None,
        keys: None,
    };
    let part = FoldContext { set: &set, groups: &groups, ..*context };
    let models = cross_fit_all(&part, &folds)?.fitted(&set, rows.len(), prior(&y, set.classes));
    Ok(Some(FittedModels { fold_of_row: fold_of_row.to_vec(), ..models }))
}

fn is_trainable(fold: &Fold, y: &[u32]) -> bool {
    let classes: HashSet<u32> = fold.train.iter().map(|&row| y[row]).collect();
    !fold.held_out.is_empty() && classes.len() > 1
}

/// The means of the rows that have values by both fits; `None` where no row has any.
fn point(rows: &OutOfFold, whole: Option<&OutOfFold>, trained_rows: usize) -> Option<PowerPoint> {
    let used: Vec<usize> =
        rows.rows().filter(|&row| whole.is_none_or(|whole| whole.is_finite(row))).collect();
    // r, u1 … uM, s, and the information of all modalities.
    let columns = rows.values[*used.first()?].len();
    let n = used.len() as f64;
    let mean = |column: usize| used.iter().map(|&row| rows.values[row][column]).sum::<f64>() / n;
    let agreement_of = |column: usize| {
        whole.map(|whole| {
            agreement(used.iter().map(|&row| (rows.values[row][column], whole.values[row][column])))
        })
    };
    Some(PowerPoint {
        trained_rows,
        means: ByColumn::new((0..columns).map(mean).collect())?,
        r_agreement: agreement_of(0),
        s_agreement: agreement_of(columns.checked_sub(2)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_nested_and_in_every_fold_also_of_few_groups() {
        let y: Vec<u32> = (0..2000).map(|row| row % 4).collect();
        for of_a_group in [1, 50] {
            let groups: Vec<usize> = (0..2000).map(|row| row / of_a_group).collect();
            let fold_of_row: Vec<u8> = groups.iter().map(|group| (group % 5) as u8).collect();
            let mut rng = random_stream(3, RandomStream::PowerCurve);
            let [quarter, half] = nested_parts(&y, &groups, &fold_of_row, 5, &mut rng);
            assert_eq!((quarter.len(), half.len()), (500, 1000));
            assert!(quarter.iter().all(|row| half.binary_search(row).is_ok()));
            for fold in 0..5 {
                let rows = quarter.iter().filter(|row| fold_of_row[**row] == fold).count();
                assert_eq!(rows, 100, "fold {fold}, groups of {of_a_group}");
            }
        }
    }
}
