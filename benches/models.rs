//! How fast are the models alone, against what the machine's own dense matrix product
//! would allow densities that are not cut into blocks? Both engines.
//!
//! The floor is arithmetic: 2·K·d² operations a row and modality in a dense density, a
//! little more than half of that in blocks, and the classifiers. Three modalities have the densities
//! of their pairs, too: apart, or nested, where those of pairs begin with their first modality's.

use std::path::Path;

use super::bed::models::{bundle, bundle_of_three};
use super::bed::{install_runtime, json, number, program};

pub fn ask() {
    install_runtime();
    println!(
        "  shape            engine                      rows/s  GFLOP/s  dense product's  dense bound  ratio"
    );
    for dim in [128, 512] {
        line(&format!("2 x {dim}"), &bundle(dim, 5));
        line(&format!("3 x {dim}"), &bundle_of_three(dim, 5, false));
        line(&format!("3 x {dim} nested"), &bundle_of_three(dim, 5, true));
    }
}

/// The figures of a bundle by each engine.
fn line(shape: &str, bundle: &Path) {
    let report = json(program().args(["bundle", "bench", "--json"]).arg(bundle));
    for engine in report["engines"].as_array().unwrap() {
        let best = &engine["best"];
        let workers = &best["workers"];
        let products = engine["products"].as_array().unwrap();
        let product = products.iter().find(|product| product["workers"] == *workers).unwrap();
        println!(
            "  {shape:<14}  {:<22}  {:>10.0}  {:>7.1}  {:>15.1}  {:>11.0}  {:>5.2}   ({workers} workers, {} rows a batch)",
            engine["engine"].as_str().unwrap(),
            number(best, "rows_per_second"),
            number(best, "gflops"),
            number(product, "gflops"),
            number(engine, "dense_bound_rows_per_second"),
            number(engine, "ratio_to_dense_bound"),
            best["batch_rows"],
        );
    }
}
