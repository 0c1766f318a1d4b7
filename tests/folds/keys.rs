//! Rows that are known by a key of theirs: also where their embeddings have changed, in every type
//! of the key, in files, folders, streams and queries.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde_json::{Value, json};

use super::models::integers;
use super::values::{are_of_their_own_models, shuffled};
use super::{annotate, annotated, numbered, work};
use crate::harness::files::{batch, floats, read, replaced, write};
use crate::harness::{fitted, last_json, lsmi, lsmi_in, must, refused, run};

/// The rows with their embeddings rounded to half precision, as a smaller copy of the data has them.
fn halved(rows: &RecordBatch) -> RecordBatch {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Float16, true)));
    let half = |name: &str| cast(rows.column_by_name(name).unwrap(), &list).unwrap();
    replaced(&replaced(rows, "x1", half("x1")), "x2", half("x2"))
}

/// The fold of each row by the rule of the bundles.
fn folds_of(rows: &RecordBatch) -> Vec<Option<i32>> {
    let ids = rows.column_by_name("id").unwrap().as_primitive::<Int64Type>();
    ids.values().iter().map(|id| super::models::fold_of(*id as usize).map(|fold| fold as i32)).collect()
}

#[test]
fn rows_are_found_again_after_their_embeddings_were_rounded() {
    let rows = halved(&shuffled());
    let found = annotated(&rows, "keyed", &["--columns", "fold"]);
    are_of_their_own_models(&found, &rows, "onnxruntime");
    assert_eq!(integers(&found, "fold"), folds_of(&rows));
    // By their embeddings they are other rows.
    let by_embeddings = annotated(&rows, "folded", &["--columns", "fold"]);
    assert_eq!(integers(&by_embeddings, "fold"), vec![None; rows.num_rows()]);
}

#[test]
fn a_key_is_the_same_in_every_type() {
    let rows = shuffled();
    let expected = annotated(&rows, "keyed", &["--engine", "embedded", "--columns", "fold"]);
    assert_eq!(integers(&expected, "fold"), folds_of(&rows));
    for kind in [
        DataType::Int16,
        DataType::UInt64,
        DataType::Float64,
        DataType::Decimal128(20, 2),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Int64)),
        // A number in one file and text in another is one key.
        DataType::Utf8,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        let ids = cast(rows.column_by_name("id").unwrap(), &kind).unwrap();
        let found =
            annotated(&replaced(&rows, "id", ids), "keyed", &["--engine", "embedded", "--columns", "fold"]);
        for column in ["r", "s", "h1"] {
            assert_eq!(floats(&found, column), floats(&expected, column), "{kind}: {column}");
        }
        assert_eq!(integers(&found, "fold"), integers(&expected, "fold"), "{kind}");
    }
    // Null is none of them.
    let none: ArrayRef = Arc::new(Int64Array::from(vec![None; rows.num_rows()]));
    let found =
        annotated(&replaced(&rows, "id", none), "keyed", &["--engine", "embedded", "--columns", "fold"]);
    assert_eq!(integers(&found, "fold"), vec![None; rows.num_rows()]);
}

#[test]
fn data_without_the_key_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let rows = shuffled();
    let columns = ["x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone()));
    write(&dir.path().join("in.parquet"), &batch(&columns));
    let ran = run(&mut annotate(dir.path(), "in.parquet", "out.parquet", "keyed", &[]));
    let words = ["in.parquet, column \"id\"", "no such column", "fit --key", "keep it in the data"];
    refused(&ran, 65, &words);
    assert!(!dir.path().join("out.parquet").exists());
    let list = rows.column_by_name("x1").unwrap().clone();
    write(&dir.path().join("list.parquet"), &replaced(&rows, "id", list));
    let ran = run(&mut annotate(dir.path(), "list.parquet", "out.parquet", "keyed", &[]));
    refused(&ran, 65, &["list.parquet, column \"id\"", "no part of a key"]);
}

fn write_stream(path: &Path, rows: &RecordBatch) {
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), rows.schema_ref()).unwrap();
    (0..rows.num_rows()).step_by(250).for_each(|row| {
        writer.write(&rows.slice(row, 250.min(rows.num_rows() - row))).unwrap();
    });
    writer.finish().unwrap();
}

