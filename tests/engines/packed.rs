//! Models as they are exported and as they lie (`tests/python/export_models.py`): every honest
//! form gives the values of numpy in both engines, every other is refused with the reason and
//! the remedy, and a bundle that lies is found by `bundle check` and by the rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::{
    Ran, build, lsmi, lsmi_in, must, once, python, query, refused, repository, run, runtime,
};

const ENGINES: [&str; 2] = ["onnxruntime", "embedded"];

/// The exporter's folder.
fn models() -> &'static Path {
    static MODELS: OnceLock<PathBuf> = OnceLock::new();
    MODELS.get_or_init(|| {
        let script = repository().join("tests/python/export_models.py");
        once("models", &(build() + &fs::read_to_string(&script).unwrap()), |dir| {
            must(Command::new(python()).arg(script).arg(dir));
        })
    })
}

/// `bundle pack` of `density` and `classifier`, forms by name, as `bundle` in `dir`.
fn pack(dir: &Path, density: &str, classifier: &str, output: &str, engine: &str, more: &[&str]) -> Ran {
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).current_dir(dir);
    command.args(["bundle", "pack", "bundle", "--output", output, "--engine", engine]);
    for (flag, role) in [("--density-1", "density_1"), ("--density-2", "density_2")] {
        command.arg(flag).arg(models().join(density).join(format!("{role}.onnx")));
    }
    for role in ["classifier_1", "classifier_2", "classifier_12"] {
        let flag = format!("--{}", role.replace('_', "-"));
        command.arg(flag).arg(models().join(classifier).join(format!("{role}.onnx")));
    }
    let third = (1.0_f64 / 3.0).to_string();
    command.args(["--x1", "x1", "--x2", "x2", "--prior", &[third.as_str(); 3].join(",")]);
    let defaults = ["--classes", "0,1,2", "--label", "y"];
    run(command.args(if more.is_empty() { &defaults } else { more }))
}

/// A command on `bundle` with this engine.
fn on_bundle(dir: &Path, engine: &str, args: &[&str]) -> Ran {
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).current_dir(dir);
    run(command.args(args).args(["--engine", engine]))
}

