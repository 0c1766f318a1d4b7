//! Inference engines for a bundle's models: ONNX Runtime where one is found, else the
//! embedded engine (tract). The log always names the engine and its device.

mod backend;
mod description;
mod device;
mod embedded;
mod fault;
pub mod measure;
mod onnxruntime;
mod options;
mod trial;

use std::sync::Arc;

use crate::bundle::{Program, RawModel};
use crate::error::{Error, Result};

use self::locate::{CandidateStatus, LibraryOrigin, SearchEnvironment};
use self::onnxruntime::load_error;

pub use backend::{Backend, BatchInputs, BatchOutputs, ModelSession};
pub use description::EngineDescription;
pub use device::{Device, Gpus};
pub use onnxruntime::{cuda, install, locate};
pub use options::{EngineChoice, EngineOptions};
pub use trial::within_limit;

/// An engine, ready to load programs. A clone is the same engine.
#[derive(Clone)]
pub struct Engine(Arc<EngineKind>);

enum EngineKind {
    OnnxRuntime(onnxruntime::OnnxRuntime),
    Embedded,
}

impl Engine {
    /// Finds and loads the engine that the options select.
    ///
    /// # Errors
    /// [`Error::Engine`] where it is not available; a GPU is never replaced by the CPU.
    pub fn find(options: &EngineOptions) -> Result<Self> {
        if options.engine == EngineChoice::Embedded {
            return match options.device {
                Device::Cpu => Ok(Self(Arc::new(EngineKind::Embedded))),
                Device::Cuda(_) => Err(Error::Engine(
                    "the embedded engine runs on the cpu only; leave out --engine or use --device cpu".into(),
                )),
            };
        }
        let environment = SearchEnvironment::of(options.program.clone());
        let explicit = options.library.as_deref();
        // A path from the user that holds no library is an error: no search follows.
        locate::first_found(explicit, &environment)?;
        let on_gpu = options.device != Device::Cpu;
        let mut refusals = Vec::new();
        let places = locate::search(explicit, &environment);
        for place in places.into_iter().filter(|place| place.status != CandidateStatus::Missing) {
            let named = matches!(place.origin, LibraryOrigin::Flag | LibraryOrigin::OrtDylibPath);
            if on_gpu && !named && place.status == CandidateStatus::Found && place.cuda_provider().is_none() {
                refusals.push(format!("{} is a build for the CPU", place.path.display()));
                continue;
            }
            match onnxruntime::OnnxRuntime::load(&place, options) {
                Ok(loaded) => {
                    // A process loads one ONNX Runtime: if this one fails on the GPU, no other can follow.
                    loaded.probe()?;
                    return Ok(Self(Arc::new(EngineKind::OnnxRuntime(loaded))));
                }
                Err(e) if named => return Err(e),
                Err(e) => {
                    let reason = e.to_string();
                    let untried = place.status == CandidateStatus::Untried;
                    if untried && load_error::is_absent(&reason, &place.path) {
                        tracing::debug!("{reason}");
                    } else {
                        tracing::warn!("{reason}");
                        refusals.push(reason);
                    }
                }
            }
        }
        if options.engine == EngineChoice::OnnxRuntime || on_gpu {
            let reason = refusals.first().map(|r| format!(" ({r})")).unwrap_or_default();
            return Err(Error::Engine(format!(
                "no ONNX Runtime{} found{reason}; install it with `lsmi-etl runtime install{}`, or name the library with \
                 --onnxruntime; `lsmi-etl doctor` shows what was searched",
                if on_gpu { " for GPUs" } else { "" },
                if on_gpu { " --cuda" } else { "" }
            )));
        }
        Ok(Self(Arc::new(EngineKind::Embedded)))
    }

    /// Whether it is the embedded engine.
    pub fn is_embedded(&self) -> bool {
        matches!(*self.0, EngineKind::Embedded)
    }

    /// Name, version, device and library.
    pub fn describe(&self) -> EngineDescription {
        match &*self.0 {
            EngineKind::OnnxRuntime(runtime) => runtime.describe(),
            EngineKind::Embedded => EngineDescription {
                name: "embedded".into(),
                version: embedded::VERSION.into(),
                device: Device::Cpu.to_string(),
                library: None,
            },
        }
    }

    /// The device that runs the models.
    pub fn device(&self) -> Device {
        match &*self.0 {
            EngineKind::OnnxRuntime(runtime) => runtime.device(),
            EngineKind::Embedded => Device::Cpu,
        }
    }

    /// Loads a program into `count` sessions, one per worker, and tries one on a few rows, both within a
    /// time limit. GPUs are
    /// assigned round-robin; on the CPU all sessions share the weights.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the graphs can't be run, [`Error::Engine`] where the engine lacks what
    /// they need.
    pub fn sessions(&self, program: &Arc<Program>, count: usize) -> Result<Vec<Box<dyn Backend>>> {
        let (engine, loaded) = (Arc::clone(&self.0), Arc::clone(program));
        let load = move || match &*engine {
            EngineKind::OnnxRuntime(runtime) => runtime.sessions(&loaded, count, false),
            EngineKind::Embedded => embedded::sessions(&loaded, count),
        };
        let mut sessions = trial::load(program.origin.as_ref(), trial::only_role(program), load)?;
        if let Some(last) = sessions.pop() {
            sessions.push(trial::session(last, program, self.device())?);
        }
        Ok(sessions)
    }

    /// Loads one model of these dimensions on its own.
    ///
    /// # Errors
    /// As for [`Self::sessions`].
    pub fn model_session(&self, model: &Arc<RawModel>, dims: &[usize]) -> Result<Box<dyn ModelSession>> {
        let (engine, loaded, dims) = (Arc::clone(&self.0), Arc::clone(model), dims.to_vec());
        let load = move || match &*engine {
            EngineKind::OnnxRuntime(runtime) => runtime.model_session(&loaded, &dims),
            EngineKind::Embedded => embedded::model_session(&loaded, &dims),
        };
        trial::load(Some(&model.origin), Some(model.role), load)
    }

    /// As [`Engine::sessions`], but every batch is copied through staging buffers, as for a
    /// GPU: measures and tests that path on the CPU.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run the models; always for the embedded
    /// engine.
    pub fn staged_sessions(&self, program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
        match &*self.0 {
            EngineKind::OnnxRuntime(runtime) => runtime.sessions(program, count, true),
            EngineKind::Embedded => Err(Error::Engine("the embedded engine has no staging buffers".into())),
        }
    }
}
