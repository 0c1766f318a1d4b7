//! Recognition of a mixture of Gaussians in an arbitrary ONNX graph, and its export in folded
//! form. No pattern matching on operators: numerical evaluation in f64 determines which
//! intermediate values are affine in x and their coefficients. A fold is accepted only where
//! it agrees with the original graph.
//!
//! Folding happens once, when a bundle is packed: probing takes d evaluations of the graph,
//! too many for every start of a run, and the hashes of a bundle then cover the graphs that
//! run.

mod agreement;
mod double_precision;
mod joined_input;
mod probe;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use crate::printable::panic_message;

use super::density::density_graph;

/// Metadata key of a fold's description.
const FOLDED: &str = "lsmi_etl.folded";

/// The folded form of a density over modalities of these dimensions; `Err` gives the reason why the
/// graph can't be folded.
pub(super) fn fold(model: &ModelProto, dims: &[usize]) -> Result<ModelProto, String> {
    let model = &*joined_input::joined(model, dims)?;
    let nodes = model.graph.as_ref().map_or(0, |graph| graph.node.len());
    // The engine panics at graphs that it does not expect.
    let found = catch_unwind(AssertUnwindSafe(|| probe::mixture(model, dims.iter().sum())));
    let found = found.unwrap_or_else(|panic| Err(panic_message(panic.as_ref())))?;
    let mut folded = density_graph(&found.mixture, dims);
    let producer = match model.producer_name.as_str() {
        "" => String::new(),
        name => format!(" of {name} {}", model.producer_version).trim_end().to_owned(),
    };
    let value = format!(
        "{} Gaussians found in a graph of {nodes} nodes{producer}; h differs by {:.0e} nats in f64, {:.0e} in f32, at \
         most, on {} rows",
        found.mixture.log_weights.len(),
        found.agreement.exact_nats,
        found.agreement.single_nats,
        found.agreement.rows
    );
    folded.metadata_props.push(StringStringEntryProto { key: FOLDED.into(), value });
    Ok(folded)
}

/// The description of a folded model's origin.
pub(super) fn description(model: &ModelProto) -> Option<&str> {
    model.metadata_props.iter().find(|entry| entry.key == FOLDED).map(|entry| entry.value.as_str())
}

#[cfg(test)]
mod tests;
