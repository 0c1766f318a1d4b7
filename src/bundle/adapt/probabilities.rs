//! Logarithm of a classifier that returns probabilities. A softmax at the end becomes a
//! log-softmax, which has no underflow; behind anything else the logarithm is taken.

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

use crate::bundle::onnx::producer;

/// Operators that commute with the logarithm.
const PASSED: [&str; 3] = ["Cast", "Identity", "Gather"];

/// Turns the only output, p(y|x), into ln p(y|x); returns a message about the change.
pub(in crate::bundle) fn take_logarithm(model: &mut ModelProto) -> String {
    let Some(graph) = &mut model.graph else { return String::new() };
    if let Some(softmax) = final_softmax(graph)
        && let Some(node) = graph.node.get_mut(softmax)
    {
        node.op_type = "LogSoftmax".into();
        return "its Softmax becomes LogSoftmax".to_owned();
    }
    let Some(output) = graph.output.first().cloned() else { return String::new() };
    let name = format!("{}:log", output.name);
    graph.node.push(NodeProto {
        name: format!("{name}:Log"),
        op_type: "Log".into(),
        input: vec![output.name.clone()],
        output: vec![name.clone()],
        ..Default::default()
    });
    graph.output = vec![ValueInfoProto { name, ..output }];
    "the logarithm of its probabilities is taken".to_owned()
}

/// The index of the softmax that gives the output and nothing else.
fn final_softmax(graph: &GraphProto) -> Option<usize> {
    let mut value = graph.output.first()?.name.as_str();
    for _ in 0..=graph.node.len() {
        let node = producer(graph, value)?;
        if readers(graph, value) > usize::from(graph.output.iter().all(|output| output.name != value)) {
            return None;
        }
        if node.op_type == "Softmax" {
            return graph.node.iter().position(|other| std::ptr::eq(other, node));
        }
        value = node.input.first().filter(|_| PASSED.contains(&node.op_type.as_str()))?;
    }
    None
}

/// Number of nodes that read a value, those of inner graphs included.
fn readers(graph: &GraphProto, value: &str) -> usize {
    let of_node = |node: &NodeProto| {
        let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        usize::from(node.input.iter().any(|input| input == value))
            + inner.map(|graph| readers(graph, value)).sum::<usize>()
    };
    graph.node.iter().map(of_node).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::onnx::GraphBuilder;

    fn operators(last: &[&str], second_reader: bool) -> Vec<String> {
        let mut builder = GraphBuilder::new("test");
        builder.input("x", 2);
        let mut value = builder.node("p", "Softmax", &["x"], &[("axis", 1)]);
        if second_reader {
            builder.node("other", "Neg", &["p"], &[]);
        }
        for operator in last {
            value = builder.node(&format!("{value}_"), operator, &[&value], &[]);
        }
        builder.output(&value, &[2]);
        let mut model = builder.finish();
        take_logarithm(&mut model);
        let graph = model.graph.unwrap();
        assert!(graph.node.iter().any(|node| node.output[0] == graph.output[0].name));
        graph.node.into_iter().map(|node| node.op_type).collect()
    }

    #[test]
    fn a_final_softmax_becomes_a_log_softmax() {
        assert_eq!(operators(&[], false), ["LogSoftmax"]);
        assert_eq!(operators(&["Identity", "Cast"], false), ["LogSoftmax", "Identity", "Cast"]);
        assert_eq!(operators(&["Normalizer"], false), ["Softmax", "Normalizer", "Log"]);
        assert_eq!(operators(&[], true), ["Softmax", "Neg", "Log"]);
    }
}
