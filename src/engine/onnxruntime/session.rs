//! Zero-copy sessions: the CPU execution provider reads a batch from Arrow's buffers.

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use crate::bundle::{Graph, ModelOrigin, Program, ProgramInput, Role};
use crate::engine::backend::{self, Backend, BatchInputs, BatchOutputs, ModelSession};
use crate::engine::fault;
use crate::error::Result;

use super::outputs::take_outputs;

/// The sessions of one worker, one per graph of the program.
pub(super) struct ZeroCopySessions {
    program: Program,
    sessions: Vec<(Session, Graph)>,
}

impl ZeroCopySessions {
    pub(super) fn new(program: Program, sessions: Vec<(Session, Graph)>) -> Self {
        Self { program, sessions }
    }
}

impl Backend for ZeroCopySessions {
    fn evaluate(&mut self, batch: &BatchInputs<'_>, out: &mut BatchOutputs) -> Result<()> {
        backend::check(&self.program, batch)?;
        for (session, graph) in &mut self.sessions {
            run(session, graph, &self.program.dims, batch, out).map_err(|e| {
                let reason = format!("evaluating {} rows in ONNX Runtime: {}", batch.rows, reason(&e));
                fault::of_graph(self.program.origin.as_ref(), &graph.roles, &reason)
            })?;
        }
        Ok(())
    }
}

fn run(
    session: &mut Session,
    graph: &Graph,
    dims: &[usize],
    batch: &BatchInputs<'_>,
    out: &mut BatchOutputs,
) -> ort::Result<()> {
    take_outputs(&session.run(inputs(graph, dims, batch)?)?, graph, batch.rows, out)
}

/// The inputs of a graph by name. Zero-copy: tensors are views of the batch.
fn inputs<'a>(
    graph: &Graph,
    dims: &[usize],
    batch: &BatchInputs<'a>,
) -> ort::Result<Vec<(&'static str, SessionInputValue<'a>)>> {
    let rows = batch.rows;
    let tensor = |&input: &ProgramInput| -> ort::Result<_> {
        let shape = [rows, input.width(dims)];
        let tensor = match input {
            ProgramInput::Embedding(m) => TensorRef::from_array_view((shape, batch.embedding(m)))?.into_dyn(),
            ProgramInput::Class => TensorRef::from_array_view((shape, batch.y))?.into_dyn(),
        };
        Ok((input.name(), tensor.into()))
    };
    graph.inputs.iter().map(tensor).collect()
}

/// The session of a model on its own.
pub(super) struct SingleModelSession {
    origin: ModelOrigin,
    role: Role,
    dims: Vec<usize>,
    graph: Graph,
    session: Session,
}

impl SingleModelSession {
    pub(super) fn new(
        origin: ModelOrigin,
        role: Role,
        dims: Vec<usize>,
        graph: Graph,
        session: Session,
    ) -> Self {
        Self { origin, role, dims, graph, session }
    }
}

impl ModelSession for SingleModelSession {
    fn values(&mut self, batch: &BatchInputs<'_>) -> Result<Vec<f32>> {
        let Self { origin, role, dims, graph, session } = self;
        let mut run = || -> ort::Result<Vec<f32>> {
            let outputs = session.run(inputs(graph, dims, batch)?)?;
            Ok(outputs[0].try_extract_tensor::<f32>()?.1.to_vec())
        };
        run().map_err(|e| {
            let reason = format!("evaluating {} rows in ONNX Runtime: {}", batch.rows, reason(&e));
            fault::of_graph(Some(origin), &[*role], &reason)
        })
    }
}

/// The text of an error. ONNX Runtime's messages may span lines and begin with a location in its source.
pub(super) fn reason(error: &ort::Error) -> String {
    let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    reason.split_once("[ONNXRuntimeError] : ").map_or(reason.clone(), |(_, reason)| reason.to_owned())
}
