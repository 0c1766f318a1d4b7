//! The evaluation of rows by the models of a bundle: its checks, constants and pool of engine sessions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, Float32Array, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{FieldRef, Fields};
use datafusion::arrow::util::display::array_value_to_string;

use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Place, Result};
use crate::evaluate::{
    EvaluationConstants, Evaluator, FoldSessions, compared_quantities, distribution_shift,
    fastest_batch_rows, field, output_array,
};
use crate::interaction::{MomentSummary, Moments, Quantity};
use crate::printable::{quoted_name, without_secrets};
use crate::samples::{
    EmbeddingType, Embeddings, Fate, LabelIndex, LabelPlace, LabelType, OnMissingModality, Samples,
    check_key_type, class_examples, extract,
};

use super::super::spare_threads::SpareThreads;
use super::call::{Arguments, CallShape, lsmi_fields};
use super::session_pool::SessionPool;

/// The type of `lsmi(…)` of so many modalities: nullable f32 fields, each with its description and unit.
pub(super) fn fields(modalities: usize) -> Fields {
    lsmi_fields(modalities).into_iter().map(|column| field(column, modalities, &[])).collect()
}

/// A bundle with its label index.
pub(super) struct OpenBundle {
    bundle: Arc<Bundle>,
    index: LabelIndex,
}

impl OpenBundle {
    /// A bundle with its label index.
    ///
    /// # Errors
    /// As for [`LabelIndex::new`].
    pub(super) fn new(bundle: Arc<Bundle>) -> Result<Self> {
        Ok(Self { index: LabelIndex::new(bundle.classes())?, bundle })
    }

    /// The bundle.
    #[cfg(feature = "cluster")]
    pub(super) fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The bundle's folder or URL, for messages and plans.
    fn name(&self) -> String {
        without_secrets(self.bundle.dir())
    }

    /// The places of the arguments of a call.
    pub(super) fn shape(&self) -> CallShape {
        CallShape::of_modalities(self.bundle.modalities())
    }

