//! Expectation-maximisation of one density over rows on disk. A pass leaves the statistics of each
//! fold apart, so that the last one gives the density of all rows and those of the rows outside each
//! fold, by the same responsibilities.

use serde::{Deserialize, Serialize};

use crate::bundle::Mixture;
use crate::error::{Error, Result};
use crate::fit::covariance_model::CovarianceModel;
use crate::fit::cross_density::CrossFittedDensity;
use crate::fit::em_steps::{
    self, ComponentStatistics, RowMatrix, maximise, pooled_scatter, shared_factor_responsibilities,
};
use crate::fit::mixture::{mean_nats, total_statistics};
use crate::fit::scaling::Scaling;
use crate::fit::training_set::TrainingSet;
use crate::interaction::Subset;

use super::statistics::{Pass, Progress, sum};

/// Change of the sample's −ln p that ends the passes, in nats per dimension.
const SETTLED: f64 = 1e-5;
/// Values of the sample on which the change is measured.
const PROBE_VALUES: usize = 1 << 20;

/// One density between two passes.
pub(super) struct DensityPass {
    modalities: Subset,
    scaling: Scaling,
    covariances: CovarianceModel,
    state: DensityState,
    folds: Vec<FoldStatistics>,
    /// Whether the folds' statistics that no pass changes are known.
    wholes_known: bool,
    /// Rows of the sample, standardised.
    probe: Vec<f64>,
}

/// What a pass continues from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DensityState {
    progress: Progress,
    /// Of all rows, in standardised units.
    main: Mixture,
    /// Of the rows outside each fold, once the passes have ended.
    folds: Vec<Mixture>,
}

/// The statistics of a fold's rows.
#[derive(Default, Clone)]
struct FoldStatistics {
    rows: usize,
    /// Of all its rows together, which no pass changes; only for a shared covariance.
    whole: Option<ComponentStatistics>,
    components: Vec<ComponentStatistics>,
}

impl DensityPass {
    /// Continues from the density of the sample; `None` where all columns are constant.
    pub(super) fn new(
        set: &TrainingSet<'_>,
        modalities: Subset,
        density: &CrossFittedDensity,
    ) -> Option<Self> {
        let joined = set.joined(modalities);
        let x = &joined.matrix();
        let rows: Vec<usize> = (0..set.y.len()).collect();
        let scaling = Scaling::measure(x, &rows);
        let dim = scaling.varying().len();
        if dim == 0 {
            return None;
        }
        let main = scaling.to_standard_units(&density.main);
        let probe = scaling.standardise(x, &rows[..rows.len().min((PROBE_VALUES / dim).max(1))]);
        let nats = mean_nats(&main, RowMatrix { values: &probe, dim });
        Some(Self {
            modalities,
            covariances: CovarianceModel::of_figures(&density.figures),
            state: DensityState { progress: Progress::new(nats), main, folds: Vec::new() },
            folds: vec![FoldStatistics::default(); density.folds.len()],
            wholes_known: false,
            probe,
            scaling,
        })
    }

    /// Continues from the state of an interrupted fit.
    pub(super) fn resume(&mut self, state: DensityState) {
        self.state = state;
    }

    /// What is kept between two passes.
    pub(super) fn state(&self) -> &DensityState {
        &self.state
    }

    /// The densities of all rows and of those outside each fold, in the units of x.
    pub(super) fn densities(&self) -> (Mixture, Vec<Mixture>) {
        let raw = |mixture: &Mixture| self.scaling.to_raw_units(mixture);
        (raw(&self.state.main), self.state.folds.iter().map(raw).collect())
    }

    fn is_shared(&self) -> bool {
        self.covariances.is_shared()
    }

    /// The density of the rows with these statistics.
    fn maximise(&self, rows: &FoldStatistics) -> Result<Mixture> {
        let pooled = match &rows.whole {
            Some(whole) => pooled_scatter(whole, &rows.components),
            None => {
                let mut scatters = rows.components.iter().map(|component| &component.scatter);
                let first = scatters.next().cloned();
                let first = first.ok_or_else(|| Error::Internal("a density without components".into()))?;
                scatters.fold(first, |sum, scatter| sum + scatter)
            }
        };
        let pooled = self.covariances.pooled(&pooled, rows.rows, rows.components.len())?;
        maximise(&rows.components, &pooled, self.covariances.shrinkage())
    }
}

impl Pass for DensityPass {
    fn name(&self) -> String {
        format!("density {}", self.modalities)
    }

    fn progress(&self) -> &Progress {
        &self.state.progress
    }

    fn add(&mut self, fold: usize, block: &TrainingSet<'_>) -> Result<()> {
        let rows: Vec<usize> = (0..block.y.len()).collect();
        let dim = self.state.main.dim;
        let values = self.scaling.standardise(&block.joined(self.modalities).matrix(), &rows);
        let x = RowMatrix { values: &values, dim };
        let k = self.state.main.components();
        let components = if self.is_shared() {
            em_steps::means(x, &shared_factor_responsibilities(&self.state.main, x), k)
        } else {
            em_steps::statistics(x, &em_steps::responsibilities(&self.state.main, &values), k).0
        };
        let needs_whole = self.is_shared() && !self.wholes_known;
        let whole = needs_whole.then(|| total_statistics(x)).transpose()?;
        self.folds[fold].merge(&FoldStatistics { rows: rows.len(), whole, components });
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let all = sum(self.folds.iter(), FoldStatistics::merge)?;
        let main = self.maximise(&all)?;
        let nats = mean_nats(&main, RowMatrix { values: &self.probe, dim: main.dim });
        // One component converges in one pass.
        let settled = self.state.progress.end(nats, SETTLED * main.dim as f64, main.components() == 1);
        if settled {
            let outside = (0..self.folds.len()).map(|fold| {
                let others = self.folds.iter().enumerate().filter(|(other, _)| *other != fold);
                self.maximise(&sum(others.map(|(_, rows)| rows), FoldStatistics::merge)?)
            });
            self.state.folds = outside.collect::<Result<_>>()?;
        }
        self.wholes_known = true;
        self.state.main = main;
        for fold in &mut self.folds {
            (fold.rows, fold.components) = (0, Vec::new());
        }
        Ok(())
    }
}

impl FoldStatistics {
    /// Adds those of other rows.
    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        match (&mut self.whole, &other.whole) {
            (Some(own), Some(other)) => own.merge(other),
            (own @ None, other) => *own = other.clone(),
            _ => {}
        }
        if self.components.is_empty() {
            self.components = other.components.clone();
        } else {
            self.components.iter_mut().zip(&other.components).for_each(|(own, other)| own.merge(other));
        }
    }
}
