//! The recipes of `pipelines/sql`, run as their headers say, over data that was really
//! annotated and of which something is known. Those of three modalities are in `modalities::recipes`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::take;
use arrow::datatypes::{Float64Type, Int64Type};
use serde_json::Value;

use crate::harness::files::{batch, floats, read, write};
use crate::harness::{build, bundle, fitted, lsmi, must, once, repository};

/// Samples, of which every 20th has the next class for a label. `annotated.parquet`:
/// id, label, x1, x2, the exact r of the true label, and what annotate adds.
/// `clean.parquet`: the same with their own labels. `noisier.parquet`: with them, and
/// half of the second embeddings those of another sample.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| once("recipes", &build(), make))
}

fn is_planted(row: usize) -> bool {
    row.is_multiple_of(20)
}

fn make(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let all = read(&fitted().join("in.parquet"));
    let column = |name| (name, all.column_by_name(name).unwrap().clone());
    let y = column("y").1;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3000));
    let next = |row: usize, y: i64| if is_planted(row) { (y + 1) % 4 } else { y };
    let values = y.as_primitive::<Int64Type>().values();
    let labels = values.iter().enumerate().map(|(row, y)| next(row, *y));
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(labels));
    let rows = [("id", ids.clone()), ("label", labels), column("x1"), column("x2"), column("true_r")];
    annotated(dir, "annotated", &batch(&rows));

    let rows = [("id", ids.clone()), ("label", y.clone()), column("x1"), column("x2")];
    annotated(dir, "clean", &batch(&rows));
    let others = (0..3000).map(|row| if row % 2 == 0 { row } else { (row + 500) % 3000 });
    let x2 = take(&column("x2").1, &Int64Array::from_iter_values(others), None).unwrap();
    annotated(dir, "noisier", &batch(&[("id", ids), ("label", y), column("x1"), ("x2", x2)]));
}

fn annotated(dir: &Path, name: &str, rows: &arrow::array::RecordBatch) {
    write(&dir.join("in.parquet"), rows);
    let output = format!("{name}.parquet");
    let args = ["annotate", "in.parquet", &output, "--label", "label", "--bundle"];
    must(lsmi().current_dir(dir).args(args).arg(bundle()));
}

/// The rows of a recipe over tables, each (name, file).
fn recipe(name: &str, tables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = lsmi();
    command.current_dir(folder()).args(["sql", "--format", "ndjson", "-f"]);
    command.arg(repository().join("pipelines/sql").join(name));
    for (table, file) in tables {
        command.args(["--table", &format!("{table}={file}")]);
    }
    must(&mut command).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_annotated(name: &str) -> Vec<Value> {
    recipe(name, &[("annotated", "annotated.parquet")])
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("no {name} in {row}"))
}

fn id(row: &Value) -> usize {
    row["id"].as_u64().unwrap() as usize
}

/// The computed column of all rows, by id.
fn column(name: &str) -> Vec<f64> {
    let all = read(&folder().join("annotated.parquet"));
    floats(&all, name).values().iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn thirds_by_redundancy_are_thirds_of_the_exact_redundancy_too() {
    let rows = of_annotated("redundancy_thirds.sql");
    assert_eq!(rows.len(), 3000);
    let truth = read(&folder().join("annotated.parquet"));
    let truth = truth.column_by_name("true_r").unwrap().as_primitive::<Float64Type>().values().to_vec();
    let mut means = [0.0; 3];
    for row in rows.iter().filter(|row| !is_planted(id(row))) {
        means[row["third"].as_u64().unwrap() as usize - 1] += truth[id(row)] / 950.0;
    }
    assert!(means[0] + 0.2 < means[1] && means[1] < means[2], "{means:?}");
    for third in 1..=3 {
        assert_eq!(rows.iter().filter(|row| row["third"] == third).count(), 1000);
    }
    assert!(rows.is_sorted_by_key(|row| number(row, "r")));
}

#[test]
fn a_class_profile_is_the_means_of_the_class() {
    let rows = of_annotated("class_profile.sql");
    let all = read(&folder().join("annotated.parquet"));
    let labels = all.column_by_name("label").unwrap().as_primitive::<Int64Type>();
    assert_eq!(rows.len(), 4);
    for (label, row) in rows.iter().enumerate() {
        assert_eq!((row["label"].as_u64(), row["left_out"].as_u64()), (Some(label as u64), Some(0)));
        for name in ["r", "u1", "u2", "s"] {
            let values = floats(&all, name);
            let own: Vec<f64> = (0..3000)
                .filter(|at| labels.value(*at) == label as i64)
                .map(|at| f64::from(values.value(at)))
                .collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            assert!((number(row, name) - mean).abs() <= 0.0005 + 1e-9, "{name}: {mean} in {row}");
            assert_eq!(number(row, "rows") as usize, own.len());
        }
        let shares = ["redundancy", "unique_1", "unique_2", "synergy"].map(|name| number(row, name));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 0.003, "{row}");
        // Gaussian data of this kind are redundant above all.
        assert!(shares[0] > 0.5, "{row}");
    }
}

