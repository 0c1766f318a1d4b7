//! A registry of the models behind `lsmi`. The first query that names a bundle opens it; all
//! threads share its pool of engine sessions.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, Float32Array, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{FieldRef, Fields};
use datafusion::arrow::util::display::array_value_to_string;

use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};
use crate::evaluate::{
    EvaluationConstants, Evaluator, FoldSessions, distribution_shift, fastest_batch_rows, field, open_bundle,
};
use crate::interaction::{Moments, Quantity};
use crate::printable::without_secrets;
use crate::samples::{
    EmbeddingType, Embeddings, Fate, LabelIndex, LabelPlace, Samples, check_key_type, class_examples, extract,
};

use super::super::spare_threads::SpareThreads;
use super::session_pool::SessionPool;

/// The struct fields of `lsmi(…)`, in order.
pub(super) const LSMI_FIELDS: [Quantity; 9] = [
    Quantity::R,
    Quantity::U1,
    Quantity::U2,
    Quantity::S,
    Quantity::I1,
    Quantity::I2,
    Quantity::I12,
    Quantity::H1,
    Quantity::H2,
];

/// x1, x2 and y, which are followed by the key.
const ARGUMENTS: usize = 3;

/// The type of `lsmi(…)`: nullable f32 fields, each with its description and unit.
pub(super) fn fields() -> Fields {
    LSMI_FIELDS.iter().map(|column| field(*column)).collect()
}

/// The default bundle, the engine and the number of sessions of the `lsmi` functions.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// Default bundle of calls that name none, a folder or a URL. It is opened when the first such
    /// call is planned, so that other queries do not need it.
    pub bundle: PathBuf,
    /// Engine that runs the models, located when the first call is planned.
    pub engine: EngineOptions,
    /// Sessions in each bundle's pool, one for each thread that evaluates at a time; the machine's
    /// cores where `None`.
    pub sessions: Option<NonZeroUsize>,
}

impl Default for ModelOptions {
    /// `lsmi-bundle` in the current folder, where `lsmi-etl fit` writes it.
    fn default() -> Self {
        Self { bundle: PathBuf::from("lsmi-bundle"), engine: EngineOptions::default(), sessions: None }
    }
}

/// The engine and the bundles that queries have opened so far.
pub(super) struct ModelRegistry {
    models: ModelOptions,
    opened: Mutex<OpenModels>,
    rows: AtomicU64,
}

#[derive(Default)]
struct OpenModels {
    engine: Option<Engine>,
    estimators: HashMap<PathBuf, Arc<Estimator>>,
}

impl ModelRegistry {
    pub(super) fn new(models: ModelOptions) -> Self {
        Self { models, opened: Mutex::default(), rows: AtomicU64::new(0) }
    }

    /// The models of a bundle, or of the default bundle.
    pub(super) fn estimator(&self, bundle: Option<&str>) -> Result<Arc<Estimator>> {
        let dir = bundle.map_or(self.models.bundle.as_path(), Path::new);
        // The lock is held while a bundle is opened, so that two calls of one query open it once.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.estimators.get(dir) {
            return Ok(Arc::clone(known));
        }
        let bundle = open_bundle(dir)?;
        let engine = match opened.engine.take() {
            Some(engine) => engine,
            None => {
                let engine = Engine::find(&self.models.engine)?;
                tracing::info!("engine: {}", engine.describe());
                engine
            }
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let sessions = self.models.sessions.unwrap_or_else(cores).get();
        let estimator = Estimator::new(bundle, &engine, sessions).map(Arc::new);
        opened.engine = Some(engine);
        let estimator = estimator?;
        opened.estimators.insert(dir.to_owned(), Arc::clone(&estimator));
        Ok(estimator)
    }

    /// Evaluates x1, x2, the label and the columns of a key, if any, all of equal length: the fields of
    /// [`LSMI_FIELDS`], all null where a row is bad.
    pub(super) fn evaluate(&self, estimator: &Estimator, columns: &[ArrayRef]) -> Result<StructArray> {
        let evaluated = estimator.evaluate(columns)?;
        self.rows.fetch_add(evaluated.len() as u64, Ordering::Relaxed);
        Ok(evaluated)
    }

