//! The ONNX graph of a stacked classifier. Standardisation and stack weights are folded into
//! the affine maps; the mean is subtracted separately, for the precision of f32 products.

use tract_onnx::pb::ModelProto;

use super::density::X;
use super::onnx::GraphBuilder;
use super::{Affine, Stack};

/// Names of the two inputs of the classifier of the pair.
pub(super) const PAIR: [&str; 2] = ["x1", "x2"];
/// Name of a classifier's output.
pub(super) const LOG_PROB: &str = "log_prob";

/// The ONNX graph x `[n, d]` (or x1, x2) → log_prob `[n, C]` = ln p(y|x).
pub(super) fn classifier_graph(stack: &Stack) -> ModelProto {
    let mut graph = GraphBuilder::new("classifier");
    let width = stack.dims.iter().sum();
    let x = match stack.dims[..] {
        [d1, d2] => {
            graph.input(PAIR[0], d1);
            graph.input(PAIR[1], d2);
            graph.node("x", "Concat", &PAIR, &[("axis", 1)])
        }
        _ => graph.input(X, width),
    };
    let mean = graph.floats("mean", &[width], &stack.mean);
    let centred = graph.node("centred", "Sub", &[&x, &mean], &[]);

    let linear = scaled(&stack.linear, Some(&stack.scale), stack.betas[0]);
    let z_linear = affine(&mut graph, "linear", &centred, &linear);
    let mut hidden = centred;
    for (layer, map) in stack.mlp.iter().enumerate() {
        let last = layer + 1 == stack.mlp.len();
        let map = scaled(map, (layer == 0).then_some(&stack.scale), if last { stack.betas[1] } else { 1.0 });
        hidden = affine(&mut graph, &format!("layer_{layer}"), &hidden, &map);
        if !last {
            hidden = graph.node(&format!("relu_{layer}"), "Relu", &[&hidden], &[]);
        }
    }
    let logits = graph.node("logits", "Add", &[&z_linear, &hidden], &[]);
    graph.node(LOG_PROB, "LogSoftmax", &[&logits], &[("axis", 1)]);
    graph.output(LOG_PROB, &[stack.linear.outputs]);
    graph.finish()
}

/// β·(W diag(1/scale) x + b) as one map.
fn scaled(map: &Affine, scale: Option<&Vec<f32>>, beta: f32) -> Affine {
    let mut map = map.clone();
    for row in map.weight.chunks_exact_mut(map.inputs) {
        for (column, w) in row.iter_mut().enumerate() {
            *w *= beta / scale.map_or(1.0, |scale| scale[column]);
        }
    }
    map.bias.iter_mut().for_each(|b| *b *= beta);
    map
}

fn affine(graph: &mut GraphBuilder, name: &str, x: &str, map: &Affine) -> String {
    let weight = graph.floats(&format!("{name}_weight"), &[map.outputs, map.inputs], &map.weight);
    let bias = graph.floats(&format!("{name}_bias"), &[map.outputs], &map.bias);
    graph.node(name, "Gemm", &[x, &weight, &bias], &[("transB", 1)])
}
