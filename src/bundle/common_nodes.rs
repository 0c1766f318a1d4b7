//! Common subexpression elimination of a fused graph: nodes that compute the same of the same
//! values are computed once. Constants are compared by their contents, since each model brings its
//! own. Densities of several modalities share the products of their first one, where their factors
//! begin with its factors; classifiers share the layers that they have in common.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use prost::Message;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::{onnx, opset};

/// Operators whose outputs differ from call to call.
const RANDOM: [&str; 7] = [
    "Bernoulli",
    "Dropout",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Merges equal nodes of a graph whose nodes are in topological order.
pub(super) fn share(graph: &mut GraphProto) {
    let constants = EqualConstants::of(&graph.initializer);
    let kept_names = kept_names(graph);
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut nodes: Vec<NodeProto> = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        for input in &mut node.input {
            if let Some(same) = renamed.get(input) {
                input.clone_from(same);
            }
        }
        if !is_pure(&node) || node.output.iter().any(|output| kept_names.contains(output)) {
            nodes.push(node);
            continue;
        }
        let equals = places.entry(constants.hash(&node)).or_default();
        let equal = equals.iter().filter_map(|&place| nodes.get(place));
        match equal.into_iter().find(|other| constants.are_same(other, &node)) {
            Some(other) => renamed.extend(node.output.into_iter().zip(other.output.iter().cloned())),
            None => {
                equals.push(nodes.len());
                nodes.push(node);
            }
        }
    }
    graph.node = nodes;
    if !renamed.is_empty() {
        onnx::prune(graph);
    }
}

/// Whether a node always computes the same of its inputs and holds no graph of its own.
fn is_pure(node: &NodeProto) -> bool {
    let holds_graph = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    opset::is_standard(&node.domain) && !RANDOM.contains(&node.op_type.as_str()) && !holds_graph
}

/// The values that keep their names: outputs of the graph, and what graphs within nodes read.
fn kept_names(graph: &GraphProto) -> HashSet<String> {
    let mut names: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        for inner in attribute.g.iter().chain(&attribute.graphs) {
            onnx::add_reads(inner, &mut names);
        }
    }
    names
}

/// Constants of equal contents: each by the name of the first of them.
struct EqualConstants {
    first: HashMap<String, String>,
}

impl EqualConstants {
    fn of(constants: &[TensorProto]) -> Self {
        let mut known: HashMap<u64, Vec<&TensorProto>> = HashMap::new();
        let mut first = HashMap::new();
        for tensor in constants {
            let mut hasher = DefaultHasher::new();
            (tensor.data_type, &tensor.dims, &tensor.raw_data).hash(&mut hasher);
            let equals = known.entry(hasher.finish()).or_default();
            match equals.iter().find(|other| same_contents(other, tensor)) {
                Some(other) => {
                    first.insert(tensor.name.clone(), other.name.clone());
                }
                None => equals.push(tensor),
            }
        }
        Self { first }
    }

    /// The inputs of a node, with the first of equal constants in place of each.
    fn inputs<'a>(&'a self, node: &'a NodeProto) -> impl Iterator<Item = &'a String> {
        node.input.iter().map(|input| self.first.get(input).unwrap_or(input))
    }

    fn hash(&self, node: &NodeProto) -> u64 {
        let mut hasher = DefaultHasher::new();
        node.op_type.hash(&mut hasher);
        self.inputs(node).for_each(|input| input.hash(&mut hasher));
        node.attribute.iter().for_each(|attribute| attribute.encode_to_vec().hash(&mut hasher));
        hasher.finish()
    }

    /// Whether two nodes compute the same.
    fn are_same(&self, a: &NodeProto, b: &NodeProto) -> bool {
        let omits = |node: &NodeProto| node.output.iter().map(String::is_empty).collect::<Vec<_>>();
        a.op_type == b.op_type
            && self.inputs(a).eq(self.inputs(b))
            && a.attribute == b.attribute
            && omits(a) == omits(b)
    }
}

/// Whether two constants have the same elements: the bits, since NaN is not equal to itself.
fn same_contents(a: &TensorProto, b: &TensorProto) -> bool {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let bits_of_doubles = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let is_inline = |tensor: &TensorProto| tensor.data_location.unwrap_or(0) == 0;
    is_inline(a)
        && is_inline(b)
        && (a.data_type, &a.dims, &a.raw_data) == (b.data_type, &b.dims, &b.raw_data)
        && bits(&a.float_data) == bits(&b.float_data)
        && bits_of_doubles(&a.double_data) == bits_of_doubles(&b.double_data)
        && (&a.int32_data, &a.int64_data, &a.uint64_data) == (&b.int32_data, &b.int64_data, &b.uint64_data)
        && a.string_data == b.string_data
}
