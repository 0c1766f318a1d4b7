//! Sessions that read a batch where Arrow has it: no copy on the processor.

use ort::session::Session;
use ort::value::TensorRef;

use crate::bundle::{Graph, INPUTS, Program};
use crate::engine::backend::{self, Backend, Batch, Evaluated};
use crate::error::{Error, Result};

use super::outputs::take_outputs;

/// The sessions of one worker, one for each graph of the program.
pub(super) struct Sessions {
    program: Program,
    sessions: Vec<(Session, Graph)>,
}

impl Sessions {
    pub(super) fn new(program: Program, sessions: Vec<(Session, Graph)>) -> Self {
        Self { program, sessions }
    }
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
    take_outputs(&session.run(inputs)?, graph, rows, out)
}
