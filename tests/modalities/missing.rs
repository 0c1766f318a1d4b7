//! Rows that lack a modality: bad by default, and with `--on-missing-modality reduce` of the others.

use std::path::Path;
use std::sync::Arc;

use arrow::array::NullArray;
use serde_json::{Value, json};

use super::{on, pack, system};
use crate::harness::files::{read, replaced, write};
use crate::harness::{last_json, lsmi, must, query};
use crate::telemetry::prometheus::{parsed, sample};

const REDUCE: [&str; 2] = ["--on-missing-modality", "reduce"];

/// The outcomes of `cat`, of which the first lack x3, the next x1 and x2, and one all three.
fn with_gaps(dir: &Path) {
    let input = system("cat").0.join("in.parquet");
    let sql = format!(
        "SELECT CASE WHEN n IN (3, 4, 5) THEN NULL ELSE x1 END AS x1,
                CASE WHEN n IN (3, 4, 5) THEN NULL ELSE x2 END AS x2,
                CASE WHEN n IN (1, 2, 5) THEN NULL ELSE x3 END AS x3, y, p, n
         FROM (SELECT *, row_number() OVER (ORDER BY y) AS n FROM '{}') ORDER BY n",
        input.display()
    );
    must(lsmi().current_dir(dir).args(["sql", &sql, "--output", "in.parquet"]));
}

