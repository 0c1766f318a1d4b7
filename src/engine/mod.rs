//! The engines that run a bundle's models: ONNX Runtime where one is found, else
//! the embedded engine. Which one runs, and on what device, is never left unsaid.

mod backend;
mod embedded;
pub mod install;
pub mod locate;
pub mod measure;
mod onnxruntime;

use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use self::locate::{Environment, Origin, Status};

pub use backend::{Backend, Batch, Evaluated};

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

/// Where the models run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU through the CUDA execution provider, counted from zero.
    Cuda(u32),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let index = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a GPU's number"));
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => Ok(Self::Cuda(index(number)?)),
            _ => Err("expected cpu, cuda or cuda:N".into()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
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
    /// "cpu" or "cuda:N".
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
        let mut refusals = Vec::new();
        let places = locate::search(explicit, &environment);
        for place in places.into_iter().filter(|place| place.status != Status::Missing) {
            match onnxruntime::OnnxRuntime::load(&place.path, options) {
                Ok(loaded) => return Ok(Self(Kind::OnnxRuntime(loaded))),
                Err(e) if matches!(place.origin, Origin::Flag | Origin::OrtDylibPath) => return Err(e),
                Err(e) if place.status == Status::Found => {
                    tracing::warn!("{} ({}) can't be used: {e}", place.path.display(), place.origin);
                    refusals.push(e.to_string());
                }
                Err(e) => tracing::debug!("{}: {e}", place.path.display()),
            }
        }
        if options.engine == Choice::OnnxRuntime || options.device != Device::Cpu {
            let reason = refusals.first().map(|r| format!(" ({r})")).unwrap_or_default();
            return Err(Error::Engine(format!(
                "no ONNX Runtime found{reason}; install it with `lsmi-etl runtime install{}`, or name the library with \
                 --onnxruntime; `lsmi-etl doctor` shows what was searched",
                if options.device == Device::Cpu { "" } else { " --cuda" }
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

    /// Loads a program for `count` workers, each with a session of its own; the
    /// weights are shared.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine can't run the models.
    pub fn sessions(&self, program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
        match &self.0 {
            Kind::OnnxRuntime(runtime) => (0..count).map(|_| runtime.session(program)).collect(),
            Kind::Embedded => embedded::sessions(program, count),
        }
    }
}
