//! Opset converter: raises a model to a newer opset, so that models of different opsets fuse
//! into one graph. Most operators only gained element types; the few whose attributes became
//! inputs or whose defaults changed are rewritten; a model with any other operator is
//! rejected.

use std::borrow::Cow;

use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto, attribute_proto::AttributeType};

use super::onnx::{floats_tensor, int_attribute, integers_tensor};

/// The oldest opset with GatherElements, which programs use.
pub(super) const OLDEST: i64 = 11;

/// The oldest opset that can be raised: its operators broadcast as those of today do.
const OLDEST_RAISED: i64 = 7;

/// The newest opset whose changes this table covers.
const NEWEST: i64 = 25;

/// Operators whose versions up to [`NEWEST`] are backward compatible to opset 7, or were new after
/// it: additional element types, or new attributes with neutral defaults.
#[rustfmt::skip]
const UNCHANGED: &[&str] = &[
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Cast",
    "CastLike", "Ceil", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape", "Cos", "Cosh", "CumSum",
    "Div", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
    "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LpNormalization", "MatMul", "Max",
    "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or", "PRelu", "Pad", "Pow",
    "Range", "Reciprocal", "Relu", "Reshape", "Round", "ScatterElements", "ScatterND", "Selu", "Shape",
    "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan",
    "Tanh", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu", "Where", "Xor",
];

/// The standard opset of a model; 0 where it declares none.
pub(super) fn of(model: &ModelProto) -> i64 {
    model.opset_import.iter().filter(|o| is_standard(&o.domain)).map(|o| o.version).max().unwrap_or(0)
}

/// The IR version that came with an opset, but at least that of [`super::onnx::OPSET`]; `None`
/// for an opset that is not known.
pub(super) fn ir_version(opset: i64) -> Option<i64> {
    match opset {
        ..=18 => Some(8),
        19 | 20 => Some(9),
        21 | 22 => Some(10),
        23..=NEWEST => Some(opset - 12),
        _ => None,
    }
}

/// Whether a domain is that of the standard operators.
pub(super) fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The model in opset `target`, its own or a newer one; `Err` names the operator that
/// prevents the conversion.
pub(super) fn raise(model: &ModelProto, target: i64) -> Result<Cow<'_, ModelProto>, String> {
    let own = of(model);
    if own == target {
        return Ok(Cow::Borrowed(model));
    }
    if target > NEWEST {
        return Err(format!("opset {own} can't be raised to {target}: only opsets up to {NEWEST} are known"));
    }
    if own < OLDEST_RAISED {
        let operators = model.graph.iter().flat_map(|graph| &graph.node);
        let first = operators.map(|node| node.op_type.as_str()).next().unwrap_or("none");
        return Err(format!(
            "opset {own} is too old: its operators, of which {first} is the first, may have another meaning today"
        ));
    }
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        let mut nodes = Vec::with_capacity(graph.node.len());
        for node in std::mem::take(&mut graph.node) {
            raise_node(node, own, target, &mut nodes)
                .map_err(|what| format!("opset {own} can't be raised to {target}: {what}"))?;
        }
        graph.node = nodes;
    }
    for import in model.opset_import.iter_mut().filter(|o| is_standard(&o.domain)) {
        import.version = target;
    }
    Ok(Cow::Owned(model))
}

fn raise_node(mut node: NodeProto, own: i64, target: i64, out: &mut Vec<NodeProto>) -> Result<(), String> {
    if !is_standard(&node.domain) {
        out.push(node);
        return Ok(());
    }
    let crosses = |version: i64| own < version && version <= target;
    match node.op_type.as_str() {
        "Squeeze" | "Unsqueeze" | "ReduceSum" => {
            if crosses(13) {
                attribute_to_input(&mut node, "axes", out);
            }
        }
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean"
        | "ReduceMin" | "ReduceProd" | "ReduceSumSquare" => {
            if crosses(18) {
                attribute_to_input(&mut node, "axes", out);
            }
        }
        "Split" => {
            if crosses(13) {
                attribute_to_input(&mut node, "split", out);
            }
            if crosses(18) && node.input.get(1).is_none_or(String::is_empty) {
                let parts = node.output.len() as i64;
                node.attribute.push(int_attribute("num_outputs", parts));
            }
        }
        "Softmax" | "LogSoftmax" if crosses(13) => return flatten_softmax(node, out),
        "Softmax" | "LogSoftmax" => {}
        // Dropout is the identity in inference.
        "Dropout" if node.output.len() == 1 && node.input.len() < 3 => {
            node.op_type = "Identity".into();
            node.input.truncate(1);
            node.attribute.clear();
        }
        // Only the outputs of training mode changed their order; one old attribute has gone.
        "BatchNormalization" if node.output.len() == 1 && !is_flag_off(&node, "spatial") => {
            node.attribute.retain(|attribute| attribute.name != "spatial");
        }
        "Slice" if crosses(10) => {
            for list in ["starts", "ends", "axes"] {
                attribute_to_next_input(&mut node, list, out);
            }
        }
        "Clip" if crosses(11) => {
            for bound in ["min", "max"] {
                bound_to_input(&mut node, bound, out);
            }
        }
        "TopK" if crosses(10) => return Err("TopK had its k in an attribute".to_owned()),
        "Pad" if crosses(11) => return Err("Pad had its pads in an attribute".to_owned()),
        op if UNCHANGED.contains(&op) => {}
        op => return Err(format!("{op} is not among the operators whose older versions are known")),
    }
    out.push(node);
    Ok(())
}

