//! Validation of a model's operators: none may come from outside the operator sets that
//! ONNX Runtime has built in.

use std::collections::HashSet;

use tract_onnx::pb::{ModelProto, NodeProto};

use crate::bundle::opset;

/// Domains of built-in operators, besides the standard one.
const BUILT_IN: [&str; 4] = ["ai.onnx.ml", "com.microsoft", "ai.onnx.training", "ai.onnx.preview.training"];

/// Refuses a model without an opset or with a custom operator, which is named.
pub(super) fn check(model: &ModelProto) -> Result<(), String> {
    let Some(graph) = &model.graph else { return Ok(()) };
    if opset::of(model) == 0 && graph.node.iter().any(|node| opset::is_standard(&node.domain)) {
        return Err(format!(
            "the model is too old: it declares no opset (IR version {}); export it again with opset 17",
            model.ir_version
        ));
    }
    let own = model.functions.iter().map(|function| {
        (function.domain.clone().unwrap_or_default(), function.name.clone().unwrap_or_default())
    });
    let own: HashSet<(String, String)> = own.collect();
    let bodies = model.functions.iter().map(|function| &function.node);
    std::iter::once(&graph.node).chain(bodies).flatten().try_for_each(|node| check_node(node, &own))
}

fn check_node(node: &NodeProto, own: &HashSet<(String, String)>) -> Result<(), String> {
    let (domain, operator) = (node.domain.as_str(), node.op_type.as_str());
    let known = opset::is_standard(domain)
        || BUILT_IN.contains(&domain)
        || own.contains(&(domain.to_owned(), operator.to_owned()));
    if !known {
        return Err(format!(
            "the operator {operator} of the domain {domain:?} is a custom one, which the engines do not have; export \
             the model with standard operators only"
        ));
    }
    let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
    inner.flat_map(|graph| &graph.node).try_for_each(|node| check_node(node, own))
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, FunctionProto};

    use super::*;
    use crate::bundle::onnx::GraphBuilder;

    fn with_operator(domain: &str, operator: &str) -> ModelProto {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", 2);
        graph.node("y", operator, &["x"], &[]);
        let mut model = graph.finish();
        model.graph.as_mut().unwrap().node[0].domain = domain.into();
        model
    }

    #[test]
    fn custom_operators_are_named() {
        for domain in ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"] {
            assert_eq!(check(&with_operator(domain, "Normalizer")), Ok(()));
        }
        let mut custom = with_operator("acme.ops", "Whiten");
        let what = check(&custom).unwrap_err();
        assert!(what.contains("Whiten") && what.contains("acme.ops"), "{what}");
        custom.functions = vec![FunctionProto {
            name: Some("Whiten".into()),
            domain: Some("acme.ops".into()),
            node: with_operator("other.ops", "Inner").graph.unwrap().node,
            ..FunctionProto::default()
        }];
        assert!(check(&custom).unwrap_err().contains("Inner"));
        custom.functions[0].node.clear();
        assert_eq!(check(&custom), Ok(()));
    }

    #[test]
    fn branches_are_looked_into() {
        let mut model = with_operator("", "If");
        let branch = with_operator("acme.ops", "Whiten").graph;
        model.graph.as_mut().unwrap().node[0].attribute =
            vec![AttributeProto { name: "then_branch".into(), g: branch, ..AttributeProto::default() }];
        assert!(check(&model).unwrap_err().contains("Whiten"));
    }

    #[test]
    fn no_opset_is_too_old() {
        let mut model = with_operator("", "Relu");
        model.opset_import.clear();
        assert!(check(&model).unwrap_err().contains("too old"));
    }
}
