//! The most probable class of a row, and its probability.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Int64Type};

use crate::harness::files::{read, replaced, write};
use crate::harness::{bundle, fitted, last_json, lsmi, must, runtime};

const CLASSES: i64 = 4;

fn annotate(dir: &Path, input: &str, output: &str, bundle: &Path, more: &[&str]) -> RecordBatch {
    let mut command = lsmi();
    command
        .current_dir(dir)
        .args(["annotate", input, output, "--overwrite", "--json", "--bundle"])
        .arg(bundle);
    let ran = must(command.args(more).env("LSMI_ETL_RUNTIME_DIR", runtime()));
    assert!(last_json(&ran)["columns"]["top_class"].is_null(), "{}", ran.stdout);
    read(&dir.join(output))
}

fn floats(rows: &RecordBatch, name: &str) -> Vec<f32> {
    rows.column_by_name(name).unwrap().as_primitive::<Float32Type>().values().to_vec()
}

/// For each row the first class of the largest probability, and that probability, from p_y12 of as many files as
/// there are classes, each with one class as the label of all rows.
fn truth(dir: &Path, rows: &RecordBatch, more: &[&str]) -> (Vec<i64>, Vec<f32>) {
    let mut best = (vec![0; rows.num_rows()], vec![-1.0; rows.num_rows()]);
    for class in 0..CLASSES {
        let label: ArrayRef = Arc::new(Int64Array::from(vec![class; rows.num_rows()]));
        write(&dir.join("one.parquet"), &replaced(rows, "y", label));
        let of_class = annotate(
            dir,
            "one.parquet",
            "one-out.parquet",
            &bundle(),
            &[&["--columns", "p_y12"], more].concat(),
        );
        for (row, p) in floats(&of_class, "p_y12").into_iter().enumerate() {
            if p > best.1[row] {
                (best.0[row], best.1[row]) = (class, p);
            }
        }
    }
    best
}

/// On both engines, of fresh rows and of rows that the models were trained on.
#[test]
fn it_is_the_class_of_the_largest_probability() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for engine in [["--engine", "embedded"], ["--engine", "onnxruntime"]] {
        for name in ["in.parquet", "train.parquet"] {
            let rows = read(&fitted().join(name)).slice(0, 700);
            write(&dir.join("rows.parquet"), &rows);
            let (class, p) = truth(dir, &rows, &engine);
            let options = [&["--columns", "top_class,p_top,p_y12"], &engine[..]].concat();
            let out = annotate(dir, "rows.parquet", "out.parquet", &bundle(), &options);
            let found = out.column_by_name("top_class").unwrap().as_primitive::<Int64Type>();
            assert_eq!(found.null_count(), 0);
            assert_eq!(found.values()[..], class[..], "{name} {engine:?}");
            assert_eq!(floats(&out, "p_top"), p, "{name} {engine:?}");
            assert!(class.iter().collect::<std::collections::BTreeSet<_>>().len() == CLASSES as usize);
            // The other columns are those of a run without it.
            let plain = annotate(
                dir,
                "rows.parquet",
                "plain.parquet",
                &bundle(),
                &[&["--columns", "p_y12"], &engine[..]].concat(),
            );
            for name in ["r", "u1", "u2", "s", "p_y12"] {
                assert_eq!(floats(&out, name), floats(&plain, name), "{name}");
            }
            // Without labels, too: it is no expectation.
            let free = [&["--columns", "top_class,p_top", "--label-free"], &engine[..]].concat();
            let free = annotate(dir, "rows.parquet", "free.parquet", &bundle(), &free);
            assert_eq!(free.column_by_name("top_class"), out.column_by_name("top_class"));
            assert_eq!(floats(&free, "p_top"), p);
        }
    }
}

/// The column has the type of the label; rows without values have none.
#[test]
fn it_has_the_type_of_the_label() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = read(&fitted().join("train.parquet"));
    let y = rows.column_by_name("y").unwrap();
    let texts: ArrayRef = cast(y, &DataType::Utf8).unwrap();
    let halves: BooleanArray = y.as_primitive::<Int64Type>().iter().map(|y| y.map(|y| y > 1)).collect();
    for (label, data_type) in [(texts, DataType::Utf8), (Arc::new(halves) as ArrayRef, DataType::Boolean)] {
        write(&dir.join("train.parquet"), &replaced(&rows, "y", label.clone()));
        must(
            lsmi()
                .current_dir(dir)
                .args(["fit", "train.parquet", "--x1", "x1", "--x2", "x2", "--label", "y"])
                .args(["--bundle", "models", "--overwrite"]),
        );
        let as_texts = cast(&label, &DataType::Utf8).unwrap();
        let mut some = as_texts.as_string::<i32>().iter().collect::<Vec<_>>();
        some[7] = None;
        let some = cast(&(Arc::new(StringArray::from(some)) as ArrayRef), &data_type).unwrap();
        write(&dir.join("in.parquet"), &replaced(&rows, "y", some));
        let models = dir.join("models");
        let options = ["--columns", "top_class,p_top", "--prefix", "m_"];
        let out = annotate(dir, "in.parquet", "out.parquet", &models, &options);
        let top = out.column_by_name("m_top_class").unwrap();
        assert_eq!(top.data_type(), &data_type);
        assert_eq!((top.null_count(), top.is_null(7)), (1, true));
        let agree =
            (0..rows.num_rows()).filter(|row| top.slice(*row, 1).to_data() == label.slice(*row, 1).to_data());
        assert!(agree.count() > rows.num_rows() * 7 / 10);
        // A stream has it, too, and SQL reads it.
        let mut stream = lsmi();
        stream.current_dir(dir).args(["annotate", "in.parquet", "-", "--bundle", "models"]).args(options);
        let stream = stream.output().unwrap();
        let reader = arrow::ipc::reader::StreamReader::try_new(&stream.stdout[..], None).unwrap();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(whole.column_by_name("m_top_class").unwrap(), top);
        let counted = "SELECT count(m_top_class) AS n, min(m_p_top) >= 0.25 AS high FROM 'out.parquet'";
        let ran = must(lsmi().current_dir(dir).args(["sql", "--format", "csv", counted]));
        assert_eq!(ran.stdout, format!("n,high\n{},true\n", rows.num_rows() - 1));
    }
}
