//! Fitting as its user sees it: the same seed gives the same bundle, a sample is drawn
//! where rows are too many, either way of fitting densities works.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::cast::as_primitive_array;
use arrow::array::{ArrayRef, ListArray, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float32Type, Int64Type};
use arrow::ipc::writer::StreamWriter;
use lsmi_etl::parquet_file::Input;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::harness::files::{embeddings, floats, read, replaced, vectors, write};
use crate::harness::{fitted, last_json, lsmi, must, query, refused, run};

fn fit(dir: &Path, bundle: &str, more: &[&str]) -> (serde_json::Value, String) {
    let train = fitted().join("train.parquet");
    let ran =
        must(lsmi().current_dir(dir).arg("fit").arg(train).args(["--json", "--bundle", bundle]).args(more));
    (last_json(&ran), ran.stderr)
}

#[test]
fn one_seed_one_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = fit(dir.path(), "a", &["--seed", "5", "--max-rows", "600"]);
    let (again, _) = fit(dir.path(), "b", &["--seed", "5", "--max-rows", "600"]);
    let (other, _) = fit(dir.path(), "c", &["--seed", "6", "--max-rows", "600"]);
    assert_eq!(first["bundle_sha256"], again["bundle_sha256"]);
    assert_ne!(first["bundle_sha256"], other["bundle_sha256"]);
}

#[test]
fn a_cut_is_said_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (line, log) = fit(dir.path(), "bundle", &["--max-rows", "500"]);
    assert!(log.contains("training on 500 rows drawn uniformly from 3000"), "{log}");
    assert_eq!(line["rows"], 3000);
    let manifest = std::fs::read(dir.path().join("bundle/bundle.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["training"]["rows_used"], 500);
    assert_eq!(manifest["training"]["rows_seen"], 3000);
}

/// A folder, a glob, single files and a stream of the same rows in the same order.
#[test]
fn many_files_are_one_source() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet"));
    fs::create_dir_all(dir.path().join("data/b")).unwrap();
    write(&dir.path().join("data/a.parquet"), &rows.slice(0, 1000));
    write(&dir.path().join("data/b/c.PARQUET"), &rows.slice(1000, 2000));
    fs::write(dir.path().join("data/_notes.parquet"), "hidden").unwrap();
    let mut stream =
        StreamWriter::try_new(File::create(dir.path().join("rows.arrows")).unwrap(), &rows.schema()).unwrap();
    stream.write(&rows).unwrap();
    stream.finish().unwrap();

    let whole = fit(dir.path(), "whole", &["--max-rows", "600"]).0;
    let inputs: [&[&str]; 4] =
        [&["data"], &["data/a.parquet", "data"], &["data/**/*.[pP]*"], &["data/a.parquet", "data/b"]];
    for inputs in inputs {
        let mut command = lsmi();
        command.current_dir(dir.path()).arg("fit").args(inputs).args(["--json", "--max-rows", "600"]);
        let found = last_json(&must(command.args(["--bundle", "many", "--overwrite"])));
        assert_eq!(found["bundle_sha256"], whole["bundle_sha256"], "{inputs:?}");
        assert_eq!(found["rows"], 3000);
    }
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["fit", "-", "--json", "--max-rows", "600", "--bundle", "stream"]);
    let found = last_json(&must(command.stdin(File::open(dir.path().join("rows.arrows")).unwrap())));
    assert_eq!(found["bundle_sha256"], whole["bundle_sha256"]);
    // An error names the stream, and not the file that holds its rows meanwhile.
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["fit", "-", "--label", "none", "--bundle", "stream-without"]);
    let ran = run(command.stdin(File::open(dir.path().join("rows.arrows")).unwrap()));
    refused(&ran, 65, &["stdin, column \"none\"", "no such column"]);
    assert!(!ran.stderr.contains("stdin.parquet"), "{}", ran.stderr);
}

