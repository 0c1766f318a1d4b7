//! The demo: its last line's shape and figures, and the commands it tells to type.

use std::path::Path;

use serde::Deserialize;

use crate::harness::terminal::{on_a_terminal, see};
use crate::harness::{last_json, lsmi_in, run, shell};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    engine: String,
    rows: u64,
    truth: Truth,
    seconds: Seconds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Truth {
    r: Accuracy,
    u1: Accuracy,
    u2: Accuracy,
    s: Accuracy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accuracy {
    mae: f64,
    rmse: f64,
    pearson: f64,
    mean_error: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    fit: f64,
    annotate: f64,
}

#[test]
fn a_terminal_keeps_no_bar_of_a_fit_that_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let ran = on_a_terminal(dir.path(), 100, &["demo", "--rows", "2000"], &[see("Compare with the truth")]);
    let last = |text: &str| ran.stdout.rfind(text).unwrap_or_else(|| panic!("no {text} in {}", ran.stdout));
    assert!(last("fitting ") < last("3. Annotate"), "{}", ran.stdout);
}

#[test]
fn comes_near_the_truth_and_its_commands_run() {
    let dir = tempfile::tempdir().unwrap();
    let ran = lsmi_in(dir.path(), ["demo", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let Line { engine, rows, truth, seconds } = serde_json::from_value(last_json(&ran)).unwrap();
    assert!(engine.starts_with("embedded (tract"), "{engine}");
    assert_eq!(rows, 20_000);
    assert!(truth.r.rmse <= 0.12, "RMSE of r: {}", truth.r.rmse);
    assert!(truth.s.rmse <= 0.16, "RMSE of s: {}", truth.s.rmse);
    for (name, a) in [("r", &truth.r), ("u1", &truth.u1), ("u2", &truth.u2), ("s", &truth.s)] {
        assert!(a.mean_error.abs() <= 0.03, "mean error of {name}: {}", a.mean_error);
        assert!(a.mae > 0.0 && a.mae <= a.rmse, "{name}: MAE {}, RMSE {}", a.mae, a.rmse);
        assert!(a.pearson > 0.9 && a.pearson < 1.0, "Pearson of {name}: {}", a.pearson);
    }
    assert!(seconds.fit > 0.0 && seconds.annotate > 0.0);
    assert!(seconds.fit + seconds.annotate < 120.0, "{} + {} s", seconds.fit, seconds.annotate);

    // What it tells to type, typed; the last two want a file of one's own.
    let told: Vec<&str> =
        ran.stdout.lines().map(str::trim).filter(|line| line.starts_with("lsmi-etl ")).collect();
    let [query, inspect, "lsmi-etl fit train.parquet", "lsmi-etl annotate in.parquet out.parquet"] = told[..]
    else {
        panic!("{told:?}")
    };
    assert!(
        query.starts_with("lsmi-etl sql ") && inspect.starts_with("lsmi-etl bundle inspect "),
        "{told:?}"
    );
    let table = typed(dir.path(), query);
    assert_eq!(table.lines().filter(|line| line.contains("0.") || line.contains("1.")).count(), 5, "{table}");
    let bundle = typed(dir.path(), inspect);
    assert!(bundle.contains("x1") && bundle.contains("density"), "{bundle}");
    // With its own files in place of one's own, they run too.
    let own = dir.path().join("lsmi-demo");
    typed(&own, "lsmi-etl fit train.parquet --max-rows 1000");
    std::fs::remove_file(own.join("out.parquet")).unwrap();
    typed(&own, told[3]);

    // Again in the same place: it replaces what is its own.
    let ran = lsmi_in(dir.path(), ["demo", "--rows", "500"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Runs a command line as a shell that finds the program would.
fn typed(dir: &Path, line: &str) -> String {
    let ran = run(shell(line).current_dir(dir));
    assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
    ran.stdout
}
