//! A run: the models, the engine, the options and the batch plan that all of its files share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::bundle::Bundle;
use crate::engine::{Device, Engine};
use crate::error::{Error, Place, Result};
use crate::evaluate::{self, EvaluationConstants, FoldSessions, OnShift};
use crate::interaction::{ColumnName, MomentSummary, Quantity};
use crate::parquet_file::Input;
use crate::samples::Source;
use crate::storage::{BufferPool, SourceFile};

use super::batch_size::{self, BatchPlan, BatchSizeTuner, DeviceProfile, Sessions, Workload};
use super::journal::LockPatience;
use super::options::AnnotateOptions;
use super::progress::{InputStart, Progress};
use super::replaced_columns::ReplacedColumns;
use super::requested_columns::RequestedColumns;
use super::row_stats::RowStats;
use super::summary::ModelsUsed;

/// One run of `annotate` over a file, several files or a stream.
pub struct Run<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) engine: &'a Engine,
    pub(super) options: &'a AnnotateOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a AtomicBool,
    /// The plan of a run that has not tuned its batch.
    batch: BatchPlan,
    workers: usize,
    limit_bytes: u64,
    lock_patience: Duration,
    /// Sessions that no file uses.
    idle: Mutex<Sessions>,
    tuner: BatchSizeTuner<'a>,
    folds: FoldSessions,
    /// An input whose ends were requested before the models were loaded.
    prefetched: Mutex<Option<SourceFile>>,
    /// Memory for pages goes from file to file.
    _buffers: BufferPool,
}

impl<'a> Run<'a> {
    /// A run of these models. It ends with [`Error::Interrupted`] soon after `stop` is set.
    pub fn new(
        bundle: &'a Bundle,
        engine: &'a Engine,
        options: &'a AnnotateOptions,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Self {
        Self::with_tuning_share(bundle, engine, options, progress, stop, batch_size::SHARE)
    }

    /// As [`Run::new`]; tuning the batch may take this share of the time of the rows.
    pub fn with_tuning_share(
        bundle: &'a Bundle,
        engine: &'a Engine,
        options: &'a AnnotateOptions,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
        share: f64,
    ) -> Self {
        let device = engine.device();
        let workers = options.workers.unwrap_or_else(|| device.workers()).max(1);
        let limit_bytes = options.memory_limit_bytes.unwrap_or_else(batch_size::default_limit_bytes);
        let profile = DeviceProfile::of(device);
        let workload = Workload { total_dim: bundle.dims().iter().sum(), workers, profile, limit_bytes };
        let batch = workload.plan(options.batch_rows);
        // A GPU's batches are large for another reason than a cache.
        let is_fixed = options.batch_rows.is_some() || device != Device::Cpu;
        let neighbours = if is_fixed { Vec::new() } else { workload.neighbours(batch) };
        let candidates = std::iter::once(batch.batch_rows).chain(neighbours).collect();
        let models = match options.extras.iter().any(ColumnName::is_of_top_class) {
            true => bundle.clone().with_top_classes(),
            false => bundle.clone(),
        };
        let folds = FoldSessions::new(engine, &models, workers);
        let tuner = BatchSizeTuner::new(engine, models, workers, candidates, share);
        Self {
            bundle,
            engine,
            options,
            progress,
            stop,
            batch,
            workers,
            limit_bytes,
            lock_patience: Duration::ZERO,
            idle: Mutex::default(),
            tuner,
            folds,
            prefetched: Mutex::default(),
            _buffers: BufferPool::shared(),
        }
    }

    /// As it is; waits so long for another run on the same output to end.
    #[must_use]
    pub fn with_lock_patience(self, lock_patience: Duration) -> Self {
        Self { lock_patience, ..self }
    }

    /// As it is; reads this file where it is the input.
    #[must_use]
    pub fn with_prefetched(self, file: Option<SourceFile>) -> Self {
        Self { prefetched: Mutex::new(file), ..self }
    }

