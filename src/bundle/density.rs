//! The folded KNIFE graph: all K components of a mixture as a few matrix products. With A_k
//! and μ_k multiplied out, z_k = A_k x − A_k μ_k for all k is one product x·Aᵀ − b. A_k is
//! lower triangular, so its rows are split into blocks, and block j reads only the columns of
//! x that its rows depend on. Components with a common factor share its product.

use std::f64::consts::PI;
use std::ops::Range;

use tract_onnx::pb::ModelProto;

use super::Mixture;
use super::onnx::GraphBuilder;

/// Name of the only input of a density or of a classifier of one modality.
pub(super) const X: &str = "x";
/// Name of a density's output.
pub(super) const H: &str = "h";
/// Name of the graph.
const KNIFE: &str = "knife";
/// Name of x minus the training mean.
const CENTRED: &str = "centred";

/// Number of row blocks of a factor of `dim` rows, where one product computes the rows of
/// `components` factors. Microseconds per row on one core, for two modalities and three
/// classifiers, in ONNX Runtime on AVX-512 (K = 5):
///
/// | d    | 1 block | 2    | 4    | 8    | 16   |
/// |------|---------|------|------|------|------|
/// | 64   | 1.94    | 1.81 | 1.78 | 2.02 | 2.47 |
/// | 128  | 4.62    | 3.96 | 3.72 | 3.77 | 4.33 |
/// | 512  | 54.6    | 41.3 | 36.1 | 34.5 | 35.2 |
/// | 1024 | 228     | 181  | 140  | 130  | 134  |
///
/// Blocks save multiplications by zero, but each costs a copy of the columns that it reads,
/// and narrow products run below the peak rate.
pub(super) fn row_blocks(dim: usize, components: usize) -> usize {
    match dim {
        0..48 => 1,
        48..96 if components < 3 => 1,
        48..96 => 2,
        96..256 => 4,
        _ => 8,
    }
}

/// The row blocks of a factor over modalities of these dimensions. Those of the first modality are
/// those of its own density: where a factor begins with that density's, they are the same products,
/// which a fused graph computes once.
fn row_ranges(dims: &[usize], components: usize) -> Vec<Range<usize>> {
    let dim: usize = dims.iter().sum();
    let first = dims.first().copied().unwrap_or(0);
    let blocks = row_blocks(dim, components);
    if blocks == 1 || first == dim {
        return even_blocks(0..dim, blocks);
    }
    let beyond = (blocks * (dim - first) / dim.max(1)).max(1);
    [even_blocks(0..first, row_blocks(first, components)), even_blocks(first..dim, beyond)].concat()
}

/// Rows in so many blocks of about one size.
pub(super) fn even_blocks(rows: Range<usize>, blocks: usize) -> Vec<Range<usize>> {
    let bound = |block: usize| rows.start + block * rows.len() / blocks;
    (0..blocks).map(|block| bound(block)..bound(block + 1)).filter(|rows| !rows.is_empty()).collect()
}

/// The ONNX graph x `[n, d]` → h `[n]`, h = −ln p(x) in nats, of a mixture over modalities of these
/// dimensions, whose sum is d.
pub(super) fn density_graph(mixture: &Mixture, dims: &[usize]) -> ModelProto {
    let products = if has_one_factor(mixture) { 1 } else { mixture.log_weights.len() };
    blocked_density_graph(mixture, &row_ranges(dims, products))
}

