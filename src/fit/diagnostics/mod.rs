//! Diagnostics of a cross-fitted fit: the decomposition of its own training rows, each by the models that
//! have not seen it, and how far rows, models, densities and labels decide the means.

mod agreement;
mod bootstrap;
mod estimates;
mod label_free;
mod out_of_fold;
mod power_curve;
mod redundancy;

use crate::bundle::Units;
use crate::error::Result;

use super::member::FoldContext;
use super::training::FittedModels;

use out_of_fold::OutOfFold;

/// What a fit is asked to say of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Diagnostics {
    /// The convention of h.
    pub units: Units,
    /// Whether to refit on parts of the rows.
    pub power_curve: bool,
    /// Whether to compare expectations over the label with the labels' values.
    pub label_free_check: bool,
}

impl Diagnostics {
    /// Adds the diagnostics to the figures of `models`, which were trained on `context.set` or on more rows,
    /// and know the fold of each of its rows. Without folds nothing is added.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted) on interruption.
    pub(super) fn add(&self, context: &FoldContext<'_>, models: &mut FittedModels) -> Result<()> {
        if models.folds.is_empty() {
            return Ok(());
        }
        context.progress.stage("estimates");
        let rows = OutOfFold::evaluate(context, models, self.units, self.label_free_check)?;
        models.figures.estimates = estimates::of(&rows, context.groups, context.recipe.seed);
        models.figures.label_free = label_free::check(&rows);
        if self.power_curve {
            models.figures.power_curve =
                power_curve::refit(context, &models.fold_of_row, &rows, models.folds.len(), self.units)?;
        }
        Ok(())
    }
}
