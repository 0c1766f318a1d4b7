//! How far are the values of three modalities from the truth, and what would pairs of them say? As
//! `accuracy`, and with its settings: root mean square errors on fresh rows, in nats, of r, u1, u2, u3 and s.
//!
//! In brackets the error of what the three pairs say, from the same estimates: the least of their
//! redundancies, the least of a modality's uniqueness beside either other, the largest of their synergies.

use serde_json::Value;

use super::accuracy::{Fitted, ROWS, SEEDS, annotated, asked, fitted, of_column};
use super::bed::{install_runtime, number};

/// A name and the arguments of `synth`.
const GENERATORS: [(&str, &str); 5] = [
    ("gaussian", "gaussian --modalities 3 --classes 10"),
    ("gaussian against", "gaussian --modalities 3 --classes 10 --rho -0.3"),
    ("gaussian warped", "gaussian --modalities 3 --classes 10 --warp"),
    ("low rank", "wide --dims 64,128,32 --classes 5"),
    ("clusters", "clusters --dims 16,32,24 --classes 5"),
];
const COLUMNS: [&str; 5] = ["r", "u1", "u2", "u3", "s"];

pub fn ask() {
    install_runtime();
    println!("  generator, rows             {}", COLUMNS.map(|column| format!("{column:<14}")).join(""));
    for (name, arguments) in GENERATORS.into_iter().filter(|it| asked("LSMI_ETL_BENCH_GENERATORS", it.0)) {
        for rows in ROWS.into_iter().filter(|rows| asked("LSMI_ETL_BENCH_ROWS", &rows.to_string())) {
            let runs: Vec<Value> = SEEDS.iter().map(|&seed| measure(arguments, rows, seed)).collect();
            let mean =
                |key: String| runs.iter().map(|run| number(run, &key)).sum::<f64>() / runs.len() as f64;
            let cells = COLUMNS.map(|column| {
                let [own, pairs] = ["rms", "pairs"].map(|kind| mean(format!("{kind}_{column}")));
                format!("{own:.3} ({pairs:.3}) ")
            });
            println!("  {:<28}{}", format!("{name}, {rows}"), cells.join(""));
        }
    }
}

fn measure(arguments: &str, rows: usize, seed: usize) -> Value {
    let Fitted { fresh, bundle, .. } = fitted(arguments, rows, seed, "--x x1 --x x2 --x x3");
    let by_pairs = COLUMNS
        .map(|column| format!("sqrt(avg(power({} - true_{column}, 2))) as pairs_{column}", of_pairs(column)));
    let select = COLUMNS.map(of_column).into_iter().chain(by_pairs).collect::<Vec<_>>().join(", ");
    annotated(&fresh, &bundle, "i_1,i_2,i_3,i_12,i_13,i_23,h_1,h_2,h_3", &select)
}

/// What the pairs say of a column, as an expression of SQL.
fn of_pairs(column: &str) -> String {
    let r = |[j, k]: [u8; 2]| format!("(least(h_{j}, h_{k}) - least(h_{j} - i_{j}, h_{k} - i_{k}))");
    let s = |[j, k]: [u8; 2]| format!("(i_{j}{k} - i_{j} - i_{k} + {})", r([j, k]));
    let u = |m: u8, [j, k]: [[u8; 2]; 2]| format!("(i_{m} - greatest({}, {}))", r(j), r(k));
    let [a, b, c] = [[1, 2], [1, 3], [2, 3]];
    match column {
        "r" => format!("least({}, {}, {})", r(a), r(b), r(c)),
        "u1" => u(1, [a, b]),
        "u2" => u(2, [a, c]),
        "u3" => u(3, [b, c]),
        _ => format!("greatest({}, {}, {})", s(a), s(b), s(c)),
    }
}
