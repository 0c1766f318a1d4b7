//! Tests that mixtures in other forms than the folded one are recognised with the same values.

use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};

use super::super::Mixture;
use super::super::onnx::{GraphBuilder, value_info};
use super::*;

const D: usize = 6;
const K: usize = 3;

/// Numbers that look random and are not.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| (((i + 1) * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// Factors with a positive diagonal, lower triangular, `[K, d, d]`.
fn factors() -> Vec<f32> {
    let mut factors = numbers(1, K * D * D);
    for (at, value) in factors.iter_mut().enumerate() {
        let (row, column) = (at / D % D, at % D);
        match column.cmp(&row) {
            std::cmp::Ordering::Less => *value *= 0.5,
            std::cmp::Ordering::Equal => *value = value.abs() + 0.5,
            std::cmp::Ordering::Greater => *value = 0.0,
        }
    }
    factors
}

/// The end of every graph: −ln Σ exp of `terms` `[n, K]`.
fn minus_log_sum(graph: &mut GraphBuilder, terms: &str) {
    graph.node_ints("log_sum", "ReduceLogSumExp", &[terms], ("axes", &[1]), &[("keepdims", 0)]);
    graph.node("h", "Neg", &["log_sum"], &[]);
    graph.output("h", &[]);
}

/// Adds an Einsum, whose equation is no integer.
fn einsum(model: &mut ModelProto, equation: &str, inputs: &[&str], output: &str) {
    let attribute = AttributeProto {
        name: "equation".into(),
        r#type: AttributeType::String as i32,
        s: equation.as_bytes().to_vec(),
        ..Default::default()
    };
    let node = NodeProto {
        name: output.into(),
        op_type: "Einsum".into(),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        attribute: vec![attribute],
        ..Default::default()
    };
    let graph = model.graph.as_mut().unwrap();
    let reader = graph.node.iter().position(|n| n.input.iter().any(|i| i == output)).unwrap();
    graph.node.insert(reader, node);
}

/// z = einsum(A, x − μ), component by component, then `terms` by the given weights.
fn by_einsum(factors: &[f32], means: &[f32], equation: &str) -> ModelProto {
    let mut graph = GraphBuilder::new("einsum");
    graph.input("x", D);
    let axis = graph.integers("one", &[1]);
    graph.node("row", "Unsqueeze", &["x", &axis], &[]);
    graph.floats("means", &[K, D], means);
    graph.floats("factors", &[K, D, D], factors);
    graph.node("offset", "Sub", &["row", "means"], &[]);
    graph.node_ints("square", "ReduceSumSquare", &["z"], ("axes", &[2]), &[("keepdims", 0)]);
    graph.floats("half", &[], &[0.5]);
    graph.node("half_square", "Mul", &["square", "half"], &[]);
    graph.floats("constants", &[K], &[0.3, -1.2, 2.0]);
    graph.node("terms", "Sub", &["constants", "half_square"], &[]);
    minus_log_sum(&mut graph, "terms");
    let mut model = graph.finish();
    einsum(&mut model, equation, &["factors", "offset"], "z");
    model
}

/// The mixture that was found, after a check that its constants are those of the graph.
fn found(model: &ModelProto) -> Mixture {
    fold(model, &[D]).unwrap();
    probe::mixture(model, D).unwrap().mixture
}

fn close(a: &[f64], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - f64::from(*b)).abs() < 1e-9 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn an_einsum_over_components() {
    let (factors, means) = (factors(), numbers(2, K * D));
    let mixture = found(&by_einsum(&factors, &means, "kij,nkj->nki"));
    close(&mixture.factors, &factors);
    close(&mixture.means, &means);
}

#[test]
fn dimensions_before_components() {
    // One wide product whose columns are (i, k), as [n, d, K]; minus ln p as an energy.
    let (factors, means) = (factors(), numbers(3, K * D));
    let (mut weight, mut bias) = (vec![0.0; D * D * K], vec![0.0; D * K]);
    for k in 0..K {
        for i in 0..D {
            for j in 0..=i {
                let a = factors[(k * D + i) * D + j];
                weight[j * D * K + i * K + k] = a;
                bias[i * K + k] -= a * means[k * D + j];
            }
        }
    }
    let mut graph = GraphBuilder::new("wide");
    graph.input("x", D);
    graph.floats("weight", &[D, D * K], &weight);
    graph.floats("bias", &[D * K], &bias);
    graph.node("wide", "Gemm", &["x", "weight", "bias"], &[]);
    graph.integers("shape", &[0, D as i64, K as i64]);
    graph.node("z", "Reshape", &["wide", "shape"], &[]);
    graph.node("zz", "Mul", &["z", "z"], &[]);
    let axis = graph.integers("axis", &[1]);
    graph.node("square", "ReduceSum", &["zz", &axis], &[("keepdims", 0)]);
    graph.floats("two", &[], &[2.0]);
    graph.node("half", "Div", &["square", "two"], &[]);
    graph.floats("constants", &[K], &[1.0, 0.0, -0.5]);
    graph.node("energy", "Add", &["half", "constants"], &[]);
    graph.node("terms", "Neg", &["energy"], &[]);
    minus_log_sum(&mut graph, "terms");
    let model = graph.finish();
    close(&found(&model).factors, &factors);
}