/// As [`density_graph`], with factors split into these row blocks.
pub(super) fn blocked_density_graph(mixture: &Mixture, blocks: &[Range<usize>]) -> ModelProto {
    let dim = mixture.dim;
    let mut graph = GraphBuilder::new(KNIFE);
    graph.input(X, dim);
    let center = graph.floats("center", &[dim], &to_f32(&mixture.center));
    let centred = graph.node(CENTRED, "Sub", &[X, &center], &[]);
    let square = if has_one_factor(mixture) {
        squares_of_one_factor(&mut graph, mixture, &centred, blocks)
    } else {
        squares(&mut graph, mixture, &centred, blocks)
    };

    let log_density = log_densities(&mut graph, mixture, &square);
    // Expanded: the embedded engine's ReduceLogSumExp does not subtract the maximum.
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

/// The log-densities of all components at all scales, each with its weight, `[n, K·J]`. Products
/// with the scales instead of elementwise operations would lose digits in TF32.
fn log_densities(graph: &mut GraphBuilder, mixture: &Mixture, square: &str) -> String {
    let constants = log_scales(mixture);
    let scales: Vec<_> = mixture.scales.iter().collect();
    let mut parts = Vec::new();
    for (scale, (amplitude, precision)) in scales.iter().enumerate() {
        let name = |part: &str| if scales.len() == 1 { part.into() } else { format!("{part}_at_{scale}") };
        let half = graph.floats(&name("minus_half"), &[1], &to_f32(&[-0.5 * precision]));
        let exponent = graph.node(&name("exponent"), "Mul", &[square, &half], &[]);
        let constants: Vec<f64> = constants.iter().map(|constant| constant + amplitude).collect();
        let constants = graph.floats(&name("log_scale"), &[constants.len()], &to_f32(&constants));
        parts.push(graph.node(&name("component_log_density"), "Add", &[&exponent, &constants], &[]));
    }
    match &parts[..] {
        [one] => one.clone(),
        all => {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            graph.node("log_densities", "Concat", &all, &[("axis", 1)])
        }
    }
}

/// |z_k|² `[n, K]`, each block the product of its rows of all factors.
fn squares(graph: &mut GraphBuilder, mixture: &Mixture, centred: &str, blocks: &[Range<usize>]) -> String {
    let components = mixture.log_weights.len();
    let axes = graph.integers("axes", &[2]);
    let mut squares = Vec::new();
    for (block, rows) in blocks.iter().enumerate() {
        let name = |part: &str| format!("{part}_{block}");
        let width = components * rows.len();
        let weight = block_weight(mixture, 0..components, rows);
        let bias: Vec<f32> = (0..components).flat_map(|k| block_offset(mixture, k, rows)).collect();
        let weight = graph.floats(&name("factor"), &[rows.end, width], &weight);
        let bias = graph.floats(&name("offset"), &[width], &bias);
        let columns = block_columns(graph, mixture.dim, centred, block, rows);
        let z = graph.node(&name("z"), "Gemm", &[&columns, &weight, &bias], &[]);
        let zz = graph.node(&name("zz"), "Mul", &[&z, &z], &[]);
        let shape = graph.integers(&name("shape"), &[0, components as i64, rows.len() as i64]);
        let by_component = graph.node(&name("by_component"), "Reshape", &[&zz, &shape], &[]);
        squares.push(graph.node(&name("square"), "ReduceSum", &[&by_component, &axes], &[("keepdims", 0)]));
    }
    match &squares[..] {
        [one] => one.clone(),
        all => {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            graph.node("square", "Sum", &all, &[])
        }
    }
}

/// |z_k|² `[n, K]` with one common factor A: one product A x, minus A μ_k for each
/// component.
fn squares_of_one_factor(
    graph: &mut GraphBuilder,
    mixture: &Mixture,
    centred: &str,
    blocks: &[Range<usize>],
) -> String {
    let (dim, components) = (mixture.dim, mixture.log_weights.len());
    let mut parts = Vec::new();
    let mut offsets = vec![0.0; components * dim];
    for (block, rows) in blocks.iter().enumerate() {
        let weight = block_weight(mixture, 0..1, rows);
        for (component, offset) in offsets.chunks_exact_mut(dim).enumerate() {
            offset[rows.clone()].copy_from_slice(&block_offset(mixture, component, rows));
        }
        let weight = graph.floats(&format!("factor_{block}"), &[rows.end, rows.len()], &weight);
        let columns = block_columns(graph, dim, centred, block, rows);
        parts.push(graph.node(&format!("part_{block}"), "MatMul", &[&columns, &weight], &[]));
    }
    let product = match &parts[..] {
        [one] => one.clone(),
        all => {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            graph.node("whole", "Concat", &all, &[("axis", 1)])
        }
    };
    let axis = graph.integers("row_axis", &[1]);
    let row = graph.node("row", "Unsqueeze", &[&product, &axis], &[]);
    let offsets = graph.floats("offsets", &[components, dim], &offsets);
    let z = graph.node("z", "Add", &[&row, &offsets], &[]);
    let zz = graph.node("zz", "Mul", &[&z, &z], &[]);
    let axes = graph.integers("axes", &[2]);
    graph.node("square", "ReduceSum", &[&zz, &axes], &[("keepdims", 0)])
}

/// The leading columns of the centred x that a block's rows depend on.
fn block_columns(
    graph: &mut GraphBuilder,
    dim: usize,
    centred: &str,
    block: usize,
    rows: &Range<usize>,
) -> String {
    if rows.end == dim {
        return centred.into();
    }
    let start = graph.integers(&format!("start_{block}"), &[0]);
    let end = graph.integers(&format!("end_{block}"), &[rows.end as i64]);
    let axis = graph.integers(&format!("axis_{block}"), &[1]);
    graph.node(&format!("seen_{block}"), "Slice", &[centred, &start, &end, &axis], &[])
}

/// Whether all components have the same factor, as with one shared covariance.
fn has_one_factor(mixture: &Mixture) -> bool {
    let mut factors = mixture.factors.chunks_exact(mixture.dim * mixture.dim);
    let first = factors.next();
    mixture.log_weights.len() > 1 && factors.all(|factor| Some(factor) == first)
}

/// The weight `[rows.end, K'·rows]` of a row block of K' factors, transposed.
fn block_weight(mixture: &Mixture, components: Range<usize>, rows: &Range<usize>) -> Vec<f32> {
    let (dim, height) = (mixture.dim, rows.len());
    let width = components.len() * height;
    let mut weight = vec![0.0; rows.end * width];
    for (place, component) in components.enumerate() {
        let factor = &mixture.factors[component * dim * dim..(component + 1) * dim * dim];
        for row in rows.clone() {
            let column = place * height + row - rows.start;
            for (input, &coefficient) in factor[row * dim..=row * dim + row].iter().enumerate() {
                weight[input * width + column] = coefficient as f32;
            }
        }
    }
    weight
}

/// −A_k (μ_k − centre) for a row block: the bias of its product with the centred x.
fn block_offset(mixture: &Mixture, component: usize, rows: &Range<usize>) -> Vec<f32> {
    let dim = mixture.dim;
    let factor = &mixture.factors[component * dim * dim..(component + 1) * dim * dim];
    let mean = &mixture.means[component * dim..(component + 1) * dim];
    // The centre rounded to f32 as in the graph: a factor's large entries would amplify the
    // difference.
    let center = mixture.center.iter().map(|&center| f64::from(center as f32));
    let shift: Vec<f64> = mean.iter().zip(center).map(|(mean, center)| mean - center).collect();
    let product = |row: usize| -> f64 {
        factor[row * dim..=row * dim + row].iter().zip(&shift).map(|(a, shift)| a * shift).sum()
    };
    rows.clone().map(|row| -product(row) as f32).collect()
}

/// ln w_k + ln |det A_k| − d/2·ln 2π for each component.
pub(super) fn log_scales(mixture: &Mixture) -> Vec<f64> {
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
