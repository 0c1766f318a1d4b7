//! `lsmi` and its accessors: annotate's values, once a row, from every type of column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, FixedSizeBinaryArray, Int64Array, ListArray, RecordBatch, StringArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, UInt64Type};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use lsmi_etl::engine::{EngineChoice, EngineOptions};
use lsmi_etl::sql::{Functions, ModelOptions, register};
use parquet::arrow::ArrowWriter;

use crate::harness::files::{batch, copy_folder, embeddings, floats, read, replaced, vectors, write};
use crate::harness::{annotate, bundle, last_json, lsmi, must, query, rows};

const COLUMNS: [&str; 9] = ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2"];

/// The rows with a column `id` of their numbers.
fn numbered(count: usize) -> RecordBatch {
    let rows = rows(count);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count as i64));
    let column = |name| (name, rows.column_by_name(name).unwrap().clone());
    batch(&[("id", ids), column("x1"), column("x2"), column("y")])
}

/// A session with these rows as the table t, in batches of 100, on the embedded engine.
fn session(rows: &RecordBatch, partitions: usize) -> (SessionContext, Functions) {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    let models = ModelOptions {
        bundle: bundle(),
        engine: EngineOptions { engine: EngineChoice::Embedded, ..EngineOptions::default() },
        ..ModelOptions::default()
    };
    let functions = register(&context, models);
    let slices = (0..rows.num_rows()).step_by(100);
    let slices = slices.map(|start| rows.slice(start, 100.min(rows.num_rows() - start))).collect();
    let table = MemTable::try_new(rows.schema(), vec![slices]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    (context, functions)
}

fn ask(context: &SessionContext, sql: &str) -> RecordBatch {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let frame = context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        match batches.first() {
            Some(first) => concat_batches(&first.schema(), &batches).unwrap(),
            None => RecordBatch::new_empty(schema),
        }
    })
}

/// r, u1, … of all rows in their order.
fn values(rows: &RecordBatch, sql: &str) -> [Vec<Option<f32>>; 9] {
    let (context, _) = session(rows, 1);
    let all = ask(&context, sql);
    let all = all.column(0).as_struct();
    COLUMNS.map(|name| all.column_by_name(name).unwrap().as_primitive::<Float32Type>().iter().collect())
}

const ALL: &str = "SELECT lsmi(x1, x2, y) FROM t";

