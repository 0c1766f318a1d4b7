//! Workers share the weights: eight sessions take little more memory than one.

use std::path::Path;

use lsmi_etl::bundle::{
    Affine, BundleContents, Class, Ensemble, Label, Mixture, Modality, ModelSet, Scales, Stack, Units,
};

use crate::harness::{last_json, lsmi, must, runtime};

const DIM: usize = 1024;
const COMPONENTS: usize = 8;

/// A bundle of 40 MB, nearly all of it in the factors of the densities.
fn large_bundle(dir: &Path) -> u64 {
    let mut factors = vec![0.0; COMPONENTS * DIM * DIM];
    for (index, value) in factors.iter_mut().enumerate() {
        // No two alike: components that share a factor are stored as one.
        let (component, row, column) = (index / (DIM * DIM), index / DIM % DIM, index % DIM);
        if column < row {
            *value = ((component * 13 + row * 31 + column * 17) % 7) as f64 * 1e-4;
        } else if column == row {
            *value = 1.0;
        }
    }
    let density = Mixture {
        dim: DIM,
        log_weights: vec![-(COMPONENTS as f64).ln(); COMPONENTS],
        means: (0..COMPONENTS * DIM).map(|i| (i % 5) as f64 / 5.0).collect(),
        factors,
        center: vec![0.0; DIM],
        scales: Scales::default(),
    };
    let affine = |inputs: usize, outputs: usize| Affine {
        inputs,
        outputs,
        weight: (0..inputs * outputs).map(|i| (i % 3) as f32 * 1e-3).collect(),
        bias: vec![0.0; outputs],
    };
    let classifier = |dims: Vec<usize>| {
        let inputs = dims.iter().sum();
        Stack {
            dims,
            mean: vec![0.0; inputs],
            scale: vec![1.0; inputs],
            linear: Some(affine(inputs, 2)),
            mlp: vec![affine(inputs, 4), affine(4, 2)],
            discriminant: None,
            betas: [0.5, 0.5, 0.0],
        }
        .into()
    };
    let modality = |column: &str| Modality {
        column: Some(column.into()),
        dim: DIM,
        units: Units::Raw,
        mean_h_nats: None,
    };
    let label = Label {
        column: Some("y".into()),
        classes: vec![Class::Integer(0), Class::Integer(1)],
        prior: vec![0.5, 0.5],
    };
    let density_figures = serde_json::json!({
        "mean_nats": 1.0, "components": COMPONENTS, "shrinkage_rows": null, "iterations": 1
    });
    let classifier_figures = serde_json::json!({
        "cross_entropy_nats": 0.7, "accuracy": 0.5, "calibration_error": 0.0, "l2": 1.0,
        "weight_decay": 1.0, "epochs": 1, "betas": [0.5, 0.5]
    });
    let training = serde_json::from_value(serde_json::json!({
        "rows_seen": 1, "rows_used": 1, "seed": 0, "density_fit": "em",
        "validation": {
            "trained_rows": 1, "measured_rows": 1,
            "densities": [density_figures, density_figures],
            "classifiers": [classifier_figures, classifier_figures, classifier_figures]
        }
    }));
    let classifiers: Vec<Ensemble> =
        vec![classifier(vec![DIM]), classifier(vec![DIM]), classifier(vec![DIM, DIM])];
    let densities = vec![density.clone(), density];
    let draft = BundleContents::fitted(
        vec![modality("x1"), modality("x2")],
        label,
        training.unwrap(),
        &ModelSet { densities, classifiers },
        None,
    );
    draft.write(&dir.join("bundle"), false).unwrap();
    let files = std::fs::read_dir(dir.join("bundle")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn eight_sessions_hold_the_weights_once() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = large_bundle(dir.path());
    assert!(bytes > 30 << 20, "a bundle of {bytes} bytes is too small to show anything");
    let dim = DIM.to_string();
    let synth = ["synth", "wide", "--classes", "2", "--rows", "256", "--truth", "none", "-o", "in.parquet"];
    must(lsmi().current_dir(dir.path()).args(synth).args(["--d1", &dim, "--d2", &dim]));
    for engine in ["onnxruntime", "embedded"] {
        // Small batches: intermediate results are of each session's own.
        let peak = |workers: &str| -> u64 {
            let ran = must(
                lsmi()
                    .env("LSMI_ETL_RUNTIME_DIR", runtime())
                    .current_dir(dir.path())
                    .args(["annotate", "in.parquet", "out.parquet", "--bundle", "bundle", "--overwrite"])
                    .args(["--engine", engine, "--workers", workers, "--batch-rows", "8", "--json"]),
            );
            last_json(&ran)["peak_memory_bytes"].as_u64().unwrap()
        };
        let (one, eight) = (peak("1"), peak("8"));
        println!("{engine}: weights {bytes}, peak with one session {one}, with eight {eight}");
        // A copy for each would add seven times the weights: less than half of that.
        let most = one + 7 * bytes / 2;
        assert!(eight < most, "{engine}: {one} bytes with one session, {eight} with eight; weights {bytes}");
    }
}
