//! The models of a bundle one by one, with all of their output: what a check runs. A program
//! holds them fused, normalised and reduced to one number per row.

use std::sync::Arc;

use tract_onnx::pb::{GraphProto, ModelProto, tensor_proto::DataType};

use super::onnx::producer;
use super::program::{Graph, ModelOrigin};
use super::{OutputKind, Role, fuse};

/// Operators that only select, cast or shape the values of the one before.
const PASSED: [&str; 7] = ["Cast", "Identity", "Gather", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/// Rounding of an output, in nats or relative to it, by the model's precision: a log-softmax
/// in decomposed form subtracts two numbers of the size of the logits.
const SINGLE_ROUNDING: f64 = 1e-3;
const HALF_ROUNDING: f64 = 2e-2;

/// About ln of the least normal number of a precision. A softmax below it underflows, and an
/// engine may raise its logarithm to it.
const LEAST_LOG_PROB_SINGLE: f64 = -80.0;
const LEAST_LOG_PROB_HALF: f64 = -9.0;

/// The models of a bundle, each on its own.
#[derive(Debug, Clone)]
pub struct RawModels {
    /// The models in the order of [`Role::all`].
    pub models: Vec<Arc<RawModel>>,
    /// Dimensions of the modalities.
    pub dims: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

/// A model as it was exported.
#[derive(Debug, Clone)]
pub struct RawModel {
    /// Its bundle and fold.
    pub origin: ModelOrigin,
    /// Its role.
    pub role: Role,
    /// The graph, with the inputs of a program and all of the model's output.
    pub graph: Graph,
    /// What the output of a classifier is declared to be; `None` for a density.
    pub output: Option<OutputKind>,
    /// The operator that computes the output, of those that change values.
    pub last_operator: String,
    /// Tolerance for rounding, in nats.
    pub rounding: f64,
    /// The ln p below which values of a classifier mean no more than that p is about zero.
    pub least_log_prob: f64,
}

impl RawModel {
    pub(super) fn new(
        origin: ModelOrigin,
        role: Role,
        model: &ModelProto,
        output: Option<OutputKind>,
        dims: &[usize],
    ) -> Self {
        let last_operator = model.graph.as_ref().and_then(last_operator).unwrap_or_default().to_owned();
        Self {
            origin,
            role,
            graph: fuse::single(role, model, dims),
            output,
            last_operator,
            rounding: rounding(model),
            least_log_prob: if in_half(model) { LEAST_LOG_PROB_HALF } else { LEAST_LOG_PROB_SINGLE },
        }
    }
}

/// Tolerance for rounding of a model's output, in nats: more where it computes in half
/// precision.
pub(super) fn rounding(model: &ModelProto) -> f64 {
    if in_half(model) { HALF_ROUNDING } else { SINGLE_ROUNDING }
}

fn in_half(model: &ModelProto) -> bool {
    let is_half = |element: i64| element == DataType::Float16 as i64 || element == DataType::Bfloat16 as i64;
    let graph = model.graph.iter();
    let mut tensors = graph.clone().flat_map(|graph| &graph.initializer);
    let attributes = graph.flat_map(|graph| &graph.node).flat_map(|node| &node.attribute);
    tensors.any(|tensor| is_half(tensor.data_type.into()))
        || attributes.clone().any(|attribute| attribute.name == "to" && is_half(attribute.i))
        || attributes.filter_map(|a| a.t.as_ref()).any(|tensor| is_half(tensor.data_type.into()))
}

fn last_operator(graph: &GraphProto) -> Option<&str> {
    let mut value = graph.output.first()?.name.as_str();
    for _ in 0..=graph.node.len() {
        let node = producer(graph, value)?;
        if !PASSED.contains(&node.op_type.as_str()) {
            return Some(&node.op_type);
        }
        value = node.input.first()?;
    }
    None
}
