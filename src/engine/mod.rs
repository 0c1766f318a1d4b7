//! The engines that run a bundle's models: ONNX Runtime where one is found, else
//! the embedded engine. Which one runs, and on what device, is never left unsaid.

mod backend;
mod device;
mod embedded;
pub mod measure;
mod onnxruntime;

use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use self::locate::{Environment, Origin, Status};

pub use backend::{Backend, Batch, Evaluated};
pub use device::{Device, Gpus};
pub use onnxruntime::{cuda, install, locate};

use crate::bundle::Program;
use crate::error::{Error, Result};

/// Which engine to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// ONNX Runtime where one is found, else the embedded engine.
    #[default]
    Auto,
    /// ONNX Runtime or an error.
    OnnxRuntime,
    /// The embedded engine.
    Embedded,
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::OnnxRuntime => "onnxruntime",
            Self::Embedded => "embedded",
        })
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "onnxruntime" => Ok(Self::OnnxRuntime),
            "embedded" => Ok(Self::Embedded),
            _ => Err("expected auto, onnxruntime or embedded".into()),
        }
    }
}

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which engine.
    pub engine: Choice,
    /// The library or a folder that holds it, where named.
    pub library: Option<PathBuf>,
    /// Where the models run.
    pub device: Device,
    /// Whether a GPU may use TensorFloat-32 in matrix products.
    pub tf32: bool,
}

/// What runs, for the run's first line and its summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// "onnxruntime" or "embedded".
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// "cpu", or "cuda:N" of every GPU, "with TF32" where that may round.
    pub device: String,
    /// The library that was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
}

impl std::fmt::Display for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) on {}", self.name, self.version, self.device)
    }
}

/// An engine that is ready to load programs.
pub struct Engine(Kind);

enum Kind {
    OnnxRuntime(onnxruntime::OnnxRuntime),
    Embedded,
}

impl Engine {
    /// Finds the engine that the options ask for.
    ///
    /// # Errors
    /// [`Error::Engine`] where it can't be had; a GPU is never replaced by the CPU.
    pub fn find(options: &Options) -> Result<Self> {
        if options.engine == Choice::Embedded {
            return match options.device {
                Device::Cpu => Ok(Self(Kind::Embedded)),
                Device::Cuda(_) => Err(Error::Engine(
                    "the embedded engine runs on the cpu only; leave out --engine or use --device cpu".into(),
                )),
            };
        }
        let environment = Environment::current();
        let explicit = options.library.as_deref();
        // A place that the user named and where nothing is: an error, not a search.
        locate::first_found(explicit, &environment)?;
        let on_gpu = options.device != Device::Cpu;
        let mut refusals = Vec::new();
        let places = locate::search(explicit, &environment);
        for place in places.into_iter().filter(|place| place.status != Status::Missing) {
            let named = matches!(place.origin, Origin::Flag | Origin::OrtDylibPath);
            if on_gpu && !named && place.status == Status::Found && place.cuda_provider().is_none() {
                refusals.push(format!("{} is a build for the CPU", place.path.display()));
                continue;
            }
            match onnxruntime::OnnxRuntime::load(&place, options) {
                Ok(loaded) => {
                    // A process loads one ONNX Runtime: if this one can't use the GPU, none can.
                    loaded.probe()?;
                    return Ok(Self(Kind::OnnxRuntime(loaded)));
                }
                Err(e) if named => return Err(e),
                Err(e) if place.status == Status::Found => {
                    tracing::warn!("{} ({}) can't be used: {e}", place.path.display(), place.origin);
                    refusals.push(e.to_string());
                }
                Err(e) => tracing::debug!("{}: {e}", place.path.display()),
            }
        }
        if options.engine == Choice::OnnxRuntime || on_gpu {
            let reason = refusals.first().map(|r| format!(" ({r})")).unwrap_or_default();
            return Err(Error::Engine(format!(
                "no ONNX Runtime{} found{reason}; install it with `lsmi-etl runtime install{}`, or name the library with \
                 --onnxruntime; `lsmi-etl doctor` shows what was searched",
                if on_gpu { " for GPUs" } else { "" },
                if on_gpu { " --cuda" } else { "" }
            )));
        }
        Ok(Self(Kind::Embedded))
    }

    /// Whether it is the embedded one.
    pub fn is_embedded(&self) -> bool {
        matches!(self.0, Kind::Embedded)
    }

    /// What this engine is.
    pub fn describe(&self) -> Description {
        match &self.0 {
            Kind::OnnxRuntime(runtime) => runtime.describe(),
            Kind::Embedded => Description {
                name: "embedded".into(),
                version: embedded::VERSION.into(),
                device: Device::Cpu.to_string(),
                library: None,
            },
        }
    }

    /// Where it runs the models.
    pub fn device(&self) -> Device {
        match &self.0 {
            Kind::OnnxRuntime(runtime) => runtime.device(),
            Kind::Embedded => Device::Cpu,
        }
    }

    /// Loads a program for `count` workers, each with a session of its own, in turn on
    /// each GPU; on the processor the weights are shared.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run the models.
    pub fn sessions(&self, program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
        match &self.0 {
            Kind::OnnxRuntime(runtime) => runtime.sessions(program, count, false),
            Kind::Embedded => embedded::sessions(program, count),
        }
    }

    /// As [`Engine::sessions`], but every batch passes through memory of the engine's
    /// own, as it does on the way to a GPU: for measuring and testing that way.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run the models; always for the
    /// embedded one.
    pub fn staged_sessions(&self, program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
        match &self.0 {
            Kind::OnnxRuntime(runtime) => runtime.sessions(program, count, true),
            Kind::Embedded => {
                Err(Error::Engine("the embedded engine has no memory to stage batches in".into()))
            }
        }
    }
}
