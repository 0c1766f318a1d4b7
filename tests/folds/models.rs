//! Bundles with random models: five that are the main ones, and five for each fold. Their values
//! differ by far more than rounding, so that a row tells whose models evaluated it.

use std::path::Path;

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use lsmi_etl::bundle::{
    Affine, Bundle, BundleContents, Class, Ensemble, FittedFolds, Label, Mixture, Modality, ModelSet,
    RowHasher, Scales, Stack, Training, Units,
};
use lsmi_etl::samples::key_hashes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::files::vectors;

/// Length of both embeddings, as in the harness's rows.
const DIM: usize = 4;
const CLASSES: usize = 4;
pub(super) const FOLDS: usize = 5;

/// The models of a seed.
pub(super) fn models(seed: u64) -> ModelSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let densities = vec![mixture(&mut rng), mixture(&mut rng)];
    let mut classifier = |dims: &[usize], members: usize| Ensemble {
        members: (0..members).map(|_| stack(dims, &mut rng)).collect(),
    };
    // The main classifiers are ensembles, those of folds are not.
    let members = if seed == 0 { FOLDS } else { 1 };
    let classifiers =
        vec![classifier(&[DIM], members), classifier(&[DIM], members), classifier(&[DIM, DIM], members)];
    ModelSet { densities, classifiers }
}

fn mixture(rng: &mut ChaCha8Rng) -> Mixture {
    let components = 3;
    let mut factors = vec![0.0; components * DIM * DIM];
    for (index, factor) in factors.iter_mut().enumerate() {
        let (row, column) = (index / DIM % DIM, index % DIM);
        if column <= row {
            *factor = if row == column { rng.random_range(0.6..1.2) } else { rng.random_range(-0.3..0.3) };
        }
    }
    Mixture {
        dim: DIM,
        log_weights: vec![-(components as f64).ln(); components],
        means: (0..components * DIM).map(|_| rng.random_range(-1.0..1.0)).collect(),
        factors,
        center: (0..DIM).map(|_| rng.random_range(-0.1..0.1)).collect(),
        scales: Scales::default(),
    }
}

fn stack(dims: &[usize], rng: &mut ChaCha8Rng) -> Stack {
    let inputs = dims.iter().sum();
    let mut affine = |inputs: usize, outputs: usize| Affine {
        inputs,
        outputs,
        weight: (0..inputs * outputs).map(|_| rng.random_range(-0.7..0.7)).collect(),
        bias: (0..outputs).map(|_| rng.random_range(-0.2..0.2)).collect(),
    };
    Stack {
        dims: dims.to_vec(),
        mean: vec![0.1; inputs],
        scale: vec![1.1; inputs],
        linear: Some(affine(inputs, CLASSES)),
        mlp: vec![affine(inputs, 7), affine(7, CLASSES)],
        discriminant: None,
        betas: [0.6, 0.5, 0.0],
    }
}

/// Writes a bundle of these models for the columns x1, x2 and y.
pub(super) fn write(dir: &Path, models: &ModelSet, folds: Option<&FittedFolds>) -> Bundle {
    let modality =
        |name: &str| Modality { column: Some(name.into()), dim: DIM, units: Units::Raw, mean_h_nats: None };
    let label = Label {
        column: Some("y".into()),
        classes: (0..CLASSES as i64).map(Class::Integer).collect(),
        prior: vec![0.1, 0.2, 0.3, 0.4],
    };
    let figures =
        serde_json::json!({"mean_nats": 1.0, "components": 3, "shrinkage_rows": null, "iterations": 1});
    let classifier = serde_json::json!({
        "cross_entropy_nats": 1.0, "accuracy": 0.5, "calibration_error": 0.0, "l2": 1.0,
        "weight_decay": 1.0, "epochs": 1, "betas": [0.6, 0.5]
    });
    let training: Training = serde_json::from_value(serde_json::json!({
        "rows_seen": 1, "rows_used": 1, "seed": 0, "density_fit": "em",
        "validation": {
            "trained_rows": 1, "measured_rows": 1, "densities": [figures, figures],
            "classifiers": [classifier, classifier, classifier]
        }
    }))
    .unwrap();
    let contents =
        BundleContents::fitted(vec![modality("x1"), modality("x2")], label, training, models, folds);
    contents.write(dir, false).unwrap()
}

/// The fold of a row of the training data by its number in the file; the last thousand rows of
/// three thousand are fresh.
pub(super) fn fold_of(id: usize) -> Option<usize> {
    (id < 2000).then_some(id % FOLDS)
}

/// The folds of training rows, row by row as in the file, with models of the seeds 1 to 5.
pub(super) fn folds(train: &RecordBatch) -> FittedFolds {
    let (x1, x2) = (vectors(train, "x1"), vectors(train, "x2"));
    let mut rows = vec![Vec::new(); FOLDS];
    let mut hasher = RowHasher::default();
    for (id, (x1, x2)) in x1.iter().zip(&x2).enumerate() {
        if let Some(fold) = fold_of(id) {
            rows[fold].push(hasher.hash([x1, x2].map(|x| x.as_ref().unwrap().as_slice())));
        }
    }
    FittedFolds { models: (1..=FOLDS as u64).map(models).collect(), rows, key: Vec::new() }
}

/// The same folds, with the rows known by `id`.
pub(super) fn keyed(train: &RecordBatch, folds: FittedFolds) -> FittedFolds {
    let hashes = key_hashes(&[train.column_by_name("id").unwrap().clone()], train.num_rows()).unwrap();
    let mut rows = vec![Vec::new(); FOLDS];
    for (id, hash) in hashes.into_iter().enumerate() {
        rows.get_mut(fold_of(id).unwrap_or(FOLDS)).into_iter().for_each(|rows| rows.push(hash));
    }
    FittedFolds { rows, key: vec!["id".to_owned()], ..folds }
}

/// A column of int32 as options.
pub(super) fn integers(rows: &RecordBatch, name: &str) -> Vec<Option<i32>> {
    let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    column.as_primitive::<arrow::datatypes::Int32Type>().iter().collect()
}