    pub(super) fn lock_patience(&self) -> LockPatience<'_> {
        LockPatience { time: self.lock_patience, stop: self.stop }
    }

    /// The rows of a batch that were chosen by timing, where they were.
    pub fn tuned_batch_rows(&self) -> Option<usize> {
        self.tuner.chosen()
    }

    /// The models, as a summary names them.
    pub(super) fn models_used(&self) -> ModelsUsed {
        let engine = self.engine.describe().to_string();
        ModelsUsed { engine, bundle_sha256: self.bundle.digest().to_owned() }
    }

    /// Rows of a batch that is not tuned.
    pub(super) fn batch_rows(&self) -> usize {
        self.batch.batch_rows
    }

    /// Capacity of the queue in front of the workers and of the reorder buffer behind them.
    pub(super) fn queue(&self) -> usize {
        self.batch.queue
    }

    /// Threads that evaluate batches, each with a session.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Memory that batches may take.
    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The constants of all batches with these columns.
    ///
    /// # Errors
    /// As for [`EvaluationConstants::new`].
    pub(super) fn constants(&self, columns: &[Quantity]) -> Result<EvaluationConstants> {
        EvaluationConstants::new(self.bundle, columns, &self.folds)
    }

    /// The rows of these statistics that the models were trained on; `None` where the bundle does
    /// not record its training rows.
    pub(super) fn trained_rows(&self, stats: &RowStats) -> Option<u64> {
        self.bundle.training_rows().map(|_| stats.trained_rows())
    }

    /// What is off where the models do not describe the rows of these columns and of what else they are compared by.
    ///
    /// # Errors
    /// [`Error::BadData`] of the input, with `--on-shift fail`.
    pub(super) fn checked_shift(
        &self,
        (columns, information): (&BTreeMap<String, MomentSummary>, &BTreeMap<String, MomentSummary>),
        input: &Place,
    ) -> Result<Option<String>> {
        let found = evaluate::distribution_shift(self.bundle, columns, information);
        match (found, self.options.on_shift) {
            (Some(what), OnShift::Fail) => Err(Error::bad_data(input.clone(), what)),
            (found, _) => Ok(found),
        }
    }

    /// The sessions of the last file, else new ones: see [`BatchSizeTuner::sessions`].
    pub(super) fn sessions(&self) -> Result<Sessions> {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        if idle.is_empty() { self.tuner.sessions() } else { Ok(idle) }
    }

    /// Keeps sessions for the next file: to load models takes longer than to evaluate a small one.
    pub(super) fn keep_sessions(&self, sessions: Sessions) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = sessions;
    }

    /// See [`BatchSizeTuner::choose`].
    pub(super) fn choose_batch(&self, rows: u64) -> Result<(usize, Option<Sessions>)> {
        self.tuner.choose(rows, self.stop)
    }

    /// Fails after the stop flag is set.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn check_stop(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Reports the start of a file.
    pub(super) fn begin(&self, file: String, rows: Option<u64>, resumed_rows: u64) {
        let row_bytes = 4 * self.bundle.dims().iter().sum::<usize>() as u64;
        self.progress.begin(InputStart { file, rows, resumed_rows, row_bytes });
    }

    /// The columns of the options, else the bundle's.
    ///
    /// # Errors
    /// As for [`RequestedColumns::of`].
    pub(super) fn requested_columns(&self) -> Result<RequestedColumns> {
        RequestedColumns::of(self.bundle, self.options)
    }

    /// Opens an input with the keys of the options, and checks that they are all it needs. It lacks the columns that
    /// the new ones replace, which are returned with it.
    ///
    /// # Errors
    /// As for [`Input::open_with`], [`Input::check_keys`] and [`RequestedColumns::without_replaced`].
    pub(super) fn open(&self, input: &Path, columns: &RequestedColumns) -> Result<(Input, ReplacedColumns)> {
        let keys = self.options.keys.as_ref();
        let mut prefetched = self.prefetched.lock().unwrap_or_else(PoisonError::into_inner);
        let file = prefetched.take_if(|file| file.path() == input);
        // Other files are opened meanwhile.
        drop(prefetched);
        let opened = match file {
            Some(file) => Input::of_file(&file, keys)?,
            None => Input::open_with(input, keys)?,
        };
        let opened = opened.ignoring_checksums(self.options.no_page_checksums);
        opened.check_keys()?;
        columns.without_replaced(&opened)
    }

    /// The samples of an input.
    ///
    /// # Errors
    /// As for [`Source::new`].
    pub(super) fn source(&self, input: &Input, columns: &RequestedColumns) -> Result<Source> {
        let source = Source::new(input, &columns.request(self.bundle, self.options));
        source.map_err(|error| columns.missing(error, input.schema(), self.bundle))
    }
}