#[test]
fn of_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let rows = halved(&shuffled());
    write_stream(&dir.path().join("in.arrows"), &rows);
    let mut command = annotate(dir.path(), "-", "-", "keyed", &["--columns", "fold", "--engine", "embedded"]);
    let input = File::open(dir.path().join("in.arrows")).unwrap();
    let out = command.stdin(input).stderr(Stdio::piped()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let batches: Vec<RecordBatch> =
        StreamReader::try_new(&out.stdout[..], None).unwrap().map(Result::unwrap).collect();
    let streamed = concat_batches(batches[0].schema_ref(), &batches).unwrap();
    assert_eq!(integers(&streamed, "fold"), folds_of(&rows));
}

#[test]
fn queries_give_the_key_after_the_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let rows = halved(&shuffled());
    write(&dir.path().join("in.parquet"), &rows);
    must(&mut annotate(dir.path(), "in.parquet", "out.parquet", "keyed", &["--engine", "embedded"]));
    must(&mut annotate(dir.path(), "in.parquet", "main.parquet", "plain_0", &["--engine", "embedded"]));
    let bundle = work().join("keyed").display().to_string();
    let same = |call: &str, file: &str| {
        let query = format!("SELECT count(*) AS rows FROM '{file}' WHERE {call} = s");
        let ran = must(lsmi().current_dir(dir.path()).args(["sql", "--format", "ndjson", &query]));
        (last_json(&ran)["rows"].as_u64().unwrap(), ran.stderr)
    };
    let (rows, log) = same(&format!("lsmi_s(x1, x2, y, '{bundle}', id)"), "out.parquet");
    assert_eq!((rows, log.contains("WARN")), (1733, false), "{log}");
    let call = format!("lsmi(x1, x2, y, '{bundle}', id)['s']");
    assert_eq!(same(&call, "out.parquet").0, 1733);
    // In a join condition, each call is evaluated by itself.
    let query = format!(
        "SELECT count(*) AS rows FROM 'out.parquet' AS a JOIN 'out.parquet' AS b \
         ON a.id = b.id AND lsmi_s(a.x1, b.x2, a.y, '{bundle}', b.id) = a.s"
    );
    let ran = must(lsmi().current_dir(dir.path()).args(["sql", "--format", "ndjson", &query]));
    assert_eq!(last_json(&ran)["rows"], 1733, "{}", ran.stderr);

    // Without it they are fresh rows, which is said once.
    let (rows, log) = same(&format!("lsmi_s(x1, x2, y, '{bundle}')"), "main.parquet");
    assert_eq!(rows, 1733);
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("training rows by id") && warnings[0].contains("as fresh"), "{log}");
    for (call, words) in [
        (format!("lsmi(x1, x2, y, '{bundle}', id, y)"), "give these after it"),
        (format!("lsmi(x1, x2, y, '{}', id)", work().join("folded").display()), "by their embeddings"),
        (format!("lsmi(x1, x2, y, '{bundle}', x1)"), "no part of a key"),
    ] {
        let ran = lsmi_in(dir.path(), ["sql", &format!("SELECT {call} FROM 'in.parquet'")]);
        assert_ne!(ran.code, 0, "{call}");
        assert!(ran.stderr.contains(words), "{call}: {}", ran.stderr);
    }
}