#[test]
fn a_file_that_does_not_fit_the_others_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet")).slice(0, 300);
    let words: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..300).map(|row| format!("w{}", row % 3))));
    let short = embeddings(&vec![Some(vec![0.5; 2]); 300], 2);
    let cases: [(&str, &str, ArrayRef, &[&str]); 2] = [
        ("y", "words", words, &["words/b.parquet", "\"y\"", "words/a.parquet", "cast"]),
        ("x1", "short", short, &["short/b.parquet", "\"x1\"", "lists of 2 values"]),
    ];
    for (column, folder, array, named) in cases {
        fs::create_dir(dir.path().join(folder)).unwrap();
        write(&dir.path().join(folder).join("a.parquet"), &rows);
        write(&dir.path().join(folder).join("b.parquet"), &replaced(&rows, column, array));
        let fit =
            |more: &[&str]| run(lsmi().current_dir(dir.path()).args(["fit", folder, "--json"]).args(more));
        refused(&fit(&["--overwrite"]), 65, named);
        let skipped = fit(&["--on-bad-file", "skip", "--overwrite"]);
        assert_eq!(
            (skipped.code, last_json(&skipped)["rows"].as_u64()),
            (0, Some(300)),
            "{}",
            skipped.stderr
        );
        assert!(
            skipped.stderr.contains("b.parquet") && skipped.stderr.contains("left out"),
            "{}",
            skipped.stderr
        );
    }
    fs::create_dir(dir.path().join("broken")).unwrap();
    write(&dir.path().join("broken/b.parquet"), &rows);
    fs::write(dir.path().join("broken/a.parquet"), "").unwrap();
    let fit =
        |more: &[&str]| run(lsmi().current_dir(dir.path()).args(["fit", "broken", "--json"]).args(more));
    refused(&fit(&["--overwrite"]), 65, &["broken/a.parquet"]);
    assert_eq!(fit(&["--on-bad-file", "skip", "--overwrite"]).code, 0);
    refused(&run(lsmi().current_dir(dir.path()).args(["fit", "none/", "--overwrite"])), 66, &["none"]);
}

#[test]
fn no_row_of_a_file_that_is_left_out_is_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet"));
    for folder in ["both", "good", "damaged"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let (good, bad) = (dir.path().join("both/b.parquet"), dir.path().join("both/a.parquet"));
    write(&good, &rows.slice(0, 300));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(100))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(&bad).unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows.slice(300, 300)).unwrap();
    writer.close().unwrap();
    // The first page of x1 in the last row group: the rows of the others can be read.
    let metadata = Input::open(&bad).unwrap().metadata().row_group(2).clone();
    let x1 = metadata.columns().iter().find(|column| column.column_path().parts()[0] == "x1").unwrap();
    let mut bytes = fs::read(&bad).unwrap();
    let start = usize::try_from(x1.data_page_offset()).unwrap();
    bytes[start..start + 40].fill(0xff);
    fs::write(&bad, bytes).unwrap();
    fs::copy(&good, dir.path().join("good/b.parquet")).unwrap();
    fs::copy(&bad, dir.path().join("damaged/a.parquet")).unwrap();
    let fit = |inputs: &[&str], more: &[&str]| {
        run(lsmi().current_dir(dir.path()).args(["fit", "--json", "--overwrite"]).args(inputs).args(more))
    };
    refused(&fit(&["both"], &[]), 65, &["both/a.parquet, row group 2, column \"x1\""]);
    let (both, alone) = (fit(&["both"], &["--on-bad-file", "skip"]), fit(&["good"], &[]));
    assert_eq!((both.code, alone.code), (0, 0), "{}", both.stderr);
    let (both, alone) = (last_json(&both), last_json(&alone));
    assert_eq!((&both["rows"], &both["bundle_sha256"]), (&alone["rows"], &alone["bundle_sha256"]));
    let all = fit(&["damaged"], &["--on-bad-file", "skip"]);
    refused(&all, 65, &["damaged/a.parquet, row group 2, column \"x1\""]);
}