#[test]
fn the_values_are_annotates_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // One row group and one batch: what is rounded depends on a batch's rows.
    let rows = rows(800);
    let file = std::fs::File::create(dir.join("in.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let ran = annotate(dir, "in.parquet", "out.parquet", &["--columns", "i1,i2,i12,h1,h2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let differs = COLUMNS.map(|name| {
        format!(
            "sum(CASE WHEN {name} IS NOT DISTINCT FROM lsmi_{name}(x1, x2, y) THEN 0 ELSE 1 END) AS {name}"
        )
    });
    let sql = format!("SELECT count(*) AS rows, {} FROM 'out.parquet'", differs.join(", "));
    let ran =
        must(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", "--bundle"]).arg(bundle()).arg(sql));
    let counts = crate::harness::last_json(&ran);
    assert_eq!(counts["rows"], 800);
    for name in COLUMNS {
        assert_eq!(counts[name], 0, "{counts}");
    }
    assert!(ran.stderr.contains("engine: embedded"), "{}", ran.stderr);
}

#[test]
fn the_models_run_once_a_row() {
    let call = "(x1, x2, y)";
    let outer = "(a.x1, a.x2, a.y)";
    for (sql, expected) in [
        ("SELECT lsmi{}['r'], lsmi{}['s'] FROM t".to_owned(), 800),
        ("SELECT lsmi_r{}, lsmi_s{}, lsmi{} FROM t".to_owned(), 800),
        ("SELECT lsmi_r{} FROM t WHERE lsmi_s{} > 0 ORDER BY lsmi_i12{}".to_owned(), 800),
        (
            "SELECT id FROM t WHERE lsmi_s{} > 0 AND lsmi_u1{} < 1 ORDER BY lsmi_r{} DESC LIMIT 5".to_owned(),
            800,
        ),
        ("SELECT y, avg(lsmi_r{}), max(lsmi{}['s']) FROM t GROUP BY y".to_owned(), 800),
        (
            "SELECT dominant(lsmi_r{}, lsmi_u1{}, lsmi_u2{}, lsmi_s{}) AS d, count(*) FROM t GROUP BY 1 \
             HAVING max(lsmi_h1{}) > 0 ORDER BY 2"
                .to_owned(),
            800,
        ),
        ("SELECT lsmi_s{}, avg(lsmi_r{}) OVER (PARTITION BY y ORDER BY lsmi_i1{}) FROM t".to_owned(), 800),
        (
            format!(
                "SELECT a.r, lsmi_s{outer} FROM (SELECT *, lsmi_r{{}} AS r FROM t WHERE lsmi_u1{{}} > -99) AS a \
                 WHERE lsmi_u2{outer} > -99 ORDER BY lsmi_i1{outer}"
            ),
            800,
        ),
        (
            "WITH v AS (SELECT *, lsmi{} AS m FROM t) SELECT m['r'], m['s'] FROM v WHERE m['u1'] < 9"
                .to_owned(),
            800,
        ),
        // Filters on other columns and limits first.
        ("SELECT lsmi_r{} FROM t WHERE id < 100".to_owned(), 100),
        ("SELECT lsmi_r{} FROM t WHERE lsmi_s{} > -99 AND id < 100".to_owned(), 100),
        ("SELECT lsmi_r{} FROM t LIMIT 10".to_owned(), 10),
        ("SELECT lsmi_r{} FROM (SELECT * FROM t ORDER BY id LIMIT 7)".to_owned(), 7),
        // Nothing of it is read.
        ("SELECT id FROM (SELECT id, lsmi_r{} AS r FROM t)".to_owned(), 0),
        ("SELECT count(*) FROM (SELECT id, lsmi_r{} AS r FROM t)".to_owned(), 0),
        // The same rows twice are two times the rows.
        ("SELECT lsmi_r{} FROM t UNION ALL SELECT lsmi_r{} FROM t".to_owned(), 1600),
    ] {
        let sql = sql.replace("{}", call);
        for partitions in [1, 3] {
            let (context, functions) = session(&numbered(800), partitions);
            ask(&context, &sql);
            assert_eq!(functions.rows_evaluated(), expected, "{sql}");
        }
    }
}

#[test]
fn what_is_asked_for_together_is_what_it_is_alone() {
    let rows = numbered(300);
    let [r, _, _, s, ..] = values(&rows, ALL);
    for partitions in [1, 4] {
        let (context, _) = session(&rows, partitions);
        let sql = "SELECT id, lsmi_s(x1, x2, y) AS s, lsmi(x1, x2, y)['r'] AS r FROM t \
                   WHERE lsmi_s(x1, x2, y) > 0.1 AND id >= 50 ORDER BY lsmi_r(x1, x2, y) DESC, id";
        let found = ask(&context, sql);
        let mut expected: Vec<usize> = (50..300).filter(|row| s[*row].unwrap() > 0.1).collect();
        expected.sort_by(|a, b| r[*b].unwrap().total_cmp(&r[*a].unwrap()).then(a.cmp(b)));
        let ids = found.column(0).as_primitive::<Int64Type>();
        assert_eq!(ids.values().iter().map(|id| *id as usize).collect::<Vec<_>>(), expected);
        assert_eq!(found.schema().field(1).name(), "s");
        for (place, row) in expected.iter().enumerate() {
            // Other batches than before: rounding may differ.
            assert!((floats(&found, "s").value(place) - s[*row].unwrap()).abs() < 1e-5);
            assert!((floats(&found, "r").value(place) - r[*row].unwrap()).abs() < 1e-5);
        }
    }
}

#[test]
fn in_a_joins_condition_and_in_grouping_sets_it_gives_the_same() {
    let rows = numbered(60);
    let [r, ..] = values(&rows, ALL);
    let (context, _) = session(&rows, 2);
    let sql = "SELECT count(*) FROM t JOIN t AS o ON t.id = o.id AND lsmi_r(t.x1, t.x2, o.y) > 1.0";
    let expected = r.iter().filter(|r| r.unwrap() > 1.0).count() as i64;
    assert_eq!(ask(&context, sql).column(0).as_primitive::<Int64Type>().value(0), expected);
    let sql = "SELECT lsmi_r(x1, x2, y) > 1.0 AS high, count(*) AS n FROM t GROUP BY ROLLUP (lsmi_r(x1, x2, y) > 1.0) ORDER BY high";
    let found = ask(&context, sql);
    let counts = found.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(counts, [60 - expected, expected, 60]);
    // A correlated subquery has its label from outside.
    let sql = "SELECT count(*) FROM t WHERE EXISTS \
               (SELECT 1 FROM t AS o WHERE o.id = t.id AND lsmi_r(o.x1, o.x2, o.y) > 1.0)";
    assert_eq!(ask(&context, sql).column(0).as_primitive::<Int64Type>().value(0), expected);
}

#[test]
fn explain_analyze_shows_the_rows_and_the_time() {
    let (context, _) = session(&numbered(800), 2);
    let plan =
        ask(&context, "EXPLAIN ANALYZE SELECT lsmi_r(x1, x2, y), lsmi_s(x1, x2, y) FROM t WHERE id % 2 = 0");
    let plan = plan.column(1).as_string::<i32>().value(0).to_owned();
    let lines: Vec<&str> = plan.lines().filter(|line| line.contains("LsmiExec")).collect();
    let [line] = lines[..] else { panic!("{plan}") };
    assert!(line.contains("lsmi_rows=400") && line.contains("lsmi_time="), "{line}");
    assert!(line.contains("bundle="), "{line}");
}

#[test]
fn bad_rows_are_null_and_disturb_no_other() {
    let rows = numbered(200);
    let good = values(&rows, ALL);
    let mut x1 = vectors(&rows, "x1");
    let mut x2 = vectors(&rows, "x2");
    let mut y: Vec<Option<i64>> =
        rows.column_by_name("y").unwrap().as_primitive::<Int64Type>().iter().collect();
    x1[3] = None;
    x1[100].as_mut().unwrap()[2] = f32::NAN;
    x2[101].as_mut().unwrap()[0] = f32::INFINITY;
    y[150] = None;
    y[151] = Some(17);
    let bad = [3, 100, 101, 150, 151];
    let rows = replaced(&rows, "x1", embeddings(&x1, 4));
    let rows = replaced(&rows, "x2", embeddings(&x2, 4));
    let rows = replaced(&rows, "y", Arc::new(Int64Array::from(y)));
    for (name, (found, good)) in COLUMNS.iter().zip(values(&rows, ALL).iter().zip(&good)) {
        for row in 0..200 {
            let expected = if bad.contains(&row) { None } else { good[row] };
            assert_eq!(found[row], expected, "{name} of row {row}");
        }
    }
    let (context, _) = session(&rows, 1);
    let nulls = ask(&context, "SELECT count(*) FROM t WHERE lsmi(x1, x2, y) IS NULL");
    assert_eq!(nulls.column(0).as_primitive::<Int64Type>().value(0), 5);
}

#[test]
fn places_of_rows_stand_beside_values_of_models() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &numbered(300));
    let sql = "SELECT count(*) AS n, sum(at) AS places, avg(s) AS s FROM (SELECT file_row_index() AS at, id, \
               lsmi_s(x1, x2, y) AS s, input_file_name() AS file FROM 'in.parquet') WHERE at = id AND file LIKE '%in.parquet'";
    let ran = must(
        lsmi().current_dir(dir.path()).args(["sql", "--format", "ndjson", "--bundle"]).arg(bundle()).arg(sql),
    );
    let row = last_json(&ran);
    assert_eq!((&row["n"], &row["places"]), (&300.into(), &(299 * 150).into()));
    assert!(row["s"].is_number(), "{row}");
}

