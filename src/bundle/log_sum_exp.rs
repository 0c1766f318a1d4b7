//! Numerically stable log-sum-exp: ReduceLogSumExp is expanded with the maximum subtracted.
//! The embedded engine computes the logarithm of a plain sum, which is −inf where all terms
//! underflow: for a density, on every row with h of a few dozen nats.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::onnx::int_attribute;

/// Replaces every ReduceLogSumExp of a graph.
pub(super) fn stabilise(graph: &mut GraphProto) {
    graph.node = std::mem::take(&mut graph.node)
        .into_iter()
        .flat_map(|node| if node.op_type == "ReduceLogSumExp" { expand(&node) } else { vec![node] })
        .collect();
}

/// max + ln Σ exp(x − max). Uses only operators that declare their axes as ReduceLogSumExp
/// does, so that the expansion is valid for every opset: ReduceL1 is the sum of positive
/// terms, and a reduction over axes of length one drops them.
fn expand(node: &NodeProto) -> Vec<NodeProto> {
    let (Some(x), Some(y)) = (node.input.first(), node.output.first()) else { return vec![node.clone()] };
    let value = |part: &str| format!("{y}:{part}");
    let step = |op: &str, inputs: &[&str], output: &str| NodeProto {
        name: format!("{output}:{op}"),
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let reduce = |op: &str, input: &str, output: &str, keep: i64| {
        let mut reduce = node.clone();
        reduce.name = format!("{output}:{op}");
        reduce.op_type = op.into();
        if let Some(first) = reduce.input.first_mut() {
            *first = input.into();
        }
        reduce.output = vec![output.into()];
        reduce.attribute.retain(|attribute| attribute.name != "keepdims");
        reduce.attribute.push(int_attribute("keepdims", keep));
        reduce
    };
    let keep = node.attribute.iter().find(|a| a.name == "keepdims").map_or(1, |a| a.i);
    let [max, shifted, exp, sum, log, whole] = ["max", "shifted", "exp", "sum", "log", "whole"].map(value);
    vec![
        reduce("ReduceMax", x, &max, 1),
        step("Sub", &[x, &max], &shifted),
        step("Exp", &[&shifted], &exp),
        reduce("ReduceL1", &exp, &sum, 1),
        step("Log", &[&sum], &log),
        step("Add", &[&log, &max], &whole),
        reduce("ReduceMax", &whole, y, keep),
    ]
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::ModelProto;
    use tract_onnx::prelude::*;

    use super::super::onnx::{GraphBuilder, model};
    use super::*;

    fn log_sum_exp(opset: i64, keep: i64, x: [f32; 2]) -> f32 {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", 2);
        if opset >= 18 {
            let axes = graph.integers("axes", &[1]);
            graph.node("y", "ReduceLogSumExp", &["x", &axes], &[("keepdims", keep)]);
        } else {
            graph.node_ints("y", "ReduceLogSumExp", &["x"], ("axes", &[1]), &[("keepdims", keep)]);
        }
        graph.output("y", if keep == 1 { &[1] } else { &[] });
        let ModelProto { graph, .. } = graph.finish();
        let mut graph = graph.unwrap();
        stabilise(&mut graph);
        let plan = tract_onnx::onnx().model_for_proto_model(&model(graph, opset)).unwrap();
        let plan = plan.into_optimized().unwrap().into_runnable().unwrap();
        let out = plan.run(tvec!(Tensor::from_shape(&[1, 2], &x).unwrap().into_tvalue())).unwrap();
        out[0].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap()[0]
    }

    #[test]
    fn far_terms_do_not_vanish() {
        for opset in [13, 17, 18] {
            for keep in [0, 1] {
                let far = log_sum_exp(opset, keep, [-500.0, -500.0]);
                assert!((far - (-500.0 + 2f32.ln())).abs() < 1e-4, "opset {opset}: {far}");
                let near = log_sum_exp(opset, keep, [1.0, -1.0]);
                assert!((near - (1f32.exp() + (-1f32).exp()).ln()).abs() < 1e-6, "opset {opset}: {near}");
            }
        }
    }
}
