//! One program from five models: every model is given the same inputs x1, x2 and
//! the class index y, its output is reduced to one number a row, and models of one
//! opset become one graph, so that a batch is one run of the engine.

use std::collections::BTreeMap;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, tensor_proto::DataType};

use super::Role;
use super::onnx::{self, int_attribute, value_info};

/// Names of a program's inputs: two `[n, d_m]` f32 and y `[n, 1]` i64.
pub const INPUTS: [&str; 3] = ["x1", "x2", "y"];

/// The graphs that together evaluate all five models.
#[derive(Debug, Clone)]
pub struct Program {
    /// One graph where the models' opsets agree, else one for each opset.
    pub graphs: Vec<Graph>,
    /// Dimensions of x1 and x2.
    pub dims: [usize; 2],
    /// Number of classes.
    pub classes: usize,
}

/// One graph of a program. Its outputs are named by role and hold one f32 a row:
/// h of a density, ln p(y|x) at the row's y of a classifier.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The model to load.
    pub model: ModelProto,
    /// Which of [`INPUTS`] it reads.
    pub inputs: Vec<usize>,
    /// The roles it evaluates, in the order of its outputs.
    pub roles: Vec<Role>,
}

impl Program {
    /// The program without its models: what a session keeps once they are loaded.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { graphs: self.graphs.iter().map(Graph::clone_shape).collect(), ..*self }
    }
}

impl Graph {
    /// The ONNX file of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        onnx::encode(&self.model)
    }

    /// The graph without its model.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { model: ModelProto::default(), inputs: self.inputs.clone(), roles: self.roles.clone() }
    }
}

/// A model as it takes part in a program.
pub(super) struct Part<'a> {
    pub(super) role: Role,
    pub(super) model: &'a ModelProto,
    /// Whether the output needs a log-softmax.
    pub(super) logits: bool,
}

/// The program of five models.
pub(super) fn fuse(parts: &[Part<'_>], dims: [usize; 2], classes: usize) -> Program {
    let mut groups: BTreeMap<(Vec<(String, i64)>, usize), Vec<&Part<'_>>> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let mut opsets: Vec<_> =
            part.model.opset_import.iter().map(|o| (o.domain.clone(), o.version)).collect();
        opsets.sort();
        // Functions of two models could share a name and differ: such models stay alone.
        let alone = if part.model.functions.is_empty() { 0 } else { index + 1 };
        groups.entry((opsets, alone)).or_default().push(part);
    }
    let graphs = groups.into_values().map(|group| join(&group, dims)).collect();
    Program { graphs, dims, classes }
}

fn join(group: &[&Part<'_>], dims: [usize; 2]) -> Graph {
    let mut graph = GraphProto { name: "lsmi".into(), ..Default::default() };
    for part in group {
        append(&mut graph, part);
    }
    let reads = |input: usize| {
        group.iter().any(|p| match input {
            2 => !p.role.is_density(),
            modality => p.role.modalities().contains(&modality),
        })
    };
    let inputs: Vec<usize> = (0..INPUTS.len()).filter(|&input| reads(input)).collect();
    graph.input = inputs
        .iter()
        .map(|&input| match input {
            2 => value_info(INPUTS[2], DataType::Int64, &[None, Some(1)]),
            modality => value_info(INPUTS[modality], DataType::Float, &[None, Some(dims[modality])]),
        })
        .collect();
    let mut model = group.first().map(|part| part.model.clone()).unwrap_or_default();
    model.ir_version = group.iter().map(|p| p.model.ir_version).max().unwrap_or_default();
    model.graph = Some(graph);
    Graph { model, inputs, roles: group.iter().map(|part| part.role).collect() }
}

/// Adds a model's graph under its role's name, from the shared inputs to one
/// output.
fn append(graph: &mut GraphProto, part: &Part<'_>) {
    let Some(mut own) = part.model.graph.clone() else { return };
    let role = part.role;
    let own_inputs = super::check::inputs(&own);
    let shared: Vec<&str> = role.modalities().iter().map(|&m| INPUTS[m]).collect();
    let mut names = Names { role, inputs: BTreeMap::new() };
    if own_inputs.len() == shared.len() {
        let own_names = own_inputs.iter().map(|input| input.name.clone());
        names.inputs = own_names.zip(shared.iter().map(|&s| s.to_owned())).collect();
    } else {
        // A classifier of the pair that takes both modalities as one input.
        let pair = names.of(&own_inputs.first().map(|i| i.name.clone()).unwrap_or_default());
        graph.node.push(node("Concat", &shared, &pair, Some(("axis", 1))));
    }
    let result = names.of(&own.output.first().map(|o| o.name.clone()).unwrap_or_default());
    names.rename(&mut own);
    super::stable::stabilise(&mut own);
    graph.node.append(&mut own.node);
    graph.initializer.append(&mut own.initializer);
    graph.sparse_initializer.append(&mut own.sparse_initializer);

    if role.is_density() {
        graph.node.push(node("Identity", &[&result], role.name(), None));
        graph.output.push(value_info(role.name(), DataType::Float, &[None]));
    } else {
        let mut log_prob = result;
        if part.logits {
            let normalised = format!("{role}/log_prob");
            graph.node.push(node("LogSoftmax", &[&log_prob], &normalised, Some(("axis", 1))));
            log_prob = normalised;
        }
        // Five numbers a row leave the graph instead of 2 + 3·C.
        graph.node.push(node("GatherElements", &[&log_prob, INPUTS[2]], role.name(), Some(("axis", 1))));
        graph.output.push(value_info(role.name(), DataType::Float, &[None, Some(1)]));
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Option<(&str, i64)>) -> NodeProto {
    NodeProto {
        name: format!("{output}:{op}"),
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        attribute: attribute.map(|(key, value)| int_attribute(key, value)).into_iter().collect(),
        ..Default::default()
    }
}

/// New names for a graph's values: inputs take the shared names, all others the
/// role as prefix.
struct Names {
    role: Role,
    inputs: BTreeMap<String, String>,
}

impl Names {
    fn of(&self, name: &str) -> String {
        match self.inputs.get(name) {
            Some(shared) => shared.clone(),
            // An optional input that is left out has the empty name.
            None if name.is_empty() => String::new(),
            None => format!("{}/{name}", self.role),
        }
    }

    fn rename(&self, graph: &mut GraphProto) {
        for node in &mut graph.node {
            node.name = self.of(&node.name);
            for name in node.input.iter_mut().chain(&mut node.output) {
                *name = self.of(name);
            }
            for attribute in &mut node.attribute {
                attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(|inner| self.rename(inner));
            }
        }
        for tensor in &mut graph.initializer {
            tensor.name = self.of(&tensor.name);
        }
        for sparse in graph.sparse_initializer.iter_mut().filter_map(|s| s.values.as_mut()) {
            sparse.name = self.of(&sparse.name);
        }
        for value in graph.input.iter_mut().chain(&mut graph.output) {
            value.name = self.of(&value.name);
        }
    }
}
