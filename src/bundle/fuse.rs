//! Fusion of the models into one program: shared inputs x1, x2, … and the class index y,
//! one output value per row and model, one graph in the newest of their opsets, so that a
//! batch is one run of the engine. A model that can't be upgraded to that opset gets a graph
//! of its own, and the program records the reason.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, tensor_proto::DataType,
};

use super::onnx::{self, int_attribute, value_info};
use super::program::{Graph, ModelOrigin, Program, ProgramInput};
use super::{Role, common_nodes, log_sum_exp, member_columns, opset, shared_centre};

/// A model and its role in a program.
pub(super) struct RoleModel<'a> {
    pub(super) role: Role,
    pub(super) model: &'a ModelProto,
    /// Whether the output needs a log-softmax.
    pub(super) logits: bool,
}

/// A model in the opset of the fused graph.
struct UpgradedModel<'a> {
    role: Role,
    model: Cow<'a, ModelProto>,
    logits: bool,
}

/// The program of the models of modalities with these dimensions.
pub(super) fn fuse(
    origin: Option<ModelOrigin>,
    models: &[RoleModel<'_>],
    dims: &[usize],
    classes: usize,
    tops: bool,
) -> Program {
    let newest = models.iter().map(|input| opset::of(input.model)).max().unwrap_or_default();
    let mut unfused = Vec::new();
    let mut groups: Vec<Vec<UpgradedModel<'_>>> = Vec::new();
    for input in models {
        let (role, logits) = (input.role, input.logits);
        let model = opset::raise(input.model, newest).unwrap_or_else(|why| {
            unfused.push(format!("{role}: {why}"));
            Cow::Borrowed(input.model)
        });
        let upgraded = UpgradedModel { role, model, logits };
        // Functions of two models may have the same name and differ: such models are not fused.
        if !input.model.functions.is_empty() {
            unfused.push(format!("{role}: it defines functions of its own; export it without them"));
            groups.push(vec![upgraded]);
            continue;
        }
        match groups
            .iter_mut()
            .find(|group| group.iter().all(|other| can_join(&other.model, &upgraded.model)))
        {
            Some(group) => group.push(upgraded),
            None => {
                // With one standard opset, only a non-standard operator set prevents the fusion.
                let beside = |other: &UpgradedModel<'_>| {
                    other.model.functions.is_empty() && opset::of(&other.model) == opset::of(&upgraded.model)
                };
                if groups.iter().flatten().any(beside) {
                    unfused.push(format!(
                        "{role}: its extra operator sets are of other versions than another model's"
                    ));
                }
                groups.push(vec![upgraded]);
            }
        }
    }
    let mut graphs: Vec<_> = groups.iter().map(|group| join(group, dims, tops)).collect();
    graphs.sort_by_key(|graph| std::cmp::Reverse(graph.roles.len()));
    Program { origin, graphs, unfused, dims: dims.to_vec(), classes }
}

/// Whether two models can be fused: no functions, and equal versions of every operator set
/// that both import.
fn can_join(a: &ModelProto, b: &ModelProto) -> bool {
    let alone = !a.functions.is_empty() || !b.functions.is_empty();
    let clash = |o: &OperatorSetIdProto, p: &OperatorSetIdProto| {
        let same = o.domain == p.domain || opset::is_standard(&o.domain) && opset::is_standard(&p.domain);
        same && o.version != p.version
    };
    !alone && !a.opset_import.iter().any(|o| b.opset_import.iter().any(|p| clash(o, p)))
}

