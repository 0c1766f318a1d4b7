//! FLOP counts of models: one multiplication and one addition per row for each weight of a
//! matrix product (MatMul, Gemm, Einsum). Other operators (squares, sums, exponentials),
//! functions and branches are not counted.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

use super::onnx::GraphBuilder;
use super::{Bundle, Graph, Program, ProgramInput, Role};

/// Operators that change only the shape, order or type of their input.
const SHAPE_OPERATORS: [&str; 7] =
    ["Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"];

impl Program {
    /// Floating-point operations per row.
    pub fn flops_per_row(&self) -> u64 {
        self.graphs.iter().map(|graph| flops(&graph.model)).sum()
    }

    /// A program of one matrix product, `[n, size]` by `[size, size]`, to measure a machine's
    /// floating-point rate. Its only output, in the role of −ln p(x1), has no meaning.
    pub fn matrix_product(size: usize) -> Self {
        let mut graph = GraphBuilder::new("product");
        let input = ProgramInput::Embedding(0);
        let x = graph.input(input.name(), size);
        let weight: Vec<f32> = (0..size * size).map(|i| (i % 13) as f32 / 64.0 - 0.1).collect();
        let weight = graph.floats("weight", &[size, size], &weight);
        let product = graph.node("product", "MatMul", &[&x, &weight], &[]);
        // One output per row that depends on the complete product.
        let dims = vec![size, 0];
        let roles: Vec<Role> = Role::all(dims.len()).into_iter().take(1).collect();
        let output = &roles.iter().map(Role::to_string).collect::<String>();
        graph.node_ints(output, "ReduceMax", &[&product], ("axes", &[1]), &[("keepdims", 0)]);
        graph.output(output, &[]);
        let graph = Graph::new(graph.finish(), vec![input], roles, dims.len());
        Self { origin: None, graphs: vec![graph], dims, classes: 1, unfused: Vec::new() }
    }
}

impl Bundle {
    /// Floating-point operations per row with every density as one dense product of all its K
    /// factors, 2·K·d_A² of a set A, and the classifiers unchanged: the baseline for the saving of row
    /// blocks. `None` where the bundle does not record K.
    pub fn dense_flops_per_row(&self) -> Option<u64> {
        let fitted = &self.manifest().training.as_ref()?.validation.densities;
        let dims = self.dims();
        let width =
            |role: Role| role.modalities().members().filter_map(|m| dims.get(m)).sum::<usize>() as u64;
        let densities = self.manifest().roles().into_iter().filter(|role| role.is_density()).zip(fitted);
        let dense = densities.map(|(role, density)| 2 * density.components as u64 * width(role).pow(2));
        let classifiers = self.models().iter().filter(|(role, _)| !role.is_density());
        Some(dense.sum::<u64>() + classifiers.map(|(_, model)| flops(model)).sum::<u64>())
    }
}

fn flops(model: &ModelProto) -> u64 {
    model.graph.as_ref().map_or(0, |graph| 2 * weights_in_products(graph))
}

/// Number of elements of all constant factors of matrix products.
fn weights_in_products(graph: &GraphProto) -> u64 {
    let elements = |tensor: &TensorProto| tensor.dims.iter().map(|d| d.unsigned_abs()).product::<u64>();
    let mut constants: HashMap<&str, u64> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), elements(tensor))).collect();
    let mut weights = 0;
    // Nodes are in topological order.
    for node in &graph.node {
        let of = |input: &String| constants.get(input.as_str()).copied();
        let value = match node.op_type.as_str() {
            "Constant" => node.attribute.iter().find_map(|a| a.t.as_ref()).map(elements),
            op if SHAPE_OPERATORS.contains(&op) => node.input.first().and_then(of),
            "MatMul" | "Gemm" | "Einsum" => {
                // Gemm's third input is the bias.
                weights += node.input.iter().take(2).filter_map(of).sum::<u64>();
                None
            }
            _ => None,
        };
        if let (Some(value), Some(name)) = (value, node.output.first()) {
            constants.insert(name, value);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::super::density::{blocked_density_graph, even_blocks};
    use super::super::{Mixture, Scales};
    use super::*;

    #[test]
    fn a_product_is_two_operations_a_weight() {
        assert_eq!(Program::matrix_product(10).flops_per_row(), 200);
    }

    #[test]
    fn blocks_save_what_lies_above_them() {
        let (dim, components) = (8, 3);
        // Different multiples of the identity: equal factors would share one product.
        let factors = (0..components * dim * dim)
            .map(|i| f64::from(i / (dim * dim) + 1) * f64::from(i % (dim * dim) % (dim + 1) == 0));
        let mixture = Mixture {
            dim: dim as usize,
            log_weights: vec![-(3.0_f64.ln()); components as usize],
            means: vec![0.0; (components * dim) as usize],
            factors: factors.collect(),
            center: vec![0.0; dim as usize],
            scales: Scales::default(),
        };
        let flops = |blocks| flops(&blocked_density_graph(&mixture, &even_blocks(0..8, blocks)));
        assert_eq!(flops(1), 2 * 3 * 64);
        // Rows 0 to 3 read 4 columns, rows 4 to 7 all eight.
        assert_eq!(flops(2), 2 * 3 * (4 * 4 + 4 * 8));
    }

    #[test]
    fn weights_are_found_behind_other_operators() {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", 4);
        let weight = graph.floats("weight", &[5, 4], &[1.0; 20]);
        let turned = graph.node("turned", "Transpose", &[&weight], &[]);
        let bias = graph.floats("bias", &[5], &[0.0; 5]);
        let y = graph.node("y", "MatMul", &["x", &turned], &[]);
        graph.node("z", "Add", &[&y, &bias], &[]);
        graph.output("z", &[5]);
        assert_eq!(flops(&graph.finish()), 40);
    }
}
