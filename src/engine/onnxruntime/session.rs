//! Zero-copy sessions: the CPU execution provider reads a batch from Arrow's buffers.

use ort::session::Session;
use ort::value::TensorRef;

use crate::bundle::{Graph, INPUTS, Program};
use crate::engine::backend::{self, Backend, BatchInputs, BatchOutputs};
use crate::error::{Error, Result};

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
    batch: &BatchInputs<'_>,
    out: &mut BatchOutputs,
) -> ort::Result<()> {
    let rows = batch.rows;
    let mut inputs = Vec::with_capacity(INPUTS.len());
    for &input in &graph.inputs {
        // Zero-copy: tensors are views of the batch.
        let tensor = match input {
            0 => TensorRef::from_array_view(([rows, d1], batch.x1))?.into_dyn(),
            1 => TensorRef::from_array_view(([rows, d2], batch.x2))?.into_dyn(),
            _ => TensorRef::from_array_view(([rows, 1], batch.y))?.into_dyn(),
        };
        inputs.push((INPUTS[input], tensor));
    }
    take_outputs(&session.run(inputs)?, graph, rows, out)
}
