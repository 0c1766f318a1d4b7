//! ONNX Runtime, loaded at run time. One environment per process; one single-threaded
//! session per worker; weights stored and prepacked once for all sessions.

pub mod cuda;
pub mod install;
mod installer;
pub(super) mod load_error;
pub mod locate;
mod outputs;
mod pinned;
mod session;
mod weights;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ort::ErrorCode;
use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::bundle::{ModelOrigin, Program, RawModel, Role};
use crate::error::{Error, Result};
use crate::threads::spawn_scoped;

use self::cuda::CudaLibrary;
use self::locate::LibraryCandidate;
use self::pinned::PinnedSessions;
use self::session::{SingleModelSession, ZeroCopySessions, reason};
use self::weights::SharedWeights;
use super::backend::{Backend, ModelSession};
use super::description::EngineDescription;
use super::device::Device;
use super::fault;
use super::options::EngineOptions;

/// Bytes of models that are loaded in parallel, one model per worker. Loading takes ONNX
/// Runtime several times the memory of the model.
const LOADED_AT_ONCE_BYTES: usize = 32 << 20;

/// ONNX Runtime keeps its environment for the life of the process.
static ENVIRONMENT: Mutex<Option<(Environment, PathBuf)>> = Mutex::new(None);

/// A loaded ONNX Runtime.
pub(super) struct OnnxRuntime {
    environment: Environment,
    library: PathBuf,
    device: Device,
    tf32: bool,
    /// The preloaded CUDA libraries, for a GPU.
    libraries: Vec<CudaLibrary>,
}

impl OnnxRuntime {
    /// Loads the library, or returns the one that the process has loaded already. For a
    /// GPU, CUDA's libraries are loaded first. Builds with telemetry start to collect usage
    /// data at load time; only the environment variable `ORT_DISABLE_TELEMETRY`, set at
    /// start-up, prevents it.
    pub(super) fn load(place: &LibraryCandidate, options: &EngineOptions) -> Result<Self> {
        let (device, tf32) = (options.device, options.tf32);
        let libraries = match device {
            Device::Cpu => Vec::new(),
            Device::Cuda(_) => cuda::load_libraries(place.site_packages()),
        };
        let mut loaded = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        let (environment, library) = match &*loaded {
            Some(loaded) => loaded.clone(),
            None => {
                let refuse = |reason: String| {
                    let (path, origin) = (place.path.display(), place.origin);
                    let advice = load_error::advice(origin);
                    let what =
                        format!("ONNX Runtime can't be loaded from {path} ({origin}): {reason}; {advice}");
                    Error::Engine(what)
                };
                let path = place.to_load();
                let environment = ort::init_from(&path)
                    .map_err(|e| refuse(load_error::reason(&e, &path)))?
                    .with_name(env!("CARGO_PKG_NAME"))
                    .with_telemetry(false)
                    .build()
                    .map_err(|e| refuse(e.to_string()))?;
                loaded.insert((environment, place.path.clone())).clone()
            }
        };
        Ok(Self { environment, library, device, tf32, libraries })
    }

    pub(super) fn device(&self) -> Device {
        self.device
    }

    pub(super) fn describe(&self) -> EngineDescription {
        // The version is part of the file name (libonnxruntime.so.1.32.0). A plain name is
        // resolved first, since packages link it to the versioned file.
        let real = self.library.canonicalize().unwrap_or_else(|_| self.library.clone());
        let name = real.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let version = name.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(".dylib");
        let version = if version.is_empty() { "version unknown" } else { version };
        let rounding = if self.tf32 && self.device != Device::Cpu { " with TF32" } else { "" };
        EngineDescription {
            name: "onnxruntime".into(),
            version: version.into(),
            device: format!("{}{rounding}", self.device),
            library: Some(self.library.clone()),
        }
    }

    /// Creates a test session on every GPU, so that missing libraries are reported before
    /// any data is read or written.
    pub(super) fn probe(&self) -> Result<()> {
        let Device::Cuda(gpus) = self.device else { return Ok(()) };
        let weights = SharedWeights::new(&cuda::smallest_graph(), false)
            .map_err(|e| self.refuse("cannot begin", &e))?;
        gpus.numbers().try_for_each(|gpu| {
            let doing = format!("cannot use cuda:{gpu}");
            self.load_graph(&weights, Some(gpu)).map(drop).map_err(|e| self.refuse(&doing, &e))
        })
    }

    /// The session of a model on its own, on the first device.
    pub(super) fn model_session(&self, model: &RawModel, dims: &[usize]) -> Result<Box<dyn ModelSession>> {
        let (origin, role) = (model.origin.clone(), model.role);
        let load = || self.load_graph(&SharedWeights::new(&model.graph, false)?, self.device.gpu(0));
        let session = load().map_err(|e| self.not_loaded(Some(&origin), &[role], &e))?;
        Ok(Box::new(SingleModelSession::new(origin, role, dims.to_vec(), model.graph.clone_shape(), session)))
    }

