//! Fitting on more rows than fit in memory: the models are as good, every row is known again, and an
//! interrupted fit continues to the same bundle.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int32Type;

use crate::harness::files::{floats, listing, read};
use crate::harness::{Ran, last_json, lsmi, lsmi_in, must, query, refused, run};

/// Rows of the files, of which a quarter fits in this much memory.
const ROWS: &str = "12000";
const MEMORY: &str = "162MiB";

fn training_rows(dir: &Path) {
    let args = ["synth", "clusters", "--d1", "8", "--d2", "8", "--rows", ROWS, "--seed", "3", "-o"];
    must(lsmi().current_dir(dir).args(args).arg("train.parquet"));
}

fn fit(dir: &Path, bundle: &str, more: &[&str]) -> Command {
    let mut command = lsmi();
    command.current_dir(dir).args([
        "fit",
        "train.parquet",
        "--max-rows",
        "all",
        "--bundle",
        bundle,
        "--json",
    ]);
    command.args(more);
    command
}

fn streamed(dir: &Path, bundle: &str, more: &[&str]) -> Command {
    let mut command = fit(dir, bundle, &["--memory-limit", MEMORY]);
    command.args(more);
    command
}

#[test]
fn rows_beyond_memory_are_all_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    training_rows(dir.path());
    let ran = must(&mut streamed(dir.path(), "streamed", &[]));
    assert!(ran.stderr.contains("training on 12000 rows, more than fit in memory"), "{}", ran.stderr);
    let streamed = last_json(&ran);
    assert_eq!(listing(dir.path()), ["streamed", "train.parquet"]);
    let figures = &streamed["validation"];
    assert_eq!((&figures["trained_rows"], &figures["folds"]), (&12_000.into(), &5.into()));
    // The figures are the sample's.
    let measured = figures["measured_rows"].as_u64().unwrap();
    assert!((3_000..4_500).contains(&measured), "{measured}");

    // As good as the fit of all rows in memory, on the same rows out of fold.
    let whole = last_json(&must(&mut fit(dir.path(), "whole", &[])));
    for bundle in ["streamed", "whole"] {
        let output = format!("{bundle}.parquet");
        let args = ["annotate", "train.parquet", &output, "--bundle", bundle, "--columns", "fold,h1,i1,i12"];
        let ran = last_json(&lsmi_in(dir.path(), args.into_iter().chain(["--json"])));
        assert_eq!(ran["trained_rows"].as_u64(), Some(12_000), "{ran}");
    }
    let sql = "SELECT avg(a.h1) - avg(b.h1) AS h1, avg(a.i1) - avg(b.i1) AS i1, avg(a.i12) - avg(b.i12) AS i12,
               sqrt(avg(power(a.r - b.r, 2))) AS r
               FROM 'streamed.parquet' a JOIN 'whole.parquet' b ON a.true_r = b.true_r AND a.true_s = b.true_s";
    let difference = query(dir.path(), sql);
    let of = |name: &str| difference[name].as_f64().unwrap();
    assert!(of("h1").abs() < 0.03 && of("i1") > -0.02 && of("i12") > -0.02, "{difference}");
    assert!(of("r") < 0.2, "{difference}");
    assert_ne!(streamed["bundle_sha256"], whole["bundle_sha256"]);
    let rows = read(&dir.path().join("streamed.parquet"));
    let folds = rows.column_by_name("fold").unwrap().as_primitive::<Int32Type>();
    assert_eq!(folds.null_count(), 0);
    let counts = (0..5).map(|fold| folds.values().iter().filter(|&&own| own == fold).count());
    assert!(counts.clone().all(|count| (2_200..2_600).contains(&count)), "{:?}", counts.collect::<Vec<_>>());
    assert!(floats(&rows, "r").values().iter().all(|r| r.is_finite()));
}

