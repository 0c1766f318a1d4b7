//! The embedded engine: tract, pure Rust, on the CPU. Runs the same graphs where no
//! ONNX Runtime is found, so that a fresh machine needs nothing but cargo.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::backend::{self, Backend, Batch, Evaluated};
use crate::bundle::{Graph, Program};
use crate::error::{Error, Result};

/// Version of the engine, for the run's first line and the summary.
pub(super) const VERSION: &str = "tract 0.23";

/// A program's plans, shared by all sessions.
#[derive(Clone)]
struct Plans {
    program: Arc<Program>,
    plans: Vec<Arc<TypedRunnableModel>>,
}

/// Sessions on the embedded engine.
pub(super) fn sessions(program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
    let plans = program
        .graphs
        .iter()
        .map(|graph| {
            plan(graph).map_err(|e| {
                Error::Engine(format!(
                    "the embedded engine cannot run these models: {e:#}; install ONNX Runtime with `lsmi-etl runtime \
                     install`"
                ))
            })
        })
        .collect::<Result<_>>()?;
    let plans = Plans { program: Arc::new(program.clone_shape()), plans };
    Ok((0..count).map(|_| Box::new(plans.clone()) as Box<dyn Backend>).collect())
}

fn plan(graph: &Graph) -> TractResult<Arc<TypedRunnableModel>> {
    tract_onnx::onnx().model_for_proto_model(&graph.model)?.into_optimized()?.into_runnable()
}

impl Backend for Plans {
    fn evaluate(&mut self, batch: &Batch<'_>, out: &mut Evaluated) -> Result<()> {
        backend::check(&self.program, batch)?;
        for (plan, graph) in self.plans.iter().zip(&self.program.graphs) {
            run(plan, graph, self.program.dims, batch, out).map_err(|e| {
                Error::Engine(format!("embedded engine: evaluating {} rows: {e:#}", batch.rows))
            })?;
        }
        Ok(())
    }
}

fn run(
    plan: &Arc<TypedRunnableModel>,
    graph: &Graph,
    [d1, d2]: [usize; 2],
    batch: &Batch<'_>,
    out: &mut Evaluated,
) -> TractResult<()> {
    let rows = batch.rows;
    let mut inputs = tvec!();
    for &input in &graph.inputs {
        let tensor = match input {
            0 => Tensor::from_shape(&[rows, d1], batch.x1)?,
            1 => Tensor::from_shape(&[rows, d2], batch.x2)?,
            _ => Tensor::from_shape(&[rows, 1], batch.y)?,
        };
        inputs.push(tensor.into_tvalue());
    }
    let outputs = plan.run(inputs)?;
    for (value, role) in outputs.iter().zip(&graph.roles) {
        let values = value.try_as_plain_ram()?.as_slice::<f32>()?;
        anyhow::ensure!(values.len() == rows, "{role} gave {} values for {rows} rows", values.len());
        let kept = out.values_mut(*role as usize);
        kept.clear();
        kept.extend_from_slice(values);
    }
    Ok(())
}