/// Whether an attribute is given as 0.
fn is_flag_off(node: &NodeProto, attribute: &str) -> bool {
    node.attribute.iter().any(|a| a.name == attribute && a.i == 0)
}

/// Converts a list attribute to the node's second input.
fn attribute_to_input(node: &mut NodeProto, attribute: &str, out: &mut Vec<NodeProto>) {
    if node.attribute.iter().any(|a| a.name == attribute) {
        node.input.truncate(1);
        attribute_to_next_input(node, attribute, out);
    }
}

/// Converts a list attribute to an input after those that the node has.
fn attribute_to_next_input(node: &mut NodeProto, attribute: &str, out: &mut Vec<NodeProto>) {
    let Some(at) = node.attribute.iter().position(|a| a.name == attribute) else { return };
    let list = node.attribute.remove(at).ints;
    let name = format!("{}:{attribute}", node.output.first().map_or("", String::as_str));
    out.push(constant(&name, integers_tensor(&name, &list)));
    node.input.push(name);
}

/// Converts a float attribute to the next input, which is left out where there is none.
fn bound_to_input(node: &mut NodeProto, attribute: &str, out: &mut Vec<NodeProto>) {
    let Some(at) = node.attribute.iter().position(|a| a.name == attribute) else {
        node.input.push(String::new());
        return;
    };
    let bound = node.attribute.remove(at).f;
    let name = format!("{}:{attribute}", node.output.first().map_or("", String::as_str));
    out.push(constant(&name, floats_tensor(&name, &[], &[bound])));
    node.input.push(name);
}

/// Softmax before opset 13: over all axes from `axis` on, flattened to one.
fn flatten_softmax(mut node: NodeProto, out: &mut Vec<NodeProto>) -> Result<(), String> {
    let axis = node.attribute.iter().find(|a| a.name == "axis").map_or(1, |a| a.i);
    node.attribute = vec![int_attribute("axis", -1)];
    // The last axis alone has the same meaning in both versions.
    if axis != -1 {
        let ([x], [y]) = (&node.input[..], &node.output[..]) else {
            return Err(format!("{} must have one input and one output", node.op_type));
        };
        let (x, y) = (x.clone(), y.clone());
        let [shape, flat, soft] = ["shape", "flat", "soft"].map(|part| format!("{y}:{part}"));
        out.push(step("Shape", &[&x], &shape));
        out.push(NodeProto { attribute: vec![int_attribute("axis", axis)], ..step("Flatten", &[&x], &flat) });
        node.input = vec![flat];
        node.output = vec![soft.clone()];
        out.push(node);
        out.push(step("Reshape", &[&soft, &shape], &y));
    } else {
        out.push(node);
    }
    Ok(())
}

