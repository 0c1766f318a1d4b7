//! Where a registry's bundles, its engine and its settings come from: options of this machine, or what a plan has taken
//! along.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::Result;
use crate::evaluate::SharedBundle;
use crate::samples::OnMissingModality;

/// The default bundle, the engine, its sessions and the treatment of missing modalities of the `lsmi` functions.
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
    /// The treatment of rows that lack a modality.
    pub on_missing: OnMissingModality,
    /// The default bundle of others that use it, too, once one of them has opened it.
    pub shared: SharedBundle,
}

impl Default for ModelOptions {
    /// `lsmi-bundle` in the current folder, where `lsmi-etl fit` writes it; rows that lack a modality are null.
    fn default() -> Self {
        Self {
            bundle: PathBuf::from("lsmi-bundle"),
            engine: EngineOptions::default(),
            sessions: None,
            on_missing: OnMissingModality::default(),
            shared: SharedBundle::default(),
        }
    }
}

/// Opens bundles, finds the engine that runs their models, and knows the settings of both.
pub trait ModelSource: Debug + Send + Sync {
    /// The bundle of a folder or URL. Blocks.
    ///
    /// # Errors
    /// As for [`open_bundle`](crate::evaluate::open_bundle).
    fn bundle(&self, dir: &Path) -> Result<Arc<Bundle>>;

    /// The engine, and the number of sessions in each bundle's pool.
    ///
    /// # Errors
    /// As for [`Engine::find`].
    fn engine(&self) -> Result<(Engine, usize)>;

    /// The treatment of rows that lack a modality.
    ///
    /// # Errors
    /// Where the models are unknown.
    fn on_missing(&self) -> Result<OnMissingModality>;
}

/// Models of this machine.
#[derive(Debug)]
pub(super) struct LocalModels {
    options: ModelOptions,
    engine: FoundEngine,
}

/// The engine, once it is found.
#[derive(Default)]
struct FoundEngine(Mutex<Option<Engine>>);

impl Debug for FoundEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FoundEngine")
    }
}

impl LocalModels {
    pub(super) fn new(options: ModelOptions) -> Self {
        Self { options, engine: FoundEngine::default() }
    }
}

impl ModelSource for LocalModels {
    fn bundle(&self, dir: &Path) -> Result<Arc<Bundle>> {
        self.options.shared.open(dir)
    }

    fn engine(&self) -> Result<(Engine, usize)> {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let sessions = self.options.sessions.unwrap_or_else(cores).get();
        let mut found = self.engine.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*found {
            return Ok((engine.clone(), sessions));
        }
        let engine = Engine::find(&self.options.engine)?;
        tracing::info!("engine: {}", engine.describe());
        *found = Some(engine.clone());
        Ok((engine, sessions))
    }

    fn on_missing(&self) -> Result<OnMissingModality> {
        Ok(self.options.on_missing)
    }
}