    /// The sessions of `count` workers, distributed over the devices. `staged` selects
    /// sessions with staging buffers on the CPU too; on a GPU they are always used.
    pub(super) fn sessions(
        &self,
        program: &Program,
        count: usize,
        staged: bool,
    ) -> Result<Vec<Box<dyn Backend>>> {
        let roles: Vec<Role> = program.graphs.iter().flat_map(|graph| graph.roles.iter().copied()).collect();
        let loading = |e: ort::Error| self.not_loaded(program.origin.as_ref(), &roles, &e);
        let on_cpu = self.device == Device::Cpu;
        let weights = program.graphs.iter().map(|graph| SharedWeights::new(graph, on_cpu));
        let weights = weights.collect::<ort::Result<Vec<_>>>().map_err(loading)?;
        let worker = |worker: usize| -> ort::Result<Box<dyn Backend>> {
            let gpu = self.device.gpu(worker);
            let sessions = program
                .graphs
                .iter()
                .zip(&weights)
                .map(|(graph, weights)| Ok((self.load_graph(weights, gpu)?, graph.clone_shape())))
                .collect::<ort::Result<Vec<_>>>()?;
            let program = program.clone_shape();
            Ok(match gpu {
                None if !staged => Box::new(ZeroCopySessions::new(program, sessions)),
                gpu => Box::new(PinnedSessions::new(program, sessions, gpu)?),
            })
        };
        let bytes = weights.iter().map(|weights| weights.model().len()).sum::<usize>();
        let at_once = if on_cpu { LOADED_AT_ONCE_BYTES / bytes.max(1) } else { 1 };
        let numbers: Vec<usize> = (0..count).collect();
        let mut sessions = Vec::with_capacity(count);
        for numbers in numbers.chunks(at_once.max(1)) {
            let loaded = std::thread::scope(|scope| {
                let loading: Result<Vec<_>> =
                    numbers.iter().map(|&number| spawn_scoped(scope, move || worker(number))).collect();
                Ok::<_, Error>(loading?.into_iter().map(|thread| thread.join()).collect::<Vec<_>>())
            })?;
            for session in loaded {
                let panicked = |_| Error::Internal("a thread that loads the models panicked".to_owned());
                sessions.push(session.map_err(panicked)?.map_err(loading)?);
            }
        }
        Ok(sessions)
    }

    fn load_graph(&self, weights: &SharedWeights, gpu: Option<u32>) -> ort::Result<Session> {
        weights.share(self.builder(gpu)?)?.commit_from_memory(weights.model())
    }

    fn builder(&self, gpu: Option<u32>) -> ort::Result<SessionBuilder> {
        let builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_intra_op_spinning(false)?;
        let Some(gpu) = gpu else { return Ok(builder) };
        let cuda = ep::CUDA::default().with_device_id(gpu as i32).with_tf32(self.tf32);
        let builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
        Ok(builder.with_disable_cpu_fallback()?)
    }

    /// The error of graphs that are not loaded: the bundle's, unless this library or device lacks
    /// something.
    fn not_loaded(&self, origin: Option<&ModelOrigin>, roles: &[Role], error: &ort::Error) -> Error {
        let lacks = [
            "No Op registered for",
            "is not a registered function/op",
            "guarantees support",
            "is under development",
        ];
        let is_graph = match error.code() {
            ErrorCode::InvalidGraph | ErrorCode::InvalidProtobuf | ErrorCode::InvalidArgument => true,
            // An error of a GPU comes as one of these, too.
            ErrorCode::GenericFailure | ErrorCode::RuntimeException => self.device == Device::Cpu,
            _ => false,
        };
        match is_graph && !lacks.iter().any(|text| error.message().contains(text)) {
            true => {
                fault::of_graph(origin, roles, &format!("ONNX Runtime cannot load it: {}", reason(error)))
            }
            false => match roles {
                [role] => self.refuse(&format!("cannot load {role}"), error),
                _ => self.refuse("cannot load the models", error),
            },
        }
    }

    fn refuse(&self, doing: &str, error: &ort::Error) -> Error {
        let advice = match self.device {
            Device::Cpu => "`lsmi-etl doctor` shows which library was found".to_owned(),
            Device::Cuda(_) if error.message().contains("assigned to the default CPU EP") => {
                "an operator of these models runs on the processor only; export them without it, or use --device cpu"
                    .to_owned()
            }
            // `is_available` only reports that the provider is compiled in: its libraries may be
            // missing.
            Device::Cuda(_) => cuda::advice(ep::CUDA::is_available().unwrap_or(true), &self.libraries),
        };
        let (library, reason) = (self.library.display(), reason(error));
        Error::Engine(format!("ONNX Runtime ({library}): {doing}: {reason}; {advice}"))
    }
}