#[test]
fn rows_are_reduced_to_the_modalities_that_they_have() {
    let of = system("cat");
    let dir = tempfile::tempdir().unwrap();
    with_gaps(dir.path());
    for engine in ["embedded", "onnxruntime"] {
        assert_eq!(pack(of, &dir.path().join("bundle"), engine).code, 0);
        let annotate = |output: &str, more: &[&str]| {
            let base = ["annotate", "in.parquet", output, "--bundle", "bundle", "--json", "--columns"];
            let columns = ["atoms,i_1,i_2,i_3,i_12,i_123,h_1,h_2"];
            let ran = on(dir.path(), engine, &[&base[..], &columns, more].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            last_json(&ran)
        };
        let null = annotate("null.parquet", &[]);
        assert_eq!((&null["bad_rows"], &null["reduced_rows"]), (&json!(5), &Value::Null));
        let reduced = annotate("reduced.parquet", &REDUCE);
        assert_eq!((&reduced["bad_rows"], &reduced["reduced_rows"]), (&json!(1), &json!(4)));
        assert_eq!(reduced["fates"]["null_x1"], 1);

        // The most probable class given the modalities that a row has.
        let top = ["annotate", "in.parquet", "top.parquet", "--bundle", "bundle", "--columns"];
        let columns = ["top_class,p_top,p_y_12,p_y_3", REDUCE[0], REDUCE[1], "--overwrite"];
        assert_eq!(on(dir.path(), engine, &[&top[..], &columns].concat()).code, 0);
        let sql = "SELECT count(*) AS rows, bool_and(p_top >= given) AS largest,
                       bool_and(top_class <> y OR p_top = given) AS of_the_label
                   FROM (SELECT *, CASE WHEN n IN (1, 2) THEN p_y_12 ELSE p_y_3 END AS given FROM 'top.parquet')
                   WHERE n IN (1, 2, 3, 4)";
        assert_eq!(query(dir.path(), sql), json!({"rows": 4, "largest": true, "of_the_label": true}));

        // x1 and x2 as the only two modalities.
        let r = "least(h_1, h_2) - least(h_1 - i_1, h_2 - i_2)";
        let sql = format!(
            "SELECT max(abs(r - ({r}))) AS r, max(abs(r + u1 - i_1)) AS u1, max(abs(a_1_2 - r)) AS a,
                    max(abs(r + u1 + u2 + s - i_12)) AS s, count(u3) + count(i_3) + count(i_123)
                        + count(a_1_2_3) + count(a_123) AS others
             FROM 'reduced.parquet' WHERE n IN (1, 2)"
        );
        let found = query(dir.path(), &sql);
        for name in ["r", "u1", "a", "s"] {
            assert!(found[name].as_f64().unwrap() < 1e-5, "{name}: {found}");
        }
        assert_eq!(found["others"], 0);
        // x3 alone.
        let sql =
            "SELECT max(abs(u3 - i_3)) AS u3, count(u3) AS rows, count(r) + count(s) + count(u1) AS others
                   FROM 'reduced.parquet' WHERE n IN (3, 4)";
        let found = query(dir.path(), sql);
        assert!(found["u3"].as_f64().unwrap() < 1e-6, "{found}");
        assert_eq!((&found["rows"], &found["others"]), (&json!(2), &json!(0)));
        // The others are as they were, and the one without any is null.
        let sql = "SELECT count(*) AS rows, max(abs(a.r - b.r) + abs(a.u3 - b.u3) + abs(a.s - b.s)) AS off
                   FROM 'reduced.parquet' a JOIN 'null.parquet' b ON a.n = b.n WHERE a.n > 5";
        let found = query(dir.path(), sql);
        assert_eq!((&found["rows"], found["off"].as_f64()), (&json!(3), Some(0.0)));
        let sql = "SELECT count(u1) + count(u3) + count(r) AS values FROM 'reduced.parquet' WHERE n = 5";
        assert_eq!(query(dir.path(), sql)["values"], 0);

        // The outputs are of other work, each recognised as its own.
        assert!(annotate("reduced.parquet", &REDUCE)["skipped"].as_bool().unwrap());
        let base = ["annotate", "in.parquet", "reduced.parquet", "--bundle", "bundle"];
        let other = on(
            dir.path(),
            engine,
            &[&base[..], &["--columns", "atoms,i_1,i_2,i_3,i_12,i_123,h_1,h_2"]].concat(),
        );
        assert_eq!(other.code, 73, "{}", other.stderr);
        assert!(other.stderr.contains("--on-missing-modality"), "{}", other.stderr);
        for file in ["null.parquet", "reduced.parquet"] {
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        std::fs::remove_dir_all(dir.path().join("bundle")).unwrap();
    }
}

/// The warning of a run that reduces rows where training rows are known by all embeddings.
const AS_FRESH: &str = "rows that lack a modality are evaluated as fresh ones";

#[test]
fn training_rows_that_lack_a_modality_are_known_by_their_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(lsmi().current_dir(dir).args(["synth", "gaussian", "--rows", "400", "-o", "rows.parquet"]));
    let number = "SELECT row_number() OVER () AS id, x1, x2, y FROM 'rows.parquet'";
    must(lsmi().current_dir(dir).args(["sql", number, "--output", "train.parquet"]));
    let gaps = "SELECT id, x1, CASE WHEN id % 4 > 0 THEN x2 END AS x2, y FROM 'train.parquet'";
    must(lsmi().current_dir(dir).args(["sql", gaps, "--output", "gaps.parquet"]));
    let fresh = ["synth", "gaussian", "--rows", "400", "--seed", "7", "-o", "others.parquet"];
    must(lsmi().current_dir(dir).args(fresh));
    let gaps = "SELECT id + 1000 AS id, x1, CASE WHEN id % 4 > 0 THEN x2 END AS x2, y
                FROM (SELECT row_number() OVER () AS id, x1, x2, y FROM 'others.parquet')";
    must(lsmi().current_dir(dir).args(["sql", gaps, "--output", "fresh.parquet"]));
    for (bundle, key) in [("keyed", &["--key", "id"][..]), ("hashed", &[])] {
        let fit = ["fit", "train.parquet", "--bundle", bundle, "--folds", "3", "--max-rows", "400"];
        must(lsmi().current_dir(dir).args(fit).args(["--x1", "x1", "--x2", "x2", "--label", "y"]).args(key));
        let annotate = |input: &str, more: &[&str]| {
            let base = ["annotate", input, &format!("{bundle}-{input}"), "--bundle", bundle, "--json"];
            let ran =
                on(dir, "embedded", &[&base[..], &["--columns", "i1,fold", "--overwrite"], more].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            ran
        };
        annotate("train.parquet", &[]);
        let ran = annotate("gaps.parquet", &REDUCE);
        let (summary, warnings) = (last_json(&ran), ran.stderr.matches(AS_FRESH).count());
        assert_eq!(summary["reduced_rows"], 100, "{summary}");
        assert!(ran.stderr.contains("100 of 400 rows with values lack a modality"), "{}", ran.stderr);
        // What x1 says is as in the row that had x2, by the models that have not seen it.
        let sql = format!(
            "SELECT count(g.fold) AS folds, sum(CASE WHEN g.fold = t.fold THEN 1 ELSE 0 END) AS same,
                    max(abs(g.u1 - t.i1)) AS off
             FROM '{bundle}-gaps.parquet' AS g JOIN '{bundle}-train.parquet' AS t ON g.id = t.id
             WHERE g.id % 4 = 0"
        );
        let found = query(dir, &sql);
        let is_keyed = bundle == "keyed";
        let known = if is_keyed { 100 } else { 0 };
        assert_eq!((&found["folds"], found["same"].as_u64()), (&json!(known), Some(known)), "{found}");
        assert_eq!(found["off"].as_f64().unwrap() < 1e-5, is_keyed, "{found}");
        assert_eq!(summary["trained_rows"], 300 + known, "{summary}");
        assert_eq!(warnings, usize::from(!is_keyed), "{}", ran.stderr);
        assert!(!annotate("train.parquet", &REDUCE).stderr.contains(AS_FRESH));
        // Where none of the complete rows was trained on, those that lack a modality are fresh.
        let ran = annotate("fresh.parquet", &REDUCE);
        assert_eq!(
            (&last_json(&ran)["reduced_rows"], &last_json(&ran)["trained_rows"]),
            (&json!(100), &json!(0))
        );
        assert!(!ran.stderr.contains(AS_FRESH), "{}", ran.stderr);
        assert!(annotate("gaps.parquet", &[]).stderr.contains("--on-missing-modality reduce"));
        let ran = annotate("gaps.parquet", &REDUCE);
        assert!(!ran.stderr.contains("--on-missing-modality reduce"), "{}", ran.stderr);

        // Queries do likewise.
        let call = if is_keyed { "x1, x2, y, 'keyed', id" } else { "x1, x2, y" };
        let sql = format!("SELECT max(abs(lsmi_u1({call}) - u1)) AS off FROM '{bundle}-gaps.parquet'");
        let args = ["sql", "--format", "ndjson", "--bundle", bundle, &sql];
        let ran = on(dir, "embedded", &[&args[..], &REDUCE].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(last_json(&ran)["off"].as_f64().unwrap() < 1e-5, "{}", ran.stdout);
        assert_eq!(ran.stderr.matches(AS_FRESH).count(), usize::from(!is_keyed), "{}", ran.stderr);
    }
}

#[test]
fn every_modality_of_a_run_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    with_gaps(dir);
    assert_eq!(pack(system("cat"), &dir.join("bundle"), "embedded").code, 0);
    let base = ["annotate", "in.parquet", "out.parquet", "--bundle", "bundle", "--overwrite", "--json"];
    for (more, null, reduced) in [(&[][..], 2.0, 0.0), (&REDUCE[..], 0.0, 4.0)] {
        let ran = on(dir, "embedded", &[&base[..], &["--metrics", "a.prom"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (fates, metrics) = (&last_json(&ran)["fates"], parsed(&dir.join("a.prom")));
        for reason in ["null_x3", "wrong_length_x3", "non_finite_x3"] {
            let expected = if reason == "null_x3" { null } else { 0.0 };
            assert_eq!(fates[reason].as_f64(), Some(expected), "{reason} in {fates}");
            assert_eq!(sample(&metrics, &format!("bad_rows_total{{reason={reason}}}")), expected, "{reason}");
        }
        assert!(fates.get("null_x4").is_none(), "{fates}");
        assert_eq!(sample(&metrics, "reduced_rows_total"), reduced);
        // Also where there is nothing to do: the counts are those of the footer, the metrics those of this run.
        let again = ["annotate", "in.parquet", "out.parquet", "--bundle", "bundle", "--json"];
        let ran = on(dir, "embedded", &[&again[..], &["--metrics", "a.prom"], more].concat());
        assert_eq!(
            (&last_json(&ran)["skipped"], &last_json(&ran)["fates"]["null_x3"]),
            (&json!(true), &json!(null as u64))
        );
        assert_eq!(sample(&parsed(&dir.join("a.prom")), "bad_rows_total{reason=non_finite_x3}"), 0.0);
    }
}

#[test]
fn a_column_without_a_type_is_a_modality_that_all_rows_lack() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let of = system("cat");
    for engine in ["embedded", "onnxruntime"] {
        assert_eq!(pack(of, &dir.join(engine), engine).code, 0);
        let rows = read(&of.0.join("in.parquet"));
        let nulls = replaced(&rows, "x3", Arc::new(NullArray::new(rows.num_rows())));
        write(&dir.join("in.parquet"), &nulls);
        let base = ["annotate", "in.parquet", "out.parquet", "--bundle", engine, "--json", "--overwrite"];
        let ran = on(dir, engine, &[&base[..], &REDUCE].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (rows, summary) = (rows.num_rows(), last_json(&ran));
        assert_eq!((&summary["reduced_rows"], &summary["bad_rows"]), (&json!(rows), &json!(0)), "{summary}");
        let found = query(dir, "SELECT count(r) AS r, count(s) AS s, count(u3) AS u3 FROM 'out.parquet'");
        assert_eq!(found, json!({ "r": rows, "s": rows, "u3": 0 }));
        let ran = on(dir, engine, &base);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        assert!(ran.stderr.contains("has type Null") && ran.stderr.contains("arrow_cast"), "{}", ran.stderr);
    }
}
