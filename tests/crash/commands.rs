//! Kill -9 of every command that writes: what it publishes is whole, and the next run of the same
//! command does all of it and leaves nothing else. `LSMI_CRASH_ROUNDS` sets how often each is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::killed::rounds;
use super::work;
use crate::harness::files::contents;
use crate::harness::{bundle, fitted, lsmi, must, run, scratch};

/// A command that writes below a folder.
pub(super) type Make<'a> = &'a dyn Fn(&Path) -> Command;

/// Kills a command at random moments, runs it again, and compares with an undisturbed run.
fn kill(make: Make<'_>, seed: u64) {
    kill_and_wait(make, &|_| (), seed);
}

/// The same; `settle` waits for what the killed command has started.
pub(super) fn kill_and_wait(make: Make<'_>, settle: &dyn Fn(&Path), seed: u64) {
    let whole = tempfile::tempdir_in(scratch()).unwrap();
    let start = Instant::now();
    must(&mut make(whole.path()));
    let length = start.elapsed();
    let undisturbed = contents(whole.path());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..rounds() {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let mut child = make(folder.path());
        let mut child =
            child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(length.mul_f64(random.random_range(0.0..1.1)));
        child.kill().unwrap();
        child.wait().unwrap();
        settle(folder.path());
        let left = contents(folder.path());
        for (path, content) in left.iter().filter(|(path, _)| !is_hidden(path)) {
            assert!(undisturbed.get(path) == Some(content), "round {round}: {} is not whole", path.display());
        }
        let ran = run(&mut make(folder.path()));
        // What exists is not replaced: the command was killed after its output was published.
        let exists = ran.code == 73 && left.keys().any(|path| !is_hidden(path));
        assert!(ran.code == 0 || exists, "round {round}: {} {}", ran.code, ran.stderr);
        if ran.code == 0 {
            compare(&contents(folder.path()), &undisturbed, round);
        }
    }
}

#[track_caller]
fn compare(found: &BTreeMap<PathBuf, Vec<u8>>, undisturbed: &BTreeMap<PathBuf, Vec<u8>>, round: usize) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(undisturbed), "round {round}");
    for (path, content) in found {
        assert!(undisturbed.get(path) == Some(content), "round {round}: {} differs", path.display());
    }
}

fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

fn annotated() -> PathBuf {
    work().input.with_file_name("undisturbed.parquet")
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn synth() {
    let make = |to: &Path| {
        let mut command = lsmi();
        command.args(["synth", "xor", "--rows", "200000", "-o"]).arg(to.join("rows.parquet"));
        command
    };
    kill(&make, 1);
}

#[test]
fn fit() {
    let make = |to: &Path| {
        let mut command = lsmi();
        command.args(["fit", "--folds", "2", "--max-rows", "1000", "--bundle"]).arg(to.join("bundle"));
        command.arg(&work().input);
        command
    };
    kill(&make, 2);
}

#[test]
fn rows_of_a_query() {
    for (seed, ending) in [(3, "parquet"), (4, "csv"), (5, "arrow")] {
        let make = |to: &Path| {
            let mut command = lsmi();
            command.arg("sql").arg("--output").arg(to.join(format!("rows.{ending}")));
            // No nested columns, which CSV does not hold.
            command.arg(format!(
                "SELECT y, x1[1] AS a, x2[1] AS b FROM {} ORDER BY a, b, y",
                quoted(&work().input)
            ));
            command
        };
        kill(&make, seed);
    }
}

#[test]
fn copied_rows() {
    for (seed, name, how) in [
        (6, "rows.parquet", ""),
        (11, "rows.csv", ""),
        (12, "rows.arrow", ""),
        (13, "rows", "STORED AS PARQUET PARTITIONED BY (y)"),
    ] {
        let make = |to: &Path| {
            let mut command = lsmi();
            let rows = format!("SELECT y, x1 FROM {} ORDER BY x1[1], x1[2], x1[3], y", quoted(&work().input));
            command.arg("sql").arg(format!("COPY ({rows}) TO {} {how}", quoted(&to.join(name))));
            command
        };
        kill(&make, seed);
    }
}

#[test]
fn a_report() {
    let make = |to: &Path| {
        let mut command = lsmi();
        command.arg("report").arg(annotated()).arg("-o").arg(to.join("report.html"));
        command
    };
    kill(&make, 7);
}

#[test]
fn annotated_rows_and_what_goes_with_them() {
    let make = |to: &Path| {
        let mut command = lsmi();
        command.arg("annotate").arg(&work().input).arg(to.join("out.parquet"));
        command.arg("--bundle").arg(fitted().join("bundle"));
        command.arg("--rejects").arg(to.join("rejects.parquet"));
        command
    };
    kill(&make, 8);
}

#[test]
fn a_packed_bundle() {
    let make = |to: &Path| {
        let mut command = lsmi();
        command.args(["bundle", "pack", "--output", "log-prob", "--classes", "0,1,2,3"]);
        command.args(["--prior", "0.25,0.25,0.25,0.25"]);
        for model in ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"] {
            command.arg(format!("--{}", model.replace('_', "-")));
            command.arg(bundle().join(model).with_extension("onnx"));
        }
        command.arg(to.join("bundle"));
        command
    };
    kill(&make, 9);
}

#[test]
fn a_pipeline() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let pipeline = folder.path().join("pipeline.toml");
    let text = format!(
        "input = {input}\noutput = '{{{{ to }}}}/out.parquet'\n[annotate]\nbundle = {bundle}\n[[sql]]\nname = 'classes'\n\
         output = '{{{{ to }}}}/classes.csv'\nquery = 'SELECT y, avg(r) AS r FROM annotated GROUP BY y ORDER BY y'\n",
        input = quoted(&work().input),
        bundle = quoted(&bundle()),
    );
    fs::write(&pipeline, text).unwrap();
    let make = |to: &Path| {
        let mut command = lsmi();
        command.arg("run").arg(&pipeline).arg("--set").arg(format!("to={}", to.display()));
        command
    };
    kill(&make, 10);
}
