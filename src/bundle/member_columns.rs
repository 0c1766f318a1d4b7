//! Graph rewrite: the leading columns of a density of several modalities are taken from its first
//! modality instead of the concatenation of all. The same values, so that what its products have in
//! common with the first modality's own density becomes visible to [`super::common_nodes`].

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto};

use super::onnx::{floats_tensor, integer_attribute, prune, read_floats, read_integers};
use super::program::ProgramInput;

/// Rewrites a graph whose inputs are those of a program.
pub(super) fn split(graph: &mut GraphProto, dims: &[usize]) {
    let mut found = Vec::new();
    for (index, node) in graph.node.iter().enumerate() {
        if let Some(leading) = LeadingColumns::of(graph, node, dims) {
            found.push((index, leading));
        }
    }
    if found.is_empty() {
        return;
    }
    let mut found: HashMap<usize, LeadingColumns> = found.into_iter().collect();
    let mut nodes = Vec::with_capacity(graph.node.len() + found.len());
    for (index, node) in std::mem::take(&mut graph.node).into_iter().enumerate() {
        match found.remove(&index) {
            Some(leading) => leading.write(node, &mut nodes, graph),
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
    prune(graph);
}

/// The first columns of `concatenated x − centre`, which lie within the first modality.
struct LeadingColumns {
    input: ProgramInput,
    /// The part of the centre that belongs to the modality.
    centre: Vec<f32>,
    /// Whether they are all columns of the modality.
    all: bool,
}

impl LeadingColumns {
    fn of(graph: &GraphProto, node: &NodeProto, dims: &[usize]) -> Option<Self> {
        let [whole, start, end, axis] = &node.input[..] else { return None };
        let constant = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
        let integer = |name: &str| match constant(name).and_then(read_integers)?[..] {
            [value] => Some(value),
            _ => None,
        };
        if node.op_type != "Slice" || integer(start)? != 0 || integer(axis)? != 1 {
            return None;
        }
        let columns = usize::try_from(integer(end)?).ok()?;
        let subtraction = super::onnx::producer(graph, whole).filter(|node| node.op_type == "Sub")?;
        let [x, centre] = &subtraction.input[..] else { return None };
        let concatenation = super::onnx::producer(graph, x).filter(|node| node.op_type == "Concat")?;
        let is_of_columns =
            integer_attribute(concatenation, "axis").is_some_and(|axis| [1, -1].contains(&axis));
        let input = ProgramInput::of_name(concatenation.input.first()?)?;
        let width = input.width(dims);
        let centre = read_floats(constant(centre)?)?.get(..width)?.to_vec();
        (is_of_columns && columns <= width).then_some(Self { input, centre, all: columns == width })
    }

    /// Writes the nodes in place of a slice of the concatenation.
    fn write(self, mut slice: NodeProto, nodes: &mut Vec<NodeProto>, graph: &mut GraphProto) {
        let Some(output) = slice.output.first().cloned() else { return };
        let centre = format!("{output}:centre");
        let centred = if self.all { output.clone() } else { format!("{output}:of_{}", self.input.name()) };
        graph.initializer.push(floats_tensor(&centre, &[self.centre.len()], &self.centre));
        nodes.push(NodeProto {
            name: format!("{centred}:Sub"),
            op_type: "Sub".into(),
            input: vec![self.input.name().into(), centre],
            output: vec![centred.clone()],
            ..NodeProto::default()
        });
        if let (false, Some(whole)) = (self.all, slice.input.first_mut()) {
            *whole = centred;
            nodes.push(slice);
        }
    }
}
