//! `fit` of three modalities: values near the exact ones of Gaussian classes, rows that were trained on
//! evaluated by other models, and the models of two modalities among those of three.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::Int32Type;
use lsmi_etl::interaction::Subset;
use lsmi_etl::interaction::lattice::{AtomPlan, Lattice};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::Value;

use crate::harness::files::{batch, embeddings, read, replaced, write};
use crate::harness::{Ran, build, last_json, lsmi, must, once, query, refused, run};

/// The columns, in the order of the modalities.
const COLUMNS: [&str; 3] = ["image", "text", "audio"];
const PRIOR: [f64; 3] = [0.5, 0.3, 0.2];
/// The mean of the first value of each modality in each class.
const CODES: [[f64; 3]; 3] = [[1.2, 0.0, -0.6], [-1.0, 1.0, -0.6], [0.0, -1.3, 1.2]];
/// Correlation of the modalities' first values within a class, whose variance is 1.
const RHO: f64 = 0.4;

/// Rows of two values a modality: the first holds what is known about the class, the second is noise. With
/// the exact i, h and default columns as `true_…`.
fn rows(count: usize, seed: u64) -> RecordBatch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let lattice = Lattice::new(3).unwrap();
    let plan = AtomPlan::new(&lattice, &lattice.default_nodes()).unwrap();
    let mut x: [Vec<Option<Vec<f32>>>; 3] = Default::default();
    let mut y = Vec::new();
    let mut exact: Vec<Vec<f64>> = vec![Vec::new(); 7 + 6 + 5];
    for _ in 0..count {
        let drawn: f64 = rng.random();
        let class = if drawn < PRIOR[0] { 0 } else { 1 + usize::from(drawn >= PRIOR[0] + PRIOR[1]) };
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let shared = normal();
        let point: [[f32; 2]; 3] = std::array::from_fn(|m| {
            let noise = RHO.sqrt() * shared + (1.0 - RHO).sqrt() * normal();
            [(CODES[class][m] + noise) as f32, normal() as f32]
        });
        x.iter_mut().zip(point).for_each(|(rows, point)| rows.push(Some(point.to_vec())));
        y.push(class as i64);
        let joint = |set: &Subset, class: usize| PRIOR[class].ln() + log_density(*set, &point, class);
        let marginal = |set: &Subset| (0..3).map(|class| joint(set, class).exp()).sum::<f64>().ln();
        let i: Vec<f64> =
            Subset::all(3).iter().map(|set| joint(set, class) - marginal(set) - PRIOR[class].ln()).collect();
        let h: Vec<f64> = Subset::proper(3).iter().map(|set| -marginal(set)).collect();
        let atoms = plan.decompose(&i, &h).unwrap();
        exact.iter_mut().zip([i, h, atoms].concat()).for_each(|(column, value)| column.push(value));
    }
    let mut columns: Vec<(String, ArrayRef)> =
        COLUMNS.iter().zip(&x).map(|(name, x)| ((*name).to_owned(), embeddings(x, 2))).collect();
    columns.push(("label".to_owned(), Arc::new(Int64Array::from(y))));
    let named = names().into_iter().zip(exact);
    columns.extend(named.map(|(name, values)| {
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        (format!("true_{name}"), values)
    }));
    let columns: Vec<(&str, ArrayRef)> =
        columns.iter().map(|(name, values)| (name.as_str(), values.clone())).collect();
    batch(&columns)
}

/// ln p(x_A) of a class.
fn log_density(set: Subset, point: &[[f32; 2]; 3], class: usize) -> f64 {
    let k = set.len() as f64;
    let from_mean = |m: usize| f64::from(point[m][0]) - CODES[class][m];
    let (sum, squares) = set.members().map(from_mean).fold((0.0, 0.0), |(a, b), d| (a + d, b + d * d));
    // Of equally correlated values: Σ⁻¹ = (1 − ρ/(1 + (k − 1)ρ)·11ᵀ)/(1 − ρ).
    let spread = 1.0 + (k - 1.0) * RHO;
    let form = (squares - RHO / spread * sum * sum) / (1.0 - RHO);
    let log_det = (k - 1.0) * (1.0 - RHO).ln() + spread.ln();
    let noise: f64 = set.members().map(|m| f64::from(point[m][1]).powi(2)).sum();
    -0.5 * (form + log_det + noise) - k * std::f64::consts::TAU.ln()
}

