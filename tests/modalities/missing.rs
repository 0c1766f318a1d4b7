//! Rows that lack a modality: bad by default, and with `--on-missing-modality reduce` of the others.

use std::path::Path;

use serde_json::{Value, json};

use super::{on, pack, system};
use crate::harness::{last_json, lsmi, must, query};

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
        let reduce = ["--on-missing-modality", "reduce"];
        let reduced = annotate("reduced.parquet", &reduce);
        assert_eq!((&reduced["bad_rows"], &reduced["reduced_rows"]), (&json!(1), &json!(4)));
        assert_eq!(reduced["fates"]["null_x1"], 1);

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
        assert!(annotate("reduced.parquet", &reduce)["skipped"].as_bool().unwrap());
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
