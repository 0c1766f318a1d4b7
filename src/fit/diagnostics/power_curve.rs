//! Refits on a quarter and on half of the rows, measured on the same held-out rows as the whole fit: the
//! models of a fold are trained on those of the part that lie in other folds, and evaluate all rows of
//! the fold.

use std::collections::HashSet;

use crate::bundle::{PowerPoint, Units};
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
    let all: Vec<usize> = (0..set.y.len()).collect();
    let mut rng = random_stream(context.recipe.seed, RandomStream::PowerCurve);
    let parts = split::grouped_folds(&all, set.y, context.groups, PARTS, &mut rng);
    let mut curve = Vec::new();
    for taken in [1, PARTS / 2] {
        let mut rows: Vec<usize> =
            parts.iter().take(taken).flat_map(|part| &part.held_out).copied().collect();
        rows.sort_unstable();
        context.progress.stage(&format!("on {} of {} rows (power curve)", rows.len(), all.len()));
        match refit_on(context, &rows, fold_of_row, folds) {
            Ok(Some(models)) => {
                let small = OutOfFold::evaluate(context, &models, units, false)?;
                curve.push(point(&small, Some(whole), rows.len()));
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
    curve.push(point(whole, None, all.len()));
    Ok(curve)
}

/// The models of some rows, with the folds that these rows are in; `None` where a fold is too small.
fn refit_on(
    context: &FoldContext<'_>,
    rows: &[usize],
    fold_of_row: &[u8],
    folds: usize,
) -> Result<Option<FittedModels>> {
    let whole = context.set;
    let x = whole.x.each_ref().map(|x| gather(x, rows));
    let y: Vec<u32> = rows.iter().map(|&row| whole.y[row]).collect();
    let groups: Vec<usize> = rows.iter().map(|&row| context.groups[row]).collect();
    let of_rows: Vec<u8> = rows.iter().map(|&row| fold_of_row[row]).collect();
    let folds = split::assigned_folds(&of_rows, folds);
    if rows.len() < LEAST_ROWS || !folds.iter().all(|fold| is_trainable(fold, &y)) {
        return Ok(None);
    }
    let matrix = |m: usize| EmbeddingMatrix { values: &x[m], ..whole.x[m] };
    let set = TrainingSet {
        place: whole.place.clone(),
        x: [matrix(0), matrix(1)],
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

fn point(rows: &OutOfFold, whole: Option<&OutOfFold>, trained_rows: usize) -> PowerPoint {
    let used: Vec<usize> =
        rows.rows().filter(|&row| whole.is_none_or(|whole| whole.is_finite(row))).collect();
    let n = used.len().max(1) as f64;
    let mean = |value: &dyn Fn(usize) -> f64| used.iter().map(|&row| value(row)).sum::<f64>() / n;
    PowerPoint {
        trained_rows,
        r_nats: mean(&|row| rows.parts[row].r),
        u1_nats: mean(&|row| rows.parts[row].u1),
        u2_nats: mean(&|row| rows.parts[row].u2),
        s_nats: mean(&|row| rows.parts[row].s),
        i12_nats: mean(&|row| rows.points[row].i12),
        r_agreement: whole
            .map(|whole| agreement(used.iter().map(|&row| (rows.parts[row].r, whole.parts[row].r)))),
        s_agreement: whole
            .map(|whole| agreement(used.iter().map(|&row| (rows.parts[row].s, whole.parts[row].s)))),
    }
}
