//! The settings of the engine: flags of all commands that run models, and the table `engine` of
//! a pipeline file.

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{Device, Engine, EngineChoice, EngineOptions};
use crate::error::Result;

/// The engine that runs the models, and its device.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize, JsonSchema)]
#[command(next_help_heading = "Engine")]
#[serde(default, deny_unknown_fields)]
pub struct EngineArgs {
    /// auto, onnxruntime or embedded; auto uses ONNX Runtime if it is found
    #[arg(long, env = "LSMI_ETL_ENGINE", default_value = "auto", hide_env = true)]
    engine: EngineChoice,
    /// Shared library of ONNX Runtime, or the folder that contains it
    #[arg(long, env = "LSMI_ETL_ONNXRUNTIME", value_name = "PATH", hide_env = true)]
    onnxruntime: Option<PathBuf>,
    /// cpu, cuda, cuda:N, or several GPUs as cuda:0,cuda:1; never falls back from a GPU to the CPU
    #[arg(long, env = "LSMI_ETL_DEVICE", default_value = "cpu", hide_env = true)]
    device: Device,
    /// Allow TensorFloat-32 in matrix products on a GPU
    #[arg(long, env = "LSMI_ETL_TF32", hide_env = true)]
    tf32: bool,
    /// The program beside which the library is searched for, where that is not this process' own.
    #[arg(skip)]
    #[serde(skip)]
    program: Option<PathBuf>,
}

impl EngineArgs {
    /// These settings, by which the library is searched for beside this program.
    #[must_use]
    pub fn beside(self, program: Option<PathBuf>) -> Self {
        Self { program, ..self }
    }

    /// The library or folder given by `--onnxruntime`.
    pub fn library(&self) -> Option<&Path> {
        self.onnxruntime.as_deref()
    }

    /// The device of the models.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Finds the engine and logs its description.
    ///
    /// # Errors
    /// As for [`Engine::find`].
    pub fn find(&self) -> Result<Engine> {
        let engine = Engine::find(&self.options())?;
        tracing::info!("engine: {}", engine.describe());
        Ok(engine)
    }

    /// Finds the engine and, if none is named and the device is the CPU, the embedded engine too.
    ///
    /// # Errors
    /// As for [`Engine::find`].
    pub fn find_all(&self) -> Result<Vec<Engine>> {
        let mut engines = vec![Engine::find(&self.options())?];
        let is_free = self.engine == EngineChoice::Auto && self.device == Device::Cpu;
        if is_free && !engines.iter().any(Engine::is_embedded) {
            engines.push(Engine::find(&EngineOptions { engine: EngineChoice::Embedded, ..self.options() })?);
        }
        Ok(engines)
    }

    /// The options of the engine.
    pub fn options(&self) -> EngineOptions {
        EngineOptions {
            engine: self.engine,
            library: self.onnxruntime.clone(),
            device: self.device,
            tf32: self.tf32,
            program: self.program.clone(),
        }
    }
}