#[test]
fn one_gaussian_without_a_sum() {
    // A diagonal scale, one entry negative: |z|² does not see the sign.
    let mut graph = GraphBuilder::new("one");
    graph.input("x", D);
    graph.floats("mean", &[1, D], &numbers(4, D));
    graph.floats("scale", &[D], &[1.0, 2.0, -0.5, 3.0, 0.25, 1.5]);
    graph.node("offset", "Sub", &["x", "mean"], &[]);
    graph.node("z", "Mul", &["offset", "scale"], &[]);
    graph.node_ints("square", "ReduceSumSquare", &["z"], ("axes", &[1]), &[("keepdims", 1)]);
    graph.floats("half", &[1], &[0.5]);
    graph.node("exponent", "Mul", &["square", "half"], &[]);
    graph.floats("constant", &[1], &[4.5]);
    graph.node("h", "Add", &["exponent", "constant"], &[]);
    graph.output("h", &[1]);
    let mixture = found(&graph.finish());
    assert_eq!(mixture.log_weights.len(), 1);
    assert!((mixture.factors[2 * D + 2] - 0.5).abs() < 1e-12);
}

#[test]
fn what_is_no_mixture_stays_as_it_is() {
    let (triangular, means) = (factors(), numbers(2, K * D));
    // Full factors.
    let full = numbers(5, K * D * D);
    let why = fold(&by_einsum(&full, &means, "kij,nkj->nki"), &[D]).unwrap_err();
    assert!(why.contains("not lower triangular"), "{why}");
    // Factors read the other way round are upper triangular.
    assert!(fold(&by_einsum(&triangular, &means, "kij,nki->nkj"), &[D]).is_err());

    // A mixture, and something small beside it.
    let mut model = by_einsum(&triangular, &means, "kij,nkj->nki");
    let graph = model.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output = vec!["almost".into()];
    let step = |op: &str, inputs: &[&str], output: &str| NodeProto {
        name: output.into(),
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let mut sum = step("ReduceSum", &["sine", "one"], "tail");
    sum.attribute.push(super::super::onnx::int_attribute("keepdims", 0));
    graph.node.extend([step("Sin", &["x"], "sine"), sum, step("Add", &["almost", "tail"], "h")]);
    assert!(fold(&model, &[D]).is_err());

    // A network.
    let mut graph = GraphBuilder::new("network");
    graph.input("x", D);
    graph.floats("weight", &[D, 1], &numbers(6, D));
    graph.node("product", "MatMul", &["x", "weight"], &[]);
    graph.node("h", "Softplus", &["product"], &[]);
    graph.output("h", &[1]);
    assert!(fold(&graph.finish(), &[D]).is_err());
}

#[test]
fn a_fold_says_what_it_was() {
    let folded = fold(&by_einsum(&factors(), &numbers(2, K * D), "kij,nkj->nki"), &[D]).unwrap();
    let said = description(&folded).unwrap();
    assert!(said.starts_with("3 Gaussians found in a graph of 8 nodes"), "{said}");
}

#[test]
fn a_density_of_two_inputs_is_one_of_their_columns() {
    let (factors, means) = (factors(), numbers(2, K * D));
    let one = by_einsum(&factors, &means, "kij,nkj->nki");
    let mut two = one.clone();
    let graph = two.graph.as_mut().unwrap();
    let inputs = [("a", 2), ("b", D - 2)].map(|(name, dim)| {
        value_info(name, tract_onnx::pb::tensor_proto::DataType::Float, &[None, Some(dim)])
    });
    graph.input = inputs.to_vec();
    let concatenation = NodeProto {
        op_type: "Concat".into(),
        input: vec!["a".into(), "b".into()],
        output: vec!["x".into()],
        attribute: vec![super::super::onnx::int_attribute("axis", 1)],
        ..Default::default()
    };
    graph.node.insert(0, concatenation);
    let [one, two] = [fold(&one, &[2, D - 2]).unwrap(), fold(&two, &[2, D - 2]).unwrap()];
    assert_eq!(one.graph, two.graph);
}
