//! Tests of what the models of a fused graph share: the same values as the models on their own, in
//! fewer operations.

use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::prelude::*;

use crate::interaction::Subset;

use super::classifier::classifier_graph;
use super::density::density_graph;
use super::fuse::{RoleModel, fuse};
use super::onnx::GraphBuilder;
use super::{Affine, Mixture, Program, ProgramInput, Role, Scales, Stack};

const ROWS: usize = 5;
const CLASSES: usize = 3;

fn numbers(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
}

/// A mixture over `dim` columns whose leading parts are the mixtures over fewer columns.
fn nested(dim: usize, components: usize, one_factor: bool) -> Mixture {
    let each = |value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..components)
            .flat_map(|k| (0..dim).map(move |column| (k, column)))
            .map(|(k, c)| value(k, c))
            .collect()
    };
    let entry = |k: usize, row: usize, column: usize| match row.cmp(&column) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 1.0 + k as f64 / 4.0,
        std::cmp::Ordering::Greater => ((row * 7 + column * 5 + k * 3) % 11) as f64 / 50.0 - 0.1,
    };
    let kind = |k: usize| if one_factor { 0 } else { k };
    let factors = (0..components * dim * dim).map(|i| entry(kind(i / (dim * dim)), i / dim % dim, i % dim));
    Mixture {
        dim,
        log_weights: vec![-(components as f64).ln(); components],
        means: each(&|k, column| ((k * 5 + column * 3) % 23) as f64 / 11.0 - 1.0),
        factors: factors.collect(),
        center: (0..dim).map(|column| (column * 3 % 17) as f64 / 9.0).collect(),
        scales: Scales::default(),
    }
}

fn fused(models: &[(Role, ModelProto)], dims: &[usize]) -> Program {
    let models: Vec<_> =
        models.iter().map(|(role, model)| RoleModel { role: *role, model, logits: false }).collect();
    fuse(None, &models, dims, CLASSES, false)
}

fn nodes(program: &Program) -> &[NodeProto] {
    let [graph] = &program.graphs[..] else { panic!("{} graphs", program.graphs.len()) };
    &graph.model.graph.as_ref().unwrap().node
}

/// The outputs of a program of one graph on the same rows, by role.
fn outputs(program: &Program) -> Vec<(Role, Vec<f32>)> {
    let [graph] = &program.graphs[..] else { panic!("{} graphs", program.graphs.len()) };
    let plan = tract_onnx::onnx().model_for_proto_model(&graph.model).unwrap();
    let plan = plan.into_optimized().unwrap().into_runnable().unwrap();
    let inputs = graph.inputs.iter().map(|&input| {
        let width = input.width(&program.dims);
        let tensor = match input {
            ProgramInput::Class => Tensor::from_shape(&[ROWS, 1], &[0_i64, 1, 2, 1, 0]).unwrap(),
            ProgramInput::Embedding(m) => {
                Tensor::from_shape(&[ROWS, width], &numbers(ROWS * width, 3 + m)).unwrap()
            }
        };
        tensor.into_tvalue()
    });
    let outputs = plan.run(inputs.collect()).unwrap();
    let values = |value: &TValue| value.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec();
    graph.roles.iter().copied().zip(outputs.iter().map(values)).collect()
}

/// A program gives the bits of its models on their own.
fn assert_same_values(models: &[(Role, ModelProto)], dims: &[usize]) {
    let together = outputs(&fused(models, dims));
    let alone: Vec<_> =
        models.iter().flat_map(|model| outputs(&fused(std::slice::from_ref(model), dims))).collect();
    assert_eq!(together, alone);
}

fn density(modalities: &[usize], mixture: &Mixture, dims: &[usize]) -> (Role, ModelProto) {
    let set = Subset::new(modalities.iter().copied()).unwrap();
    let dims: Vec<_> = modalities.iter().map(|&m| dims[m]).collect();
    (Role::density(set), density_graph(mixture, &dims))
}

#[test]
fn the_density_of_a_pair_computes_that_of_its_first_modality() {
    for (dims, one_factor) in [([100, 96], false), ([100, 96], true), ([260, 30], false), ([20, 40], false)] {
        let pair = nested(dims.iter().sum(), 3, one_factor);
        let first = nested(dims[0], 3, one_factor);
        // The full set of two modalities has no density: these are modalities 1 and 2 of three.
        let dims = [dims[0], dims[1], 7];
        let models = [density(&[0], &first, &dims), density(&[0, 1], &pair, &dims)];
        assert_same_values(&models, &dims);
        let flops = fused(&models, &dims).flops_per_row();
        assert_eq!(flops, fused(&models[1..], &dims).flops_per_row(), "{dims:?} {one_factor}");
        assert!(flops > 0);
    }
}

#[test]
fn densities_that_are_not_nested_share_no_product() {
    let dims = [100, 96, 7];
    let mut pair = nested(196, 3, false);
    pair.factors[0] *= 1.5;
    let models = [density(&[0], &nested(100, 3, false), &dims), density(&[0, 1], &pair, &dims)];
    assert_same_values(&models, &dims);
    let [together, alone] = [&models[..], &models[..1]].map(|models| fused(models, &dims).flops_per_row());
    // All but the block of rows that differs.
    let block = 2 * 25 * 3 * 25;
    assert_eq!(together, fused(&models[1..], &dims).flops_per_row() + block);
    assert!(block < alone);
}