/// i of all sets, h of the proper ones, r, u1, u2, u3 and s.
fn names() -> Vec<String> {
    let i = Subset::all(3).into_iter().map(|set| format!("i_{set}"));
    let h = Subset::proper(3).into_iter().map(|set| format!("h_{set}"));
    i.chain(h).chain(["r", "u1", "u2", "u3", "s"].map(str::to_owned)).collect()
}

/// A folder with `train.parquet`, `fresh.parquet` and the bundle `three` of the former.
fn work() -> &'static Path {
    static WORK: OnceLock<PathBuf> = OnceLock::new();
    WORK.get_or_init(|| {
        once("fit-of-three", &build(), |dir| {
            fs::create_dir_all(dir).unwrap();
            write(&dir.join("train.parquet"), &rows(3_000, 1));
            write(&dir.join("fresh.parquet"), &rows(4_000, 2));
            let ran = fit(dir, "train.parquet", "three", &["--json"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            fs::write(dir.join("summary.json"), serde_json::to_vec(&last_json(&ran)).unwrap()).unwrap();
        })
    })
}

/// `fit` of a file's obvious columns, in a folder.
fn fit(dir: &Path, train: &str, bundle: &str, more: &[&str]) -> Ran {
    run(lsmi().current_dir(dir).args(["fit", train, "--bundle", bundle, "--label", "label"]).args(more))
}

/// The rows of `work` by a bundle, annotated into a folder.
fn annotate(dir: &Path, input: &str, bundle: &str, columns: &str) -> Value {
    let args = ["--columns", columns, "--engine", "embedded", "--json"];
    let mut command = lsmi();
    command.args(["annotate"]).arg(work().join(input)).arg(dir.join(input)).args(args);
    last_json(&must(command.arg("--bundle").arg(work().join(bundle))))
}

fn manifest(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("bundle.json")).unwrap()).unwrap()
}

#[test]
fn values_of_fresh_rows_are_near_the_exact_ones() {
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<String> = names().into_iter().filter(|name| name.contains('_')).collect();
    annotate(dir.path(), "fresh.parquet", "three", &columns.join(","));
    for name in names() {
        let sql = format!(
            "SELECT avg({name} - true_{name}) AS off, sqrt(avg(power({name} - true_{name}, 2))) AS rmse,
             stddev(true_{name}) AS spread FROM 'fresh.parquet'"
        );
        let found = query(dir.path(), &sql);
        let of = |value: &str| found[value].as_f64().unwrap();
        assert!(of("off").abs() < 0.03, "{name}: {found}");
        assert!(of("rmse") < 0.2 && of("rmse") < 0.4 * of("spread"), "{name}: {found}");
    }
}

#[test]
fn rows_that_were_trained_on_are_evaluated_by_the_models_of_their_folds() {
    let dir = tempfile::tempdir().unwrap();
    for (input, trained) in [("train.parquet", 3_000), ("fresh.parquet", 0)] {
        let summary = annotate(dir.path(), input, "three", "fold,i_123,h_23");
        assert_eq!(summary["trained_rows"].as_u64(), Some(trained), "{summary}");
        let rows = read(&dir.path().join(input));
        let folds = rows.column_by_name("fold").unwrap().as_primitive::<Int32Type>();
        assert_eq!(folds.len() - folds.null_count(), trained as usize);
        assert!(folds.iter().flatten().all(|fold| (0..5).contains(&fold)));
    }
    // Not better than on fresh rows, as rows are by models that know them.
    let sql = "SELECT (SELECT avg(i_123 - true_i_123) FROM 'train.parquet') AS trained,
               (SELECT avg(i_123 - true_i_123) FROM 'fresh.parquet') AS fresh";
    let found = query(dir.path(), sql);
    assert!(found["trained"].as_f64().unwrap() < found["fresh"].as_f64().unwrap() + 0.02, "{found}");
    // The means of h are those of the figures.
    let figures = &manifest(&work().join("three"))["training"]["validation"];
    let sql = "SELECT avg(h_23) AS h_23 FROM 'train.parquet'";
    let mean = query(dir.path(), sql)["h_23"].as_f64().unwrap();
    assert!((mean - figures["densities"][5]["mean_nats"].as_f64().unwrap()).abs() < 1e-4, "{mean}");
}