/// 400 rows with their number and a name of it, each row twice with other embeddings.
fn small() -> RecordBatch {
    let rows = numbered(&read(&fitted().join("train.parquet"))).slice(0, 400);
    let ids: Vec<i64> = (0..400).map(|row| row / 2).collect();
    let names = ids.iter().map(|id| (*id != 7).then(|| format!("row {id}")));
    let names: ArrayRef = Arc::new(names.collect::<StringArray>());
    let rows = replaced(&rows, "id", Arc::new(Int64Array::from(ids)));
    let columns = ["id", "x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone()));
    batch(&[&columns[..], &[("name", names)]].concat())
}

fn fit(dir: &Path, input: &str, bundle: &str, more: &[&str]) -> Value {
    let columns = ["--x1", "x1", "--x2", "x2", "--label", "y"];
    must(lsmi().current_dir(dir).args(["fit", input, "--bundle", bundle]).args(columns).args(more));
    serde_json::from_slice(&std::fs::read(dir.join(bundle).join("bundle.json")).unwrap()).unwrap()
}

#[test]
fn fit_keeps_the_key_of_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let rows = small();
    write(&dir.path().join("train.parquet"), &rows);
    let manifest = fit(dir.path(), "train.parquet", "keyed", &["--key", "name,id", "--folds", "3"]);
    let known = &manifest["training_rows"];
    assert_eq!((&known["hash"], &known["key"]), (&json!("xxh3_64_of_key"), &json!(["name", "id"])));
    let of_folds = known["filters"].as_array().unwrap().iter().map(|filter| filter["rows"].as_u64().unwrap());
    assert_eq!(of_folds.sum::<u64>(), 200);
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "keyed"])).stdout;
    assert!(seen.contains("known by name, id"), "{seen}");

    // All rows are known after rounding and in another order, those of one key in one fold.
    let places: arrow::array::UInt32Array = (0..400_u32).map(|row| (row * 77 + 5) % 400).collect();
    write(&dir.path().join("in.parquet"), &take_record_batch(&halved(&rows), &places).unwrap());
    let more = ["--columns", "fold", "--json"];
    let bundle = dir.path().join("keyed");
    let summary = last_json(&must(&mut annotate(
        dir.path(),
        "in.parquet",
        "out.parquet",
        bundle.to_str().unwrap(),
        &more,
    )));
    assert_eq!(summary["trained_rows"], 400);
    let out = read(&dir.path().join("out.parquet"));
    let folds = integers(&out, "fold");
    let ids = out.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
    let mut of_id = std::collections::HashMap::new();
    for (id, fold) in ids.values().iter().zip(&folds) {
        assert_eq!(*of_id.entry(*id).or_insert(*fold), *fold, "id {id}");
    }
    assert_eq!(folds.iter().collect::<std::collections::HashSet<_>>().len(), 3);

    // The same from a stream, and from a folder of which the path has a part of the key.
    write_stream(&dir.path().join("train.arrows"), &rows);
    let mut command = lsmi();
    command
        .current_dir(dir.path())
        .args(["fit", "-", "--bundle", "streamed", "--key", "name", "--key", "id"]);
    command.args(["--x1", "x1", "--x2", "x2", "--label", "y", "--folds", "3"]);
    must(command.stdin(File::open(dir.path().join("train.arrows")).unwrap()));
    let filter = |bundle: &str| std::fs::read(dir.path().join(bundle).join("fold_1.rows")).unwrap();
    assert!(filter("streamed") == filter("keyed"));
    for (name, part) in [("data/source=01", rows.slice(0, 200)), ("data/source=b", rows.slice(200, 200))] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
        write(&dir.path().join(name).join("a.parquet"), &part);
    }
    fit(dir.path(), "data", "by_folder", &["--key", "source,id", "--folds", "3"]);
    let bundle = dir.path().join("by_folder");
    let summary =
        last_json(&must(&mut annotate(dir.path(), "data", "out", bundle.to_str().unwrap(), &["--json"])));
    assert_eq!(summary["trained_rows"], 400);
    // Joined with the number that SQL shows for `01`, as a column.
    let sources: ArrayRef = Arc::new(Int64Array::from(vec![1; 200]));
    let part = rows.slice(0, 200);
    let columns = ["id", "x1", "x2", "y"].map(|name| (name, part.column_by_name(name).unwrap().clone()));
    write(&dir.path().join("joined.parquet"), &batch(&[&columns[..], &[("source", sources)]].concat()));
    let ran = must(&mut annotate(
        dir.path(),
        "joined.parquet",
        "joined_out.parquet",
        bundle.to_str().unwrap(),
        &["--json"],
    ));
    assert_eq!(last_json(&ran)["trained_rows"], 200);
}

#[test]
fn what_fit_refuses_as_a_key_and_does_without_one() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("train.parquet"), &small());
    let fit_with = |more: &[&str]| {
        let columns =
            ["fit", "train.parquet", "--bundle", "models", "--x1", "x1", "--x2", "x2", "--label", "y"];
        run(lsmi().current_dir(dir.path()).args(columns).args(more))
    };
    refused(&fit_with(&["--key", "ident"]), 65, &["column \"ident\"", "no such column", "fit --key"]);
    refused(&fit_with(&["--key", "x1"]), 65, &["column \"x1\"", "no part of a key"]);
    refused(&fit_with(&["--key", "id", "--folds", "1"]), 64, &["--key", "--folds 1"]);
    let manifest = fit(dir.path(), "train.parquet", "models", &["--folds", "2"]);
    assert_eq!(manifest["training_rows"]["hash"], "xxh3_64_of_embeddings");
    assert_eq!(manifest["training_rows"].get("key"), None);
}
