//! `lsmi()` of rows that lack a modality, and the functions that take its values: what annotate writes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{on, pack, sets, system};
use crate::harness::{bundle, files, last_json, lsmi, must, query, rows, run};

/// A folder with `gaps.parquet`, rows of so many modalities that lack each set of them, `out.parquet` as
/// annotate reduces them, with i and h of all sets, and the bundle.
pub fn reduced(modalities: usize, engine: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (input, bundle) = match modalities {
        2 => {
            files::write(&dir.path().join("in.parquet"), &rows(600));
            (dir.path().join("in.parquet"), bundle())
        }
        _ => {
            let of = system(if modalities == 3 { "shared_xor" } else { "random" });
            assert_eq!(pack(of, &dir.path().join("bundle"), engine).code, 0);
            (of.0.join("in.parquet"), dir.path().join("bundle"))
        }
    };
    // The bits of n are the modalities that are missing.
    let x = (1..=modalities)
        .map(|m| format!("CASE WHEN (n >> {}) % 2 = 1 THEN NULL ELSE x{m} END AS x{m}", m - 1));
    let sql = format!(
        "COPY (SELECT n, y, {} FROM (SELECT *, row_number() OVER () % {} AS n FROM '{}' CROSS JOIN generate_series(1, 7)))
         TO 'gaps.parquet'",
        x.collect::<Vec<_>>().join(", "),
        1 << modalities,
        input.display()
    );
    must(lsmi().current_dir(dir.path()).args(["sql", &sql]));
    let names = pointwise(modalities).join(",");
    let args = ["annotate", "gaps.parquet", "out.parquet", "--on-missing-modality", "reduce", "--bundle"];
    let ran = on(dir.path(), engine, &[&args[..], &[bundle.to_str().unwrap(), "--columns", &names]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    (dir, bundle)
}

/// i and h of all sets, as --columns names them.
fn pointwise(modalities: usize) -> Vec<String> {
    let line = if modalities == 2 { "" } else { "_" };
    let i = sets(modalities).into_iter().map(|set| format!("i{line}{set}"));
    let h = sets(modalities).into_iter().filter(|set| set.len() < modalities);
    i.chain(h.map(|set| format!("h{line}{set}"))).collect()
}

fn parts(modalities: usize) -> Vec<String> {
    let unique = (1..=modalities).map(|m| format!("u{m}"));
    ["r".to_owned()].into_iter().chain(unique).chain(["s".to_owned()]).collect()
}

/// The embeddings and the label of a call.
fn arguments(modalities: usize) -> String {
    (1..=modalities).map(|m| format!("x{m}, ")).chain(["y".to_owned()]).collect()
}

/// The only row of a query with models.
fn ask(dir: &Path, bundle: &Path, engine: &str, sql: &str, more: &[&str]) -> Value {
    let args = ["sql", "--format", "ndjson", "--bundle", bundle.to_str().unwrap(), sql];
    let ran = on(dir, engine, &[&args[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    last_json(&ran)
}

const REDUCE: [&str; 2] = ["--on-missing-modality", "reduce"];

#[test]
fn the_functions_give_what_annotate_writes() {
    for (modalities, engine) in
        [(2, "embedded"), (3, "embedded"), (4, "embedded"), (2, "onnxruntime"), (3, "onnxruntime")]
    {
        let (dir, bundle) = reduced(modalities, engine);
        let call = arguments(modalities);
        let columns: Vec<String> = parts(modalities).into_iter().chain(pointwise(modalities)).collect();
        let differs = columns.iter().map(|name| {
            format!(
                "sum(CASE WHEN ({name} IS NOT DISTINCT FROM lsmi_{name}({call})) AND ({name} IS NOT DISTINCT FROM \
                 lsmi({call})['{name}']) THEN 0 ELSE 1 END) AS {name}, count({name}) AS n_{name}"
            )
        });
        let differs: Vec<String> = differs.collect();
        // All but those that lack all have values.
        let sql = format!(
            "SELECT count(*) AS rows, sum(CASE WHEN n + 1 = {} THEN 1 ELSE 0 END) AS bad,
                    sum(CASE WHEN lsmi({call}) IS NULL THEN 1 ELSE 0 END) AS nulls, {} FROM 'out.parquet'",
            1 << modalities,
            differs.join(", ")
        );
        let found = ask(dir.path(), &bundle, engine, &sql, &REDUCE);
        let of = |name: &str| found[name].as_u64().unwrap();
        assert!(of("bad") >= 2 && of("nulls") == of("bad") && of("rows") > 3 * of("bad"), "{found}");
        for name in &columns {
            assert_eq!(found[name], 0, "{modalities} {engine}: {name} in {found}");
        }
        assert!(of("rows") - of("bad") > of("n_r") && of("n_r") == of("n_s") && of("n_r") > 0, "{found}");

        // Of a modality that no row has, its place is kept.
        if modalities == 3 {
            let none = call.replace("x2", "arrow_cast(NULL, 'FixedSizeList(4, Float32)')");
            let sql = format!(
                "SELECT count(lsmi_u1({none})) AS u1, count(lsmi_u2({none})) AS u2 FROM 'out.parquet'"
            );
            let found = ask(dir.path(), &bundle, engine, &sql, &REDUCE);
            assert!(found["u2"] == 0 && found["u1"].as_u64() > Some(0), "{found}");
        }

        // By default such rows are null, and the environment is as good as the flag.
        let sql = format!(
            "SELECT count(lsmi({call})) AS good, count(CASE WHEN n = 0 THEN 1 END) AS whole FROM 'out.parquet'"
        );
        let found = ask(dir.path(), &bundle, engine, &sql, &[]);
        assert_eq!(found["good"], found["whole"]);
        let mut command = lsmi();
        command
            .current_dir(dir.path())
            .env("LSMI_ETL_ON_MISSING_MODALITY", "reduce")
            .args(["sql", "--format", "ndjson"]);
        command.args(["--engine", "embedded", "--bundle"]).arg(&bundle).arg(&sql);
        let found = last_json(&must(&mut command));
        assert!(found["good"].as_u64() > found["whole"].as_u64(), "{found}");
    }
}

#[test]
fn the_other_functions_take_the_parts_that_a_row_has() {
    for modalities in [2, 3, 4] {
        let (dir, bundle) = reduced(modalities, "embedded");
        let (names, call) = (parts(modalities), arguments(modalities));
        let all = names.join(", ");
        let means = names
            .iter()
            .map(|name| format!("avg({name}) AS {name}, stddev({name}) / sqrt(count({name})) AS e_{name}"));
        let means = means.collect::<Vec<_>>().join(", ");
        let found = query(
            dir.path(),
            &format!(
                "SELECT lsmi_summary({all}) AS p, {means}, count(dominant({all})) AS dominated,
                        count(coalesce({all})) AS good, count(*) AS rows,
                        sum(CASE WHEN dominant({all}) = 'unique_2' THEN 1 ELSE 0 END) AS twos,
                        sum(CASE WHEN dominant({all}) = 'unique_2' AND u1 IS NULL THEN 1 ELSE 0 END) AS alone
                 FROM 'out.parquet'"
            ),
        );
        let of = |name: &str| found[name].as_f64().unwrap();
        let summary = |name: &str| found["p"][name].as_f64().unwrap();
        for name in &names {
            assert!((summary(name) - of(name)).abs() < 1e-9, "{name} in {found}");
            let error = format!("{name}_std_error");
            assert!((summary(&error) - of(&format!("e_{name}"))).abs() < 1e-9, "{error} in {found}");
        }
        assert_eq!((summary("rows"), summary("nulls")), (of("good"), of("rows") - of("good")), "{found}");
        assert!(of("dominated") == of("good") && of("alone") > 0.0, "{found}");
        assert!((summary("unique_2_share") - of("twos") / of("good")).abs() < 1e-12, "{found}");

        // The identities of the modalities that a row has, of the atoms that annotate writes.
        let pointwise = sets(modalities).into_iter().map(|set| format!("i_{set}")).collect::<Vec<_>>();
        let args =
            ["annotate", "gaps.parquet", "atoms.parquet", "--bundle", bundle.to_str().unwrap(), "--columns"];
        let columns = [if modalities == 2 { "" } else { "atoms," }, &pointwise.join(",")].concat();
        let ran = on(dir.path(), "embedded", &[&args[..], &[&columns], &REDUCE].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let schema = files::read(&dir.path().join("atoms.parquet")).schema();
        let checked = schema.fields().iter().map(|field| field.name().as_str());
        let checked = checked.filter(|name| match modalities {
            2 => !["n", "x1", "x2", "y"].contains(name),
            _ => name.starts_with("a_") || name.starts_with("i_"),
        });
        let checked = checked.collect::<Vec<_>>().join(", ");
        let found = query(
            dir.path(),
            &format!(
                "SELECT max(lsmi_check({checked})) AS most, count(lsmi_check({checked})) AS checked,
                        count(coalesce({all})) AS good FROM 'atoms.parquet'"
            ),
        );
        assert!(found["most"].as_f64().unwrap() < 1e-4 && found["checked"] == found["good"], "{found}");

        // So are those of a query's own values.
        if modalities == 2 {
            let values = ["r", "u1", "u2", "s", "i1", "i2", "i12"]
                .map(|name| format!("lsmi_{name}({call})"))
                .join(", ");
            let sql = format!(
                "SELECT max(lsmi_check({values})) AS most, count(lsmi_check({values})) AS checked FROM 'out.parquet'"
            );
            let own = ask(dir.path(), &bundle, "embedded", &sql, &REDUCE);
            assert!(own["most"].as_f64().unwrap() < 1e-4 && own["checked"] == found["good"], "{own}");
        }
    }
}

#[test]
fn the_steps_of_a_pipeline_do_as_its_annotating() {
    let (dir, bundle) = reduced(3, "embedded");
    for (setting, code) in [("reduce", 0), ("null", 65)] {
        let pipeline = format!(
            "input = 'gaps.parquet'\noutput = '{setting}.parquet'\n[annotate]\nbundle = '{}'\n\
             on_missing_modality = '{setting}'\n[engine]\nengine = 'embedded'\n[[sql]]\nname = 'as annotated'\n\
             expect = 'all_true'\nquery = '''SELECT count(coalesce(u1, u2, u3)) > count(r) AS reduced, \
             sum(CASE WHEN u3 IS NOT DISTINCT FROM lsmi_u3(x1, x2, x3, y) THEN 0 ELSE 1 END) = 0 AS same \
             FROM annotated'''\n",
            bundle.display()
        );
        std::fs::write(dir.path().join("p.toml"), pipeline).unwrap();
        let ran = run(lsmi().current_dir(dir.path()).args(["run", "p.toml"]));
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(
            code == 0 || (ran.stderr.contains("reduced") && ran.stderr.contains("true")),
            "{}",
            ran.stderr
        );
    }
}

#[cfg(feature = "cluster")]
#[test]
fn a_cluster_reduces_rows_as_one_machine() {
    let (dir, bundle) = reduced(3, "embedded");
    for sql in [
        "SELECT n, lsmi(x1, x2, x3, y) AS all FROM 'gaps.parquet' ORDER BY n, y, x1, x2, x3",
        "SELECT n, lsmi_u3(x1, x2, x3, y) AS u3 FROM 'gaps.parquet' WHERE lsmi_i_3(x1, x2, x3, y) > -9 ORDER BY 1, 2",
        "SELECT dominant(r, u1, u2, u3, s) AS d, count(*) AS n FROM 'out.parquet' GROUP BY 1 ORDER BY 1",
        "SELECT lsmi_summary(r, u1, u2, u3, s)['rows'] AS rows FROM 'out.parquet'",
    ] {
        let base = ["sql", "--format", "ndjson", "--bundle", bundle.to_str().unwrap(), sql];
        let of = |more: &[&str]| {
            let ran = on(dir.path(), "embedded", &[&base[..], &REDUCE, more].concat());
            assert_eq!(ran.code, 0, "{sql}: {}", ran.stderr);
            ran.stdout
        };
        let (one, many) = (of(&[]), of(&["--cluster", "local:2"]));
        assert!(one == many && !one.is_empty(), "{sql}: {one}\n{many}");
    }
}
