//! Recognising a mixture of Gaussians in anyone's ONNX graph, and writing it anew in
//! the folded form. Nothing is known of how the graph is written: whether a value of it
//! is affine in x, and what its coefficients are, is found by evaluating it in f64, and
//! a fold is accepted only where it agrees with the graph it replaces.
//!
//! This is done once, when a bundle is packed: probing takes d evaluations of the graph,
//! too many for every start of a run, and a bundle's hashes are then those of the graphs
//! that run.

mod agree;
mod exact;
mod probe;

use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use super::density::density_graph;

/// The key of a model's metadata under which a fold is described.
const FOLDED: &str = "lsmi_etl.folded";

/// The folded form of a density over `dim` values; `Err` says why the graph is left as
/// it is.
pub(super) fn fold(model: &ModelProto, dim: usize) -> Result<ModelProto, String> {
    let nodes = model.graph.as_ref().map_or(0, |graph| graph.node.len());
    let found = probe::mixture(model, dim)?;
    let mut folded = density_graph(&found.mixture);
    let made_by = match model.producer_name.as_str() {
        "" => String::new(),
        name => format!(" of {name} {}", model.producer_version).trim_end().to_owned(),
    };
    let value = format!(
        "{} Gaussians found in a graph of {nodes} nodes{made_by}; h differs by {:.0e} nats in f64, {:.0e} in f32, at \
         most, on {} rows",
        found.mixture.log_weights.len(),
        found.agreement.exact_nats,
        found.agreement.single_nats,
        found.agreement.rows
    );
    folded.metadata_props.push(StringStringEntryProto { key: FOLDED.into(), value });
    Ok(folded)
}

/// What a folded model was folded from.
pub(super) fn description(model: &ModelProto) -> Option<&str> {
    model.metadata_props.iter().find(|entry| entry.key == FOLDED).map(|entry| entry.value.as_str())
}

#[cfg(test)]
mod tests;