#[test]
fn single_lists_of_another_length_and_files_without_rows_decide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet")).slice(0, 300);
    let mut x1 = vectors(&rows, "x1");
    let dim = x1[0].as_ref().unwrap().len();
    // Also of the first row.
    x1.iter_mut().step_by(40).for_each(|row| *row = Some(vec![0.5; dim - 1]));
    let lists = ListArray::from_iter_primitive::<Float32Type, _, _>(
        x1.iter().map(|row| row.as_ref().map(|row| row.iter().copied().map(Some))),
    );
    fs::create_dir(dir.path().join("data")).unwrap();
    write(&dir.path().join("data/a.parquet"), &rows.slice(0, 0));
    write(&dir.path().join("data/b.parquet"), &replaced(&rows, "x1", Arc::new(lists)));
    let inspected = must(lsmi().current_dir(dir.path()).args(["inspect", "data/b.parquet", "--json"]));
    assert_eq!(last_json(&inspected)["fit"]["x"][0]["dim"], dim, "{}", inspected.stdout);
    let ran = must(lsmi().current_dir(dir.path()).args(["fit", "data", "--json"]));
    assert_eq!(last_json(&ran)["bad_rows"], 8, "{}", ran.stdout);
    assert_eq!(last_json(&ran)["validation"]["trained_rows"], 292);
}

/// One folder a class, as datasets of images have it: the label is a column of no file.
#[test]
fn folders_name_the_labels() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet"));
    let label = rows.schema().index_of("y").unwrap();
    let y = as_primitive_array::<Int64Type>(rows.column(label)).clone();
    let classes: BTreeSet<i64> = y.values().iter().copied().collect();
    for class in &classes {
        let of_class =
            filter_record_batch(&rows, &y.iter().map(|y| Some(y == Some(*class))).collect()).unwrap();
        let mut without = of_class.clone();
        without.remove_column(label);
        for (folder, file, rows) in
            [("columns", "", &of_class), ("numbers", "y=0", &without), ("words", "y=c%20", &without)]
        {
            let folder = dir.path().join(folder).join(format!("{file}{class}"));
            fs::create_dir_all(&folder).unwrap();
            write(&folder.join("a.parquet"), rows);
        }
    }
    for folder in ["columns", "numbers", "words"] {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["fit", folder, "--max-rows", "600"]);
        must(command.args(["--bundle", &format!("{folder}-bundle")]));
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["annotate", folder, &format!("{folder}-out"), "--json"]);
        let done = last_json(&must(command.args(["--bundle", &format!("{folder}-bundle")])));
        assert_eq!((done["rows"].as_u64(), done["bad_rows"].as_u64()), (Some(3000), Some(0)), "{folder}");
    }
    let sums = ["columns", "numbers", "words"].map(|folder| {
        query(
            dir.path(),
            &format!("select sum(r) as r, sum(s) as s, count(distinct y) as y from '{folder}-out'"),
        )
    });
    assert!(sums.iter().all(|sum| sum == &sums[0] && sum["y"] == classes.len()), "{sums:?}");
    // A report finds the label where fit did, be it below or above the folder that is named.
    let report = |input: &str, more: &[&str]| -> Vec<String> {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["report", input, "--format", "json"]).args(more);
        let report: serde_json::Value = serde_json::from_str(&must(&mut command).stdout).unwrap();
        assert_eq!(report["data"]["label"], "y", "{input}");
        let data = if more.is_empty() { &report["data"] } else { &report["compare"] };
        let classes = data["classes"].as_array().unwrap().iter();
        classes.map(|class| class["class"].as_str().unwrap().to_owned()).collect()
    };
    let names: Vec<String> = classes.iter().map(ToString::to_string).collect();
    for folder in ["columns-out", "numbers-out"] {
        assert_eq!(report(folder, &[]), names, "{folder}");
    }
    assert_eq!(report("words-out", &[]), names.iter().map(|name| format!("c {name}")).collect::<Vec<_>>());
    assert_eq!(report("numbers-out/y=01/a.parquet", &[]), ["1"]);
    assert_eq!(report("columns-out", &["--compare", "words-out/y=c%201"]), ["c 1"]);
    // A folder that is no class of the bundle.
    fs::rename(dir.path().join("numbers/y=01"), dir.path().join("numbers/y=blue")).unwrap();
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["annotate", "numbers/y=blue", "blue"]);
    refused(
        &run(command.args(["--bundle", "numbers-bundle"])),
        65,
        &["y=blue/a.parquet", "\"blue\"", "integers"],
    );
}