    /// What is off about the rows that were evaluated since the last call, for each bundle.
    pub(super) fn take_shifts(&self) -> Vec<Error> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shifts: Vec<_> = opened
            .estimators
            .iter()
            .filter_map(|(dir, estimator)| Some((dir, estimator.take_shift()?)))
            .collect();
        shifts.sort_by_key(|(dir, _)| dir.to_owned());
        shifts.into_iter().map(|(_, shift)| shift).collect()
    }

    /// Rows evaluated since the functions were registered.
    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for ModelRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelRegistry").field("models", &self.models).finish_non_exhaustive()
    }
}

/// A bundle with its label index, constants and pool of engine sessions.
pub(super) struct Estimator {
    bundle: Bundle,
    index: LabelIndex,
    constants: EvaluationConstants,
    pool: SessionPool,
    spare_threads: Arc<SpareThreads>,
    batch_rows: usize,
    /// Whether a warning has named an unknown label.
    has_warned: AtomicBool,
    /// Whether a warning has said that training rows can't be known without their key.
    has_warned_of_key: AtomicBool,
    /// Those of r, u1, u2 and s of the good rows of a query.
    moments: Mutex<[Moments; 4]>,
}

impl Estimator {
    fn new(bundle: Bundle, engine: &Engine, sessions: usize) -> Result<Self> {
        Ok(Self {
            index: LabelIndex::new(bundle.classes())?,
            constants: EvaluationConstants::new(
                &bundle,
                &LSMI_FIELDS,
                &FoldSessions::new(engine, &bundle, sessions),
            ),
            pool: SessionPool::new(engine.sessions(&bundle.program(), sessions)?),
            spare_threads: SpareThreads::new(sessions),
            batch_rows: fastest_batch_rows(bundle.dims()),
            has_warned: AtomicBool::new(false),
            has_warned_of_key: AtomicBool::new(false),
            moments: Mutex::default(),
            bundle,
        })
    }

    /// The bundle's folder or URL, for messages and plans.
    pub(super) fn name(&self) -> String {
        without_secrets(self.bundle.dir())
    }

    /// The threads that could evaluate beside those of the partitions.
    pub(super) fn spare_threads(&self) -> &Arc<SpareThreads> {
        &self.spare_threads
    }

    /// Checks the argument types against the bundle's dimensions and classes.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the bundle and the column.
    pub(super) fn check(&self, [x1, x2, label]: [&FieldRef; 3], key: &[FieldRef]) -> Result<()> {
        let place = |field: &FieldRef| self.place().column(field.name());
        self.check_key_length(key.len())?;
        for field in key {
            check_key_type(field.data_type(), &place(field))?;
        }
        for (field, dim) in [x1, x2].into_iter().zip(self.bundle.dims()) {
            let kind = EmbeddingType::require(field.data_type(), place(field))?;
            kind.check_dimension(dim, place(field))?;
        }
        self.index.check(label.data_type(), &LabelPlace::Query(place(label)))
    }

    /// Checks the number of arguments for a key: none, or all of its columns.
    fn check_key_length(&self, given: usize) -> Result<()> {
        let key = self.bundle.row_key();
        if given == 0 || given == key.len() {
            return Ok(());
        }
        let what = match key {
            [] => "the bundle knows its training rows by their embeddings; omit the arguments after it"
                .to_owned(),
            key => format!("the bundle knows its training rows by {}; give these after it", key.join(", ")),
        };
        Err(Error::Usage(format!("{}: {what}", self.place())))
    }

    fn place(&self) -> Place {
        Place::file(format!("lsmi with bundle {}", self.name()))
    }

    fn evaluate(&self, columns: &[ArrayRef]) -> Result<StructArray> {
        let rows = columns.first().map_or(0, |column| column.len());
        self.warn_of_key(columns.len() > ARGUMENTS);
        let (values, good) = self.pool.with_session(|session| {
            let mut evaluator = Evaluator::new(session, &self.constants);
            let result = self.compute_batches(&mut evaluator, columns);
            (evaluator.into_session(), result)
        })?;
        self.count(&values, &good);
        let nulls = NullBuffer::from(good);
        let arrays = values
            .into_iter()
            .map(|column| -> ArrayRef { Arc::new(Float32Array::new(column.into(), Some(nulls.clone()))) });
        StructArray::try_new_with_length(fields(), arrays.collect(), Some(nulls.clone()), rows)
            .map_err(|e| Error::Internal(e.to_string()))
    }

