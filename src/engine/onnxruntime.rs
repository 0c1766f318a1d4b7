//! ONNX Runtime as the engine, loaded at run time. One environment a process, one
//! session a worker with one thread of its own, weights packed once for all.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::ep;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, PrepackedWeights, SessionBuilder};
use ort::value::TensorRef;
use prost::Message;

use super::backend::{self, Backend, Batch, Evaluated};
use super::{Description, Device, Options};
use crate::bundle::{Graph, INPUTS, Program};
use crate::error::{Error, Result};

/// ONNX Runtime keeps its environment for the life of the process.
static ENVIRONMENT: OnceLock<(Environment, PathBuf)> = OnceLock::new();

/// A loaded ONNX Runtime.
pub(super) struct OnnxRuntime {
    environment: Environment,
    library: PathBuf,
    device: Device,
    tf32: bool,
    packed: PrepackedWeights,
}

impl OnnxRuntime {
    /// Loads the library, or takes the one that the process has loaded already.
    pub(super) fn load(library: &Path, options: &Options) -> Result<Self> {
        let (environment, library) = match ENVIRONMENT.get() {
            Some(loaded) => loaded.clone(),
            None => {
                let refuse = |e: &dyn std::fmt::Display| Error::Engine(format!("ONNX Runtime: {e}"));
                let environment = ort::init_from(library)
                    .map_err(|e| refuse(&e))?
                    .with_name(env!("CARGO_PKG_NAME"))
                    .with_telemetry(false)
                    .build()
                    .map_err(|e| refuse(&e))?;
                ENVIRONMENT.get_or_init(|| (environment, library.to_owned())).clone()
            }
        };
        let (device, tf32) = (options.device, options.tf32);
        Ok(Self { environment, library, device, tf32, packed: PrepackedWeights::new() })
    }

    pub(super) fn describe(&self) -> Description {
        // The version stands in the library's file name (libonnxruntime.so.1.32.0);
        // a plain name is resolved first, since packages link it to the full one.
        let real = self.library.canonicalize().unwrap_or_else(|_| self.library.clone());
        let name = real.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let version = name.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(".dylib");
        let version = if version.is_empty() { "version unknown" } else { version };
        Description {
            name: "onnxruntime".into(),
            version: version.into(),
            device: self.device.to_string(),
            library: Some(self.library.clone()),
        }
    }

    pub(super) fn session(&self, program: &Program) -> Result<Box<dyn Backend>> {
        let sessions = program
            .graphs
            .iter()
            .map(|graph| Ok((self.load_graph(graph)?, graph.clone_shape())))
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Sessions { program: program.clone_shape(), sessions }))
    }

    fn load_graph(&self, graph: &Graph) -> Result<Session> {
        let bytes = graph.model.encode_to_vec();
        let mut builder = self.builder().map_err(|e| self.refuse("cannot set up a session", &e))?;
        builder.commit_from_memory(&bytes).map_err(|e| self.refuse("cannot load the models", &e))
    }

    fn builder(&self) -> ort::Result<SessionBuilder> {
        let builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_intra_op_spinning(false)?
            .with_prepacked_weights(&self.packed)?;
        match self.device {
            Device::Cpu => Ok(builder),
            Device::Cuda(index) => {
                let cuda = ep::CUDA::default().with_device_id(index as i32).with_tf32(self.tf32);
                let builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
                Ok(builder.with_disable_cpu_fallback()?)
            }
        }
    }

    fn refuse(&self, doing: &str, error: &ort::Error) -> Error {
        let advice = match self.device {
            Device::Cpu => "`lsmi-etl doctor` shows which library was found",
            Device::Cuda(_) => {
                "the CUDA execution provider needs onnxruntime-gpu and CUDA's libraries: `lsmi-etl runtime install \
                 --cuda` installs both, or use --device cpu"
            }
        };
        Error::Engine(format!("ONNX Runtime ({}): {doing}: {error}; {advice}", self.library.display()))
    }
}

/// The sessions of one worker, one for each graph of the program.
struct Sessions {
    program: Program,
    sessions: Vec<(Session, Graph)>,
}

impl Backend for Sessions {
    fn evaluate(&mut self, batch: &Batch<'_>, out: &mut Evaluated) -> Result<()> {
        backend::check(&self.program, batch)?;
        for (session, graph) in &mut self.sessions {
            run(session, graph, self.program.dims, batch, out)
                .map_err(|e| Error::Engine(format!("ONNX Runtime: evaluating {} rows: {e}", batch.rows)))?;
        }
        Ok(())
    }
}

fn run(
    session: &mut Session,
    graph: &Graph,
    [d1, d2]: [usize; 2],
    batch: &Batch<'_>,
    out: &mut Evaluated,
) -> ort::Result<()> {
    let rows = batch.rows;
    let mut inputs = Vec::with_capacity(INPUTS.len());
    for &input in &graph.inputs {
        // Views: the engine reads the batch where it lies.
        let tensor = match input {
            0 => TensorRef::from_array_view(([rows, d1], batch.x1))?.into_dyn(),
            1 => TensorRef::from_array_view(([rows, d2], batch.x2))?.into_dyn(),
            _ => TensorRef::from_array_view(([rows, 1], batch.y))?.into_dyn(),
        };
        inputs.push((INPUTS[input], tensor));
    }
    let outputs = session.run(inputs)?;
    for (index, role) in graph.roles.iter().enumerate() {
        let (_, values) = outputs[index].try_extract_tensor::<f32>()?;
        if values.len() != rows {
            return Err(ort::Error::new(format!("{role} gave {} values for {rows} rows", values.len())));
        }
        let kept = out.values_mut(*role as usize);
        kept.clear();
        kept.extend_from_slice(values);
    }
    Ok(())
}