fn step(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: format!("{output}:{op}"),
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn constant(name: &str, value: TensorProto) -> NodeProto {
    let attribute = AttributeProto {
        name: "value".into(),
        r#type: AttributeType::Tensor as i32,
        t: Some(value),
        ..Default::default()
    };
    NodeProto { attribute: vec![attribute], ..step("Constant", &[], name) }
}

#[cfg(test)]
mod tests {
    use super::super::onnx::{GraphBuilder, ints_attribute, model};
    use super::*;

    fn raised(op: &str, attributes: &[(&str, i64)], own: i64, target: i64) -> Result<Vec<NodeProto>, String> {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", 2);
        graph.node("y", op, &["x"], attributes);
        let built = model(graph.finish().graph.unwrap(), own);
        raise(&built, target).map(|m| m.into_owned().graph.unwrap().node)
    }

    fn ops(nodes: &[NodeProto]) -> Vec<&str> {
        nodes.iter().map(|n| n.op_type.as_str()).collect()
    }

    #[test]
    fn axes_become_inputs_at_their_opset() {
        let reduce = |op: &str, own, target| {
            let mut graph = GraphBuilder::new("test");
            graph.input("x", 2);
            graph.node_ints("y", op, &["x"], ("axes", &[1]), &[("keepdims", 0)]);
            let built = model(graph.finish().graph.unwrap(), own);
            raise(&built, target).unwrap().into_owned().graph.unwrap().node
        };
        for (op, own, target, moves) in [
            ("ReduceSum", 11, 12, false),
            ("ReduceSum", 12, 13, true),
            ("ReduceMax", 13, 17, false),
            ("ReduceMax", 17, 18, true),
            ("Squeeze", 11, 20, true),
        ] {
            let nodes = reduce(op, own, target);
            let last = nodes.last().unwrap();
            assert_eq!(last.input.len(), if moves { 2 } else { 1 }, "{op} {own} to {target}");
            assert_eq!(nodes.len(), if moves { 2 } else { 1 });
            assert_eq!(last.attribute.iter().any(|a| a.name == "axes"), !moves);
            assert!(last.attribute.iter().any(|a| a.name == "keepdims"), "other attributes stay");
        }
    }

    #[test]
    fn softmax_keeps_its_old_axes() {
        let nodes = raised("Softmax", &[], 11, 13).unwrap();
        assert_eq!(ops(&nodes), ["Shape", "Flatten", "Softmax", "Reshape"]);
        let nodes = raised("Softmax", &[("axis", -1)], 11, 13).unwrap();
        assert_eq!(ops(&nodes), ["Softmax"]);
        let nodes = raised("LogSoftmax", &[("axis", 1)], 13, 20).unwrap();
        assert_eq!(ops(&nodes), ["LogSoftmax"]);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let what = raised("Resize", &[], 11, 17).unwrap_err();
        assert!(what.contains("Resize") && what.contains("11") && what.contains("17"), "{what}");
        assert!(raised("Relu", &[], 17, NEWEST + 1).is_err());
        assert!(raised("Resize", &[], 17, 17).is_ok(), "nothing to raise");
    }

    #[test]
    fn older_attributes_become_inputs() {
        let float = |name: &str, f| AttributeProto { name: name.into(), f, ..AttributeProto::default() };
        let raise_one = |op: &str, attribute: Vec<AttributeProto>, own: i64| {
            let mut graph = GraphBuilder::new("test");
            graph.input("x", 2);
            graph.node("y", op, &["x"], &[]);
            let mut graph = graph.finish().graph.unwrap();
            graph.node[0].attribute = attribute;
            raise(&model(graph, own), OLDEST).map(|raised| raised.into_owned().graph.unwrap().node)
        };
        let clip = raise_one("Clip", vec![float("max", 6.0)], 9).unwrap();
        assert_eq!(ops(&clip), ["Constant", "Clip"]);
        assert_eq!(clip[1].input, ["x", "", "y:max"]);
        let slice =
            vec![ints_attribute("axes", &[1]), ints_attribute("ends", &[2]), ints_attribute("starts", &[0])];
        let slice = raise_one("Slice", slice, 9).unwrap();
        assert_eq!(slice[3].input, ["x", "y:starts", "y:ends", "y:axes"]);
        let of_training = vec![int_attribute("spatial", 1), float("epsilon", 0.1)];
        assert_eq!(raise_one("BatchNormalization", of_training, 7).unwrap()[0].attribute.len(), 1);
        for (op, own) in [("Upsample", 9), ("TopK", 9), ("Pad", 10), ("Add", 6)] {
            let what = raise_one(op, Vec::new(), own).unwrap_err();
            assert!(what.contains(op) && what.contains(&format!("opset {own}")), "{what}");
        }
    }

    #[test]
    fn an_ir_version_belongs_to_an_opset() {
        assert_eq!([11, 18, 20, 22, 23, 25].map(ir_version), [8, 8, 9, 10, 11, 13].map(Some));
        assert_eq!(ir_version(26), None);
    }

    #[test]
    fn evaluation_drops_nothing() {
        assert_eq!(ops(&raised("Dropout", &[], 11, 13).unwrap()), ["Identity"]);
    }
}
