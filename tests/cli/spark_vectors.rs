//! Spark ML's vectors as embeddings: a struct of type, size, indices and values.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int8Array, Int32Array, ListArray, RecordBatch, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Field, Fields, Float64Type, Int32Type};

use crate::harness::files::{floats, read, replaced, vectors, write};
use crate::harness::{annotate, annotated, bundle, last_json, lsmi, must, refused, rows};

/// Embeddings as Spark's vectors; `sparse` says which rows leave their zeros out.
fn spark(rows: &[Option<Vec<f32>>], sparse: impl Fn(usize) -> bool) -> ArrayRef {
    let is_sparse = |row: usize| rows[row].is_some() && sparse(row);
    let entries = |row: usize| -> Vec<(i32, f64)> {
        let all =
            rows[row].iter().flatten().enumerate().map(|(index, value)| (index as i32, f64::from(*value)));
        all.filter(|(_, value)| !is_sparse(row) || *value != 0.0).collect()
    };
    let all = || 0..rows.len();
    let kinds: Int8Array = all().map(|row| rows[row].as_ref().map(|_| i8::from(!is_sparse(row)))).collect();
    let sizes: Int32Array =
        all().map(|row| rows[row].as_ref().filter(|_| is_sparse(row)).map(|row| row.len() as i32)).collect();
    let indices = ListArray::from_iter_primitive::<Int32Type, _, _>(all().map(|row| {
        is_sparse(row).then(|| entries(row).into_iter().map(|(index, _)| Some(index)).collect::<Vec<_>>())
    }));
    let values = ListArray::from_iter_primitive::<Float64Type, _, _>(all().map(|row| {
        rows[row].as_ref().map(|_| entries(row).into_iter().map(|(_, value)| Some(value)).collect::<Vec<_>>())
    }));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("type", Arc::new(kinds)),
        ("size", Arc::new(sizes)),
        ("indices", Arc::new(indices)),
        ("values", Arc::new(values)),
    ];
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), Some(nulls)))
}

/// 250 rows with zeros among their values, a null and a vector that is too short, as lists and as
/// vectors of which some are sparse.
fn lists_and_vectors(sparse: fn(usize) -> bool) -> [RecordBatch; 2] {
    let rows = rows(250);
    let of = |name: &str| {
        let mut all = vectors(&rows, name);
        for (row, values) in all.iter_mut().enumerate() {
            values.as_mut().unwrap()[row % 4] = 0.0;
        }
        all[3] = None;
        all
    };
    let (x1, x2) = (of("x1"), of("x2"));
    let lists = replaced(&rows, "x1", crate::harness::files::embeddings(&x1, 4));
    let lists = replaced(&lists, "x2", crate::harness::files::embeddings(&x2, 4));
    let vectors = replaced(&replaced(&rows, "x1", spark(&x1, sparse)), "x2", spark(&x2, sparse));
    [lists, vectors]
}

#[test]
fn dense_and_sparse_vectors_give_what_lists_give() {
    let kinds: [fn(usize) -> bool; 3] = [|_| false, |_| true, |row| row % 3 == 0];
    for sparse in kinds {
        let [lists, vectors] = lists_and_vectors(sparse);
        let (of_lists, of_vectors) = (annotated(&lists, &[]), annotated(&vectors, &[]));
        for name in ["r", "u1", "u2", "s"] {
            assert_eq!(floats(&of_vectors, name), floats(&of_lists, name), "{name}");
            assert_eq!(floats(&of_vectors, name).null_count(), 1, "{name}");
        }
        // The old columns are as they were.
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("in.parquet"), &vectors);
        let before = read(&dir.path().join("in.parquet"));
        assert_eq!(of_vectors.columns()[..3], before.columns()[..3]);
    }
}

fn fitted_on(dir: &Path, name: &str, rows: &RecordBatch) -> serde_json::Value {
    write(&dir.join(format!("{name}.parquet")), rows);
    let file = format!("{name}.parquet");
    last_json(&must(lsmi().current_dir(dir).args(["fit", &file, "--bundle", name, "--json"])))
}

#[test]
fn fit_and_queries_take_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let [lists, vectors] = lists_and_vectors(|row| row % 2 == 0);
    let of_lists = fitted_on(dir.path(), "lists", &lists);
    let of_vectors = fitted_on(dir.path(), "vectors", &vectors);
    assert_eq!(of_vectors["bundle_sha256"], of_lists["bundle_sha256"]);
    assert_eq!((&of_vectors["rows"], &of_vectors["bad_rows"]), (&250.into(), &1.into()));

    let sql = "SELECT sum(lsmi_i12(x1, x2, y)) AS i, count(lsmi_r(x1, x2, y)) AS n FROM";
    let ask = |name: &str| {
        let sql = format!("{sql} '{name}.parquet'");
        let ran = must(
            lsmi()
                .current_dir(dir.path())
                .args(["sql", "--format", "ndjson", "--bundle"])
                .arg(bundle())
                .arg(sql),
        );
        last_json(&ran)
    };
    assert_eq!(ask("vectors"), ask("lists"));
    assert_eq!(ask("vectors")["n"], 249);
}

#[test]
fn vectors_of_another_length() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(250);
    let longer: Vec<_> =
        vectors(&rows, "x1").into_iter().map(|row| row.map(|row| [&row[..], &[0.0]].concat())).collect();
    for sparse in [false, true] {
        write(&dir.path().join("in.parquet"), &replaced(&rows, "x1", spark(&longer, |_| sparse)));
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        refused(&ran, 65, &["column \"x1\"", "dimension 5", "models take 4"]);
    }
    let mut some = vectors(&rows, "x1");
    some[5] = Some(vec![1.0, 0.0, 0.0]);
    some[6] = Some(vec![0.0; 5]);
    write(&dir.path().join("in.parquet"), &replaced(&rows, "x1", spark(&some, |row| row % 2 == 0)));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["fates"]["wrong_length_x1"], 2);
}
