//! How far f32 is from f64: h within 2e-5 of itself (or of d/2, the mean of its quadratic term, where h is
//! near zero) and i within 1e-4 nats, at 64, 512
//! and 4096 dimensions, factors of condition 1e4, and embeddings whose mean is far from
//! zero, in both engines. The truth is the definition, evaluated here in f64.

use std::path::{Path, PathBuf};

use lsmi_etl::bundle::{
    Affine, Bundle, BundleContents, Class, ClassifierFigures, DensityFigures, Discriminant, Ensemble,
    Figures, Label, Mixture, Modality, ModelSet, Scales, Stack, Training, Units,
};
use lsmi_etl::engine::{BatchInputs, BatchOutputs, Engine, EngineChoice, EngineOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::runtime;

const CLASSES: usize = 4;
const HIDDEN: usize = 16;
const ROWS: usize = 24;
/// The rows are evaluated so many times in one batch: enough for whole blocks of the
/// embedded engine and a rest.
const COPIES: usize = 22;
/// The second modality stays small: it is the first that is measured.
const SMALL: usize = 32;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(1e-12..1.0), rng.random_range(0.0..std::f64::consts::TAU));
    (-2.0 * u.ln()).sqrt() * v.cos()
}

/// A mixture of two whose factors have singular values over four decades.
fn mixture(dim: usize, rng: &mut ChaCha8Rng, shared: bool) -> Mixture {
    let mut factors = vec![0.0; 2 * dim * dim];
    for factor in factors.chunks_exact_mut(dim * dim) {
        for (i, row) in factor.chunks_exact_mut(dim).enumerate() {
            let scale = 10f64.powf(rng.random_range(-2.0..2.0));
            row[..i].iter_mut().for_each(|a| *a = scale * rng.random_range(-0.5..0.5) / (dim as f64).sqrt());
            row[i] = scale;
        }
    }
    if shared {
        factors.copy_within(..dim * dim, dim * dim);
    }
    let center: Vec<f64> = (0..dim).map(|_| 10.0 * normal(rng)).collect();
    let means = (0..2).flat_map(|_| center.clone()).map(|c| c + 0.5 * normal(rng)).collect();
    Mixture {
        dim,
        log_weights: vec![0.3f64.ln(), 0.7f64.ln()],
        means,
        factors,
        center,
        scales: if shared { two_scales(dim) } else { Scales::default() },
    }
}

/// Weights of 0.6 and 0.4 at scales of 0.95 and 1.2.
fn two_scales(dim: usize) -> Scales {
    let scales = [(0.6f64, 0.95f64), (0.4, 1.2)];
    Scales {
        log_amplitudes: scales.iter().map(|(weight, scale)| weight.ln() - dim as f64 * scale.ln()).collect(),
        precisions: scales.iter().map(|(_, scale)| scale.powi(-2)).collect(),
    }
}

/// A member of an ensemble; without centres it has no discriminant analysis. What the other members
/// and the analyses are made of does not come of `rng`: the rows stay as they are.
fn stack(dims: &[usize], mean: &[f64], rng: &mut ChaCha8Rng, centres: usize) -> Stack {
    let mut own = ChaCha8Rng::seed_from_u64(centres as u64);
    let width: usize = dims.iter().sum();
    let discriminant = (centres > 0).then(|| Discriminant {
        inputs: width,
        classes: CLASSES,
        centres,
        weight: (0..width * CLASSES * centres)
            .map(|_| (normal(&mut own) / (width as f64).sqrt()) as f32)
            .collect(),
        bias: (0..CLASSES * centres).map(|_| normal(&mut own) as f32).collect(),
    });
    let mut affine = |inputs: usize, outputs: usize| Affine {
        inputs,
        outputs,
        weight: (0..inputs * outputs).map(|_| (normal(rng) / (inputs as f64).sqrt()) as f32).collect(),
        bias: (0..outputs).map(|_| normal(rng) as f32).collect(),
    };
    Stack {
        dims: dims.to_vec(),
        linear: Some(affine(width, CLASSES)),
        mlp: vec![affine(width, HIDDEN), affine(HIDDEN, HIDDEN), affine(HIDDEN, CLASSES)],
        discriminant,
        mean: mean.iter().map(|&m| (m + 0.02 * normal(&mut own)) as f32).collect(),
        scale: vec![2.0; width],
        betas: [0.7, 1.3, 0.6],
    }
}