    /// Adds the good rows to the moments of the query.
    fn count(&self, values: &[Vec<f32>], good: &[bool]) {
        let mut of_call = [Moments::default(); 4];
        for (moments, values) in of_call.iter_mut().zip(values) {
            let values = values.iter().zip(good).filter(|(_, good)| **good);
            moments.push_slice(&values.map(|(value, _)| *value).collect::<Vec<f32>>());
        }
        let mut all = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().zip(&of_call).for_each(|(all, some)| all.merge(some));
    }

    /// What is off about the rows counted since the last call.
    fn take_shift(&self) -> Option<Error> {
        let moments = std::mem::take(&mut *self.moments.lock().unwrap_or_else(PoisonError::into_inner));
        let columns = Quantity::PARTS.iter().zip(moments);
        let columns = columns.map(|(part, moments)| (part.name().to_owned(), moments.summary())).collect();
        let manifest = self.bundle.manifest();
        let validation = manifest.training.as_ref().map(|training| &training.validation);
        distribution_shift(&manifest.label.prior, validation, &columns)
            .map(|what| Error::bad_data(self.place(), what))
    }

    /// The values of all fields, and whether each row is good.
    fn compute_batches(
        &self,
        evaluator: &mut Evaluator<'_>,
        columns: &[ArrayRef],
    ) -> Result<(Vec<Vec<f32>>, Vec<bool>)> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut values = vec![Vec::with_capacity(rows); LSMI_FIELDS.len()];
        let mut good = Vec::with_capacity(rows);
        for start in (0..rows).step_by(self.batch_rows) {
            let length = self.batch_rows.min(rows - start);
            let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, length)).collect();
            let samples = self.samples(&columns)?;
            self.warn_of_unknown(&samples);
            let bad_data = |row: usize, what| {
                let label = array_value_to_string(&samples.label, row).unwrap_or_default();
                let place = Place::file(format!("lsmi with bundle {}", self.name()));
                Error::bad_data(place, format!("a row with the label {label}: {what}"))
            };
            let computed = evaluator.compute(&samples, bad_data)?;
            for (all, some) in values.iter_mut().zip(&computed.columns) {
                all.extend_from_slice(some);
            }
            good.extend(computed.fates.iter().map(|fate| *fate == Fate::Good));
        }
        Ok((values, good))
    }

    /// Names the first unknown label in a warning, once: its rows are null in the result, which
    /// may be all that a query gives.
    fn warn_of_unknown(&self, samples: &Samples) {
        let unknown = samples.fates.iter().position(|fate| *fate == Fate::UnknownLabel);
        let Some(row) = unknown.filter(|_| !self.has_warned.swap(true, Ordering::Relaxed)) else { return };
        let label = array_value_to_string(&samples.label, row).unwrap_or_default();
        tracing::warn!(
            "{}: label {} is none of the bundle's classes ({}); rows of unknown labels are null",
            self.place(),
            class_examples([label]),
            self.index.examples()
        );
    }

    /// Says once that rows which the models were trained on are not known without their key.
    fn warn_of_key(&self, has_key: bool) {
        let key = self.bundle.row_key();
        if has_key || key.is_empty() || self.has_warned_of_key.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            "{}: the bundle knows its training rows by {}, which the call does not give: all rows are evaluated as \
             fresh ones, and those trained on look better than they are; write lsmi(x1, x2, y, '{}', {})",
            self.place(),
            key.join(", "),
            self.name(),
            key.join(", ")
        );
    }

    fn samples(&self, columns: &[ArrayRef]) -> Result<Samples> {
        let [x1, x2, label, key @ ..] = columns else {
            return Err(Error::Internal(format!("lsmi has {} columns", columns.len())));
        };
        let [d1, d2] = self.bundle.dims();
        let read = |array: &ArrayRef, dim: usize| -> Result<Embeddings> {
            extract(array, EmbeddingType::require(array.data_type(), Place::file("lsmi"))?, dim)
        };
        let Place { file, .. } = self.place();
        let at = LabelPlace::Query(Place::file(format!("argument y of {file}")));
        Samples::assemble(&self.index, 0, read(x1, d1)?, read(x2, d2)?, Arc::clone(label), &at, key)
    }
}