#[test]
fn the_models_of_two_modalities_are_among_those_of_three() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let columns = ["--x1", "image", "--x2", "text", "--folds", "3"];
    let ran = fit(work(), "train.parquet", first.to_str().unwrap(), &columns);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let three = dir.path().join("three");
    let ran = fit(work(), "train.parquet", three.to_str().unwrap(), &["--folds", "3"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bytes =
        |bundle: &str, role: &str| fs::read(dir.path().join(bundle).join(format!("{role}.onnx"))).unwrap();
    let roles = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"];
    for role in roles {
        for fold in ["", "fold_0.", "fold_2."] {
            let role = format!("{fold}{role}");
            assert_eq!(bytes("first", &role), bytes("three", &role), "{role}");
        }
    }
}

#[test]
fn columns_are_found_and_named_in_their_order() {
    let manifests = |bundle: &Path| {
        let manifest = manifest(bundle);
        let columns: Vec<String> = manifest["modalities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|modality| modality["column"].as_str().unwrap().to_owned())
            .collect();
        (columns, manifest)
    };
    let (columns, found) = manifests(&work().join("three"));
    assert_eq!(columns, COLUMNS);
    let validation = &found["training"]["validation"];
    let counts = ["densities", "classifiers"].map(|kind| validation[kind].as_array().unwrap().len());
    assert_eq!(counts, [6, 7]);
    // 13 models of each of five folds, and the main ones.
    assert_eq!(found["models"].as_array().unwrap().len(), 13 * 6);
    let summary: Value = serde_json::from_slice(&fs::read(work().join("summary.json")).unwrap()).unwrap();
    assert_eq!(&summary["validation"], validation);
    // Means of the training rows are those of their columns, each by the models of its fold.
    let dir = tempfile::tempdir().unwrap();
    annotate(dir.path(), "train.parquet", "three", "i_123");
    let estimates = &validation["estimates"];
    for column in ["r", "u1", "u2", "u3", "s", "i_123"] {
        let found = query(dir.path(), &format!("SELECT avg({column}) AS mean FROM 'train.parquet'"));
        let (mean, estimate) = (found["mean"].as_f64().unwrap(), &estimates[column]);
        assert!(
            (mean - estimate["mean_nats"].as_f64().unwrap()).abs() < 1e-4,
            "{column}: {mean}, {estimate}"
        );
        let error = estimate["error_nats"].as_f64().unwrap();
        assert!((0.001..0.1).contains(&error), "{column}: {estimate}");
    }
    assert!(estimates["i12"].is_null(), "{estimates}");

    let target = dir.path().join("centred");
    let named = ["--x", "audio,image", "--x", "text", "--units", "centred", "--folds", "1"];
    let ran = fit(work(), "train.parquet", target.to_str().unwrap(), &named);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let table = ["density 1 and 3 ", "classifier 1, 2 and 3", "classifier 2 and 3 "];
    assert!(table.iter().all(|words| ran.stdout.contains(words)), "{}", ran.stdout);
    let (columns, found) = manifests(&target);
    assert_eq!(columns, ["audio", "image", "text"]);
    let models = found["models"].as_array().unwrap();
    let has_mean = |model: &&Value| model["mean_h_nats"].is_f64();
    assert_eq!(models.iter().filter(has_mean).count(), 3, "the densities of pairs");
    // h is centred on the means of the densities' own rows.
    let input = work().join("fresh.parquet");
    let args = ["--columns", "h_1,h_12,h_23", "--engine", "embedded", "--bundle"];
    must(lsmi().arg("annotate").arg(&input).arg(dir.path().join("out.parquet")).args(args).arg(&target));
    let sql = "SELECT avg(h_1) AS h_1, avg(h_12) AS h_12, avg(h_23) AS h_23 FROM 'out.parquet'";
    let means = query(dir.path(), sql);
    assert!(["h_1", "h_12", "h_23"].iter().all(|h| means[h].as_f64().unwrap().abs() < 0.2), "{means}");
}

#[test]
fn a_column_with_the_values_of_another_says_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["train.parquet", "fresh.parquet"] {
        let rows = read(&work().join(file));
        let image = rows.column_by_name("image").unwrap().clone();
        write(&dir.path().join(format!("twice-{file}")), &replaced(&rows, "audio", image));
    }
    let ran = fit(dir.path(), "twice-train.parquet", "twice", &["--x", "image,text,audio"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let base =
        ["annotate", "twice-fresh.parquet", "fresh.parquet", "--bundle", "twice", "--engine", "embedded"];
    let columns = ["--columns", "i_1,i_13,i_12,i_123,h_13", "--json"];
    let summary = last_json(&must(lsmi().current_dir(dir.path()).args(base).args(columns)));
    assert_eq!(summary["fates"]["good"].as_u64(), Some(4_000), "{summary}");
    let sql = "SELECT sqrt(avg(power(i_13 - i_1, 2))) AS pair, sqrt(avg(power(i_123 - i_12, 2))) AS whole,
               avg(abs(i_1 - true_i_1)) AS single FROM 'fresh.parquet'";
    let found = query(dir.path(), sql);
    assert!(["pair", "whole", "single"].iter().all(|name| found[name].as_f64().unwrap() < 0.1), "{found}");
}

#[test]
fn wrong_numbers_of_columns_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("bundle");
    let fit = |more: &[&str]| fit(work(), "train.parquet", target.to_str().unwrap(), more);
    refused(&fit(&["--x", "image"]), 64, &["two to 4 embedding columns, and 1 is named (image)"]);
    let five = ["image", "text", "audio", "image", "text"].join(",");
    refused(&fit(&["--x", &five]), 64, &["two to 4", "5 are named", "each pair of them, with --x1 and --x2"]);
    for twice in [&["--x", "image,text,image"][..], &["--x", "image", "--x", "text", "--x", "image"]] {
        refused(&fit(twice), 64, &["modalities 1 and 3 are both the column \"image\""]);
    }
    refused(&fit(&["--x1", "image", "--x2", "image"]), 64, &["modalities 1 and 2 are both", "\"image\""]);
    let both = fit(&["--x", "image", "--x1", "text"]);
    assert!(both.code == 64 && both.stderr.contains("cannot be used with '--x1"), "{}", both.stderr);
    refused(&fit(&["--x", "image,text,sound"]), 65, &["column \"sound\""]);
}

#[test]
fn rows_beyond_memory_are_all_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("many.parquet"), &rows(9_000, 3));
    let limits = ["--max-rows", "all", "--memory-limit", "162MiB", "--json"];
    let ran = fit(dir.path(), "many.parquet", "refused", &[&limits[..], &["--power-curve"]].concat());
    refused(&ran, 64, &["9000 rows do not fit in memory", "--power-curve"]);
    let ran = fit(dir.path(), "many.parquet", "streamed", &[&limits[..], &["--label-free-check"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("training on 9000 rows, more than fit in memory"), "{}", ran.stderr);
    let figures = last_json(&ran)["validation"].clone();
    assert_eq!(figures["trained_rows"], 9_000);
    assert!(figures["label_free"]["u3"]["correlation"].as_f64().unwrap() > 0.1, "{figures}");
    let streamed = dir.path().join("streamed");
    let columns = names().into_iter().filter(|name| name.contains('_')).collect::<Vec<_>>().join(",");
    annotate(dir.path(), "fresh.parquet", streamed.to_str().unwrap(), &columns);
    for name in names() {
        let sql = format!(
            "SELECT avg({name} - true_{name}) AS off, sqrt(avg(power({name} - true_{name}, 2))) AS rmse
             FROM 'fresh.parquet'"
        );
        let found = query(dir.path(), &sql);
        let of = |value: &str| found[value].as_f64().unwrap();
        assert!(of("off").abs() < 0.03 && of("rmse") < 0.2, "{name}: {found}");
    }
}
