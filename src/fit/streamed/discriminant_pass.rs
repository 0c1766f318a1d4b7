//! Mixture discriminant analysis of one classifier over rows on disk, by the statistics of each fold:
//! the responsibilities are those of one analysis of all rows, the folds' analyses follow from the
//! statistics of the rows outside each fold.

use serde::{Deserialize, Serialize};

use crate::bundle::Discriminant;
use crate::error::Result;
use crate::fit::class_rows::{ClassRows, ClassTotals};
use crate::fit::classifier_data::{ClassifierData, StandardRows};
use crate::fit::discriminant::{
    Centres, Shape, estimate, linear_functions, residual_covariance, responsibilities,
};
use crate::fit::metrics::cross_entropy;
use crate::fit::stack::fit_weights;
use crate::fit::training_set::TrainingSet;
use crate::interaction::Subset;

use super::statistics::{Pass, Progress, sum};

/// Change of the sample's cross-entropy that ends the passes, in nats.
const SETTLED: f64 = 1e-5;
/// Values of the sample on which the change is measured.
const PROBE_VALUES: usize = 1 << 21;

/// One analysis between two passes.
pub(super) struct DiscriminantPass<'a> {
    modalities: Subset,
    data: &'a ClassifierData,
    shape: Shape,
    state: DiscriminantState,
    /// Of each fold's rows; `None` before the first.
    totals: Vec<Option<ClassTotals>>,
    totals_known: bool,
    centres: Vec<Option<Centres>>,
    /// Rows of the sample.
    probe: StandardRows,
}

/// What a pass continues from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DiscriminantState {
    progress: Progress,
    /// Of all rows.
    main: Discriminant,
    /// Number of each class's centres.
    of_class: Vec<usize>,
    /// Of the rows outside each fold, once the passes have ended.
    pub(super) folds: Vec<Discriminant>,
}

impl<'a> DiscriminantPass<'a> {
    /// Continues from the analysis of a fold of the sample, in the units of `data`.
    pub(super) fn new(
        set: &TrainingSet<'_>,
        modalities: Subset,
        data: &'a ClassifierData,
        shape: Shape,
        start: Discriminant,
        folds: usize,
    ) -> Self {
        let width = start.inputs.max(1);
        let rows: Vec<usize> = (0..set.y.len().min((PROBE_VALUES / width).max(1))).collect();
        let probe = data.rows(set, &rows);
        let nats = sample_nats(&start, &probe);
        let of_class = distinct_centres(&start);
        Self {
            modalities,
            data,
            shape,
            state: DiscriminantState {
                progress: Progress::new(nats),
                main: start,
                of_class,
                folds: Vec::new(),
            },
            totals: vec![None; folds],
            totals_known: false,
            centres: vec![None; folds],
            probe,
        }
    }

    /// Continues from the state of an interrupted fit.
    pub(super) fn resume(&mut self, state: DiscriminantState) {
        self.state = state;
    }

    /// What is kept between two passes.
    pub(super) fn state(&self) -> &DiscriminantState {
        &self.state
    }

    /// The analysis of the rows of some folds, and the number of each class's centres.
    fn analysis(&self, is_used: impl Fn(usize) -> bool) -> Result<(Discriminant, Vec<usize>)> {
        let used = |fold: &usize| is_used(*fold);
        let folds: Vec<usize> = (0..self.totals.len()).filter(used).collect();
        let totals = sum(folds.iter().filter_map(|&fold| self.totals[fold].as_ref()), ClassTotals::merge)?;
        let centres = sum(folds.iter().filter_map(|&fold| self.centres[fold].as_ref()), Centres::merge)?;
        let covariance = residual_covariance(&totals, &centres)?;
        linear_functions(&totals, &centres, &covariance, self.shape)
    }
}

impl Pass for DiscriminantPass<'_> {
    fn name(&self) -> String {
        format!("classifier {}, discriminant analysis", self.modalities)
    }

    fn progress(&self) -> &Progress {
        &self.state.progress
    }

    fn add(&mut self, fold: usize, block: &TrainingSet<'_>) -> Result<()> {
        let all: Vec<usize> = (0..block.y.len()).collect();
        let standard = self.data.rows(block, &all);
        let rows = ClassRows::new(standard.labelled());
        let gamma = responsibilities(&rows, &self.state.of_class, &self.state.main);
        let centres = estimate(&rows, &self.state.of_class, &gamma);
        add(&mut self.centres[fold], centres, Centres::merge);
        if !self.totals_known {
            add(&mut self.totals[fold], rows.totals(), ClassTotals::merge);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let (main, of_class) = self.analysis(|_| true)?;
        let nats = sample_nats(&main, &self.probe);
        // One centre of each class is its mean, whatever the responsibilities.
        let is_last = self.state.of_class.iter().all(|&centres| centres == 1);
        if self.state.progress.end(nats, SETTLED, is_last) {
            let outside = (0..self.centres.len()).map(|fold| self.analysis(|other| other != fold));
            self.state.folds = outside.map(|found| found.map(|(part, _)| part)).collect::<Result<_>>()?;
        }
        (self.state.main, self.state.of_class) = (main, of_class);
        self.totals_known = true;
        self.centres.iter_mut().for_each(|centres| *centres = None);
        Ok(())
    }
}

fn add<T>(sum: &mut Option<T>, part: T, merge: fn(&mut T, &T)) {
    match sum {
        Some(sum) => merge(sum, &part),
        None => *sum = Some(part),
    }
}

/// Cross-entropy with the temperature that suits the rows best.
fn sample_nats(part: &Discriminant, rows: &StandardRows) -> f64 {
    let rows = rows.labelled();
    let z = part.apply(rows.x);
    let [.., beta] = fit_weights([&[], &[], &z], rows.y, rows.classes);
    let scaled: Vec<f32> = z.iter().map(|&z| z * beta).collect();
    cross_entropy(&scaled, rows.y, rows.classes)
}

/// Number of each class's centres that are not copies of its first.
fn distinct_centres(part: &Discriminant) -> Vec<usize> {
    let (d, r) = (part.inputs, part.centres);
    let classes = part.weight.chunks_exact(r * d).zip(part.bias.chunks_exact(r));
    classes
        .map(|(weight, bias)| {
            let is_copy = |at: &usize| bias[*at] == bias[0] && weight[at * d..][..d] == weight[..d];
            r - (1..r).filter(is_copy).count()
        })
        .collect()
}
