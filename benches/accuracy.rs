//! How far are the values from the truth? Every generator with exact densities, as it is and through
//! an invertible map, 500 to 20 000 training rows, three seeds: `fit` on them, then `annotate` of
//! 10 000 fresh rows of the same source and of the training rows themselves.
//!
//! Errors in nats, against the exact values of each row: root mean square, correlation and mean of
//! r, u1, u2 and s, root mean square of h1 and h2, and the mean error of i12. `LSMI_ETL_BENCH_ROWS=2000` and
//! `LSMI_ETL_BENCH_GENERATORS=xor,clusters` ask less. `LSMI_ETL_BENCH_PICTURE=accuracy.svg` also draws them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::accuracy_picture::{Point, draw};
use super::bed::{folder, install_runtime, json, number, program, run};

/// A name and the arguments of `synth`.
const GENERATORS: [(&str, &str); 7] = [
    ("gaussian", "gaussian --classes 10"),
    ("imbalanced", "gaussian --prior .4,.3,.1,.05,.05,.02,.02,.02,.02,.02"),
    ("xor", "xor"),
    ("rdn", "rdn"),
    ("unq", "unq"),
    ("low rank", "wide --d1 64 --d2 128 --classes 5"),
    ("clusters", "clusters --d1 16 --d2 32 --classes 5"),
];
pub const ROWS: [usize; 3] = [500, 2_000, 20_000];
pub const SEEDS: [usize; 3] = [1, 2, 3];
const FRESH_ROWS: usize = 10_000;
const PARTS: [&str; 4] = ["r", "u1", "u2", "s"];

pub fn ask() {
    install_runtime();
    println!(
        "  generator, rows          fresh rows: root mean square (correlation, mean error)            h1 and h2   i12: mean error"
    );
    println!(
        "                        r                  u1                 u2                 s                           fresh  trained"
    );
    let mut points = Vec::new();
    for warped in [false, true] {
        for (name, arguments) in GENERATORS.into_iter().filter(|(name, _)| asked_generator(name)) {
            for rows in ROWS.into_iter().filter(|rows| asked("LSMI_ETL_BENCH_ROWS", &rows.to_string())) {
                let runs: Vec<[Value; 2]> =
                    SEEDS.iter().map(|&seed| measure(arguments, warped, rows, seed)).collect();
                let mean = |of: usize, key: &str| {
                    runs.iter().map(|run| number(&run[of], key)).sum::<f64>() / runs.len() as f64
                };
                let cells: Vec<String> = PARTS
                    .iter()
                    .map(|part| {
                        let [root, correlation, error] =
                            ["rms", "corr", "mean"].map(|kind| mean(0, &format!("{kind}_{part}")));
                        format!("{root:.3} ({correlation:.2}, {error:+.3})")
                    })
                    .collect();
                let errors = ["rms_r", "rms_s"].map(|key| mean(0, key));
                points.push(Point { generator: name.to_owned(), warped, rows, errors });
                let name = format!("{name}{}, {rows}", if warped { " warped" } else { "" });
                let [fresh, trained] = [0, 1].map(|of| mean(of, "mean_i12"));
                let [h1, h2] = ["rms_h1", "rms_h2"].map(|key| mean(0, key));
                let cells = cells.join("  ");
                println!("  {name:<22}{cells}  {h1:.3} {h2:.3}  {fresh:+.3}  {trained:+.3}");
            }
        }
    }
    if let Ok(path) = std::env::var("LSMI_ETL_BENCH_PICTURE") {
        fs::write(path, draw(&points)).unwrap();
    }
}

fn asked_generator(name: &str) -> bool {
    asked("LSMI_ETL_BENCH_GENERATORS", name)
}

pub fn asked(variable: &str, value: &str) -> bool {
    std::env::var(variable).is_ok_and(|list| list.split(',').any(|one| one == value))
        || std::env::var(variable).is_err()
}

/// Errors on fresh rows and on the training rows.
fn measure(arguments: &str, warped: bool, rows: usize, seed: usize) -> [Value; 2] {
    let arguments = format!("{arguments}{}", if warped { " --warp" } else { "" });
    let Fitted { fresh, train, bundle } = fitted(&arguments, rows, seed, "--x1 x1 --x2 x2");
    let errors = PARTS.iter().map(|part| of_column(part));
    let of_h = ["h1", "h2"].map(|h| format!("sqrt(avg(power({h} - true_{h}, 2))) as rms_{h}"));
    let of_i = "avg(i12 - true_i12) as mean_i12".to_owned();
    let select = errors.chain(of_h).chain([of_i]).collect::<Vec<_>>().join(", ");
    [fresh, train].map(|input| annotated(&input, &bundle, "i12,h1,h2", &select))
}

/// What an error is asked of.
pub struct Fitted {
    /// Rows of the same source that the models have not seen.
    pub fresh: PathBuf,
    pub train: PathBuf,
    pub bundle: PathBuf,
}

/// Rows of `synth` with these arguments, and models that were fitted to them, with flags that name the
/// embeddings.
pub fn fitted(arguments: &str, rows: usize, seed: usize, embeddings: &str) -> Fitted {
    let dir = folder().join("accuracy");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    let (train, fresh, bundle) = (dir.join("train.parquet"), dir.join("fresh.parquet"), dir.join("bundle"));
    for (path, rows, seed) in [(&train, rows, seed), (&fresh, FRESH_ROWS, seed + 1_000)] {
        let mut command = program();
        command.arg("synth").args(arguments.split(' '));
        command.args(["--truth", "full", "--rows", &rows.to_string(), "--seed", &seed.to_string()]);
        run(command.arg("-o").arg(path));
    }
    let columns = embeddings.split(' ').chain(["--label", "y"]);
    run(program().arg("fit").arg(&train).arg("--bundle").arg(&bundle).args(columns));
    Fitted { fresh, train, bundle }
}

/// The errors of a column, as expressions of SQL: `rms_`, `corr_` and `mean_`.
pub fn of_column(part: &str) -> String {
    format!(
        "sqrt(avg(power({part} - true_{part}, 2))) as rms_{part}, coalesce(corr({part}, true_{part}), 0) as \
         corr_{part}, avg({part} - true_{part}) as mean_{part}"
    )
}

/// The only row of a query on an input that is annotated with these further columns.
pub fn annotated(input: &Path, bundle: &Path, columns: &str, select: &str) -> Value {
    let output: PathBuf = input.with_extension("annotated.parquet");
    let mut annotate = program();
    annotate.arg("annotate").arg(input).arg(&output).arg("--bundle").arg(bundle);
    run(annotate.args(["--columns", columns]));
    let mut sql = program();
    sql.arg("sql").arg(format!("select {select} from '{}'", output.display()));
    json(sql.args(["--format", "ndjson"]))
}