/// Members of one, two, three, … centres.
fn ensemble(dims: &[usize], mean: &[f64], rng: &mut ChaCha8Rng, members: usize) -> Ensemble {
    let first = stack(dims, mean, rng, 1);
    let others = (2..=members).map(|centres| {
        let mut own = ChaCha8Rng::seed_from_u64(100 + centres as u64);
        stack(dims, mean, &mut own, centres)
    });
    Ensemble { members: std::iter::once(first).chain(others).collect() }
}

/// Rows of the mixture's components.
fn samples(mixture: &Mixture, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let dim = mixture.dim;
    let mut x = Vec::new();
    for row in 0..ROWS {
        let k = row % 2;
        let factor = &mixture.factors[k * dim * dim..(k + 1) * dim * dim];
        let mut step: Vec<f64> = Vec::with_capacity(dim);
        for (i, a) in factor.chunks_exact(dim).enumerate() {
            let known: f64 = a.iter().zip(&step).map(|(a, s)| a * s).sum();
            step.push((normal(rng) - known) / a[i]);
        }
        x.extend(step.iter().zip(&mixture.means[k * dim..]).map(|(step, mean)| (mean + step) as f32));
    }
    x
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let max = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + terms.iter().map(|t| (t - max).exp()).sum::<f64>().ln()
}

fn true_h(mixture: &Mixture, x: &[f32]) -> f64 {
    let dim = mixture.dim;
    let scales = mixture.scales.log_amplitudes.iter().zip(&mixture.scales.precisions);
    let terms: Vec<f64> = (0..2)
        .flat_map(|k| scales.clone().map(move |scale| (k, scale)))
        .map(|(k, (amplitude, precision))| {
            let factor = &mixture.factors[k * dim * dim..(k + 1) * dim * dim];
            let mean = &mixture.means[k * dim..(k + 1) * dim];
            let v: Vec<f64> = x.iter().zip(mean).map(|(x, mean)| f64::from(*x) - mean).collect();
            let rows = factor.chunks_exact(dim).enumerate();
            rows.fold(
                mixture.log_weights[k] + amplitude - dim as f64 / 2.0 * std::f64::consts::TAU.ln(),
                |sum, (i, row)| {
                    let z: f64 = row[..=i].iter().zip(&v).map(|(a, v)| a * v).sum();
                    sum + row[i].ln() - precision * z * z / 2.0
                },
            )
        })
        .collect();
    -log_sum_exp(&terms)
}

fn apply(map: &Affine, x: &[f64]) -> Vec<f64> {
    let rows = map.weight.chunks_exact(map.inputs).zip(&map.bias);
    rows.map(|(w, b)| f64::from(*b) + w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>()).collect()
}

fn true_log_probs(stack: &Stack, x: &[f32]) -> Vec<f64> {
    let standardised = x.iter().zip(&stack.mean).zip(&stack.scale);
    let x: Vec<f64> =
        standardised.map(|((x, m), s)| (f64::from(*x) - f64::from(*m)) / f64::from(*s)).collect();
    let mut hidden = x.clone();
    for (layer, map) in stack.mlp.iter().enumerate() {
        if layer > 0 {
            hidden.iter_mut().for_each(|h| *h = h.max(0.0));
        }
        hidden = apply(map, &hidden);
    }
    let discriminant = match &stack.discriminant {
        None => vec![0.0; CLASSES],
        Some(Discriminant { inputs, centres, weight, bias, .. }) => {
            let (weight, bias) = (weight.clone(), bias.clone());
            let map = Affine { inputs: *inputs, outputs: bias.len(), weight, bias };
            apply(&map, &x).chunks_exact(*centres).map(log_sum_exp).collect()
        }
    };
    let [linear, network, beta] = stack.betas.map(f64::from);
    let parts = apply(stack.linear.as_ref().unwrap(), &x).into_iter().zip(hidden).zip(discriminant);
    let logits: Vec<f64> = parts.map(|((l, h), z)| linear * l + network * h + beta * z).collect();
    let total = log_sum_exp(&logits);
    logits.iter().map(|logit| logit - total).collect()
}

fn true_log_prob(ensemble: &Ensemble, x: &[f32], y: usize) -> f64 {
    let members: Vec<f64> = ensemble.members.iter().map(|stack| true_log_probs(stack, x)[y]).collect();
    log_sum_exp(&members) - (members.len() as f64).ln()
}

