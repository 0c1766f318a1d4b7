//! The folded KNIFE graph: all K components of a mixture as a few matrix
//! products. With A_k and μ_k multiplied out, z_k = A_k x − A_k μ_k for all k is
//! one product x·Aᵀ − b; A_k is lower triangular, so rows are cut into blocks and
//! block j reads only the columns of x that its rows can see.

use std::f64::consts::PI;

use tract_onnx::pb::ModelProto;

use super::Mixture;
use super::onnx::GraphBuilder;

/// Name of the only input of a density or of a classifier of one modality.
pub(super) const X: &str = "x";
/// Name of a density's output.
pub(super) const H: &str = "h";

/// Into how many row blocks a factor of d rows is cut. Measured on two cores at
/// K = 5: below 64 rows the products are too thin for blocks to pay, at 512 eight
/// blocks give 1.65 times the rows of one.
pub(super) fn row_blocks(dim: usize) -> usize {
    match dim {
        0..64 => 1,
        64..256 => 4,
        _ => 8,
    }
}

/// The ONNX graph x `[n, d]` → h `[n]`, h = −ln p(x) in nats, of a mixture whose
/// factors are cut into `blocks` row blocks.
pub(super) fn density_graph(mixture: &Mixture, blocks: usize) -> ModelProto {
    let (dim, components) = (mixture.dim, mixture.log_weights.len());
    let mut graph = GraphBuilder::new("knife");
    graph.input(X, dim);
    let center = graph.floats("center", &[dim], &to_f32(&mixture.center));
    let centred = graph.node("centred", "Sub", &[X, &center], &[]);

    let mut squares = Vec::new();
    for block in 0..blocks {
        let rows = block * dim / blocks..(block + 1) * dim / blocks;
        if rows.is_empty() {
            continue;
        }
        let name = |part: &str| format!("{part}_{block}");
        let (weight, bias) = block_product(mixture, rows.clone());
        let weight = graph.floats(&name("factor"), &[rows.end, components * rows.len()], &weight);
        let bias = graph.floats(&name("offset"), &[components * rows.len()], &bias);
        let seen = if rows.end == dim {
            centred.clone()
        } else {
            let start = graph.integers(&name("start"), &[0]);
            let end = graph.integers(&name("end"), &[rows.end as i64]);
            let axis = graph.integers(&name("axis"), &[1]);
            graph.node(&name("seen"), "Slice", &[&centred, &start, &end, &axis], &[])
        };
        let z = graph.node(&name("z"), "Gemm", &[&seen, &weight, &bias], &[]);
        let zz = graph.node(&name("zz"), "Mul", &[&z, &z], &[]);
        let shape = graph.integers(&name("shape"), &[0, components as i64, rows.len() as i64]);
        let by_component = graph.node(&name("by_component"), "Reshape", &[&zz, &shape], &[]);
        let axes = graph.integers(&name("axes"), &[2]);
        squares.push(graph.node(&name("square"), "ReduceSum", &[&by_component, &axes], &[("keepdims", 0)]));
    }

    let mut square = squares.first().cloned().unwrap_or_default();
    for (block, next) in squares.iter().enumerate().skip(1) {
        square = graph.node(&format!("square_to_{block}"), "Add", &[&square, next], &[]);
    }
    let half = graph.floats("minus_half", &[1], &[-0.5]);
    let exponent = graph.node("exponent", "Mul", &[&square, &half], &[]);
    let log_scale = graph.floats("log_scale", &[components], &to_f32(&log_scales(mixture)));
    let log_density = graph.node("component_log_density", "Add", &[&exponent, &log_scale], &[]);
    // Written out: one engine's ReduceLogSumExp does not subtract the maximum.
    let max = graph.node_ints("max", "ReduceMax", &[&log_density], ("axes", &[1]), &[("keepdims", 1)]);
    let shifted = graph.node("shifted", "Sub", &[&log_density, &max], &[]);
    let exp = graph.node("exp", "Exp", &[&shifted], &[]);
    let axis = graph.integers("component_axis", &[1]);
    let sum = graph.node("sum", "ReduceSum", &[&exp, &axis], &[("keepdims", 1)]);
    let log = graph.node("log", "Log", &[&sum], &[]);
    let log_p = graph.node("log_p", "Add", &[&log, &max], &[]);
    let negative = graph.node("minus_log_p", "Neg", &[&log_p], &[]);
    let flat = graph.integers("flat", &[-1]);
    graph.node(H, "Reshape", &[&negative, &flat], &[]);
    graph.output(H, &[]);
    graph.finish()
}

/// The weight `[rows.end, K·rows]` and bias `[K·rows]` of the rows of all A_k:
/// z = x'·weight + bias for the centred x'.
fn block_product(mixture: &Mixture, rows: std::ops::Range<usize>) -> (Vec<f32>, Vec<f32>) {
    let (dim, components, height) = (mixture.dim, mixture.log_weights.len(), rows.len());
    let width = components * height;
    let mut weight = vec![0.0; rows.end * width];
    let mut bias = Vec::with_capacity(width);
    for component in 0..components {
        let factor = &mixture.factors[component * dim * dim..(component + 1) * dim * dim];
        let mean = &mixture.means[component * dim..(component + 1) * dim];
        for row in rows.clone() {
            let coefficients = &factor[row * dim..=row * dim + row];
            let column = component * height + row - rows.start;
            let mut offset = 0.0;
            for (input, &coefficient) in coefficients.iter().enumerate() {
                weight[input * width + column] = coefficient as f32;
                offset -= coefficient * (mean[input] - mixture.center[input]);
            }
            bias.push(offset as f32);
        }
    }
    (weight, bias)
}

/// ln w_k + ln |det A_k| − d/2·ln 2π for each component.
fn log_scales(mixture: &Mixture) -> Vec<f64> {
    let dim = mixture.dim;
    let constant = dim as f64 / 2.0 * (2.0 * PI).ln();
    let log_det = |component: usize| -> f64 {
        (0..dim).map(|i| mixture.factors[(component * dim + i) * dim + i].abs().ln()).sum()
    };
    mixture.log_weights.iter().enumerate().map(|(k, log_weight)| log_weight + log_det(k) - constant).collect()
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}