#[test]
fn embeddings_of_every_type_give_the_same() {
    let rows = rows(250);
    let x1 = vectors(&rows, "x1");
    // Exactly representable in half precision, so that no type rounds.
    let x1: Vec<Option<Vec<f32>>> = x1
        .iter()
        .map(|row| row.as_ref().map(|row| row.iter().map(|v| (v * 64.0).round() / 64.0).collect()))
        .collect();
    let rows = replaced(&rows, "x1", embeddings(&x1, 4));
    let expected = values(&rows, ALL);
    let plain = rows.column_by_name("x1").unwrap();
    let item = |kind: &DataType| Arc::new(Field::new("item", kind.clone(), true));
    for kind in [DataType::Float16, DataType::Float32, DataType::Float64] {
        for list in [
            DataType::List(item(&kind)),
            DataType::LargeList(item(&kind)),
            DataType::FixedSizeList(item(&kind), 4),
        ] {
            let cast = cast(plain, &list).unwrap();
            assert_eq!(values(&replaced(&rows, "x1", cast), ALL), expected, "{list}");
        }
    }
    let bytes =
        x1.iter().map(|row| row.as_ref().unwrap().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    let bytes: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap());
    assert_eq!(values(&replaced(&rows, "x1", bytes), ALL), expected);
    // A list of another length is one bad row.
    let short = x1.iter().enumerate().map(|(row, values)| {
        let values = values.as_ref().unwrap();
        Some(values.iter().take(if row == 7 { 3 } else { 4 }).copied().map(Some).collect::<Vec<_>>())
    });
    let short: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(short));
    for (found, expected) in values(&replaced(&rows, "x1", short), ALL).iter().zip(&expected) {
        assert_eq!(found[7], None);
        assert_eq!((&found[..7], &found[8..]), (&expected[..7], &expected[8..]));
    }
}

