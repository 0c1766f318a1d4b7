//! The models of a query: their reference in its plan, and how an executor opens them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ballista_core::serde::protobuf::PartitionLocation;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Place, Result};
use crate::samples::OnMissingModality;
use crate::sql::ModelSource;
use crate::sql::distributed::ModelOpener;
use crate::threads::{runtime, spawn_scoped};

use super::executor_bundles::Unable;
use super::job::{BundleReference, EngineRequest, VERSION};
use super::unit_runner::UnitRunner;

/// The models of a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueryModels {
    version: String,
    engine: EngineRequest,
    on_missing: OnMissingModality,
    bundles: Vec<QueryBundle>,
}

/// A bundle of a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct QueryBundle {
    /// As the query names it.
    asked: PathBuf,
    reference: BundleReference,
    /// Where its parts are, as Ballista's message; none of a bundle that does not travel.
    parts: Option<Vec<u8>>,
}

impl QueryModels {
    /// No bundles yet, on this engine.
    pub(super) fn new(engine: EngineRequest, on_missing: OnMissingModality) -> Self {
        Self { version: VERSION.to_owned(), engine, on_missing, bundles: Vec::new() }
    }

    /// Adds a bundle under the name by which the query knows it, with the place of its parts where it
    /// travels.
    ///
    /// # Errors
    /// [`Error::Usage`] where the working folder is unknown.
    pub(super) fn add(
        &mut self,
        asked: PathBuf,
        bundle: &Bundle,
        parts: Option<&PartitionLocation>,
    ) -> Result<()> {
        let (reference, parts) = (BundleReference::of(bundle)?, parts.map(Message::encode_to_vec));
        self.bundles.push(QueryBundle { asked, reference, parts });
        Ok(())
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(self).map_err(|e| Error::Internal(e.to_string()))
    }
}

/// The opener of an executor.
#[derive(Debug)]
pub(super) struct ExecutorModels {
    runner: Arc<UnitRunner>,
    /// Sessions in each bundle's pool.
    sessions: usize,
}

impl ExecutorModels {
    /// An opener of pools of this many sessions, by the engine and the bundles of an executor.
    pub(super) fn new(runner: Arc<UnitRunner>, sessions: usize) -> Self {
        Self { runner, sessions }
    }
}

impl ModelOpener for ExecutorModels {
    fn source(&self, reference: &[u8]) -> Arc<dyn ModelSource> {
        let models = rmp_serde::from_slice(reference).map_err(|e| e.to_string());
        Arc::new(ExecutorSource { runner: Arc::clone(&self.runner), sessions: self.sessions, models })
    }
}

/// The models of a query in an executor.
struct ExecutorSource {
    runner: Arc<UnitRunner>,
    sessions: usize,
    /// Why they are unknown, otherwise.
    models: std::result::Result<QueryModels, String>,
}

impl fmt::Debug for ExecutorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorSource").field("models", &self.models).finish_non_exhaustive()
    }
}

impl ExecutorSource {
    /// The models, where this executor can run them.
    fn models(&self) -> Result<&QueryModels> {
        let name = self.runner.name();
        let models = self.models.as_ref().map_err(|e| {
            Error::Engine(format!("executor {name} is another build of lsmi-etl than the client: {e}"))
        })?;
        if models.version != VERSION {
            return Err(Error::Engine(format!(
                "executor {name} is lsmi-etl {VERSION}, and the client is lsmi-etl {}; run the same version on both",
                models.version
            )));
        }
        match self.runner.refusal(&models.engine) {
            Some(reason) => Err(Error::Engine(reason)),
            None => Ok(models),
        }
    }
}

impl ModelSource for ExecutorSource {
    fn bundle(&self, dir: &Path) -> Result<Arc<Bundle>> {
        let models = self.models()?;
        let bundle = models.bundles.iter().find(|bundle| bundle.asked == dir);
        let bundle =
            bundle.ok_or_else(|| Error::Internal(format!("the plan has no bundle {}", dir.display())))?;
        let parts = bundle.parts.as_deref().and_then(|parts| PartitionLocation::decode(parts).ok());
        let (runner, reference) = (&self.runner, &bundle.reference);
        // The thread is one of a runtime, which can't wait for another.
        let opened = std::thread::scope(|scope| {
            let opening = spawn_scoped(scope, move || {
                Ok::<_, Error>(runtime(Some(1), "bundle")?.block_on(runner.bundles().open(reference, parts)))
            })?;
            opening.join().map_err(|_| Error::Internal("opening the bundle panicked".to_owned()))?
        })?;
        let place = || Place::file(runner.name());
        match opened {
            Ok(Ok(bundle)) => Ok(bundle),
            Ok(Err(Unable::Refused(reason))) => Err(Error::Engine(reason)),
            Ok(Err(Unable::BundleLost(what))) => Err(Error::ExecutorLost { place: place(), what }),
            Err(error) => Err(Error::Transient { place: place(), what: error.to_string() }),
        }
    }

    fn engine(&self) -> Result<(Engine, usize)> {
        self.models()?;
        Ok((self.runner.engine().clone(), self.sessions))
    }

    fn on_missing(&self) -> Result<OnMissingModality> {
        self.models().map(|models| models.on_missing)
    }
}