#[test]
fn a_group_stays_in_one_fold_and_a_part_can_be_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "SELECT *, row_number() OVER (ORDER BY true_r) / 20 AS patient FROM 'rows.parquet'";
    training_rows(dir.path());
    fs::rename(dir.path().join("train.parquet"), dir.path().join("rows.parquet")).unwrap();
    must(lsmi().current_dir(dir.path()).args(["sql", "--output", "train.parquet", sql]));
    let more = ["--group", "patient", "--x1", "x1", "--x2", "x2", "--label", "y"];
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["fit", "train.parquet", "--memory-limit", MEMORY, "--json"]);
    let ran = last_json(&must(command.args(["--max-rows", "8000", "--bundle", "drawn"]).args(more)));
    let trained = ran["validation"]["trained_rows"].as_u64().unwrap();
    assert!((7_700..8_300).contains(&trained), "{trained}");
    let args = ["annotate", "train.parquet", "out.parquet", "--bundle", "drawn", "--columns", "fold"];
    must(lsmi().current_dir(dir.path()).args(args));
    let sql = "SELECT max(folds) AS folds, sum(known) AS known FROM (SELECT count(DISTINCT fold) AS folds,
               count(fold) AS known FROM 'out.parquet' GROUP BY patient)";
    let found = query(dir.path(), sql);
    // A row that was not drawn is known by chance only.
    assert!(found["folds"].as_u64() <= Some(2), "{found}");
    let known = found["known"].as_u64().unwrap();
    assert!((trained..trained + 10).contains(&known), "{found} of {trained}");
}

#[test]
fn an_interrupted_fit_continues_to_the_same_bundle() {
    let dir = tempfile::tempdir().unwrap();
    training_rows(dir.path());
    let whole = last_json(&must(&mut streamed(dir.path(), "whole", &[])));
    for (signal, file) in [("KILL", "rows.bin"), ("KILL", "state.bin"), ("INT", "state.bin")] {
        let started =
            started(streamed(dir.path(), "bundle", &[]), &dir.path().join(".bundle.lsmi-fit").join(file));
        if signal == "KILL" && file == "state.bin" {
            refused(
                &run(&mut streamed(dir.path(), "bundle", &["--resume"])),
                75,
                &["another process is fitting"],
            );
        }
        ended(started, signal);
        assert_eq!(listing(dir.path()), [".bundle.lsmi-fit", "train.parquet", "whole"], "{signal}");
        let other = streamed(dir.path(), "bundle", &["--resume", "--seed", "1"]).output().unwrap().into();
        refused(&other, 64, &["the unfinished fit is of other files or options", "without --resume"]);
        let resumed = last_json(&must(&mut streamed(dir.path(), "bundle", &["--resume"])));
        assert_eq!(resumed["bundle_sha256"], whole["bundle_sha256"], "{signal} after {file}");
        assert_eq!(listing(dir.path()), ["bundle", "train.parquet", "whole"]);
        fs::remove_dir_all(dir.path().join("bundle")).unwrap();
    }
}

/// Starts a fit and waits for a file.
fn started(mut command: Command, file: &Path) -> Child {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the fit ended before {}", file.display());
        assert!(start.elapsed() < Duration::from_secs(120), "waited in vain for {}", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn ended(child: Child, signal: &str) {
    must(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
    let ran: Ran = child.wait_with_output().unwrap().into();
    if signal == "INT" {
        refused(&ran, 75, &["interrupted"]);
        assert!(ran.stderr.contains("--resume continues it"), "{}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_streamed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    training_rows(dir.path());
    let ran = run(&mut streamed(dir.path(), "bundle", &["--folds", "1"]));
    refused(&ran, 64, &["12000 rows do not fit in memory", "--folds", "--memory-limit"]);
    let ran = run(&mut fit(dir.path(), "bundle", &["--memory-limit", "20MiB"]));
    refused(&ran, 64, &["needs", "raise --memory-limit"]);
    let ran = lsmi_in(dir.path(), ["fit", "train.parquet", "--max-rows", "none"]);
    assert!(
        ran.code == 64 && ran.stderr.contains("expected a number of rows from 30, or all"),
        "{}",
        ran.stderr
    );
    assert_eq!(listing(dir.path()), ["train.parquet"]);
}