#[test]
fn densities_by_gradient_descent_come_close() {
    let dir = tempfile::tempdir().unwrap();
    let (em, _) = fit(dir.path(), "em", &[]);
    let (sgd, _) = fit(dir.path(), "sgd", &["--density-fit", "sgd"]);
    for m in 0..2 {
        let h = |line: &serde_json::Value| line["validation"]["densities"][m]["mean_nats"].as_f64().unwrap();
        assert!((h(&em) - h(&sgd)).abs() < 0.15, "{} and {}", h(&em), h(&sgd));
    }
}

/// The manifest's estimates are the means of the training rows as `annotate` knows them, also in centred units.
#[test]
fn estimates_are_the_means_of_the_annotated_training_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("train.parquet"), &read(&fitted().join("train.parquet")).slice(0, 900));
    let fit = ["fit", "train.parquet", "--bundle", "b", "--units", "centred", "--label-free-check", "--json"];
    let validation = last_json(&must(lsmi().current_dir(dir).args(fit)))["validation"].clone();
    let annotate = |output: &str, more: &[&str]| {
        let mut command = lsmi();
        command.current_dir(dir).args(["annotate", "train.parquet", output, "--bundle", "b"]).args(more);
        must(&mut command);
        let rows = read(&dir.join(output));
        ["r", "u1", "u2", "s"].map(|name| -> Vec<f64> {
            floats(&rows, name).values().iter().map(|value| f64::from(*value)).collect()
        })
    };
    let labelled = annotate("out.parquet", &["--columns", "i1,i2,i12"]);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let near = |found: &serde_json::Value, expected: f64, what: &str| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() < 2e-4, "{what}: {found} for {expected}");
    };
    let estimates = &validation["estimates"];
    assert_eq!((&estimates["rows"], &estimates["groups"]), (&900.into(), &900.into()));
    for (name, values) in ["r", "u1", "u2", "s"].iter().zip(&labelled) {
        let found = &estimates[name];
        near(&found["mean_nats"], mean(values), name);
        let deviation = mean(&values.iter().map(|v| (v - mean(values)).powi(2)).collect::<Vec<_>>()).sqrt();
        let rows_error = found["rows_error_nats"].as_f64().unwrap();
        assert!((rows_error / (deviation / 30.0) - 1.0).abs() < 0.2, "{found} for {deviation}");
        assert!(found["error_nats"].as_f64().unwrap() >= rows_error, "{found}");
    }
    let select = "select avg(i1) as i1, avg(i2) as i2, avg(i12) as i12, avg(least(i1, i2)) as low, \
                  avg(case when r = i1 and r <> i2 then 1.0 else 0.0 end) as at_i1 from 'out.parquet'";
    let annotated = query(dir, select);
    let expected = |name: &str| annotated[name].as_f64().unwrap();
    near(&estimates["i12"]["mean_nats"], expected("i12"), "i12");
    let by_shift = &estimates["redundancy_by_shift"];
    near(&by_shift["at_minus_infinity_nats"], expected("i1"), "R for small h1");
    near(&by_shift["at_plus_infinity_nats"], expected("i2"), "R for large h1");
    near(&by_shift["bounds_nats"][0], expected("low"), "the least R");
    let shares = &estimates["redundancy_shares"];
    assert!((shares["i1"].as_f64().unwrap() - expected("at_i1")).abs() < 0.01, "{shares} and {annotated}");
    for classifier in validation["classifiers"].as_array().unwrap() {
        let rows: Vec<u64> = classifier["calibration"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bin| bin["rows"].as_u64().unwrap())
            .collect();
        assert_eq!(rows, [90; 10]);
    }

    let expectations = annotate("free.parquet", &["--label-free"]);
    let check = &validation["label_free"];
    assert_eq!(check["rows"], 900);
    for ((name, free), own) in ["r", "u1", "u2", "s"].iter().zip(&expectations).zip(&labelled) {
        near(&check[name]["mean_difference_nats"], mean(free) - mean(own), name);
        let squares: Vec<f64> = free.iter().zip(own).map(|(free, own)| (free - own).powi(2)).collect();
        near(&check[name]["rmse_nats"], mean(&squares).sqrt(), name);
        assert!(check[name]["correlation"].as_f64().unwrap() > 0.1, "{check}");
    }
}