#[test]
fn candidates_for_distillation_are_those_only_the_teacher_knows() {
    let rows = of_annotated("distillation_candidates.sql");
    assert!(rows.len() > 100 && rows.len() <= 300, "{}", rows.len());
    let (r, u1, u2) = (column("r"), column("u1"), column("u2"));
    let chosen: BTreeSet<usize> = rows.iter().map(id).collect();
    let least = chosen.iter().map(|row| u1[*row]).fold(f64::INFINITY, f64::min);
    assert!(least > 0.0);
    for row in 0..3000 {
        if chosen.contains(&row) {
            assert!(r[row] + u1[row] > 0.0 && r[row] + u1[row] > r[row] + u2[row], "row {row}");
        } else {
            assert!(u1[row] <= least || r[row] + u1[row] <= 0.0, "row {row} was left out");
        }
    }
}

#[test]
fn weights_for_an_ensemble_add_up_and_follow_the_parts() {
    let rows = of_annotated("ensemble_weights.sql");
    let profiles = of_annotated("class_profile.sql");
    assert_eq!(rows.len(), 4);
    for (row, profile) in rows.iter().zip(&profiles) {
        let weights = ["weight_x1", "weight_x2", "weight_pair"].map(|name| number(row, name));
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 0.002, "{row}");
        // Both modalities are alike in these data; the pair adds less than they share.
        assert!((weights[0] - weights[1]).abs() < 0.15 && weights[2] < weights[0], "{row}");
        let (r, s) = (number(profile, "r").max(0.0), number(profile, "s").max(0.0));
        let whole = r + s + number(profile, "u1").max(0.0) + number(profile, "u2").max(0.0);
        assert!((weights[2] - s / whole).abs() < 0.003, "{row} {profile}");
    }
}

#[test]
fn planted_wrong_labels_are_found() {
    let rows = of_annotated("mislabelled.sql");
    let found: BTreeSet<usize> = rows.iter().map(id).collect();
    let planted: BTreeSet<usize> = (0..3000).filter(|row| is_planted(*row)).collect();
    let right = found.intersection(&planted).count();
    // 150 were planted. The classes overlap: some wrong labels look right, and some
    // right ones wrong.
    assert!(right >= 120, "{right} of {} planted ones", planted.len());
    assert!(right * 2 >= found.len(), "{right} of {} found ones", found.len());
    // The worst come first, and they are the wrong ones.
    let first = rows.iter().take(50).filter(|row| planted.contains(&id(row))).count();
    assert!(first >= 45, "{first} of the first 50");
}

#[test]
fn redundant_rows_are_told_by_either_modality() {
    let rows = of_annotated("redundant_rows.sql");
    assert!(rows.len() > 100 && rows.len() < 1500, "{}", rows.len());
    let mut classes: BTreeMap<u64, usize> = BTreeMap::new();
    for row in &rows {
        *classes.entry(row["label"].as_u64().unwrap()).or_default() += 1;
        let [r, u1, u2, s] = ["r", "u1", "u2", "s"].map(|name| number(row, name));
        assert!(r > 0.0 && [u1, u2, s].iter().all(|part| part.abs() <= 0.1001 * r), "{row}");
    }
    assert_eq!(classes.len(), 4);
    // A wrong label is never plain.
    let wrong = rows.iter().filter(|row| is_planted(id(row))).count();
    assert!(wrong * 100 < rows.len(), "{wrong}");
}

#[test]
fn drift_is_seen_where_there_is_some_and_only_there() {
    let drifted = recipe("drift.sql", &[("earlier", "clean.parquet"), ("later", "noisier.parquet")]);
    let parts: Vec<&str> = drifted.iter().map(|row| row["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["r", "u1", "u2", "s"]);
    for row in &drifted {
        assert!(
            (number(row, "later") - number(row, "earlier") - number(row, "change")).abs() < 2e-4,
            "{row}"
        );
    }
    // Half of the second embeddings speak of another sample's label.
    assert!(
        number(&drifted[0], "z") < -3.0 && number(&drifted[2], "z").abs() + number(&drifted[1], "z") > 3.0
    );

    // The same day in two halves.
    for (file, rest) in [("even", 0), ("odd", 1)] {
        let sql = format!("COPY (SELECT * FROM 'clean.parquet' WHERE id % 2 = {rest}) TO '{file}.parquet'");
        must(lsmi().current_dir(folder()).args(["sql", "--overwrite", &sql]));
    }
    let same = recipe("drift.sql", &[("earlier", "even.parquet"), ("later", "odd.parquet")]);
    assert!(same.iter().all(|row| number(row, "z").abs() < 4.0), "{same:?}");
}

#[test]
fn every_recipe_is_listed_and_says_how_to_run_it() {
    let dir = repository().join("pipelines/sql");
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    let mut recipes = 0;
    for name in crate::harness::files::listing(&dir).iter().filter(|name| name.ends_with(".sql")) {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(text.starts_with("-- ") && text.lines().next().unwrap().ends_with('?'), "{name}");
        assert!(text.contains(&format!("--   lsmi-etl sql -f {name} --table ")), "{name}");
        assert!(readme.contains(&format!("## {name}")), "{name} is not in the README");
        recipes += 1;
    }
    assert_eq!(recipes, 11);
}
