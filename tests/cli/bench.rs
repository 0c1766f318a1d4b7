//! `bundle bench` and `bundle export`: what is counted, what is measured, and the graph
//! that others can run.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use tract_onnx::prelude::*;

use crate::harness::files::{floats, read, vectors, write};
use crate::harness::{annotate, bundle, fitted, last_json, lsmi, lsmi_in, must, refused, rows, runtime};

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn every_figure_follows_from_what_was_measured() {
    let args = ["--json", "--seconds", "0.05", "--workers", "1,2", "--batch-rows", "8,64"];
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).args(["bundle", "bench"]).arg(bundle()).args(args);
    let report = last_json(&must(&mut command));

    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bundle().join("bundle.json")).unwrap()).unwrap();
    let densities = manifest["training"]["validation"]["densities"].as_array().unwrap();
    let components: f64 = densities.iter().map(|density| number(&density["components"])).sum();
    // Four values a modality; the factors of a classifier's products are its matrices.
    let matrices = |file: &str| -> f64 {
        let model = tract_onnx::onnx().proto_model_for_path(bundle().join(file)).unwrap();
        let tensors = model.graph.unwrap().initializer;
        let matrices = tensors.iter().filter(|tensor| tensor.dims.len() == 2);
        matrices.map(|tensor| tensor.dims.iter().product::<i64>() as f64).sum()
    };
    let classifiers: f64 = ["1", "2", "12"].map(|of| matrices(&format!("classifier_{of}.onnx"))).iter().sum();
    let weights = components * 16.0 + classifiers;
    let dense = number(&report["dense_flops_per_row"]);
    assert_eq!(dense, 2.0 * weights);
    let flops = number(&report["flops_per_row"]);
    // Components that share one covariance need its product once.
    assert!(flops > 0.0 && flops <= dense, "{flops} of {dense}");

    let engines = report["engines"].as_array().unwrap();
    let names: Vec<&str> = engines.iter().map(|engine| engine["engine"].as_str().unwrap()).collect();
    assert!(names[0].starts_with("onnxruntime (1.") && names[1].starts_with("embedded"), "{names:?}");
    for engine in engines {
        let product = |workers: &serde_json::Value| {
            let products = engine["products"].as_array().unwrap();
            number(&products.iter().find(|p| p["workers"] == *workers).unwrap()["gflops"])
        };
        let runs = engine["runs"].as_array().unwrap();
        let tried: Vec<_> = runs.iter().map(|run| (&run["workers"], &run["batch_rows"])).collect();
        assert_eq!(serde_json::json!(tried), serde_json::json!([[1, 8], [1, 64], [2, 8], [2, 64]]));
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        for run in runs {
            let gflops = number(&run["gflops"]);
            assert!(gflops > 0.0 && close(gflops, number(&run["rows_per_second"]) * flops / 1e9), "{run}");
            assert!(
                close(number(&run["share_of_matrix_product"]), gflops / product(&run["workers"])),
                "{run}"
            );
        }
        let fastest = runs.iter().map(|run| number(&run["rows_per_second"])).fold(0.0, f64::max);
        let bound = product(&1.into()).max(product(&2.into())) * 1e9 / dense;
        assert!(close(number(&engine["dense_bound_rows_per_second"]), bound), "{engine}");
        assert!(close(number(&engine["ratio_to_dense_bound"]), fastest / bound), "{engine}");
    }
}

#[test]
fn a_person_reads_a_table() {
    let args = ["bundle", "bench", "bundle", "--seconds", "0.02", "--engine", "embedded"];
    let ran = lsmi_in(fitted(), args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in
        ["bundle: 4 and 4 values, 4 classes", "MFLOP a row", "embedded (tract", "a dense product on 1 "]
    {
        assert!(ran.stdout.contains(words), "no {words:?} in\n{}", ran.stdout);
    }
    assert_eq!(ran.stdout.matches(" %\n").count() % 6, 0, "{}", ran.stdout);
    let refusal = lsmi_in(fitted(), ["bundle", "bench", "bundle", "--seconds", "0"]);
    assert_eq!(refusal.code, 64, "{}", refusal.stderr);
}

#[test]
fn the_exported_graph_gives_what_annotate_gives() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let export =
        || lsmi().current_dir(dir).args(["bundle", "export", "-o", "fused.onnx"]).arg(bundle()).output();
    assert_eq!(export().unwrap().status.code(), Some(0));
    refused(&export().unwrap().into(), 73, &["fused.onnx"]);

    let sample = rows(20);
    write(&dir.join("in.parquet"), &sample);
    let ran = annotate(dir, "in.parquet", "out.parquet", &["--columns", "h1,h2,i1,i2,i12,prior_y"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let annotated = read(&dir.join("out.parquet"));

    let model = tract_onnx::onnx().model_for_path(dir.join("fused.onnx")).unwrap();
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let values =
        |name: &str| -> Vec<f32> { vectors(&sample, name).into_iter().flatten().flatten().collect() };
    let labels: Vec<i64> =
        sample.column_by_name("y").unwrap().as_primitive::<Int64Type>().values().iter().copied().collect();
    let inputs = tvec!(
        Tensor::from_shape(&[20, 4], &values("x1")).unwrap().into_tvalue(),
        Tensor::from_shape(&[20, 4], &values("x2")).unwrap().into_tvalue(),
        Tensor::from_shape(&[20, 1], &labels).unwrap().into_tvalue(),
    );
    let outputs = plan.run(inputs).unwrap();
    let prior_y = floats(&annotated, "prior_y");
    for (output, column) in outputs.iter().zip(["h1", "h2", "i1", "i2", "i12"]) {
        let expected = floats(&annotated, column);
        let found = output.try_as_plain_ram().unwrap();
        for (row, found) in found.as_slice::<f32>().unwrap().iter().enumerate() {
            // A classifier gives ln p(y|x), the column ln p(y|x) - ln p(y).
            let prior = if column.starts_with('i') { prior_y.value(row).ln() } else { 0.0 };
            assert!((found - prior - expected.value(row)).abs() < 1e-4, "{column} of row {row}");
        }
    }
}
