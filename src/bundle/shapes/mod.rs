//! Shape inference over an ONNX graph, before any engine sees it: refuses a value too large to be
//! allocated, one that grows faster than the rows, and operators that no engine can run on their
//! inputs (an axis that is not there, a step of zero, integers divided by zero, a loop without end).
//! Engines allocate what a graph says: one number in a file could end the process.
//!
//! What is not known, such as the shape of a custom operator's output, is taken for valid.

mod control_flow;
mod divisors;
mod elementwise;
mod generators;
mod inference;
mod layout;
mod numbers;
mod reductions;
mod tensors;
mod value;

use tract_onnx::pb::{ModelProto, ValueInfoProto};

use inference::{Computed, Inference};
use value::{ROWS, Scope, Value};

/// Checks the graph of a model whose inputs have these lengths; `Err` names the node and the fault.
pub(super) fn check(model: &ModelProto, inputs: &[ValueInfoProto], dims: &[usize]) -> Result<(), String> {
    let Some(graph) = &model.graph else { return Ok(()) };
    tensors::check(graph)?;
    let sizes = |rows: u64| {
        let mut inference = Inference::new(model);
        let mut scope = Scope::default();
        for (input, dim) in inputs.iter().zip(dims) {
            scope.insert(input.name.clone(), Value::input(input, rows, *dim as u64));
        }
        inference.graph(graph, &mut scope)?;
        Ok::<_, String>(inference)
    };
    let (once, twice) = (sizes(ROWS)?, sizes(2 * ROWS)?);
    let grows = |(one, two): &(&Computed, &Computed)| two.numbers > 2 * one.numbers.max(1);
    divisors::check(model)?;
    match once.computed.iter().zip(&twice.computed).find(grows) {
        Some((one, two)) => Err(format!(
            "{} gives {} numbers for {ROWS} rows and {} for twice as many, but a model evaluates every row on its \
             own; export it without what compares rows",
            one.node, one.numbers, two.numbers
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
