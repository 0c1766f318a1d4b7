//! Tests that a program gives the same outputs in column-major and in row-major layout.

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::super::classifier::classifier_graph;
use super::super::density::density_graph;
use super::super::fuse::{RoleModel, fuse};
use super::super::onnx::GraphBuilder;
use super::super::{Affine, Discriminant, Ensemble, Mixture, Role, Scales, Stack};
use super::*;

const ROWS: usize = 7;
const CLASSES: usize = 5;

fn numbers(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
}

fn mixture(dim: usize, components: usize, shared: bool) -> Mixture {
    let factors = (0..components * dim * dim).map(|i| {
        let (component, row, column) = (i / (dim * dim), i / dim % dim, i % dim);
        let kind = if shared { 0 } else { component };
        let below = ((row * 7 + column * 5 + kind * 3) % 11) as f64 / 50.0 - 0.1;
        if column == row { 1.0 + kind as f64 / 4.0 } else { f64::from(column < row) * below }
    });
    Mixture {
        dim,
        log_weights: vec![-(components as f64).ln(); components],
        means: numbers(components * dim, 5).into_iter().map(f64::from).collect(),
        factors: factors.collect(),
        center: numbers(dim, 3).into_iter().map(f64::from).collect(),
        scales: if shared {
            Scales { log_amplitudes: vec![-0.4, -1.5], precisions: vec![1.2, 0.6] }
        } else {
            Scales::default()
        },
    }
}

/// A member of an ensemble: without a discriminant analysis for no centres, without a regression
/// for two, without a network for three.
fn stack(dims: &[usize], centres: usize) -> Stack {
    let affine = |inputs: usize, outputs: usize| Affine {
        inputs,
        outputs,
        weight: numbers(inputs * outputs, 7).iter().map(|w| w / (inputs as f32).sqrt()).collect(),
        bias: numbers(outputs, 2),
    };
    let width = dims.iter().sum();
    Stack {
        dims: dims.to_vec(),
        mean: numbers(width, 3 + centres),
        scale: vec![2.0 + centres as f32; width],
        linear: (centres != 2).then(|| affine(width, CLASSES)),
        mlp: if centres == 3 { vec![] } else { vec![affine(width, 6), affine(6, CLASSES)] },
        discriminant: (centres > 0).then(|| Discriminant {
            inputs: width,
            classes: CLASSES,
            centres,
            weight: numbers(width * CLASSES * centres, 11)
                .iter()
                .map(|w| w / (width as f32).sqrt())
                .collect(),
            bias: numbers(CLASSES * centres, 5),
        }),
        betas: [0.5, 0.75, if centres == 1 { 1.0 } else { 1.5 }],
    }
}

fn ensemble(dims: &[usize], centres: &[usize]) -> Ensemble {
    Ensemble { members: centres.iter().map(|&centres| stack(dims, centres)).collect() }
}

/// A program's outputs on rows of its dimensions, and the operators it is made of.
fn evaluated(program: &Program, x: [&[f32]; 2], y: &[i64]) -> (Vec<Vec<f32>>, Vec<String>) {
    let [graph] = &program.graphs[..] else { panic!("{} graphs", program.graphs.len()) };
    let plan = tract_onnx::onnx().model_for_proto_model(&graph.model).unwrap();
    let plan = plan.into_optimized().unwrap().into_runnable().unwrap();
    let inputs = graph.inputs.iter().map(|&input| {
        let tensor = match input {
            ProgramInput::Class => Tensor::from_shape(&[ROWS, 1], y).unwrap(),
            ProgramInput::Embedding(m) => Tensor::from_shape(&[ROWS, program.dims[m]], x[m]).unwrap(),
        };
        tensor.into_tvalue()
    });
    let outputs = plan.run(inputs.collect()).unwrap();
    let values = |value: &TValue| value.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec();
    let nodes = &graph.model.graph.as_ref().unwrap().node;
    (outputs.iter().map(values).collect(), nodes.iter().map(|node| node.op_type.clone()).collect())
}

fn same(program: &Program, transpositions: usize) {
    let [d1, d2] = program.dims[..] else { panic!("{:?}", program.dims) };
    let (x1, x2) = (numbers(ROWS * d1, 3), numbers(ROWS * d2, 5));
    let y: Vec<i64> = (0..ROWS).map(|row| (row % CLASSES) as i64).collect();
    let (first, _) = evaluated(program, [&x1, &x2], &y);
    let (last, operators) = evaluated(&program.column_major(false), [&x1, &x2], &y);
    assert_eq!(first.len(), last.len());
    for (first, last) in first.iter().flatten().zip(last.iter().flatten()) {
        assert!((first - last).abs() <= 1e-5 * first.abs().max(1.0), "{first} {last}");
    }
    assert_eq!(operators.iter().filter(|op| *op == "Transpose").count(), transpositions, "{operators:?}");
}

#[test]
fn a_fitted_bundle_is_turned_whole() {
    let dims = [100, 96];
    for shared in [false, true] {
        let densities = dims.map(|dim| density_graph(&mixture(dim, 3, shared), &[dim]));
        let classifiers =
            [&dims[..1], &dims[1..], &dims[..]].map(|dims| classifier_graph(&stack(dims, 0).into()));
        let models: Vec<ModelProto> = densities.into_iter().chain(classifiers).collect();
        let roles = Role::all(2).into_iter().zip(&models);
        let models: Vec<_> = roles.map(|(role, model)| RoleModel { role, model, logits: false }).collect();
        // The three inputs and nothing else.
        same(&fuse(None, &models, &dims, CLASSES, false), 3);
    }
}

