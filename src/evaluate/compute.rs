//! Evaluation of a batch: the models' outputs of each sample, then their decomposition into
//! f32 columns.

use std::borrow::Cow;

use crate::bundle::{Bundle, Role};
use crate::engine::{Backend, BatchInputs, BatchOutputs};
use crate::error::{Error, Result};
use crate::interaction::lattice::SubsetOutputs;
use crate::interaction::{self, Quantity, Subset};
use crate::samples::{Fate, Modality, Samples};

use super::column_plan::{ColumnPlan, Source};
use super::fold_router::FoldRouter;
use super::fold_sessions::FoldSessions;
use super::reduced::{ReducedColumns, ReducedRow};

/// Constants of all batches: the prior, the offsets of h, the requested columns, and what ln p
/// may be at most.
#[derive(Debug)]
pub struct EvaluationConstants {
    modalities: usize,
    log_prior: Vec<f64>,
    /// By density.
    h_offsets: Vec<f64>,
    plan: ColumnPlan,
    reduced: ReducedColumns,
    bundle: String,
    /// The classifiers, and what their ln p may be: zero but for rounding.
    most_log_prob: Vec<(Role, f32)>,
    folds: FoldSessions,
}

impl EvaluationConstants {
    /// The constants of a bundle for the given columns, in this order; `folds` are the sessions of
    /// the same bundle's folds.
    ///
    /// # Errors
    /// [`Error::Internal`] for a column that modalities of this number do not have.
    pub fn new(bundle: &Bundle, columns: &[Quantity], folds: &FoldSessions) -> Result<Self> {
        let modalities = bundle.modalities();
        let classifiers = Role::all(modalities).into_iter().filter(|role| !role.is_density());
        let most = bundle.log_prob_rounding_nats().iter().map(|nats| *nats as f32);
        Ok(Self {
            modalities,
            log_prior: bundle.manifest().label.prior.iter().map(|p| p.ln()).collect(),
            h_offsets: bundle.h_offsets(),
            plan: ColumnPlan::new(columns, modalities)?,
            reduced: ReducedColumns::new(columns, modalities),
            bundle: bundle.dir().display().to_string(),
            most_log_prob: classifiers.zip(most).collect(),
            folds: folds.clone(),
        })
    }

    /// What is wrong with a probability above one.
    fn describe(&self, role: Role, log_prob: f32) -> String {
        format!(
            "{role} of bundle {} gives ln p(y|x) = {log_prob:.4}, a probability of {:.4}, so that i would exceed \
             -ln p(y): its output is no log-probability; `lsmi-etl bundle check {}` says what it is",
            self.bundle,
            f64::from(log_prob).exp(),
            self.bundle
        )
    }
}

/// The computed columns of a batch. Values of bad rows are undefined.
#[derive(Debug)]
pub struct ComputedColumns {
    /// One vector per requested column, each as long as the batch; see
    /// [`output_array`](super::output_array) for the fold.
    pub columns: Vec<Vec<f32>>,
    /// The fate of each row.
    pub fates: Vec<Fate>,
    /// The fold whose models evaluated each row, since the others were trained on it; `None` for
    /// the main models. Empty where the bundle has no folds.
    pub folds: Vec<Option<u8>>,
}

impl ComputedColumns {
    /// Good rows that the models were trained on, and that those of a fold evaluated.
    pub fn trained_rows(&self) -> usize {
        self.folds
            .iter()
            .zip(&self.fates)
            .filter(|(fold, fate)| fold.is_some() && **fate == Fate::Good)
            .count()
    }
}

/// One vector for each requested column, and whether r, u1 … uM and s of each row are finite; or a row
/// that no classifier can have.
type Computed = std::result::Result<(Vec<Vec<f32>>, Vec<bool>), ImpossibleRow>;

/// A row to which a classifier gives a probability above one.
struct ImpossibleRow {
    row: usize,
    what: String,
}

/// A session with its output buffers, owned by one worker thread.
pub struct Evaluator<'a> {
    session: Box<dyn Backend>,
    constants: &'a EvaluationConstants,
    evaluated: BatchOutputs,
    y: Vec<i64>,
    log_prior: Vec<f64>,
    /// Where the bundle has folds.
    router: Option<FoldRouter<'a>>,
}

impl<'a> Evaluator<'a> {
    /// Takes ownership of a session of the main models.
    pub fn new(session: Box<dyn Backend>, constants: &'a EvaluationConstants) -> Self {
        let evaluated = BatchOutputs::new(constants.modalities);
        let folds = &constants.folds;
        let router = folds.training_rows().map(|_| FoldRouter::new(folds, constants.modalities));
        Self { session, constants, evaluated, y: Vec::new(), log_prior: Vec::new(), router }
    }

