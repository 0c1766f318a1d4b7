//! The models of a plan that travels: what stands for them, and what opens them where the plan runs.

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::{DataFusionError, Result};
use serde::{Deserialize, Serialize};

use super::super::functions::{ModelRegistry, ModelSource};

/// Opens the models of plans from elsewhere.
pub trait ModelOpener: Debug + Send + Sync {
    /// The source of the models that this reference stands for.
    fn source(&self, reference: &[u8]) -> Arc<dyn ModelSource>;
}

/// What stands for the models of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TravellingModels {
    /// The bundle of calls that name none.
    default: PathBuf,
    /// What the runner of the plan gave.
    reference: Vec<u8>,
}

/// The registries of plans from elsewhere, by what stands for them: queries of a session share their models.
#[derive(Debug, Default)]
pub(super) struct Registries {
    opener: Option<Arc<dyn ModelOpener>>,
    known: Mutex<HashMap<Arc<[u8]>, Arc<ModelRegistry>>>,
}

/// Registries that are kept for later plans.
const KEPT: usize = 4;

impl Registries {
    /// Registries whose models are opened; without an opener, plans are only passed on.
    pub(super) fn new(opener: Option<Arc<dyn ModelOpener>>) -> Self {
        Self { opener, known: Mutex::default() }
    }

    /// What stands for the models of a registry.
    ///
    /// # Errors
    /// Where the plan was not prepared for a journey.
    pub(super) fn encode(registry: &ModelRegistry) -> Result<Vec<u8>> {
        let reference = registry.reference();
        let reference =
            reference.ok_or_else(|| DataFusionError::Internal("models without a reference".to_owned()))?;
        let models =
            TravellingModels { default: registry.default_folder().to_owned(), reference: reference.to_vec() };
        rmp_serde::to_vec(&models).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    /// The registry that these bytes stand for.
    ///
    /// # Errors
    /// Of bytes that can't be decoded.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Arc<ModelRegistry>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = known.get(bytes) {
            return Ok(Arc::clone(registry));
        }
        let models: TravellingModels =
            rmp_serde::from_slice(bytes).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let source = self.opener.as_ref().map(|opener| opener.source(&models.reference));
        let registry = Arc::new(ModelRegistry::new(models.default, source));
        registry.set_reference(models.reference);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(bytes.into(), Arc::clone(&registry));
        Ok(registry)
    }
}
