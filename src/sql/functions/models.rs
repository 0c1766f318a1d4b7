//! A registry of the models behind `lsmi`. The first query that names a bundle opens it; all
//! threads share its pool of engine sessions.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, StructArray};

#[cfg(feature = "cluster")]
use crate::bundle::Bundle;
use crate::error::{Error, Result};
#[cfg(feature = "cluster")]
use crate::samples::OnMissingModality;

use super::estimator::{Estimator, OpenBundle};
use super::model_source::{LocalModels, ModelOptions, ModelSource};

/// The bundles and the estimators that queries have opened so far.
pub(in crate::sql) struct ModelRegistry {
    /// The bundle of calls that name none.
    default: PathBuf,
    /// None where plans are only passed on.
    source: Option<Arc<dyn ModelSource>>,
    opened: Mutex<OpenModels>,
    rows: AtomicU64,
    /// The warnings of calls that were said: a query is analysed several times.
    warned: Mutex<HashSet<String>>,
    /// What stands for the models in a plan that leaves this process.
    #[cfg(feature = "cluster")]
    reference: Mutex<Option<Arc<[u8]>>>,
}

#[derive(Default)]
struct OpenModels {
    bundles: HashMap<PathBuf, Arc<OpenBundle>>,
    estimators: HashMap<PathBuf, Arc<Estimator>>,
}

impl ModelRegistry {
    pub(in crate::sql) fn new(default: PathBuf, source: Option<Arc<dyn ModelSource>>) -> Self {
        Self {
            default,
            source,
            opened: Mutex::default(),
            rows: AtomicU64::new(0),
            warned: Mutex::default(),
            #[cfg(feature = "cluster")]
            reference: Mutex::default(),
        }
    }

    /// A registry of bundles and of an engine of this machine.
    pub(super) fn of_options(models: ModelOptions) -> Self {
        Self::new(models.bundle.clone(), Some(Arc::new(LocalModels::new(models))))
    }

    /// The folder or URL of the bundle of a call.
    pub(super) fn folder(&self, bundle: Option<&str>) -> PathBuf {
        bundle.map_or_else(|| self.default.clone(), PathBuf::from)
    }

    /// A bundle for the checks of planning; none where plans are only passed on.
    pub(super) fn bundle(&self, dir: &Path) -> Result<Option<Arc<OpenBundle>>> {
        let Some(source) = &self.source else { return Ok(None) };
        self.opened().bundle(dir, source.as_ref()).map(Some)
    }

    /// The models of a bundle.
    pub(super) fn estimator(&self, dir: &Path) -> Result<Arc<Estimator>> {
        let source = self.source()?;
        // The lock is held while a bundle is opened, so that two calls of one query open it once.
        let mut opened = self.opened();
        if let Some(known) = opened.estimators.get(dir) {
            return Ok(Arc::clone(known));
        }
        let bundle = opened.bundle(dir, source)?;
        let (engine, sessions) = source.engine()?;
        let estimator = Arc::new(Estimator::new(bundle, &engine, sessions, source.on_missing()?)?);
        opened.estimators.insert(dir.to_owned(), Arc::clone(&estimator));
        Ok(estimator)
    }

    fn source(&self) -> Result<&dyn ModelSource> {
        let source = self.source.as_deref();
        source.ok_or_else(|| Error::Internal("this process evaluates no models".to_owned()))
    }

    fn opened(&self) -> MutexGuard<'_, OpenModels> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evaluates x1 … xM, the label and the columns of a key, if any, all of equal length: the fields of
    /// `lsmi`, all null where a row is bad.
    pub(super) fn evaluate(&self, estimator: &Estimator, columns: &[ArrayRef]) -> Result<StructArray> {
        let evaluated = estimator.evaluate(columns)?;
        self.rows.fetch_add(evaluated.len() as u64, Ordering::Relaxed);
        Ok(evaluated)
    }

    /// Warns of something about a call, unless it has.
    pub(super) fn warn_once(&self, what: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.contains(&what) {
            tracing::warn!("{what}");
            warned.insert(what);
        }
    }

    /// What is off about the rows that were evaluated since the last call, for each bundle.
    pub(super) fn take_shifts(&self) -> Vec<Error> {
        let opened = self.opened();
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

/// What a plan takes along of its models.
#[cfg(feature = "cluster")]
impl ModelRegistry {
    /// The bundles that queries have opened, by the folders or URLs that they were given.
    pub(in crate::sql) fn bundles(&self) -> Vec<(PathBuf, Arc<Bundle>)> {
        let opened = self.opened();
        let bundles = opened.bundles.iter();
        bundles.map(|(dir, open)| (dir.clone(), Arc::clone(open.bundle()))).collect()
    }

    /// The treatment of rows that lack a modality.
    ///
    /// # Errors
    /// As for [`ModelSource::on_missing`]; [`Error::Internal`] where plans are only passed on.
    pub(in crate::sql) fn on_missing(&self) -> Result<OnMissingModality> {
        self.source()?.on_missing()
    }

    /// The bundle of calls that name none.
    pub(in crate::sql) fn default_folder(&self) -> &Path {
        &self.default
    }

    /// Sets what stands for the models in a plan that leaves this process.
    pub(in crate::sql) fn set_reference(&self, reference: Vec<u8>) {
        let reference = Some(reference.into());
        *self.reference.lock().unwrap_or_else(PoisonError::into_inner) = reference;
    }

    /// What stands for the models in a plan that leaves this process.
    pub(in crate::sql) fn reference(&self) -> Option<Arc<[u8]>> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl OpenModels {
    fn bundle(&mut self, dir: &Path, source: &dyn ModelSource) -> Result<Arc<OpenBundle>> {
        if let Some(known) = self.bundles.get(dir) {
            return Ok(Arc::clone(known));
        }
        let bundle = source.bundle(dir)?;
        let open = Arc::new(OpenBundle::new(bundle)?);
        self.bundles.insert(dir.to_owned(), Arc::clone(&open));
        Ok(open)
    }
}

impl std::fmt::Debug for ModelRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelRegistry").field("default", &self.default).finish_non_exhaustive()
    }
}
