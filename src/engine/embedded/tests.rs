//! Tests that programs give the same values with kernels and without.

use crate::bundle::{
    Affine, Bundle, BundleContents, Class, ClassifierFigures, DensityFigures, Discriminant, Ensemble,
    Figures, Label, Mixture, Modality, ModelSet, Scales, Stack, Training, Units,
};

use super::*;

const CLASSES: usize = 5;

fn numbers(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| (i * step % 23) as f32 / 11.0 - 1.0).collect()
}

/// A mixture of embeddings of these lengths.
fn mixture(dims: &[usize], components: usize, shared: bool) -> Mixture {
    let dim: usize = dims.iter().sum();
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
        center: dims.iter().flat_map(|&dim| numbers(dim, 3)).map(f64::from).collect(),
        scales: Scales::default(),
    }
}

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
        mean: numbers(width, 3),
        scale: vec![2.0; width],
        linear: Some(affine(width, CLASSES)),
        mlp: vec![affine(width, 11), affine(11, 6), affine(6, CLASSES)],
        discriminant: (centres > 0).then(|| Discriminant {
            inputs: width,
            classes: CLASSES,
            centres,
            weight: numbers(width * CLASSES * centres, 13)
                .iter()
                .map(|w| w / (width as f32).sqrt())
                .collect(),
            bias: numbers(CLASSES * centres, 5),
        }),
        betas: [0.5, 0.75, if centres == 0 { 0.0 } else { 1.0 }],
    }
}

/// The program of a bundle: mixtures of so many components, classifiers of so many members.
fn program(dims: &[usize], components: usize, shared: bool, members: usize) -> Program {
    let lengths = |role: Role| role.modalities().members().map(|m| dims[m]).collect::<Vec<_>>();
    let classifier = |role: Role| {
        let members = (0..members).map(|member| stack(&lengths(role), member));
        Ensemble { members: members.collect() }
    };
    let (densities, classifiers): (Vec<Role>, Vec<Role>) =
        Role::all(dims.len()).into_iter().partition(|role| role.is_density());
    let densities = densities.into_iter().map(|role| mixture(&lengths(role), components, shared));
    let classifiers = classifiers.into_iter().map(classifier);
    let models = ModelSet { densities: densities.collect(), classifiers: classifiers.collect() };
    let modality = |dim: usize| Modality { column: None, dim, units: Units::Raw, mean_h_nats: None };
    let label = Label {
        column: None,
        classes: (0..CLASSES as i64).map(Class::Integer).collect(),
        prior: vec![1.0 / CLASSES as f64; CLASSES],
    };
    let modalities = dims.iter().map(|dim| modality(*dim)).collect();
    let density = DensityFigures { components, ..DensityFigures::default() };
    let classifier = ClassifierFigures::default();
    let training = Training {
        rows_seen: 0,
        rows_used: 0,
        seed: 0,
        density_fit: String::new(),
        validation: Figures {
            densities: vec![density; models.densities.len()],
            classifiers: vec![classifier; models.classifiers.len()],
            ..Figures::default()
        },
        warnings: Vec::new(),
    };
    let dir = tempfile::tempdir().unwrap();
    let contents = BundleContents::fitted(modalities, label, training, &models, None);
    contents.write(&dir.path().join("bundle"), true).unwrap();
    Program::clone(&Bundle::open(&dir.path().join("bundle")).unwrap().program())
}

/// The outputs of a program for the first `rows` rows, and its operators.
fn outputs(program: &Program, kernels: bool, rows: usize) -> (Vec<Vec<f32>>, Vec<String>) {
    let converted = program.column_major(kernels);
    let [graph] = &converted.graphs[..] else { panic!("{} graphs", converted.graphs.len()) };
    let steps = [3, 5, 8];
    let x: Vec<Vec<f32>> =
        program.dims.iter().zip(steps).map(|(dim, step)| numbers(rows * dim, step)).collect();
    let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
    let y: Vec<i64> = (0..rows).map(|row| (row % CLASSES) as i64).collect();
    let batch = BatchInputs { rows, x: &x, y: &y };
    let both = [None, Some(rows)].map(|fixed| {
        let plan = plan_graph(graph, &program.dims, fixed).unwrap();
        let values = plan.run(inputs(graph, &program.dims, &batch).unwrap()).unwrap();
        let values =
            values.iter().map(|value| value.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec());
        values.collect::<Vec<_>>()
    });
    let nodes = &graph.model.graph.as_ref().unwrap().node;
    let [any, fixed] = both;
    // Without kernels, the plan for one fixed row has products of another kind.
    assert!(any == fixed || !kernels, "{any:?} {fixed:?}");
    (fixed, nodes.iter().map(|node| node.op_type.clone()).collect())
}

#[test]
fn kernels_give_the_values_of_the_engine() {
    let programs: [(&[usize], _, _, _); 6] = [
        (&[100, 96], 1, false, 1),
        (&[100, 96], 3, false, 1),
        (&[49, 7], 3, true, 1),
        (&[9, 6], 2, false, 3),
        (&[5, 4, 3], 1, false, 1),
        (&[9, 50, 4], 2, false, 2),
    ];
    for (dims, components, shared, members) in programs {
        let program = program(dims, components, shared, members);
        for rows in [1, 7, 150] {
            let (truth, _) = outputs(&program, false, rows);
            let (found, operators) = outputs(&program, has_kernels(), rows);
            let is_left = |op: &String| op == "Einsum" || op == "Gemm" || op == "Relu";
            assert!(!has_kernels() || !operators.iter().any(is_left), "{operators:?}");
            assert_eq!(truth.len(), if dims.len() == 3 { 13 } else { 5 });
            for (found, truth) in found.iter().flatten().zip(truth.iter().flatten()) {
                assert!((found - truth).abs() <= 1e-5 * truth.abs().max(1.0), "{found} {truth}");
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_batch() {
    let program = program(&[100, 96], 2, false, 2);
    let (all, _) = outputs(&program, has_kernels(), 600);
    for rows in [1, 2, 15, 16, 17, 47, 48, 49, 100, 599] {
        let (some, _) = outputs(&program, has_kernels(), rows);
        for (some, all) in some.iter().zip(&all) {
            assert_eq!(some[..], all[..rows], "{rows}");
        }
    }
}