fn training() -> Training {
    let density = || DensityFigures { components: 2, ..DensityFigures::default() };
    let classifier = ClassifierFigures::default;
    Training {
        rows_seen: 0,
        rows_used: 0,
        seed: 0,
        density_fit: "em".into(),
        validation: Figures {
            folds: None,
            trained_rows: 0,
            measured_rows: 0,
            densities: vec![density(), density()],
            classifiers: vec![classifier(), classifier(), classifier()],
            ..Figures::default()
        },
        warnings: Vec::new(),
    }
}

fn written(dir: &Path, models: &ModelSet) -> Bundle {
    let modality = |dim| Modality { column: None, dim, units: Units::Raw, mean_h_nats: None };
    let modalities = [0, 1].map(|m| modality(models.densities[m].dim));
    let classes = (0..CLASSES as i64).map(Class::Integer).collect();
    let label = Label { column: None, classes, prior: vec![1.0 / CLASSES as f64; CLASSES] };
    let draft = BundleContents::fitted(modalities.to_vec(), label, training(), models, None);
    draft.write(&dir.join("bundle"), false).unwrap()
}

/// The library that the harness has installed.
fn library() -> PathBuf {
    let mut folders = vec![runtime().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("libonnxruntime.so") {
                return path;
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("no ONNX Runtime in {}", runtime().display());
}

fn measure(dim: usize, shared: bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(dim as u64);
    let densities = vec![mixture(dim, &mut rng, shared), mixture(SMALL, &mut rng, false)];
    let centers = [densities[0].center.clone(), densities[1].center.clone()];
    let classifiers = vec![
        stack(&[dim], &centers[0], &mut rng, 0).into(),
        ensemble(&[SMALL], &centers[1], &mut rng, 3),
        ensemble(&[dim, SMALL], &centers.concat(), &mut rng, 2),
    ];
    let models = ModelSet { densities, classifiers };
    let ModelSet { densities, classifiers } = &models;
    let [x1, x2] = [0, 1].map(|m| samples(&densities[m], &mut rng));
    let y: Vec<i64> = (0..ROWS).map(|row| (row % CLASSES) as i64).collect();
    let dir = tempfile::tempdir().unwrap();
    let program = written(dir.path(), &models).program();
    for engine in [EngineChoice::OnnxRuntime, EngineChoice::Embedded] {
        let library = (engine == EngineChoice::OnnxRuntime).then(library);
        let found = Engine::find(&EngineOptions { engine, library, ..EngineOptions::default() }).unwrap();
        let mut session = found.sessions(&program, 1).unwrap().remove(0);
        let mut out = BatchOutputs::new(2);
        let (all1, all2, all_y) = (x1.repeat(COPIES), x2.repeat(COPIES), y.repeat(COPIES));
        let batch = BatchInputs { rows: ROWS * COPIES, x: &[&all1, &all2], y: &all_y };
        session.evaluate(&batch, &mut out).unwrap();
        for row in 0..ROWS {
            let rows = [&x1[row * dim..(row + 1) * dim], &x2[row * SMALL..(row + 1) * SMALL]];
            let copies = |values: &[f32]| -> Vec<f64> {
                (0..COPIES).map(|copy| f64::from(values[copy * ROWS + row])).collect()
            };
            for m in [0, 1] {
                let h = true_h(&densities[m], rows[m]);
                let found = copies(&out.h()[m]);
                let size = h.abs().max(densities[m].dim as f64 / 2.0);
                for off in found.iter().map(|found| (found - h).abs() / size) {
                    assert!(
                        off <= 2e-5,
                        "{engine:?}, d = {dim}, row {row}: h_{} is off by {off:.1e} of {h}",
                        m + 1
                    );
                }
            }
            let pair = rows.concat();
            for (which, x) in [rows[0], rows[1], &pair].into_iter().enumerate() {
                let truth = true_log_prob(&classifiers[which], x, y[row] as usize);
                let found = copies(&out.log_prob()[which]);
                for off in found.iter().map(|found| (found - truth).abs()) {
                    assert!(
                        off <= 1e-4,
                        "{engine:?}, d = {dim}, row {row}: i of classifier {which} is off by {off:.1e}"
                    );
                }
            }
        }
    }
}

#[test]
fn holds_at_64() {
    measure(64, false);
    measure(64, true);
}

#[test]
fn holds_at_512() {
    measure(512, false);
    measure(512, true);
}

#[test]
fn holds_at_4096() {
    measure(4096, false);
}
