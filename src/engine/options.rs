//! Options of the engine: its choice, the library, the device and TensorFloat-32.

use std::path::PathBuf;
use std::str::FromStr;

use super::device::Device;

/// The engine to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// ONNX Runtime where one is found, else the embedded engine.
    #[default]
    Auto,
    /// ONNX Runtime or an error.
    OnnxRuntime,
    /// The embedded engine.
    Embedded,
}

impl std::fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::OnnxRuntime => "onnxruntime",
            Self::Embedded => "embedded",
        })
    }
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "onnxruntime" => Ok(Self::OnnxRuntime),
            "embedded" => Ok(Self::Embedded),
            _ => Err("expected auto, onnxruntime or embedded".into()),
        }
    }
}

/// Options of [`Engine::find`](super::Engine::find).
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// The engine to use.
    pub engine: EngineChoice,
    /// ONNX Runtime's library or the folder that holds it; searched for where `None`.
    pub library: Option<PathBuf>,
    /// The device that runs the models.
    pub device: Device,
    /// Whether a GPU may use TensorFloat-32 in matrix products.
    pub tf32: bool,
    /// The program beside which the library is searched for; the executable of this process where `None`.
    pub program: Option<PathBuf>,
}