#[test]
fn a_power_curve_leads_to_the_whole_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (line, _) = fit(dir.path(), "b", &["--max-rows", "800", "--power-curve"]);
    let validation = &line["validation"];
    let curve = validation["power_curve"].as_array().unwrap();
    let rows: Vec<u64> = curve.iter().map(|point| point["trained_rows"].as_u64().unwrap()).collect();
    assert!(rows.len() == 3 && rows[2] == 800, "{rows:?}");
    assert!(rows[0].abs_diff(200) <= 8 && rows[1].abs_diff(400) <= 8, "{rows:?}");
    for (part, mean) in
        [("r_nats", "r"), ("u1_nats", "u1"), ("u2_nats", "u2"), ("s_nats", "s"), ("i12_nats", "i12")]
    {
        let estimate = validation["estimates"][mean]["mean_nats"].as_f64().unwrap();
        assert!((curve[2][part].as_f64().unwrap() - estimate).abs() < 1e-9, "{part}: {}", curve[2]);
    }
    let agreement = |point: usize, part: &str, of: &str| curve[point][part][of].as_f64().unwrap();
    for part in ["r_agreement", "s_agreement"] {
        assert!(curve[2][part].is_null(), "{}", curve[2]);
        let [quarter, half] = [0, 1].map(|point| agreement(point, part, "rmse_nats"));
        assert!(quarter > half && half > 0.0, "{part}: {quarter}, then {half}");
        assert!(agreement(1, part, "correlation") > 0.8, "{}", curve[1]);
    }
    let text = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "b"])).stdout;
    for words in ["fits on parts of the rows", "means of 800 rows", "of the models", "h1 - h2", "r is i1 on"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("expectations without the label"), "{text}");
}

#[test]
fn one_split_has_no_estimates() {
    let dir = tempfile::tempdir().unwrap();
    let (line, _) = fit(dir.path(), "b", &["--max-rows", "400", "--folds", "1"]);
    assert!(line["validation"]["estimates"].is_null(), "{line}");
    for flag in ["--power-curve", "--label-free-check"] {
        let mut command = lsmi();
        command.current_dir(dir.path()).arg("fit").arg(fitted().join("train.parquet"));
        refused(&run(command.args(["--bundle", "c", "--folds", "1", flag])), 64, &[flag, "--folds"]);
    }
}

/// A placeholder among the rows once made every classifier flat, and a larger one an internal error.
#[test]
fn a_placeholder_is_left_out_and_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet")).slice(0, 1000);
    write(&dir.path().join("clean.parquet"), &rows);
    let cross_entropy = |line: &serde_json::Value| -> f64 {
        line["validation"]["classifiers"][0]["cross_entropy_nats"].as_f64().unwrap()
    };
    let fit = |input: &str, bundle: &str| {
        must(lsmi().current_dir(dir.path()).args(["fit", input, "--json", "--bundle", bundle]))
    };
    let clean = cross_entropy(&last_json(&fit("clean.parquet", "clean")));
    for placeholder in [-999.0, 1e30] {
        let mut x1 = vectors(&rows, "x1");
        let dim = x1[0].as_ref().unwrap().len();
        x1[17] = Some(vec![placeholder; dim]);
        write(&dir.path().join("rows.parquet"), &replaced(&rows, "x1", embeddings(&x1, dim as i32)));
        let ran = fit("rows.parquet", &format!("with{placeholder}"));
        assert!(ran.stderr.contains("1 of 1000 rows lie more than 20 times as far"), "{}", ran.stderr);
        let found = last_json(&ran);
        assert!((cross_entropy(&found) - clean).abs() < 0.03, "{} {clean}", cross_entropy(&found));
        assert_eq!(found["validation"]["trained_rows"], 999);
    }
}