#[test]
fn ensembles_are_turned_whole_and_equal_the_inference_in_f64() {
    let dims = [9, 6];
    for members in [&[0][..], &[1], &[2], &[3], &[0, 0], &[1, 1, 1], &[3, 3], &[0, 1, 2, 3]] {
        let ensembles = [&dims[..1], &dims[1..], &dims[..]].map(|dims| ensemble(dims, members));
        let graphs = ensembles.each_ref().map(classifier_graph);
        let roles = Role::all(2).into_iter().filter(|role| !role.is_density()).zip(&graphs);
        let models: Vec<_> = roles.map(|(role, model)| RoleModel { role, model, logits: false }).collect();
        let program = fuse(None, &models, &dims, CLASSES, false);
        same(&program, 3);
        let (x1, x2) = (numbers(ROWS * dims[0], 3), numbers(ROWS * dims[1], 5));
        let y: Vec<i64> = (0..ROWS).map(|row| (row % CLASSES) as i64).collect();
        let (found, _) = evaluated(&program, [&x1, &x2], &y);
        let truth = [
            ensembles[0].log_prob(&[&x1]),
            ensembles[1].log_prob(&[&x2]),
            ensembles[2].log_prob(&[&x1, &x2]),
        ];
        for (found, truth) in found.iter().zip(&truth) {
            for (row, found) in found.iter().enumerate() {
                let truth = truth[row * CLASSES + row % CLASSES];
                assert!((f64::from(*found) - truth).abs() < 1e-5, "{members:?}, row {row}: {found} {truth}");
            }
        }
    }
}

#[test]
fn a_class_that_no_member_thinks_possible_keeps_its_log_probability() {
    let mut member = stack(&[1], 2);
    member.mean = vec![0.0];
    member.scale = vec![1.0];
    member.betas = [0.0, 0.0, 1.0];
    if let Some(part) = &mut member.discriminant {
        part.weight = [500.0, 0.0, 0.0, 0.0].repeat(5)[..10].to_vec();
        part.weight[2..].fill(-500.0);
        part.bias = vec![0.0; 10];
    }
    let ensemble = Ensemble { members: vec![member.clone(), member] };
    let graph = classifier_graph(&ensemble);
    let model = RoleModel { role: Role::all(2)[2], model: &graph, logits: false };
    let program = fuse(None, &[model], &[1, 0], CLASSES, false).column_major(false);
    let (found, _) = evaluated(&program, [&[2.0; ROWS], &[]], &[1; ROWS]);
    let truth = ensemble.log_prob(&[&[2.0]])[1];
    assert!(truth < -1000.0, "{truth}");
    found[0].iter().for_each(|found| assert!((f64::from(*found) - truth).abs() < 1e-3, "{found} {truth}"));
}

fn classifier(operators: &[&str], weight: &[f32]) -> Program {
    let mut graph = GraphBuilder::new("test");
    let mut x = graph.input("x", 2);
    for (place, op) in operators.iter().enumerate() {
        let name = format!("{op}_{place}");
        x = if *op == "MatMul" {
            let weight = graph.floats(&format!("weight_{place}"), &[2, weight.len() / 2], weight);
            graph.node(&name, op, &[&x, &weight], &[])
        } else {
            graph.node(&name, op, &[&x], &[])
        };
    }
    graph.node("logits", "Identity", &[&x], &[]);
    graph.output("logits", &[weight.len() / 2]);
    fuse(
        None,
        &[RoleModel { role: Role::all(2)[2], model: &graph.finish(), logits: true }],
        &[2, 0],
        2,
        false,
    )
}

#[test]
fn an_unknown_operator_is_given_its_rows_first() {
    // Of x1 and back: values after the operator are row-major.
    let program =
        classifier(&["MatMul", "Softplus"], &[1.0, -0.5, 0.25, 2.0, 1.5, -1.0, 0.5, 1.0, -2.0, 0.75]);
    same(&program, 2);
}

#[test]
fn far_classes_keep_their_log_probability() {
    let program = classifier(&["MatMul"], &[500.0, -500.0, 0.0, 0.0]).column_major(false);
    let x1: Vec<f32> = [1.0, 0.0].repeat(ROWS);
    let (found, _) = evaluated(&program, [&x1, &[]], &[1; ROWS]);
    assert_eq!(found, [[-1000.0; ROWS]]);
}

#[test]
fn what_follows_a_product_becomes_a_part_of_it() {
    let dims = [100, 96];
    let densities = dims.map(|dim| density_graph(&mixture(dim, 3, false), &[dim]));
    let classifiers =
        [&dims[..1], &dims[1..], &dims[..]].map(|dims| classifier_graph(&stack(dims, 0).into()));
    let models: Vec<ModelProto> = densities.into_iter().chain(classifiers).collect();
    let roles = Role::all(2).into_iter().zip(&models);
    let models: Vec<_> = roles.map(|(role, model)| RoleModel { role, model, logits: false }).collect();
    let program = fuse(None, &models, &dims, CLASSES, false).column_major(true);
    let nodes = &program.graphs[0].model.graph.as_ref().unwrap().node;
    let count = |op: &str| nodes.iter().filter(|node| node.op_type == op).count();
    let with = |attribute: &str| {
        let has = |node: &&NodeProto| node.attribute.iter().any(|a| a.name == attribute);
        nodes.iter().filter(|node| node.op_type == PRODUCT).filter(has).count()
    };
    // Two inputs; y is transposed. Four blocks of each density; the regression and the network's
    // three layers of each classifier, the first of the pair in two parts.
    assert_eq!((count(TURN), count("Transpose")), (2, 1));
    assert_eq!((count(PRODUCT), with("components"), with("relu")), (8 + 2 * 3 + 2 * 2 + 1, 8, 3));
    assert_eq!(["Einsum", "Relu", "Mul"].map(count), [0, 0, 2]);
}
