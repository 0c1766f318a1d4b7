//! The embedded engine: tract, pure Rust, on the CPU. Runs the same graphs where no ONNX
//! Runtime is found, so that a fresh machine needs nothing but cargo.

#[cfg(target_arch = "x86_64")]
mod affine_map;
#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(target_arch = "x86_64")]
mod operators;
#[cfg(target_arch = "x86_64")]
mod turn;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::unimpl::UnimplementedOp;

use crate::bundle::{Graph, ModelOrigin, Program, ProgramInput, RawModel, Role};
use crate::error::{Error, Result};
use crate::printable::panic_message;
use crate::threads::spawn_scoped;

use super::backend::{self, Backend, BatchInputs, BatchOutputs, ModelSession};
use super::fault;
#[cfg(target_arch = "x86_64")]
use operators::{has_kernels, reader};
#[cfg(not(target_arch = "x86_64"))]
use tract_onnx::onnx as reader;

/// Whether there are kernels for the operators of column-major programs.
#[cfg(not(target_arch = "x86_64"))]
fn has_kernels() -> bool {
    false
}

/// Version of the engine, for [`EngineDescription`](super::EngineDescription).
pub(super) const VERSION: &str = "tract 0.23";

/// A session of the embedded engine. The plans are shared by all sessions.
#[derive(Clone)]
struct EmbeddedSession {
    program: Arc<Program>,
    plans: Vec<GraphPlans>,
    block_rows: usize,
}

/// The two plans of a graph: for a block of fixed size and for any number of rows. With a
/// known number of rows, tract selects better kernels and fuses more operators.
#[derive(Clone)]
struct GraphPlans {
    block: Arc<TypedRunnableModel>,
    any: Arc<TypedRunnableModel>,
}

/// Rows per block: enough to amortise the fixed cost per node, few enough that
/// intermediate tensors stay in the CPU cache.
fn block_rows(dims: &[usize]) -> usize {
    if dims.iter().sum::<usize>() <= 512 { 512 } else { 256 }
}

/// Plans a program and returns `count` sessions.
pub(super) fn sessions(program: &Program, count: usize) -> Result<Vec<Box<dyn Backend>>> {
    let block_rows = block_rows(&program.dims);
    let column_major = program.column_major(has_kernels());
    // One thread per plan: planning takes longer than evaluating thousands of rows.
    let plans = std::thread::scope(|scope| {
        let plan = |graph, rows| spawn_scoped(scope, move || plan_graph(graph, &program.dims, rows));
        let graphs = column_major.graphs.iter();
        let planning: Result<Vec<_>> =
            graphs.map(|graph| Ok([plan(graph, Some(block_rows))?, plan(graph, None)?])).collect();
        let plans = planning?.into_iter().map(|[block, any]| {
            let [block, any] = [block, any].map(|thread| {
                thread.join().map_err(|panic| anyhow::anyhow!("{}", panic_message(panic.as_ref())))
            });
            Ok(GraphPlans { block: block??, any: any?? })
        });
        Ok::<_, Error>(plans.collect::<TractResult<_>>())
    })?;
    let roles: Vec<Role> = program.graphs.iter().flat_map(|graph| graph.roles.iter().copied()).collect();
    let plans = plans.map_err(|e| refuse(program.origin.as_ref(), &roles, &e))?;
    let plans = EmbeddedSession { program: Arc::new(program.clone_shape()), plans, block_rows };
    Ok((0..count).map(|_| Box::new(plans.clone()) as Box<dyn Backend>).collect())
}

/// The error of graphs that can't be planned: the engine's, where it lacks an operator.
fn refuse(origin: Option<&ModelOrigin>, roles: &[Role], error: &anyhow::Error) -> Error {
    match error.downcast_ref::<MissingOperator>() {
        Some(missing) => Error::Engine(format!(
            "the embedded engine has no operator {missing}; install ONNX Runtime with `lsmi-etl runtime install`, or \
             export the model without it"
        )),
        None => fault::of_graph(origin, roles, &format!("the embedded engine cannot run it: {error:#}")),
    }
}

/// An operator that the engine does not have, and the node that needs it.
#[derive(Debug)]
struct MissingOperator {
    operator: String,
    node: String,
}

impl fmt::Display for MissingOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (node {:?})", self.operator, self.node)
    }
}

impl std::error::Error for MissingOperator {}

/// Calls the engine, which panics at graphs that it does not expect.
fn catch_panics<T>(call: impl FnOnce() -> TractResult<T>) -> TractResult<T> {
    let caught = catch_unwind(AssertUnwindSafe(call));
    caught.unwrap_or_else(|panic| Err(anyhow::anyhow!("{}", panic_message(panic.as_ref()))))
}