#[test]
fn labels_of_every_type_and_a_bundle_named_in_the_call() {
    let rows = rows(250);
    let expected = values(&rows, ALL);
    let plain = rows.column_by_name("y").unwrap();
    let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
    for kind in [DataType::Int8, DataType::UInt16, DataType::UInt64, dictionary(DataType::Int32)] {
        let labels = cast(plain, &kind).unwrap();
        assert_eq!(values(&replaced(&rows, "y", labels), ALL), expected, "{kind}");
    }

    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    copy_folder(&bundle(), &models);
    let manifest = models.join("bundle.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let names = ["nought", "one", "two", "three and a bit more than twelve bytes"];
    json["label"]["classes"] = serde_json::json!(names);
    std::fs::write(&manifest, json.to_string()).unwrap();
    let y = plain.as_primitive::<Int64Type>();
    let labels: ArrayRef = Arc::new(StringArray::from_iter(y.iter().map(|y| y.map(|y| names[y as usize]))));
    let named = format!("SELECT lsmi(x1, x2, y, '{}') FROM t", models.display());
    for kind in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary(DataType::Utf8)] {
        let labels = cast(&labels, &kind).unwrap();
        assert_eq!(values(&replaced(&rows, "y", labels), &named), expected, "{kind}");
    }
    // Two bundles in one query are two evaluations.
    let (context, functions) = session(&rows, 1);
    let both = format!(
        "SELECT lsmi_r(x1, x2, y) AS a, lsmi_s(x1, x2, y) AS s, \
         lsmi_r(x1, x2, CASE y WHEN 0 THEN 'nought' WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE '{}' END, '{}') AS b FROM t",
        names[3],
        models.display()
    );
    let both = ask(&context, &both);
    assert_eq!(floats(&both, "a"), floats(&both, "b"));
    assert_eq!(functions.rows_evaluated(), 500);
}

#[test]
fn copying_to_a_file_and_views_work_in_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    crate::harness::files::write(&dir.join("in.parquet"), &numbered(250));
    let sql = "CREATE VIEW v AS SELECT id, lsmi_r(x1, x2, y) AS r, lsmi_s(x1, x2, y) AS s FROM 'in.parquet'; \
               COPY (SELECT id, r, s FROM v WHERE r > 0 ORDER BY id) TO 'out.parquet'";
    let models = bundle();
    must(lsmi().current_dir(dir).env("LSMI_ETL_BUNDLE", models).args(["sql", sql]));
    let written = read(&dir.join("out.parquet"));
    let [r, _, _, s, ..] = values(&numbered(250), ALL);
    let kept: Vec<usize> = (0..250).filter(|row| r[*row].unwrap() > 0.0).collect();
    assert_eq!(written.num_rows(), kept.len());
    for (place, row) in kept.iter().enumerate() {
        assert!((floats(&written, "s").value(place) - s[*row].unwrap()).abs() < 1e-5);
    }
}

#[test]
fn every_function_is_listed_with_what_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let found = query(
        dir.path(),
        "SELECT count(DISTINCT routine_name) AS functions FROM information_schema.routines \
         WHERE (routine_name LIKE 'lsmi%' OR routine_name = 'dominant') AND length(description) > 20",
    );
    // lsmi and its 40 fields of two to four modalities, dominant, lsmi_summary, lsmi_check.
    assert_eq!(found["functions"], 44, "{found}");
    let (context, _) = session(&rows(10), 1);
    let rows = ask(&context, "SELECT lsmi_summary(1.0, 2.0, 3, 4)['rows'] AS rows");
    assert_eq!(rows.column(0).as_primitive::<UInt64Type>().value(0), 1);
}