fn join(group: &[UpgradedModel<'_>], dims: &[usize], tops: bool) -> Graph {
    let mut graph = GraphProto { name: "lsmi".into(), ..Default::default() };
    let mut log_probs = Vec::new();
    for model in group {
        log_probs.extend(append(&mut graph, model).map(|log_prob| (model.role, log_prob)));
    }
    log_probs.retain(|_| tops);
    for (role, log_prob) in &log_probs {
        append_top_class(&mut graph, *role, log_prob);
    }
    let roles: Vec<Role> = group.iter().map(|model| model.role).collect();
    shared_centre::share(&mut graph, dims);
    member_columns::split(&mut graph, dims);
    common_nodes::share(&mut graph);
    let reads = |input: &ProgramInput| {
        group.iter().any(|model| match input {
            ProgramInput::Class => !model.role.is_density(),
            ProgramInput::Embedding(modality) => model.role.modalities().contains(*modality),
        })
    };
    let embeddings = (0..dims.len()).map(ProgramInput::Embedding);
    let inputs: Vec<_> = embeddings.chain([ProgramInput::Class]).filter(reads).collect();
    graph.input = inputs.iter().map(|input| declared_input(*input, dims)).collect();
    let mut model = onnx::model(graph, group.first().map_or(0, |p| opset::of(&p.model)));
    model.ir_version = group.iter().map(|p| p.model.ir_version).fold(model.ir_version, i64::max);
    for import in group.iter().flat_map(|p| &p.model.opset_import) {
        let known = |o: &OperatorSetIdProto| o.domain == import.domain;
        if !opset::is_standard(&import.domain) && !model.opset_import.iter().any(known) {
            model.opset_import.push(import.clone());
        }
    }
    model.functions = group.iter().flat_map(|p| p.model.functions.clone()).collect();
    Graph::new(model, inputs, roles, dims.len())
        .with_top_classes(log_probs.iter().map(|(role, _)| *role), dims.len())
}

fn declared_input(input: ProgramInput, dims: &[usize]) -> ValueInfoProto {
    let element = match input {
        ProgramInput::Embedding(_) => DataType::Float,
        ProgramInput::Class => DataType::Int64,
    };
    value_info(input.name(), element, &[None, Some(input.width(dims))])
}

/// A model on its own, from the shared inputs to all of its output, which is named by its role.
pub(super) fn single(role: Role, model: &ModelProto, dims: &[usize]) -> Graph {
    let mut graph = GraphProto { name: "lsmi".into(), ..Default::default() };
    let mut single = model.clone();
    if let Some(own) = model.graph.clone() {
        let output = append_model(&mut graph, role, own);
        graph.node.push(node("Identity", &[&output], &role.to_string(), None));
    }
    let inputs: Vec<_> = embeddings(role).collect();
    graph.input = inputs.iter().map(|input| declared_input(*input, dims)).collect();
    graph.output = vec![onnx::any_shape(&role.to_string())];
    single.graph = Some(graph);
    // Constants are no inputs here.
    single.ir_version = single.ir_version.max(onnx::IR_VERSION);
    Graph::new(single, inputs, vec![role], dims.len())
}

/// Appends a model from the shared inputs to one output number per row. Returns the value of ln p of every class, of a
/// classifier.
fn append(graph: &mut GraphProto, model: &UpgradedModel<'_>) -> Option<String> {
    let own = model.model.graph.clone()?;
    let (role, name) = (model.role, model.role.to_string());
    let result = append_model(graph, role, own);
    if role.is_density() {
        graph.node.push(node("Identity", &[&result], &name, None));
        graph.output.push(value_info(&name, DataType::Float, &[None]));
        None
    } else {
        let mut log_prob = result;
        if model.logits {
            let normalised = added(role, "log_prob");
            graph.node.push(node("LogSoftmax", &[&log_prob], &normalised, Some(("axis", 1))));
            log_prob = normalised;
        }
        // One output per row and classifier instead of C.
        let class = ProgramInput::Class.name();
        graph.node.push(node("GatherElements", &[&log_prob, class], &name, Some(("axis", 1))));
        graph.output.push(value_info(&name, DataType::Float, &[None, Some(1)]));
        Some(log_prob)
    }
}

/// Appends two outputs of a classifier, one number per row each: the place of the most probable class, of several the
/// first, and its ln p.
fn append_top_class(graph: &mut GraphProto, role: Role, log_prob: &str) {
    let [place, class, top] = ["place", "class", "log_p"].map(|part| added(role, &format!("top_{part}")));
    graph.node.push(node("ArgMax", &[log_prob], &place, Some(("axis", 1))));
    graph.node.push(node("Cast", &[&place], &class, Some(("to", DataType::Float as i64))));
    graph.node.push(node("GatherElements", &[log_prob, &place], &top, Some(("axis", 1))));
    graph.output.extend([class, top].map(|name| value_info(&name, DataType::Float, &[None, Some(1)])));
}

/// Appends a model's graph, prefixed by its role, with the shared inputs; returns the name of
/// its output.
fn append_model(graph: &mut GraphProto, role: Role, mut own: GraphProto) -> String {
    let own_inputs = super::check::inputs(&own);
    let shared: Vec<&str> = embeddings(role).map(ProgramInput::name).collect();
    let mut names = ValueNames { role, inputs: BTreeMap::new() };
    if own_inputs.len() == shared.len() {
        let own_names = own_inputs.iter().map(|input| input.name.clone());
        names.inputs = own_names.zip(shared.iter().map(|&s| s.to_owned())).collect();
    } else {
        // A model of several modalities with one input: concatenate them.
        let all = names.of(&own_inputs.first().map(|i| i.name.clone()).unwrap_or_default());
        graph.node.push(node("Concat", &shared, &all, Some(("axis", 1))));
    }
    let result = names.of(&own.output.first().map(|o| o.name.clone()).unwrap_or_default());
    names.rename(&mut own);
    log_sum_exp::stabilise(&mut own);
    graph.node.append(&mut own.node);
    graph.initializer.append(&mut own.initializer);
    graph.sparse_initializer.append(&mut own.sparse_initializer);
    result
}

/// The name of a value that is added to a model's own, whose names begin with the role and a slash.
fn added(role: Role, value: &str) -> String {
    format!("{role}:{value}")
}

/// The embeddings that a role reads.
fn embeddings(role: Role) -> impl Iterator<Item = ProgramInput> {
    role.modalities().members().map(ProgramInput::Embedding)
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

/// Renaming of a graph's values: inputs to the shared names, all others prefixed by the role.
struct ValueNames {
    role: Role,
    inputs: BTreeMap<String, String>,
}

impl ValueNames {
    fn of(&self, name: &str) -> String {
        match self.inputs.get(name) {
            Some(shared) => shared.clone(),
            // An omitted optional input has the empty name.
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