/// The plan of a graph for a fixed number of rows, or for any number.
fn plan_graph(graph: &Graph, dims: &[usize], rows: Option<usize>) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = reader().model_for_proto_model(&graph.model)?;
    if let Some(node) = model.nodes.iter().find(|node| node.op_is::<UnimplementedOp>()) {
        let name = node.op.name();
        let operator = name.trim_start_matches("Unimplemented(").trim_end_matches(')').to_owned();
        return Err(MissingOperator { operator, node: node.name.clone() }.into());
    }
    if let Some(rows) = rows {
        for (place, &input) in graph.inputs.iter().enumerate() {
            let kind = match input {
                ProgramInput::Embedding(_) => DatumType::F32,
                ProgramInput::Class => DatumType::I64,
            };
            let shape = tvec![rows, input.width(dims)];
            model.set_input_fact(place, InferenceFact::dt_shape(kind, shape))?;
        }
    }
    model.into_optimized()?.into_runnable()
}

impl Backend for EmbeddedSession {
    fn evaluate(&mut self, batch: &BatchInputs<'_>, out: &mut BatchOutputs) -> Result<()> {
        backend::check(&self.program, batch)?;
        let dims = &self.program.dims;
        for (plan, graph) in self.plans.iter().zip(&self.program.graphs) {
            for &place in &graph.places {
                out.all_mut().get_mut(place).into_iter().for_each(Vec::clear);
            }
            for start in (0..batch.rows).step_by(self.block_rows) {
                let rows = self.block_rows.min(batch.rows - start);
                let end = start + rows;
                let x = batch.x.iter().zip(dims).map(|(x, dim)| &x[start * dim..end * dim]);
                let x: Vec<&[f32]> = x.collect();
                let block = BatchInputs { rows, x: &x, y: &batch.y[start..end] };
                let plan = if rows == self.block_rows { &plan.block } else { &plan.any };
                catch_panics(|| run(plan, graph, dims, &block, out)).map_err(|e| {
                    let reason = format!("evaluating {rows} rows in the embedded engine: {e:#}");
                    fault::of_graph(self.program.origin.as_ref(), &graph.roles, &reason)
                })?;
            }
        }
        Ok(())
    }
}

/// Evaluates a block and appends its outputs to `out`.
fn run(
    plan: &Arc<TypedRunnableModel>,
    graph: &Graph,
    dims: &[usize],
    batch: &BatchInputs<'_>,
    out: &mut BatchOutputs,
) -> TractResult<()> {
    let rows = batch.rows;
    let outputs = plan.run(inputs(graph, dims, batch)?)?;
    for ((value, role), &place) in outputs.iter().zip(&graph.roles).zip(&graph.places) {
        let values = value.try_as_plain_ram()?.as_slice::<f32>()?;
        anyhow::ensure!(values.len() == rows, "{role} gave {} values for {rows} rows", values.len());
        if let Some(target) = out.all_mut().get_mut(place) {
            target.extend_from_slice(values);
        }
    }
    Ok(())
}

/// The inputs of a graph. One copy per block: tract's tensors own their values.
fn inputs(graph: &Graph, dims: &[usize], batch: &BatchInputs<'_>) -> TractResult<TVec<TValue>> {
    let tensor = |input: ProgramInput| {
        let shape = [batch.rows, input.width(dims)];
        match input {
            ProgramInput::Embedding(modality) => Tensor::from_shape(&shape, batch.embedding(modality)),
            ProgramInput::Class => Tensor::from_shape(&shape, batch.y),
        }
    };
    graph.inputs.iter().map(|input| Ok(tensor(*input)?.into_tvalue())).collect()
}

/// A model on its own.
struct EmbeddedModel {
    origin: ModelOrigin,
    role: Role,
    plan: Arc<TypedRunnableModel>,
    graph: Graph,
    dims: Vec<usize>,
}

/// Plans a model on its own.
pub(super) fn model_session(model: &RawModel, dims: &[usize]) -> Result<Box<dyn ModelSession>> {
    let (origin, role) = (model.origin.clone(), model.role);
    let plan = catch_panics(|| plan_graph(&model.graph, dims, None));
    let plan = plan.map_err(|e| refuse(Some(&origin), &[role], &e))?;
    Ok(Box::new(EmbeddedModel { origin, role, plan, graph: model.graph.clone_shape(), dims: dims.to_vec() }))
}

impl ModelSession for EmbeddedModel {
    fn values(&mut self, batch: &BatchInputs<'_>) -> Result<Vec<f32>> {
        let run = || -> TractResult<Vec<f32>> {
            let outputs = self.plan.run(inputs(&self.graph, &self.dims, batch)?)?;
            let output = outputs.first().ok_or_else(|| anyhow::anyhow!("it has no output"))?;
            Ok(output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        };
        catch_panics(run).map_err(|e| {
            let reason = format!("evaluating {} rows in the embedded engine: {e:#}", batch.rows);
            fault::of_graph(Some(&self.origin), &[self.role], &reason)
        })
    }
}

#[cfg(test)]
mod tests;
