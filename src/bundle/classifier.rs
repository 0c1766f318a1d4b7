//! The ONNX graph of a classifier: an ensemble of stacked classifiers. Standardisation and stack
//! weights are folded into the affine maps; the mean is subtracted separately, for the precision
//! of f32 products. The members' maps of x are one product.

use tract_onnx::pb::ModelProto;

use super::density::X;
use super::ensemble::{self, FoldedEnsemble, FoldedScores};
use super::onnx::GraphBuilder;
use super::{Affine, Ensemble};

/// Name of a classifier's output.
pub(super) const LOG_PROB: &str = "log_prob";

/// The ONNX graph x `[n, d]` → log_prob `[n, C]` = ln p(y|x). The classifier of several modalities has
/// the inputs x1, x2, … in their order.
pub(super) fn classifier_graph(ensemble: &Ensemble) -> ModelProto {
    let folded = ensemble::fold(ensemble);
    let mut graph = GraphBuilder::new("classifier");
    let width = folded.width;
    let x = match ensemble.members.first().map_or(&[][..], |member| &member.dims) {
        [] | [_] => graph.input(X, width),
        several => {
            let places = several.iter().enumerate();
            let names: Vec<String> =
                places.map(|(place, dim)| graph.input(&format!("{X}{}", place + 1), *dim)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            graph.node(X, "Concat", &names, &[("axis", 1)])
        }
    };
    let mean = graph.floats("mean", &[width], &folded.centre);
    let centred = graph.node("centred", "Sub", &[&x, &mean], &[]);

    let columns = ensemble.members.len() * folded.classes;
    let scores = folded.scores.as_ref().map(|scores| score_nodes(&mut graph, &centred, scores, columns));
    let networks = network_nodes(&mut graph, &centred, &folded.networks);
    let logits = match (scores, networks) {
        (Some(scores), Some(networks)) => graph.node("logits", "Add", &[&scores, &networks], &[]),
        (Some(logits), None) | (None, Some(logits)) => logits,
        (None, None) => {
            let none = Affine {
                inputs: width,
                outputs: columns,
                weight: vec![0.0; columns * width],
                bias: vec![0.0; columns],
            };
            affine(&mut graph, "none", &centred, &none)
        }
    };
    if ensemble.members.len() == 1 {
        graph.node(LOG_PROB, "LogSoftmax", &[&logits], &[("axis", 1)]);
    } else {
        log_mean_probability(&mut graph, &logits, &folded, ensemble.members.len());
    }
    graph.output(LOG_PROB, &[folded.classes]);
    graph.finish()
}

/// The logits `[n, M·C]` of the regressions and discriminant analyses.
fn score_nodes(graph: &mut GraphBuilder, centred: &str, scores: &FoldedScores, columns: usize) -> String {
    let z = affine(graph, "linear", centred, &scores.map);
    if scores.terms == 1 {
        return z;
    }
    // Terms before columns: sums over terms then run along whole rows.
    let shape = graph.integers("by_term", &[0, scores.terms as i64, columns as i64]);
    let terms = graph.node("terms", "Reshape", &[&z, &shape], &[]);
    let sum = log_sum_exp(graph, "term", &terms, Reduce::Sum, ("term_total", columns));
    match &scores.factors {
        None => sum,
        Some(factors) => {
            let factors = graph.floats("factors", &[columns], factors);
            graph.node("scores", "Mul", &[&sum, &factors], &[])
        }
    }
}

/// The logits `[n, M·C]` of the networks; the first maps of all members are one product.
fn network_nodes(graph: &mut GraphBuilder, centred: &str, networks: &[Vec<Affine>]) -> Option<String> {
    let firsts: Vec<&Affine> = networks.iter().filter_map(|layers| layers.first()).collect();
    let first = joined(&firsts)?;
    let mut hidden = affine(graph, "layer_0", centred, &first);
    if networks.iter().all(|layers| layers.len() == 1) {
        return Some(hidden);
    }
    hidden = graph.node("relu_0", "Relu", &[&hidden], &[]);
    let axis = graph.integers("unit_axis", &[1]);
    let mut start = 0;
    let mut logits = Vec::new();
    for (member, layers) in networks.iter().enumerate() {
        let of =
            |part: &str| if networks.len() == 1 { part.to_owned() } else { format!("{part}_of_{member}") };
        let width = layers.first().map_or(0, |layer| layer.outputs);
        let mut values = if networks.len() == 1 {
            hidden.clone()
        } else {
            let from = graph.integers(&of("start"), &[start as i64]);
            let to = graph.integers(&of("end"), &[(start + width) as i64]);
            graph.node(&of("units"), "Slice", &[&hidden, &from, &to, &axis], &[])
        };
        start += width;
        for (layer, map) in layers.iter().enumerate().skip(1) {
            values = affine(graph, &of(&format!("layer_{layer}")), &values, map);
            if layer + 1 < layers.len() {
                values = graph.node(&of(&format!("relu_{layer}")), "Relu", &[&values], &[]);
            }
        }
        logits.push(values);
    }
    Some(match &logits[..] {
        [one] => one.clone(),
        all => {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            graph.node("network_logits", "Concat", &all, &[("axis", 1)])
        }
    })
}

/// ln of the members' mean probability. The mean of exponentials has the greatest member's
/// logarithm subtracted: a class that no member thinks possible does not become −∞.
fn log_mean_probability(graph: &mut GraphBuilder, logits: &str, folded: &FoldedEnsemble, members: usize) {
    let shape = graph.integers("by_member", &[0, members as i64, folded.classes as i64]);
    let by_member = graph.node("member_logits", "Reshape", &[logits, &shape], &[]);
    let log_p = graph.node("member_log_prob", "LogSoftmax", &[&by_member], &[("axis", 2)]);
    log_sum_exp(graph, "member", &log_p, Reduce::Mean, (LOG_PROB, folded.classes));
}

/// A reduction of exponentials.
#[derive(Clone, Copy)]
enum Reduce {
    Sum,
    Mean,
}

/// max + ln reduce exp(x − max) over axis 1 of a value `[n, k, w]`: `[n, w]`, named `total`.
fn log_sum_exp(
    graph: &mut GraphBuilder,
    name: &str,
    x: &str,
    reduce: Reduce,
    (total, width): (&str, usize),
) -> String {
    let of = |part: &str| format!("{name}_{part}");
    let keep = [("keepdims", 1)];
    let max = graph.node_ints(&of("max"), "ReduceMax", &[x], ("axes", &[1]), &keep);
    let shifted = graph.node(&of("shifted"), "Sub", &[x, &max], &[]);
    let exp = graph.node(&of("exp"), "Exp", &[&shifted], &[]);
    let sum = match reduce {
        Reduce::Sum => {
            let axis = graph.integers(&of("axis"), &[1]);
            graph.node(&of("sum"), "ReduceSum", &[&exp, &axis], &keep)
        }
        Reduce::Mean => graph.node_ints(&of("mean"), "ReduceMean", &[&exp], ("axes", &[1]), &keep),
    };
    let log = graph.node(&of("log"), "Log", &[&sum], &[]);
    let whole = graph.node(&of("whole"), "Add", &[&log, &max], &[]);
    let shape = graph.integers(&of("flat"), &[0, width as i64]);
    graph.node(total, "Reshape", &[&whole, &shape], &[])
}

/// Maps of the same x as one map.
fn joined(maps: &[&Affine]) -> Option<Affine> {
    let inputs = maps.first()?.inputs;
    Some(Affine {
        inputs,
        outputs: maps.iter().map(|map| map.outputs).sum(),
        weight: maps.iter().flat_map(|map| map.weight.iter().copied()).collect(),
        bias: maps.iter().flat_map(|map| map.bias.iter().copied()).collect(),
    })
}

fn affine(graph: &mut GraphBuilder, name: &str, x: &str, map: &Affine) -> String {
    let weight = graph.floats(&format!("{name}_weight"), &[map.outputs, map.inputs], &map.weight);
    let bias = graph.floats(&format!("{name}_bias"), &[map.outputs], &map.bias);
    graph.node(name, "Gemm", &[x, &weight, &bias], &[("transB", 1)])
}
