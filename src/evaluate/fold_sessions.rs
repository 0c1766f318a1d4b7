//! The sessions of a bundle's folds. Those of a fold are loaded when the first row of the process
//! needs them, for all workers at once, so that they share the weights; most runs need none.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::{Bundle, TrainingRows};
use crate::engine::{Backend, Engine};
use crate::error::{Error, Result};

/// The sessions of all folds. A clone shares them.
#[derive(Debug, Clone)]
pub struct FoldSessions(Option<Arc<Folds>>);

struct Folds {
    engine: Engine,
    bundle: Bundle,
    workers: usize,
    /// Of each fold the sessions that no worker holds; `None` before they are loaded.
    idle: Vec<Mutex<Option<Vec<Box<dyn Backend>>>>>,
}

impl fmt::Debug for Folds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folds").field("bundle", &self.bundle.dir()).finish_non_exhaustive()
    }
}

impl FoldSessions {
    /// Sessions for this number of workers. Loads nothing yet.
    pub fn new(engine: &Engine, bundle: &Bundle, workers: usize) -> Self {
        let folds = bundle.training_rows().map(|_| {
            let idle = (0..bundle.folds()).map(|_| Mutex::default()).collect();
            Arc::new(Folds { engine: engine.clone(), bundle: bundle.clone(), workers: workers.max(1), idle })
        });
        Self(folds)
    }

    /// The rows that the models were trained on, where the bundle has folds.
    pub(super) fn training_rows(&self) -> Option<&TrainingRows> {
        self.0.as_ref()?.bundle.training_rows()
    }

    /// Whether training rows are known by a key, and not by their embeddings.
    pub(super) fn are_keyed(&self) -> bool {
        self.0.as_ref().is_some_and(|folds| !folds.bundle.row_key().is_empty())
    }

    /// Borrows a session of a fold.
    ///
    /// # Errors
    /// As for [`Bundle::fold_program`] and [`Engine::sessions`].
    pub(super) fn take(&self, fold: usize) -> Result<FoldSession> {
        let unknown = || Error::Internal(format!("the bundle has no fold {fold}"));
        let folds = self.0.as_ref().ok_or_else(unknown)?;
        // Workers that need the same fold wait until it is loaded.
        let mut idle =
            folds.idle.get(fold).ok_or_else(unknown)?.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match idle.as_mut().map(Vec::pop) {
            Some(Some(session)) => session,
            of_before => {
                tracing::debug!("loading the models of fold {fold}");
                let count = if of_before.is_none() { folds.workers } else { 1 };
                let mut loaded = folds.engine.sessions(&folds.bundle.fold_program(fold)?, count)?;
                let session =
                    loaded.pop().ok_or_else(|| Error::Internal("no session was loaded".to_owned()))?;
                idle.get_or_insert_default().extend(loaded);
                session
            }
        };
        Ok(FoldSession { folds: Arc::clone(folds), fold, session: Some(session) })
    }
}

/// A borrowed session of a fold, which returns when it is dropped.
pub(super) struct FoldSession {
    folds: Arc<Folds>,
    fold: usize,
    session: Option<Box<dyn Backend>>,
}

impl FoldSession {
    /// The session.
    ///
    /// # Errors
    /// None in practice: [`Error::Internal`] after it has returned.
    pub(super) fn session(&mut self) -> Result<&mut dyn Backend> {
        match &mut self.session {
            Some(session) => Ok(session.as_mut()),
            None => Err(Error::Internal("a session was used after its return".to_owned())),
        }
    }
}

impl Drop for FoldSession {
    fn drop(&mut self) {
        // The state of a session whose worker panicked is unknown.
        let session = self.session.take().filter(|_| !std::thread::panicking());
        if let (Some(session), Some(idle)) = (session, self.folds.idle.get(self.fold)) {
            idle.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().push(session);
        }
    }
}