/// Packs, checks and annotates; the values are numpy's.
fn honest(density: &str, classifier: &str, output: &str, more: &[&str], tolerance: f64) {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let packed = pack(dir.path(), density, classifier, output, engine, more);
        assert_eq!(packed.code, 0, "{engine}, {density}, {classifier}: {}", packed.stderr);
        let checked = on_bundle(dir.path(), engine, &["bundle", "check", "bundle"]);
        assert!(checked.stdout.contains("all five models"), "{checked:?}");
        let truth = models().join("truth.parquet");
        let annotate =
            ["annotate", truth.to_str().unwrap(), "out.parquet", "--bundle", "bundle", "--overwrite"];
        let ran = on_bundle(dir.path(), engine, &[&annotate[..], &["--columns", "i1,i2,i12,h1"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        for i in ["i1", "i2", "i12"] {
            let sql =
                format!("SELECT max(abs({i} - true_{i})) AS worst, count({i}) AS rows FROM 'out.parquet'");
            let found = query(dir.path(), &sql);
            assert_eq!(found["rows"], 200);
            let worst = found["worst"].as_f64().unwrap();
            assert!(worst < tolerance, "{engine}, {density}, {classifier}: {i} is off by {worst}");
        }
    }
}

/// Packing is refused by both engines, and leaves nothing.
fn lies(density: &str, classifier: &str, output: &str, code: i32, words: &[&str]) {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        refused(&pack(dir.path(), density, classifier, output, engine, &[]), code, words);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{classifier}");
    }
}

#[test]
fn outputs_of_every_kind_are_taken_for_what_they_are() {
    honest("logits", "logits", "logits", &[], 1e-5);
    honest("logits", "log_prob", "log-prob", &[], 1e-5);
    // The log-softmax of log-probabilities is the same again.
    honest("logits", "log_prob", "logits", &[], 1e-5);
    honest("logits", "prob", "prob", &[], 1e-5);
    honest("logits", "divided", "prob", &[], 1e-5);
    honest("logits", "logits", "logits,logits,logits", &[], 1e-5);
}

#[test]
fn half_and_double_precision_are_cast_at_the_edges() {
    honest("double", "double", "log-prob", &[], 1e-5);
    honest("double", "double_prob", "prob", &[], 1e-5);
    honest("half", "half", "log-prob", &[], 3e-2);
    honest("half", "half_prob", "prob", &[], 3e-2);
    let dir = tempfile::tempdir().unwrap();
    let packed = pack(dir.path(), "half", "double", "logits", "embedded", &[]);
    for said in [
        "density_1: input \"x\" is cast from float32 to float16",
        "classifier_12: output \"p\" is cast from float64",
    ] {
        assert!(packed.stderr.contains(said), "{}", packed.stderr);
    }
}

#[test]
fn of_several_outputs_the_probabilities_are_taken() {
    for form in ["label_first", "label_last", "zipmap_false", "zipmap_true", "zipmap_columns"] {
        honest("logits", form, "prob", &[], 1e-5);
    }
    honest("logits", "zipmap_strings", "prob", &["--classes", "a,b,c", "--label", "text"], 1e-5);
    // The classes by their names, in whatever order they are given.
    honest("logits", "zipmap_strings", "prob", &["--classes", "c,a,b", "--label", "text"], 1e-5);
    honest("logits", "zipmap_true", "prob", &["--classes", "2,0,1", "--label", "y"], 1e-5);
    honest("logits", "zipmap_columns", "prob", &["--classes", "1,2,0", "--label", "y"], 1e-5);
    // A label encoder's indices.
    honest("logits", "label_first", "prob", &["--classes", "a,b,c", "--label", "text"], 1e-5);
    honest("logits", "logits_and_probabilities", "logits", &[], 1e-5);
    honest("logits", "logits_and_probabilities", "prob", &[], 1e-5);
    honest("components_too", "logits", "logits", &[], 1e-5);
}

#[test]
fn an_old_opset_is_raised() {
    honest("logits", "opset_9", "log-prob", &[], 1e-5);
}

#[test]
fn columns_of_other_classes_are_not_those_asked_for() {
    // The table of labels says 2, 0, 1: the values are those of other classes.
    let dir = tempfile::tempdir().unwrap();
    let packed = pack(dir.path(), "logits", "other_order", "prob", "embedded", &[]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
    assert!(
        packed.stderr.contains("of the classes 2,0,1, are put into the order 0,1,2"),
        "{}",
        packed.stderr
    );
    let strings = ["--classes", "a,b,x", "--label", "text"];
    let ran = pack(dir.path(), "logits", "zipmap_strings", "prob", "embedded", &strings);
    refused(&ran, 65, &["classifier_1", "classes are a,b,c", "--classes names a,b,x"]);
}

#[test]
fn an_output_of_another_kind_is_refused_with_its_flag() {
    let probabilities =
        ["its values are probabilities", "ends with Softmax", "--output prob", "classifier_1.onnx"];
    lies("logits", "prob", "log-prob", 78, &probabilities);
    lies("logits", "prob", "logits", 78, &probabilities);
    lies("logits", "divided", "log-prob", 78, &["probabilities", "ends with Div", "--output prob"]);
    lies("logits", "half_prob", "log-prob", 78, &["probabilities", "--output prob"]);
    lies("logits", "zipmap_false", "log-prob", 78, &["probabilities", "--output prob"]);
    for declared in ["log-prob", "prob"] {
        lies("logits", "logits", declared, 78, &["look like logits", "--output logits"]);
    }
    lies("logits", "log_prob", "prob", 78, &["log-probabilities", "--output log-prob"]);
    for declared in ["log-prob", "prob"] {
        lies("logits", "sigmoid", declared, 78, &["lie between 0 and 1", "Sigmoid", "Softmax"]);
    }
    for declared in ["log-prob", "logits"] {
        lies("logits", "log2", declared, 78, &["logarithms to base 2", "ln 2"]);
        lies("logits", "negative", declared, 78, &["-ln p(y|x)", "negate"]);
    }
    lies("logits", "over_rows", "log-prob", 78, &["depends on the other rows", "over the classes"]);
    lies("logits", "not_finite", "logits", 78, &["not finite"]);
    lies("logits", "six_classes", "logits", 78, &["6 values a row", "3 classes"]);
}

#[test]
fn a_density_that_is_none_is_refused() {
    lies("ln_p", "logits", "logits", 78, &["density_1.onnx", "ln p(x); negate it"]);
    lies("p", "logits", "logits", 78, &["density_1.onnx", "it is p(x)"]);
    lies("constant", "logits", "logits", 78, &["density_1.onnx", "does not depend on x"]);
    lies("nan", "logits", "logits", 78, &["density_1.onnx", "not finite", "NaN"]);
    lies("two_numbers", "logits", "logits", 78, &["density_1.onnx", "2 values a row", "one number"]);
}

#[test]
fn what_cannot_run_is_named() {
    lies("logits", "custom", "logits", 65, &["classifier_1", "Whiten", "acme.ops"]);
    lies("logits", "upsample", "logits", 65, &["classifier_1", "opset 9", "Upsample"]);
    lies("logits", "opset_6", "log-prob", 65, &["classifier_1", "opset 6", "too old", "MatMul"]);
    lies("logits", "unknown_operator", "logits", 69, &["classifier_1", "Frobnicate"]);
    lies("logits", "integers", "logits", 65, &["classifier_1", "\"p\" holds int64"]);
    lies("logits", "ambiguous", "logits", 65, &["z (float32), zz (float32)", "several"]);
}

#[test]
fn what_is_odd_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let packed =
        pack(dir.path(), "underflows", "sigmoid", "logits", "embedded", &["--no-fold", "--classes", "0,1,2"]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
    for said in
        ["density_1: h is not finite on", "rows of standard deviation 10 (inf)", "logits end with Sigmoid"]
    {
        assert!(packed.stderr.contains(said), "{}", packed.stderr);
    }
    let dir = tempfile::tempdir().unwrap();
    let packed = pack(dir.path(), "of_non_negative", "logits", "logits", "embedded", &[]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
    assert!(packed.stderr.contains("rows of standard deviation 1 (NaN)"), "{}", packed.stderr);
    assert!(!packed.stderr.contains("rows of non-negative values"), "{}", packed.stderr);
}

#[test]
fn a_bundle_that_lies_is_found() {
    for (form, output, flag) in [("logits", "logits", "--output logits"), ("prob", "prob", "--output prob")] {
        let dir = tempfile::tempdir().unwrap();
        must_pack(dir.path(), form, output);
        // As an older version packed it: the model as it was, under the name of log-probabilities.
        let bundle = dir.path().join("bundle");
        let manifest = fs::read_to_string(bundle.join("bundle.json")).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        // The main models' places in the manifest: two densities, then the classifiers.
        for (place, role) in [(2, "classifier_1"), (3, "classifier_2"), (4, "classifier_12")] {
            let bytes = fs::read(models().join(form).join(format!("{role}.onnx"))).unwrap();
            use sha2::Digest;
            let hash = sha2::Sha256::digest(&bytes);
            manifest["models"][place]["sha256"] =
                hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
            manifest["models"][place]["output"] = "log_prob".into();
            fs::write(bundle.join(format!("{role}.onnx")), bytes).unwrap();
        }
        fs::write(bundle.join("bundle.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        for engine in ENGINES {
            let checked = on_bundle(dir.path(), engine, &["bundle", "check", "bundle"]);
            refused(
                &checked,
                78,
                &["bundle bundle, classifier_1.onnx", "declared to be log-probabilities", flag],
            );
            let truth = models().join("truth.parquet");
            let annotate = ["annotate", truth.to_str().unwrap(), "out.parquet", "--bundle", "bundle"];
            let ran = on_bundle(dir.path(), engine, &annotate);
            refused(
                &ran,
                65,
                &["truth.parquet, row group 0", "row 0 of the row group", "classifier_", "bundle check"],
            );
            assert!(!dir.path().join("out.parquet").exists());
        }
    }
}

fn must_pack(dir: &Path, form: &str, output: &str) {
    let packed = pack(dir, "logits", form, output, "embedded", &[]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
}

#[test]
fn a_row_with_a_probability_above_one_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    // Honest on the rows of the check.
    must_pack(dir.path(), "far_away", "log-prob");
    let truth = models().join("truth.parquet");
    // The class to which classifier_1 gives the most there, and classifier_12 does not.
    let sql = format!(
        "SELECT CASE WHEN row = 151 THEN [70.0, 0.0, 0.0] ELSE x1 END AS x1, x2, \
         CASE WHEN row = 151 THEN 2 ELSE y END AS y FROM (SELECT *, row_number() OVER () AS row FROM '{}')",
        truth.display()
    );
    must(lsmi().current_dir(dir.path()).args(["sql", &sql, "-o", "in.parquet"]));
    for engine in ENGINES {
        let ran =
            on_bundle(dir.path(), engine, &["annotate", "in.parquet", "out.parquet", "--bundle", "bundle"]);
        refused(
            &ran,
            65,
            &["in.parquet, row group 0", "row 150 of the row group", "classifier_1 of bundle bundle"],
        );
        let ran = on_bundle(
            dir.path(),
            engine,
            &["sql", "SELECT avg(lsmi_r(x1, x2, y)) FROM 'in.parquet'", "--bundle", "bundle"],
        );
        refused(&ran, 65, &["lsmi with bundle bundle", "a row with the label", "classifier_1"]);
    }
    // A bad row may have any values: it is null, and the run goes on.
    let sql = "SELECT x1, x2, CASE WHEN x1[1] = 70.0 THEN NULL ELSE y END AS y FROM 'in.parquet'";
    must(lsmi().current_dir(dir.path()).args(["sql", sql, "-o", "unlabelled.parquet"]));
    let annotate = ["annotate", "unlabelled.parquet", "out.parquet", "--bundle", "bundle"];
    must(lsmi().current_dir(dir.path()).args(annotate));
}

#[test]
fn the_dimension_is_asked_for_only_where_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let ran = lsmi_in(dir.path(), ["bundle", "pack", "b", "--output", "logits,prob"]);
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    let packed = pack(dir.path(), "half", "half", "log-prob", "embedded", &[]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
}