#[test]
fn classifiers_share_their_first_layers() {
    let dims = [6, 4];
    let affine = |inputs: usize, outputs: usize, step: usize| Affine {
        inputs,
        outputs,
        weight: numbers(inputs * outputs, step),
        bias: numbers(outputs, 2),
    };
    let stack = |head: usize| Stack {
        dims: vec![6],
        mean: numbers(6, 3),
        scale: vec![2.0; 6],
        linear: None,
        mlp: vec![affine(6, 8, 7), affine(8, CLASSES, head)],
        discriminant: None,
        betas: [0.0, 1.0, 0.0],
    };
    let [first, second] = [Subset::new([0]), Subset::new([1])].map(|set| Role::classifier(set.unwrap()));
    let models = [(first, classifier_graph(&stack(3).into())), (second, classifier_graph(&stack(5).into()))];
    // Of two embeddings, equal layers are not the same.
    let products = |program: &Program| nodes(program).iter().filter(|node| node.op_type == "Gemm").count();
    assert_eq!(products(&fused(&models, &[6, 6])), 4);
    let pair = Role::classifier(Subset::new([0, 1]).unwrap());
    let both = {
        let mut graph = GraphBuilder::new("pair");
        let x = graph.input("x1", 6);
        graph.input("x2", 4);
        let weight = graph.floats("w", &[6, 8], &numbers(48, 7));
        let bias = graph.floats("b", &[8], &numbers(8, 2));
        let hidden = graph.node("hidden", "Gemm", &[&x, &weight, &bias], &[]);
        let weight = graph.floats("w_x2", &[4, 8], &numbers(32, 7));
        let beside = graph.node("beside", "MatMul", &["x2", &weight], &[]);
        let sum = graph.node("sum", "Add", &[&hidden, &beside], &[]);
        let weight = graph.floats("head", &[8, CLASSES], &numbers(8 * CLASSES, 5));
        let logits = graph.node("logits", "MatMul", &[&sum, &weight], &[]);
        graph.node("log_prob", "LogSoftmax", &[&logits], &[("axis", 1)]);
        graph.output("log_prob", &[CLASSES]);
        graph.finish()
    };
    let single = {
        let mut graph = GraphBuilder::new("single");
        let x = graph.input("x", 6);
        let weight = graph.floats("weight", &[6, 8], &numbers(48, 7));
        let bias = graph.floats("bias", &[8], &numbers(8, 2));
        let hidden = graph.node("layer", "Gemm", &[&x, &weight, &bias], &[]);
        let weight = graph.floats("head", &[8, CLASSES], &numbers(8 * CLASSES, 3));
        let logits = graph.node("out", "MatMul", &[&hidden, &weight], &[]);
        graph.node("log_prob", "LogSoftmax", &[&logits], &[("axis", 1)]);
        graph.output("log_prob", &[CLASSES]);
        graph.finish()
    };
    let models = [(first, single), (pair, both)];
    assert_same_values(&models, &dims);
    assert_eq!(products(&fused(&models, &dims)), 1);
}

#[test]
fn random_values_are_not_shared() {
    let mut graph = GraphBuilder::new("noisy");
    let x = graph.input("x", 6);
    let one = graph.node("one", "RandomNormalLike", &[&x], &[]);
    let two = graph.node("two", "RandomNormalLike", &[&x], &[]);
    let sum = graph.node("sum", "Add", &[&one, &two], &[]);
    graph.node("log_prob", "LogSoftmax", &[&sum], &[("axis", 1)]);
    graph.output("log_prob", &[6]);
    let role = Role::classifier(Subset::new([0]).unwrap());
    let program = fused(&[(role, graph.finish())], &[6, 0]);
    assert_eq!(nodes(&program).iter().filter(|node| node.op_type == "RandomNormalLike").count(), 2);
}

#[test]
fn logits_are_normalised_whatever_a_model_calls_them() {
    let role = Role::classifier(Subset::new([0]).unwrap());
    for name in ["log_prob", "logits"] {
        let mut graph = GraphBuilder::new("classifier");
        let x = graph.input("x", 6);
        let weight = graph.floats("head", &[6, CLASSES], &numbers(6 * CLASSES, 5));
        graph.node(name, "MatMul", &[&x, &weight], &[]);
        graph.output(name, &[CLASSES]);
        let model = graph.finish();
        let of = |logits| {
            outputs(&fuse(None, &[RoleModel { role, model: &model, logits }], &[6, 4], CLASSES, false))
        };
        let (raw, normalised) = (of(false), of(true));
        let rows = numbers(ROWS * 6, 3);
        for (row, (raw, normalised)) in raw[0].1.iter().zip(&normalised[0].1).enumerate() {
            let x = &rows[row * 6..][..6];
            let weight = numbers(6 * CLASSES, 5);
            let logit = |class: usize| (0..6).map(|i| x[i] * weight[i * CLASSES + class]).sum::<f32>();
            let normaliser = (0..CLASSES).map(|class| logit(class).exp()).sum::<f32>().ln();
            assert!((raw - normaliser - normalised).abs() < 1e-5, "{name}, row {row}: {raw}, {normalised}");
        }
    }
}
