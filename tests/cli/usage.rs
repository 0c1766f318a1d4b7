//! Command lines that can't be followed, and data that nothing can be learned from.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListArray, StringArray};
use arrow::datatypes::Int64Type;

use crate::harness::files::{batch, listing, replaced, write};
use crate::harness::{Ran, bundle, fitted, lsmi, lsmi_in, must, refused, rows, run};

/// A usage error that the parser of the command line reports: it points at the help.
#[track_caller]
fn misspelt(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    for word in words.iter().chain(&["--help"]) {
        assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
}

fn here<const N: usize>(args: [&str; N]) -> Ran {
    lsmi_in(fitted(), args)
}

#[test]
fn unknown_words() {
    misspelt(&here([]), &["Usage", "annotate"]);
    misspelt(&here(["anotate", "a", "b"]), &["'anotate'", "annotate"]);
    misspelt(&here(["annotate", "in.parquet"]), &["<OUTPUT>"]);
    misspelt(
        &here(["annotate", "in.parquet", "out.parquet", "--overwite"]),
        &["'--overwite'", "--overwrite"],
    );
    misspelt(&here(["annotate", "in.parquet", "out.parquet", "--columns", "i5"]), &["'i5'", "i1, i2, i12"]);
    misspelt(&here(["annotate", "a", "b", "--on-bad-row", "drop"]), &["'drop'", "null, fail"]);
    let number = |flag: &str, value: &str| here(["annotate", "a", "b", flag, value]);
    misspelt(&number("--workers", "0"), &["'0' for '--workers <N>': expected a whole number from 1"]);
    misspelt(
        &number("--workers", "-1"),
        &["'-1' for '--workers <N>': expected a number that is not negative"],
    );
    misspelt(&number("--batch-rows", "many"), &["'many' for '--batch-rows <N>': expected a whole number"]);
    misspelt(&number("--max-bad-rows", "-5"), &["'-5'", "such as 0.5%"]);
    let unknown = here(["annotate", "a", "b", "--quorum"]);
    misspelt(&unknown, &["'--quorum'"]);
    assert!(!unknown.stderr.contains("tip"), "{}", unknown.stderr);
    // An empty name is no folder: it must not mean this one.
    misspelt(&here(["annotate", "a", "b", "--bundle", ""]), &["a value is required", "--bundle"]);
    misspelt(&here(["report", "a", "--bundle", ""]), &["a value is required", "--bundle"]);
    misspelt(&here(["sql", "SELECT 1", "--bundle", ""]), &["a value is required", "--bundle"]);
    misspelt(&here(["annotate", "a", "b", "--engine", "tpu"]), &["'tpu'", "--engine"]);
    misspelt(&here(["fit", "train.parquet", "--max-rows", "3"]), &["3", "--max-rows"]);
    misspelt(&here(["fit", "train.parquet", "--density-fit", "knn"]), &["'knn'", "em, sgd"]);
    misspelt(&here(["synth", "gauss", "--rows", "1", "-o", "x"]), &["'gauss'", "gaussian"]);
    misspelt(&here(["synth", "xor", "-o", "x"]), &["--rows"]);
    refused(&here(["sql"]), 64, &["the query is empty"]);
    misspelt(&here(["sql", "SELECT 1", "--format", "xml"]), &["'xml'", "csv"]);
    refused(&here(["synth", "xor", "--rows", "1", "-o", "x", "--rho", "0.1"]), 64, &["no --rho"]);
    // An output among the inputs.
    let models = here(["fit", "train.parquet", "models"]);
    refused(&models, 64, &["models: ", "name the output by its option: --bundle models"]);
    refused(&here(["report", "in.parquet", "r.html"]), 64, &["r.html: ", "by its option: -o r.html"]);
    refused(&here(["run", "in.parquet"]), 78, &["in.parquet: it is not text; a pipeline file is TOML"]);
    assert_eq!(here(["--version"]).code, 0);
    assert_eq!(here(["annotate", "--help"]).code, 0);
}

#[test]
fn the_build_is_an_object_where_json_is_asked_for() {
    let ran = must(lsmi().args(["--version", "--json"]));
    let build: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(build["engines"], serde_json::json!(["onnxruntime", "embedded"]));
    assert_eq!(build["arch"], std::env::consts::ARCH);
    assert!(build["features"].is_array() && build.get("commit").is_some(), "{build}");
    assert!(must(lsmi().arg("--version")).stdout.starts_with("lsmi-etl "));
}

#[test]
fn a_failure_is_an_object_where_json_is_asked_for() {
    let failure = |ran: &Ran| -> serde_json::Value {
        serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
    };
    let absent = here(["annotate", "absent.parquet", "out.parquet", "--json"]);
    let told = failure(&absent);
    assert_eq!((&told["code"], &told["place"]), (&66.into(), &"absent.parquet".into()), "{told}");
    assert!(absent.stderr.contains(told["error"].as_str().unwrap()));
    let column = failure(&here(["fit", "in.parquet", "--label", "yy", "--json"]));
    assert_eq!(
        (&column["code"], &column["place"]),
        (&65.into(), &"in.parquet, column \"yy\"".into()),
        "{column}"
    );
    assert!(column["advice"].as_str().unwrap().starts_with("did you mean \"y\"?"), "{column}");
    let nested = failure(&here(["bundle", "inspect", "absent", "--json"]));
    assert_eq!(
        (&nested["code"], &nested["place"]),
        (&78.into(), &"bundle absent, bundle.json".into()),
        "{nested}"
    );
    let flag = failure(&here(["report", "in.parquet", "--colour", "--json"]));
    assert_eq!((&flag["code"], &flag["place"]), (&64.into(), &serde_json::Value::Null), "{flag}");
    assert!(flag["error"].as_str().unwrap().contains("'--colour'"), "{flag}");
    assert_eq!(here(["annotate", "absent.parquet", "out.parquet"]).stdout, "");
}

#[test]
fn a_bundle_without_column_names_wants_flags() {
    let dir = tempfile::tempdir().unwrap();
    let onnx = |name: &str| bundle().join(format!("{name}.onnx")).to_str().unwrap().to_owned();
    let files = ["density-1", "density-2", "classifier-1", "classifier-2", "classifier-12"];
    let mut args: Vec<String> = ["bundle", "pack", "models"].map(str::to_owned).into();
    args.extend(files.iter().flat_map(|flag| [format!("--{flag}"), onnx(&flag.replace('-', "_"))]));
    args.extend(["--output", "log-prob", "--classes", "0,1,2,3"].map(str::to_owned));
    args.extend(["--prior", "0.25,0.25,0.25,0.25"].map(str::to_owned));
    let ran = lsmi_in(dir.path(), &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    write(&dir.path().join("in.parquet"), &rows(20));
    let annotate = ["annotate", "in.parquet", "out.parquet", "--bundle", "models"];
    refused(&lsmi_in(dir.path(), annotate), 64, &["names no column for x1", "--x1 COLUMN"]);
    let ran = lsmi_in(dir.path(), annotate.iter().chain(&["--x1", "x1", "--x2", "x2", "--label", "y"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// `fit in.parquet` with more arguments, where `in.parquet` has these columns.
fn fit(dir: &Path, columns: &[(&str, ArrayRef)], more: &[&str]) -> Ran {
    write(&dir.join("in.parquet"), &batch(columns));
    lsmi_in(dir, ["fit", "in.parquet", "--bundle", "models"].iter().chain(more))
}

#[test]
fn fit_on_what_teaches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(200);
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let (x1, x2, y) = (column("x1"), column("x2"), column("y"));
    let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; 200]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a"; 200]));

    let ran = fit(dir, &[("x1", x1.clone()), ("x2", x2.clone()), ("y", ones.clone())], &[]);
    refused(&ran, 65, &["in.parquet, column \"y\"", "one class only (1)", "at least two", "--label"]);
    let few: Vec<_> = [("x1", &x1), ("x2", &x2), ("y", &y)].map(|(n, a)| (n, a.slice(0, 29))).into();
    refused(&fit(dir, &few, &[]), 65, &["in.parquet", "29 usable rows are too few", "at least 30"]);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..29).map(|row| Some([Some(row)])));
    let resembling = [&few[..], &[("tokens", Arc::new(lists) as ArrayRef)]].concat();
    let ran = fit(dir, &resembling, &[]);
    refused(&ran, 65, &["29 usable rows are too few"]);
    assert!(ran.stderr.contains("not taken for embeddings: tokens (List("), "{}", ran.stderr);
    let none: Vec<_> = [("x1", &x1), ("x2", &x2), ("y", &y)].map(|(n, a)| (n, a.slice(0, 0))).into();
    refused(&fit(dir, &none, &[]), 65, &["in.parquet", "has no rows", "give rows to fit on"]);

    let ran = fit(dir, &[("id", ones.clone()), ("y", y.clone())], &[]);
    refused(&ran, 64, &["in.parquet", "no column holds embeddings", "--x1 and --x2"]);
    let three = [("image", x1.clone()), ("text", x2.clone()), ("audio", x1.clone()), ("y", y.clone())];
    let one = [("image", x1.clone()), ("y", y.clone())];
    refused(
        &fit(dir, &one, &[]),
        64,
        &["in.parquet", "only the column image holds embeddings", "--x1 and --x2"],
    );
    let five = ["a", "b", "c", "d", "e"].map(|name| (name, x1.clone()));
    let five = [&five[..], &[("y", y.clone())]].concat();
    refused(
        &fit(dir, &five, &[]),
        64,
        &["in.parquet", "more than 4 columns", "a, b, c, d, e", "--x once for each", "each pair of them"],
    );
    refused(
        &fit(dir, &three, &["--x", "image"]),
        64,
        &["two to 4 embedding columns, and 1 is named (image)"],
    );
    refused(&fit(dir, &three, &["--x1", "image"]), 64, &["both --x1 and --x2"]);
    let ran = fit(dir, &three, &["--x1", "image", "--x2", "txt"]);
    refused(&ran, 65, &["in.parquet, column \"txt\"", "did you mean \"text\"?"]);

    let labels = [("x1", x1.clone()), ("x2", x2.clone()), ("split", names), ("id", ones)];
    refused(&fit(dir, &labels, &[]), 64, &["in.parquet", "--label", "split, id"]);
    let ran = fit(dir, &[("x1", x1), ("x2", x2)], &["--label", "x1"]);
    refused(&ran, 65, &["in.parquet, column \"x1\"", "no label"]);

    refused(&lsmi_in(dir, ["fit", "absent.parquet"]), 66, &["absent.parquet"]);
    assert_eq!(listing(dir), ["in.parquet"]);
}

#[test]
fn fit_keeps_a_bundle_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(200);
    let columns = ["x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone()));
    assert_eq!(fit(dir, &columns, &["--seed", "1"]).code, 0);
    let manifest = || std::fs::read_to_string(dir.join("models/bundle.json")).unwrap();
    let first = manifest();
    refused(&fit(dir, &columns, &["--seed", "2"]), 73, &["models exists", "--overwrite"]);
    assert_eq!(manifest(), first);
    assert_eq!(fit(dir, &columns, &["--seed", "2", "--overwrite"]).code, 0);
    assert_ne!(manifest(), first);
    assert_eq!(listing(dir), ["in.parquet", "models"]);

    // Only a bundle is replaced: a file or another folder is somebody's data.
    std::fs::create_dir(dir.join("photos")).unwrap();
    std::fs::write(dir.join("photos/one.raw"), "precious").unwrap();
    for there in ["photos", "photos/one.raw"] {
        let ran = lsmi_in(dir, ["fit", "in.parquet", "--bundle", there, "--overwrite"]);
        refused(&ran, 64, &[there, "neither a bundle nor an empty directory", "name another"]);
    }
    assert_eq!(std::fs::read(dir.join("photos/one.raw")).unwrap(), b"precious");
    assert_eq!(listing(dir), ["in.parquet", "models", "photos"]);
}

#[test]
fn fit_leaves_bad_rows_out_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(200);
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let y: Int64Array = (0..200).map(|row| (row >= 20).then_some(row % 2)).collect();
    let rows = replaced(&rows, "y", Arc::new(y));
    let columns =
        [("x1", column("x1")), ("x2", column("x2")), ("y", rows.column_by_name("y").unwrap().clone())];
    let ran = fit(dir, &columns, &["--json", "--max-rows", "100"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("20 of 200 rows can't be used"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("training on 100 rows drawn uniformly from 180 (--max-rows)"),
        "{}",
        ran.stderr
    );
    let line = crate::harness::last_json(&ran);
    assert_eq!((&line["rows"], &line["bad_rows"]), (&200.into(), &20.into()));
}

#[test]
fn wrong_queries() {
    refused(&here(["sql", "SELECT * FROM 'absent.parquet'"]), 66, &["absent.parquet"]);
    refused(&here(["sql", "SELEKT 1"]), 64, &["SQL", "SELEKT"]);
    refused(&here(["sql", "SELECT r FROM in.parquet"]), 64, &["no table", "did you mean 'in.parquet'?"]);
    refused(&here(["sql", "SELECT nothing FROM 'in.parquet'"]), 64, &["SQL", "nothing"]);
    refused(&here(["sql", "-f", "absent.sql"]), 66, &["absent.sql"]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("no.parquet"), "a,b\n1,2\n").unwrap();
    let ran = lsmi_in(dir.path(), ["sql", "SELECT * FROM 'no.parquet'"]);
    refused(&ran, 65, &["no.parquet"]);
    misspelt(&here(["sql", "SELECT 1", "--table", "t"]), &["NAME=PATH"]);
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    must(lsmi().current_dir(dir.path()).args(["man", "-o", "man/man1"]));
    for page in ["lsmi-etl.1", "lsmi-etl-annotate.1", "lsmi-etl-bundle-pack.1"] {
        let page = std::fs::read_to_string(dir.path().join("man/man1").join(page)).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{page}");
    }
}

#[test]
fn a_memory_limit_without_its_unit_is_refused() {
    let said = "5 bytes are less than the least limit, 1MiB; did you mean 5GB?";
    for command in [
        &["annotate", "in.parquet", "out.parquet"][..],
        &["fit", "train.parquet"],
        &["sql", "SELECT 1"],
        &["report", "in.parquet"],
    ] {
        let ran = lsmi_in(fitted(), [command, &["--memory-limit", "5"]].concat());
        misspelt(&ran, &[said]);
    }
    let mut of_environment = lsmi();
    of_environment.current_dir(fitted()).args(["annotate", "in.parquet", "out.parquet"]);
    misspelt(&run(of_environment.env("LSMI_ETL_MEMORY_LIMIT", "5")), &[said]);
    let dir = tempfile::tempdir().unwrap();
    let pipeline = "input = 'in.parquet'\noutput = 'out'\n[annotate]\nmemory_limit = 5\n";
    std::fs::write(dir.path().join("p.toml"), pipeline).unwrap();
    refused(&lsmi_in(dir.path(), ["validate", "p.toml"]), 78, &["p.toml", "memory_limit", said]);
}

#[test]
fn a_variable_that_nothing_reads_is_told_once() {
    for command in [&["sql", "SELECT 1 AS a", "--format", "csv"][..], &["doctor"]] {
        let mut program = lsmi();
        program.args(command).env("LSMI_ETL_MEMORY_LIMT", "4GB").env("LSMI_ETL_FUZZ_SECONDS", "1");
        let ran = must(&mut program);
        let said = "the environment variable LSMI_ETL_MEMORY_LIMT is unknown and has no effect; did you mean \
                    LSMI_ETL_MEMORY_LIMIT?";
        assert_eq!(ran.stderr.matches(said).count(), 1, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("is unknown and has no effect").count(), 1, "{}", ran.stderr);
    }
}