    /// Computes a batch, each good row by models that have not seen it. With the label's entropy among
    /// the columns, the samples' classes are not read, and the columns are expectations. `bad_data` makes
    /// the error for a row of the batch, since only the caller knows where the rows come from.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine fails; [`Error::Bundle`] where the models of a fold have
    /// changed since the bundle was opened. The error of `bad_data` where a classifier gives
    /// a good row a probability above one by more than rounding, so that i exceeds −ln p(y).
    pub fn compute(
        &mut self,
        samples: &Samples,
        bad_data: impl FnOnce(usize, String) -> Error,
    ) -> Result<ComputedColumns> {
        if samples.rows == 0 {
            // Engines are not called with empty batches.
            let columns = vec![Vec::new(); self.constants.plan.columns().len()];
            return Ok(ComputedColumns { columns, fates: Vec::new(), folds: Vec::new() });
        }
        let computed = match self.constants.plan.columns().contains(&Quantity::LabelEntropy) {
            false => self.of_classes(samples, &samples.class),
            true => self.expectations(samples),
        };
        let (columns, finite) = match computed? {
            Ok(computed) => computed,
            Err(ImpossibleRow { row, what }) => return Err(bad_data(row, what)),
        };
        let mut fates = samples.fates.clone();
        for (fate, finite) in fates.iter_mut().zip(finite) {
            if *fate == Fate::Good && !finite {
                *fate = Fate::NonFiniteResult;
            }
        }
        let folds = self.router.as_ref().map(|router| router.folds_of_rows().to_vec()).unwrap_or_default();
        Ok(ComputedColumns { columns, fates, folds })
    }

    /// The columns of rows of these classes.
    fn of_classes(&mut self, samples: &Samples, classes: &[u32]) -> Result<Computed> {
        let rows = samples.rows;
        let log_prior = &self.constants.log_prior;
        self.y.clear();
        self.y.extend(classes.iter().map(|&class| i64::from(class)));
        self.log_prior.clear();
        self.log_prior
            .extend(classes.iter().map(|&class| log_prior.get(class as usize).copied().unwrap_or(f64::NAN)));
        let x: Vec<&[f32]> = samples.x.iter().map(|x| &x[..]).collect();
        let batch = BatchInputs { rows, x: &x, y: &self.y };
        match &mut self.router {
            None => self.session.evaluate(&batch, &mut self.evaluated)?,
            Some(router) => {
                let main = self.session.as_mut();
                let fates = recognisable(samples, self.constants.folds.are_keyed());
                router.evaluate(&batch, &fates, &samples.keys, main, &mut self.evaluated)?;
            }
        }
        if let Some((row, role, log_prob)) = self.impossible(samples) {
            return Ok(Err(ImpossibleRow { row, what: self.constants.describe(role, log_prob) }));
        }
        for (h, &offset) in self.evaluated.h_mut().iter_mut().zip(&self.constants.h_offsets) {
            if offset != 0.0 {
                h.iter_mut().for_each(|h| *h = (f64::from(*h) - offset) as f32);
            }
        }
        let plan = &self.constants.plan;
        let h: Vec<&[f32]> = self.evaluated.h().iter().map(Vec::as_slice).collect();
        let log_p: Vec<&[f32]> = self.evaluated.log_prob().iter().map(Vec::as_slice).collect();
        let outputs = SubsetOutputs { h: &h, log_p: &log_p, log_prior: &self.log_prior };
        let mut atoms = plan.decompose(outputs)?;
        let defaults = atoms.get(..plan.defaults()).unwrap_or_default();
        let mut finite: Vec<bool> =
            (0..rows).map(|row| defaults.iter().all(|atom| atom[row].is_finite())).collect();
        let sources = plan.sources().iter();
        let mut columns: Vec<Vec<f32>> =
            sources.map(|source| self.column(*source, &mut atoms)).collect::<Result<_>>()?;
        for (row, (&set, finite)) in samples.present.iter().zip(&mut finite).enumerate() {
            let log_prior = self.log_prior.get(row).copied().unwrap_or(f64::NAN);
            let reduced = self.constants.reduced.row(set, row, &self.evaluated, log_prior)?;
            let Some(ReducedRow { values, is_finite }) = reduced else { continue };
            *finite = is_finite;
            for (column, value) in columns.iter_mut().zip(values) {
                column[row] = value.unwrap_or(column[row]);
            }
        }
        Ok(Ok((columns, finite)))
    }

    /// The expectations of the columns over the label, Σ_y p(y|x1,x2) · column(y), and its entropy
    /// −Σ_y p(y|x1,x2) ln p(y|x1,x2).
    fn expectations(&mut self, samples: &Samples) -> Result<Computed> {
        let columns = self.constants.plan.columns();
        let mut sums = vec![vec![0.0_f64; samples.rows]; columns.len()];
        let mut weights = vec![0.0_f64; samples.rows];
        let mut all_finite = vec![true; samples.rows];
        let mut last = Vec::new();
        for class in 0..self.constants.log_prior.len() as u32 {
            let (of_class, finite) = match self.of_classes(samples, &vec![class; samples.rows])? {
                Ok(of_class) => of_class,
                Err(impossible) => return Ok(Err(impossible)),
            };
            for (row, weight) in weights.iter_mut().enumerate() {
                let p = self.log_prob_of_present(samples, row).exp();
                *weight += p;
                // A class of probability zero adds nothing, however far its values are.
                if p > 0.0 {
                    all_finite[row] &= finite[row];
                    let terms = sums.iter_mut().zip(&of_class);
                    terms.for_each(|(sum, values)| sum[row] += p * f64::from(values[row]));
                }
            }
            last = of_class;
        }
        let mean = |values: Vec<f64>| values.iter().zip(&weights).map(|(sum, p)| (sum / p) as f32).collect();
        let columns = columns.iter().zip(sums).zip(last);
        let columns = columns.map(|((column, sum), values)| match column {
            Quantity::Fold => self.folds(),
            // The same for every label.
            Quantity::TopClass | Quantity::TopProbability => values,
            _ => mean(sum),
        });
        Ok(Ok((columns.collect(), all_finite)))
    }