/// A folder with rows under other names: embeddings as text, as parts of a struct and as columns of numbers.
fn unlike_embeddings() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let train = fitted().join("train.parquet");
    let values = |x: &str| (1..=4).map(|k| format!("CAST({x}[{k}] AS VARCHAR)")).collect::<Vec<_>>();
    let (commas, blanks) = (values("x1").join(" || ', ' || "), values("x2").join(" || '  ' || chr(10) || "));
    let scalars: Vec<String> = (0..4).map(|k| format!("x1[{}] AS \"E{k}\"", k + 1)).collect();
    let files = [
        (
            "text.csv",
            format!("'[' || {commas} || ']' AS \"X1\", '[ ' || {blanks} || ' ]' AS x2, 'a, b' AS caption"),
        ),
        ("struct.parquet", "named_struct('image', x1, 'text', x2) AS emb".to_owned()),
        ("numbers.parquet", scalars.join(", ")),
        (
            "integers.parquet",
            ["x1", "x2"]
                .map(|x| {
                    let value = |k: usize| format!("CAST(round({x}[{k}] * 100) AS BIGINT)");
                    format!("make_array({}) AS {x}", [1, 2, 3, 4].map(value).join(", "))
                })
                .join(", "),
        ),
    ];
    for (name, columns) in files {
        let sql = format!("SELECT {columns}, y FROM '{}' LIMIT 300", train.display());
        must(lsmi().current_dir(dir.path()).args(["sql", "--output", name, &sql]));
    }
    must(lsmi().current_dir(dir.path()).args([
        "sql",
        "--output",
        "text.parquet",
        "SELECT * FROM 'text.csv'",
    ]));
    dir
}

/// The expressions that a message gives between two words.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} in {rest}")).0
}

#[test]
fn what_is_said_of_no_embeddings_makes_some() {
    let dir = unlike_embeddings();
    for (name, columns) in [("text", 2), ("struct", 2), ("numbers", 1), ("integers", 2)] {
        let ran =
            run(lsmi().current_dir(dir.path()).args(["fit", &format!("{name}.parquet"), "--label", "y"]));
        refused(&ran, 64, &[name, "no column holds embeddings", "lsmi-etl sql --output FILE"]);
        let mut made = between(&ran.stderr, "a query gives one with ", ", and `lsmi-etl sql").to_owned();
        assert!(!made.contains("caption"), "{made}");
        if columns == 1 {
            assert_eq!(made, "make_array(\"E0\", \"E1\", …)");
            made =
                "make_array(\"E0\", \"E1\", \"E2\", \"E3\") AS a, make_array(\"E3\", \"E1\") AS b".to_owned();
        }
        let sql = format!("SELECT {made}, y FROM '{name}.parquet'");
        must(lsmi().current_dir(dir.path()).args(["sql", "--output", "made.parquet", "--overwrite", &sql]));
        must(lsmi().current_dir(dir.path()).args(["fit", "made.parquet", "--folds", "1", "--overwrite"]));
        let lists = read(&dir.path().join("made.parquet"));
        assert_eq!(lists.num_columns(), 3, "{:?}", lists.schema());
    }
    let named = ["fit", "text.parquet", "--x1", "X1", "--x2", "x2", "--label", "y"];
    refused(&run(lsmi().current_dir(dir.path()).args(named)), 65, &["\"X1\"", "regexp_replace(\"X1\""]);
}

#[test]
fn a_group_is_neither_the_label_nor_an_embedding() {
    let dir = tempfile::tempdir().unwrap();
    let train = fitted().join("train.parquet");
    for (group, words) in [("y", "is the label"), ("x1", "is an embedding")] {
        let mut command = lsmi();
        command.current_dir(dir.path()).arg("fit").arg(&train).args(["--label", "y", "--group", group]);
        refused(&run(&mut command), 64, &[&format!("--group {group} {words}"), "patient"]);
    }
    write(&dir.path().join("none.parquet"), &read(&train).slice(0, 0));
    let fit = |inputs: &[&str]| run(lsmi().current_dir(dir.path()).arg("fit").args(inputs));
    refused(&fit(&["none.parquet"]), 65, &["none.parquet: has no rows"]);
    // Beside others it is none of their faults.
    write(&dir.path().join("some.parquet"), &read(&train).slice(0, 300));
    assert_eq!(fit(&["none.parquet", "some.parquet", "--folds", "1"]).code, 0);
}
