//! The walk through a graph: infers every node from the values before it, and counts.

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

use super::super::opset;
use super::value::{Call, Inferred, MOST_NUMBERS, ROWS, Scope, Value};
use super::{control_flow, elementwise, generators, layout, reductions, tensors};

/// The most numbers of all values together.
const MOST_IN_ALL: u64 = 1 << 30;

/// A value whose size is known.
pub(super) struct Computed {
    /// The node, as messages name it.
    pub(super) node: String,
    pub(super) numbers: u64,
}

/// The inference of one graph and those within it.
pub(super) struct Inference {
    opset: i64,
    pub(super) computed: Vec<Computed>,
    in_all: u64,
}

impl Inference {
    pub(super) fn new(model: &ModelProto) -> Self {
        Self { opset: opset::of(model), computed: Vec::new(), in_all: 0 }
    }

    /// Infers the values of a graph into its scope, which has its inputs already.
    pub(super) fn graph(&mut self, graph: &GraphProto, scope: &mut Scope) -> Result<(), String> {
        for tensor in &graph.initializer {
            scope.insert(tensor.name.clone(), tensors::value(tensor));
        }
        for node in &graph.node {
            let outputs = self.node(node, scope).map_err(|what| format!("{}: {what}", describe(node)))?;
            for (name, value) in node.output.iter().zip(outputs) {
                self.count(node, &value)?;
                scope.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    /// The values of a node's outputs, in their order; fewer where the others are unknown.
    fn node(&mut self, node: &NodeProto, scope: &Scope) -> Result<Vec<Value>, String> {
        if !opset::is_standard(&node.domain) {
            return Ok(Vec::new());
        }
        let known = |place: usize| node.input.get(place).and_then(|name| scope.get(name));
        match node.op_type.as_str() {
            "If" => {
                let Some(taken) = control_flow::taken_branch(node, known(0)) else { return Ok(Vec::new()) };
                let mut inner = scope.clone();
                self.graph(taken, &mut inner)?;
                let outputs = taken.output.iter();
                return Ok(outputs
                    .map(|output| inner.get(&output.name).cloned().unwrap_or_default())
                    .collect());
            }
            "Loop" => return control_flow::check_loop(node, known(0), known(1)).map(|()| Vec::new()),
            _ => {}
        }
        let inputs = node.input.iter().map(|name| scope.get(name).cloned().unwrap_or_default());
        let call = Call { node, inputs: inputs.collect(), opset: self.opset };
        let infer: [fn(&Call<'_>) -> Inferred; 4] =
            [elementwise::infer, generators::infer, layout::infer, reductions::infer];
        for infer in infer {
            if let Some(outputs) = infer(&call)? {
                return Ok(outputs);
            }
        }
        Ok(Vec::new())
    }

    fn count(&mut self, node: &NodeProto, value: &Value) -> Result<(), String> {
        let Some(numbers) = value.count() else { return Ok(()) };
        self.in_all = self.in_all.saturating_add(numbers);
        if numbers > MOST_NUMBERS || self.in_all > MOST_IN_ALL {
            let (of, most) = match numbers > MOST_NUMBERS {
                true => (numbers, MOST_NUMBERS),
                false => (self.in_all, MOST_IN_ALL),
            };
            let so_far = if of == numbers { "" } else { " with those before it" };
            return Err(format!(
                "{} gives {of} numbers{so_far} for {ROWS} rows, more than the {most} that a model may take; check \
                 the sizes in the export",
                describe(node)
            ));
        }
        self.computed.push(Computed { node: describe(node), numbers });
        Ok(())
    }
}

/// A node as messages name it.
pub(super) fn describe(node: &NodeProto) -> String {
    let name = match node.name.as_str() {
        "" => node.output.first().map_or("", String::as_str),
        name => name,
    };
    format!("node {name:?} ({})", node.op_type)
}