    /// Checks the argument types against the bundle's modalities, dimensions and classes.
    ///
    /// # Errors
    /// [`Error::Usage`] where the call has another number of embeddings or of columns of a key;
    /// [`Error::BadData`] that names the bundle and the column.
    pub(super) fn check(&self, args: &Arguments<'_, FieldRef>) -> Result<()> {
        let Arguments { x, label, key, .. } = *args;
        if x.len() != self.bundle.modalities() {
            return Err(Error::Usage(format!(
                "{}: the call gives {} embeddings before {:?} ({}), and the bundle has {} modalities; write lsmi({})",
                self.place(),
                x.len(),
                label.name(),
                label.data_type(),
                self.bundle.modalities(),
                self.shape().example()
            )));
        }
        let place = |field: &FieldRef| self.place().column(field.name());
        self.check_key_length(key.len())?;
        for field in key {
            check_key_type(field.data_type(), &place(field))?;
        }
        // A label may be a text, where the classes are.
        let label_of_other_type = Some(label).filter(|_| self.index.kind() != LabelType::String);
        if let Some(text) =
            x.iter().chain(label_of_other_type).find_map(|field| text_of_literal(field.name()))
        {
            return Err(Error::Usage(format!(
                "SQL: '{text}' is a text, and lsmi takes a column there, which stands without quotes or in double ones: {}",
                quoted_name(text)
            )));
        }
        for (field, dim) in x.iter().zip(self.bundle.dims()) {
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
}

/// The text of an expression that is one, by the name that DataFusion gives it.
fn text_of_literal(name: &str) -> Option<&str> {
    name.strip_prefix("Utf8(\"")?.strip_suffix("\")")
}

/// A bundle with its constants and its pool of engine sessions.
pub(super) struct Estimator {
    open: Arc<OpenBundle>,
    constants: EvaluationConstants,
    pool: SessionPool,
    spare_threads: Arc<SpareThreads>,
    batch_rows: usize,
    on_missing: OnMissingModality,
    /// Whether a warning has named an unknown label.
    has_warned: AtomicBool,
    /// Whether a warning has named an embedding of another length.
    has_warned_of_length: AtomicBool,
    /// Whether a warning has said that training rows can't be known without their key.
    has_warned_of_key: AtomicBool,
    /// Whether a warning has said that training rows that lack a modality can't be known.
    has_warned_of_reduced: AtomicBool,
    /// Those of the good rows of a query: of r, u1 … uM and s, and of what else rows are compared by.
    moments: Mutex<Vec<(Quantity, Moments)>>,
}

impl Estimator {
    /// The estimator of a bundle, with so many sessions of the engine.
    ///
    /// # Errors
    /// As for [`EvaluationConstants::new`] and [`Engine::sessions`].
    pub(super) fn new(
        open: Arc<OpenBundle>,
        engine: &Engine,
        sessions: usize,
        on_missing: OnMissingModality,
    ) -> Result<Self> {
        let bundle = &open.bundle;
        Ok(Self {
            constants: EvaluationConstants::new(
                bundle,
                &lsmi_fields(bundle.modalities()),
                &FoldSessions::new(engine, bundle, sessions),
            )?,
            pool: SessionPool::new(engine.sessions(&bundle.program(), sessions)?),
            spare_threads: SpareThreads::new(sessions),
            batch_rows: fastest_batch_rows(bundle.dims().iter().sum()),
            on_missing,
            has_warned: AtomicBool::new(false),
            has_warned_of_length: AtomicBool::new(false),
            has_warned_of_key: AtomicBool::new(false),
            has_warned_of_reduced: AtomicBool::new(false),
            moments: Mutex::default(),
            open,
        })
    }

    /// The threads that could evaluate beside those of the partitions.
    pub(super) fn spare_threads(&self) -> &Arc<SpareThreads> {
        &self.spare_threads
    }

    fn bundle(&self) -> &Bundle {
        &self.open.bundle
    }

    fn place(&self) -> Place {
        self.open.place()
    }

    fn modalities(&self) -> usize {
        self.bundle().modalities()
    }

    /// Evaluates x1 … xM, the label and the columns of a key, if any.
    pub(super) fn evaluate(&self, columns: &[ArrayRef]) -> Result<StructArray> {
        let rows = columns.first().map_or(0, |column| column.len());
        self.warn_of_key(columns.len() > self.modalities() + 1);
        let (values, good) = self.pool.with_session(|session| {
            let mut evaluator = Evaluator::new(session, &self.constants);
            let result = self.compute_batches(&mut evaluator, columns);
            (evaluator.into_session(), result)
        })?;
        self.count(&values, &good);
        let nulls = NullBuffer::from(good);
        let arrays = lsmi_fields(self.modalities()).into_iter().zip(values).map(|(field, values)| {
            output_array(field, Float32Array::new(values.into(), Some(nulls.clone())), &[])
        });
        StructArray::try_new_with_length(
            fields(self.modalities()),
            arrays.collect(),
            Some(nulls.clone()),
            rows,
        )
        .map_err(|e| Error::Internal(e.to_string()))
    }

    /// Adds the good rows to the moments of the query.
    fn count(&self, values: &[Vec<f32>], good: &[bool]) {
        let counted = self.counted();
        let fields = lsmi_fields(self.modalities()).into_iter().zip(values);
        let of_call = fields.filter(|(field, _)| counted.contains(field)).map(|(field, values)| {
            let mut moments = Moments::default();
            // NaN where the modalities that a row has make no such value.
            let values = values.iter().zip(good).filter(|(value, good)| **good && !value.is_nan());
            moments.push_slice(&values.map(|(value, _)| *value).collect::<Vec<f32>>());
            (field, moments)
        });
        let of_call: Vec<_> = of_call.collect();
        let mut all = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            all.extend(counted.into_iter().map(|field| (field, Moments::default())));
        }
        for (field, moments) in &mut *all {
            of_call.iter().filter(|(of, _)| of == field).for_each(|(_, some)| moments.merge(some));
        }
    }

    /// What is counted of the good rows.
    fn counted(&self) -> Vec<Quantity> {
        let defaults = Quantity::defaults(self.modalities());
        defaults.into_iter().chain(compared_quantities(self.modalities())).collect()
    }

    /// What is off about the rows counted since the last call.
    pub(super) fn take_shift(&self) -> Option<Error> {
        let moments = std::mem::take(&mut *self.moments.lock().unwrap_or_else(PoisonError::into_inner));
        let others = compared_quantities(self.modalities());
        let of = |is_other: bool| {
            let found = moments.iter().filter(|(of, _)| others.contains(of) == is_other);
            let named = |(of, moments): &(Quantity, Moments)| -> (String, MomentSummary) {
                (of.name(self.modalities()).into_owned(), moments.summary())
            };
            found.map(named).collect()
        };
        distribution_shift(self.bundle(), &of(false), &of(true))
            .map(|what| Error::bad_data(self.place(), what))
    }

    /// The values of all fields, and whether each row is good.
    fn compute_batches(
        &self,
        evaluator: &mut Evaluator<'_>,
        columns: &[ArrayRef],
    ) -> Result<(Vec<Vec<f32>>, Vec<bool>)> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut values = vec![Vec::with_capacity(rows); lsmi_fields(self.modalities()).len()];
        let mut good = Vec::with_capacity(rows);
        for start in (0..rows).step_by(self.batch_rows) {
            let length = self.batch_rows.min(rows - start);
            let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, length)).collect();
            let samples = self.samples(&columns)?;
            self.warn_of_unknown(&samples);
            self.warn_of_length(&samples);
            self.warn_of_reduced(&samples);
            let bad_data = |row: usize, what| {
                let label = array_value_to_string(&samples.label, row).unwrap_or_default();
                Error::bad_data(self.place(), format!("a row with the label {label}: {what}"))
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
            self.open.index.examples()
        );
    }

    /// Names the first argument whose embedding has another length than its modality, in a warning, once.
    fn warn_of_length(&self, samples: &Samples) {
        let other = samples.fates.iter().find_map(|fate| match fate {
            Fate::WrongLength(modality) => Some(usize::from(modality.0)),
            _ => None,
        });
        let Some(modality) = other.filter(|_| !self.has_warned_of_length.swap(true, Ordering::Relaxed))
        else {
            return;
        };
        let dims = self.bundle().dims();
        let Some(dim) = dims.get(modality) else { return };
        tracing::warn!(
            "{}: an embedding of the argument x{} has not the {dim} values of its modality; such rows are null; the \
             dimensions of the bundle are {}, in this order",
            self.place(),
            modality + 1,
            dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ")
        );
    }

    /// Says once that rows which the models were trained on are not known without their key.
    fn warn_of_key(&self, has_key: bool) {
        let key = self.bundle().row_key();
        if has_key || key.is_empty() || self.has_warned_of_key.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            "{}: the bundle knows its training rows by {}, which the call does not give: all rows are evaluated as \
             fresh ones, and those trained on look better than they are; write lsmi({}, '{}', {})",
            self.place(),
            key.join(", "),
            self.open.shape().example(),
            self.open.name(),
            key.join(", ")
        );
    }

    /// Says once that rows which lack a modality are not known as training rows by the hash of all embeddings.
    fn warn_of_reduced(&self, samples: &Samples) {
        let bundle = self.bundle();
        let is_by_hash = bundle.training_rows().is_some() && bundle.row_key().is_empty();
        if !is_by_hash || !samples.has_reduced() || self.has_warned_of_reduced.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            "{}: rows that lack a modality are evaluated as fresh ones: the bundle knows its training rows by the \
             hash of all embeddings, so that those among them look better than they are; fit with --key, and they \
             are known by it",
            self.place()
        );
    }

    fn samples(&self, columns: &[ArrayRef]) -> Result<Samples> {
        let few = || Error::Internal(format!("lsmi has {} columns", columns.len()));
        let (x, rest) = columns.split_at_checked(self.modalities()).ok_or_else(few)?;
        let (label, key) = rest.split_first().ok_or_else(few)?;
        let read = |(array, dim): (&ArrayRef, usize)| -> Result<Embeddings> {
            extract(array, EmbeddingType::require(array.data_type(), Place::file("lsmi"))?, dim)
        };
        let x = x.iter().zip(self.bundle().dims()).map(read).collect::<Result<_>>()?;
        let Place { file, .. } = self.place();
        let at = LabelPlace::Query(Place::file(format!("argument y of {file}")));
        Samples::assemble(&self.open.index, 0, x, Arc::clone(label), &at, key, self.on_missing)
    }
}