    /// ln p(y|x) of all modalities that a row has.
    fn log_prob_of_present(&self, samples: &Samples, row: usize) -> f64 {
        let log_prob = self.evaluated.log_prob();
        let of_set = |set: &Subset| log_prob.get(set.index(self.constants.modalities));
        let classifier = samples.present.get(row).map_or(log_prob.last(), of_set);
        classifier.and_then(|values| values.get(row)).map_or(f64::NAN, |log_p| f64::from(*log_p))
    }

    /// The fold of each row as a number; NaN for the main models.
    fn folds(&self) -> Vec<f32> {
        let of_rows = self.router.as_ref().map(FoldRouter::folds_of_rows);
        let of_rows =
            of_rows.map(|folds| folds.iter().map(|fold| fold.map_or(f32::NAN, f32::from)).collect());
        of_rows.unwrap_or_else(|| vec![f32::NAN; self.y.len()])
    }

    /// The first good row to which a classifier gives a probability above one.
    fn impossible(&self, samples: &Samples) -> Option<(usize, Role, f32)> {
        let classifiers = self.evaluated.log_prob().iter().zip(&self.constants.most_log_prob);
        let of_classifier = |(log_prob, &(role, most)): (&Vec<f32>, &(Role, f32))| {
            // One comparison a row, in vectors: the row is looked for only where there is one.
            let above = log_prob.iter().fold(false, |above, &p| above | (p > most));
            let mut rows = log_prob.iter().zip(&samples.fates).enumerate().filter(|_| above);
            let has = |row| samples.present.get(row).is_none_or(|set| role.modalities().is_subset_of(*set));
            let found = rows.find(|(row, (p, fate))| **p > most && **fate == Fate::Good && has(*row));
            found.map(|(row, (&p, _))| (row, role, p))
        };
        classifiers.filter_map(of_classifier).min_by_key(|(row, ..)| *row)
    }

    /// Returns the session.
    pub fn into_session(self) -> Box<dyn Backend> {
        self.session
    }

    /// The values of a column; those of an atom are moved.
    fn column(&self, source: Source, atoms: &mut [Vec<f32>]) -> Result<Vec<f32>> {
        let of = |outputs: &[Vec<f32>], place: usize| outputs.get(place).cloned().unwrap_or_default();
        let log_prob = self.evaluated.log_prob();
        match source {
            Source::Atom(place) => Ok(atoms.get_mut(place).map(std::mem::take).unwrap_or_default()),
            Source::Information(place) => {
                let log_prob = log_prob.get(place).map(Vec::as_slice).unwrap_or_default();
                let mut i = vec![0.0; log_prob.len()];
                interaction::pointwise_information(log_prob, &self.log_prior, &mut i).map(|()| i)
            }
            Source::Specificity(place) => Ok(of(self.evaluated.h(), place)),
            Source::TopClass | Source::TopProbability => {
                let [class, log_p] = self.evaluated.top_class(log_prob.len().saturating_sub(1));
                Ok(match source {
                    Source::TopClass => class.to_vec(),
                    _ => log_p.iter().map(|log_p| f64::from(*log_p).exp() as f32).collect(),
                })
            }
            Source::Fold => Ok(self.folds()),
            Source::LabelEntropy => {
                let mut negated = log_prob.last().cloned().unwrap_or_default();
                negated.iter_mut().for_each(|log_p| *log_p = -*log_p);
                Ok(negated)
            }
            // Rows that lack some are written over.
            Source::Missing => Ok(vec![0.0; self.y.len()]),
            Source::Prior => Ok(self.log_prior.iter().map(|p| p.exp() as f32).collect()),
            Source::Posterior(place) => {
                let log_prob = log_prob.get(place).map(Vec::as_slice).unwrap_or_default();
                Ok(log_prob.iter().map(|log_p| f64::from(*log_p).exp() as f32).collect())
            }
        }
    }
}

/// The fates of rows, of which the good ones may be known as training rows: by their key all, by the hash of
/// all embeddings those that have all of them.
fn recognisable(samples: &Samples, are_keyed: bool) -> Cow<'_, [Fate]> {
    let is_by_hash = !samples.present.is_empty() && !are_keyed;
    let Some(full) = Subset::full(samples.x.len()).filter(|_| is_by_hash) else {
        return Cow::Borrowed(&samples.fates);
    };
    let rows = samples.fates.iter().zip(&samples.present);
    rows.map(|(fate, set)| if *set == full { *fate } else { Fate::NullEmbedding(Modality(0)) }).collect()
}
