//! The functions of SQL on three and four modalities: annotate's values, the sums that they are, and what is
//! refused.

use tempfile::TempDir;

use super::{on, sets, system};
use crate::harness::files::{read, write};
use crate::harness::{Ran, annotate, bundle, last_json, query, refused, rows};

/// A folder with the `bundle` of a system, its outcomes as `in.parquet`, and as `out.parquet` with these
/// columns.
pub fn annotated(name: &str, columns: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(system(name).0.join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    super::annotated(system(name), dir.path(), "embedded", &["--columns", columns]);
    dir
}

fn ask(dir: &TempDir, sql: &str, more: &[&str]) -> Ran {
    let base = ["sql", "--bundle", "bundle", "--format", "ndjson", sql];
    on(dir.path(), "embedded", &[&base[..], more].concat())
}

/// i of all sets of so many modalities.
fn information(modalities: usize) -> Vec<String> {
    sets(modalities).iter().map(|set| format!("i_{set}")).collect()
}

/// The embeddings and the label of a call.
fn call(modalities: usize) -> String {
    let x: String = (1..=modalities).map(|m| format!("x{m}, ")).collect();
    format!("({x}y)")
}

#[test]
fn the_values_are_annotates_bit_for_bit() {
    for (name, modalities) in [("shared_xor", 3), ("random", 4)] {
        let pointwise = sets(modalities).into_iter();
        let specificity =
            pointwise.clone().filter(|set| set.len() < modalities).map(|set| format!("h_{set}"));
        let pointwise: Vec<String> = pointwise.map(|set| format!("i_{set}")).chain(specificity).collect();
        let dir = annotated(name, &pointwise.join(","));
        let parts = (1..=modalities).map(|m| format!("u{m}"));
        let columns: Vec<String> =
            ["r".to_owned()].into_iter().chain(parts).chain(["s".to_owned()]).chain(pointwise).collect();
        let call = call(modalities);
        let differs = columns.iter().map(|name| {
            format!(
                "sum(CASE WHEN ({name} IS NOT DISTINCT FROM lsmi_{name}{call}) AND ({name} IS NOT DISTINCT FROM \
                 lsmi{call}['{name}']) THEN 0 ELSE 1 END) AS {name}"
            )
        });
        let differs = differs.collect::<Vec<_>>().join(", ");
        // Either notation is read, as by --columns.
        let sql = format!(
            "SELECT count(*) AS rows, sum(abs(i_12 - lsmi_i12{call})) AS other, {differs} FROM 'out.parquet'"
        );
        let ran = ask(&dir, &sql, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let counts = last_json(&ran);
        assert!(counts["rows"].as_u64().unwrap() >= 8 && counts["other"] == 0.0, "{counts}");
        for column in &columns {
            assert_eq!(counts[column], 0, "{name}: {column} in {counts}");
        }
        let all = last_json(&ask(&dir, &format!("SELECT lsmi{call} AS all FROM 'in.parquet' LIMIT 1"), &[]));
        let mut names: Vec<&String> = all["all"].as_object().unwrap().keys().collect();
        let mut columns: Vec<&String> = columns.iter().collect();
        names.sort();
        columns.sort();
        assert_eq!(names, columns);
    }
}

#[test]
fn a_summary_has_the_means_and_shares_of_every_part() {
    let dir = annotated("random", "i_1234");
    let parts = ["r", "u1", "u2", "u3", "u4", "s"];
    let names = ["redundancy", "unique_1", "unique_2", "unique_3", "unique_4", "synergy"];
    let expected = parts.iter().zip(names).map(|(part, name)| {
        format!(
            "avg({part}) AS {part}, stddev({part}) / sqrt(count({part})) AS {part}_std_error, \
             avg(CASE WHEN dominant(r, u1, u2, u3, u4, s) = '{name}' THEN 1.0 ELSE 0.0 END) AS {name}_share"
        )
    });
    let expected = expected.collect::<Vec<_>>().join(", ");
    // Twice over, in groups and without them: states are merged.
    let of = |more: &str| {
        let rows = "(SELECT * FROM 'out.parquet' UNION ALL SELECT * FROM 'out.parquet')";
        query(
            dir.path(),
            &format!("SELECT lsmi_summary(r, u1, u2, u3, u4, s) AS p, {expected} FROM {rows} {more}"),
        )
    };
    for found in [of(""), of("GROUP BY r IS NULL")] {
        let summary = found["p"].as_object().unwrap();
        assert_eq!(summary.len(), 2 + 3 * 6, "{found}");
        assert_eq!((&summary["rows"], &summary["nulls"]), (&24.into(), &0.into()));
        for (name, value) in summary.iter().filter(|(name, _)| !["rows", "nulls"].contains(&name.as_str())) {
            let (value, expected) = (value.as_f64().unwrap(), found[name].as_f64().unwrap());
            assert!((value - expected).abs() < 1e-9, "{name}: {value} for {expected}");
        }
    }
    let sql = "SELECT string_agg(dominant(r, u1, u2, u3, s), ' ' ORDER BY id) AS d FROM (VALUES \
               (0, 3.0, -1.0, 2.0, 1.5, 0.0), (1, -3.0, -1.0, -2.0, -1.0, -4.0), (2, 0.0, 1.0, 1.0, 2.0, 2.0), \
               (3, 0.0, 0.0, 2.5, 0.0, 2.6)) AS t(id, r, u1, u2, u3, s)";
    assert_eq!(query(dir.path(), sql)["d"], "redundancy unique_1 unique_3 synergy");
}

#[test]
fn a_check_is_the_largest_difference_of_any_set() {
    for (name, modalities, columns) in [("shared_xor", 3, 25), ("random", 4, 181)] {
        let information = information(modalities);
        let dir = annotated(name, &format!("atoms,{}", information.join(",")));
        // In the order of annotate's columns.
        let schema = read(&dir.path().join("out.parquet")).schema();
        let all = schema.fields().iter().map(|field| field.name().as_str());
        let all: Vec<&str> = all.filter(|name| name.starts_with("a_") || name.starts_with("i_")).collect();
        assert_eq!(all.len(), columns);
        let all = all.join(", ");
        let full = information.last().unwrap();
        let off = all.replace(full, &format!("CAST({full} + 2 AS DOUBLE)"));
        let null = all.replace("i_1,", "CASE WHEN p > 0 THEN NULL ELSE i_1 END,");
        let found = query(
            dir.path(),
            &format!(
                "SELECT max(lsmi_check({all})) AS most, min(lsmi_check({off})) AS off, \
                 count(lsmi_check({null})) AS none, count(*) AS rows FROM 'out.parquet'"
            ),
        );
        assert!(found["most"].as_f64().unwrap() < 1e-4, "{name}: {found}");
        assert!((found["off"].as_f64().unwrap() - 2.0).abs() < 1e-4, "{name}: {found}");
        assert_eq!(found["none"], 0, "{name}: {found}");
    }

    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(500));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--columns", "i1,i2,i12"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = query(
        dir.path(),
        "SELECT max(lsmi_check(r, u1, u2, s, i1, i2, i12)) AS most, min(lsmi_check(r, u1, u2, s, i1, i1 - 9, i12)) \
         AS off, count(*) AS rows FROM 'out.parquet'",
    );
    assert!(found["most"].as_f64().unwrap() < 1e-4 && found["off"].as_f64().unwrap() > 1.0, "{found}");
}

#[test]
fn calls_of_another_number_of_modalities_name_both() {
    let dir = annotated("cat", "atoms,i_1");
    for (call, words) in [
        ("lsmi(x1, x2, y)", ["2 embeddings before \"y\"", "3 modalities; write lsmi(x1, x2, x3, y)"]),
        ("lsmi_r(x1, x2, x3, x1, y)", ["4 embeddings", "3 modalities"]),
        ("lsmi(x1, x2, x3, x1, x2, y)", ["5 embeddings", "3 modalities"]),
        ("lsmi_s(x1, x2, x3)", ["2 embeddings before \"x3\"", "3 modalities"]),
        ("lsmi_u4(x1, x2, x3, y)", ["lsmi_u4(x1, x2, x3, y)", "3 modalities; there are r, u1, u2, u3, s"]),
        ("lsmi_u3(x1, x2, y)", ["lsmi_u3(x1, x2, y)", "2 modalities; there are r, u1, u2, s, i1"]),
        ("lsmi(x1, x2, x3, y, 7)", ["fifth argument is not a bundle's", "lsmi(x1, x2, x3, y, 'bundle')"]),
        ("lsmi(x1, NULL, x3, y)", ["argument 2 is NULL without a type", "arrow_cast(NULL, 'FixedSizeList("]),
        ("lsmi(x1, x2, x3, y, p)", ["must be a literal", "lsmi(x1, x2, x3, y)"]),
        ("lsmi(x1, x2, x3, y, 'bundle', p)", ["knows its training rows by their embeddings", "omit"]),
        ("lsmi_r(x1)", ["it takes four arguments or more", "write lsmi_r(x1, x2, x3, y)"]),
        (
            "lsmi_i123(x1, x2, x3, y)",
            ["no function lsmi_i123", "did you mean lsmi_i_123(x1, x2, x3, y), of 3 modalities?"],
        ),
        ("lsmi_a_1_23(x1, x2, x3, y)", ["no function lsmi_a_1_23", "annotate --columns a_1_23"]),
        ("lsmi_check(r, u1, u2, u3, s)", ["7 columns of two", "25 of three"]),
        ("lsmi_check(r, u2, u1, s, i_1, i_1, i_1)", ["argument 2 is u2", "place is u1 or a_1;"]),
        ("lsmi_check(r, u1, u2, s, i_1, 'a', x1)", ["no number", "Utf8"]),
    ] {
        let ran = ask(&dir, &format!("SELECT {call} FROM 'out.parquet'"), &[]);
        refused(&ran, 64, &words);
    }
    let two = dir.path().join("two.parquet");
    write(&two, &rows(10));
    let sql = format!("SELECT lsmi(x1, x2, x1, y, '{}') FROM 'two.parquet'", bundle().display());
    refused(&ask(&dir, &sql, &[]), 64, &["3 embeddings", "2 modalities; write lsmi(x1, x2, y)"]);
    // Arguments that are no embeddings, by their types.
    for (argument, data_type) in [
        ("arrow_cast([1, 2], 'List(Int64)')", "List("),
        ("1.5", "Float64"),
        ("'text'", "Utf8"),
        ("arrow_cast('text', 'Binary')", "Binary"),
        ("y", "Int64"),
    ] {
        for call in ["lsmi_r(x1, x2, X, y)", "lsmi_r(x1, x2, X, y, 'bundle')", "lsmi(x1, X, x3, y)"] {
            let call = call.replace('X', argument);
            let ran = ask(&dir, &format!("SELECT {call} FROM 'in.parquet'"), &[]);
            refused(&ran, 65, &["lsmi", "column ", "has type ", data_type, "which is no embedding"]);
        }
    }
    // An embedding of another length.
    let sql = "SELECT lsmi(x1, x2, [1.0, 2.0, 3.0]::float[3], y) FROM 'in.parquet'";
    let ran = ask(&dir, sql, &[]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("3, the bundle's models take 2"), "{}", ran.stderr);
}

#[test]
fn rows_that_the_models_do_not_describe_are_said() {
    let dir = annotated("cat", "i_1");
    let of = |label: &str| {
        format!(
            "SELECT avg(lsmi_i_123(x1, x2, x3, {label})) AS i FROM 'in.parquet' CROSS JOIN generate_series(1, 20)"
        )
    };
    let ran = ask(&dir, &of("y"), &[]);
    assert!(ran.code == 0 && !ran.stderr.contains("WARN"), "{}", ran.stderr);
    let ran = ask(&dir, &of("(y + 1) % 8"), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let warned = ran.stderr.lines().find(|line| line.contains("WARN")).unwrap();
    for words in ["lsmi with bundle", "mean i_3 is -", "mean i_123 is -", "do not describe these rows"] {
        assert!(warned.contains(words), "{warned}");
    }
    let failed = ask(&dir, &of("(y + 1) % 8"), &["--on-shift", "fail"]);
    assert!(failed.code == 65 && failed.stderr.contains("mean i_123 is -"), "{}", failed.stderr);
}

#[cfg(feature = "cluster")]
#[test]
fn a_cluster_has_the_rows_of_one_machine() {
    let dir = annotated("shared_xor", "atoms,i_1,i_2,i_3,i_12,i_13,i_23,i_123");
    let schema = read(&dir.path().join("out.parquet")).schema();
    let all = schema.fields().iter().map(|field| field.name().as_str());
    let all: Vec<&str> = all.filter(|name| name.starts_with("a_") || name.starts_with("i_")).collect();
    let check = format!(
        "SELECT y, max(lsmi_check({})) AS off FROM 'out.parquet' GROUP BY y ORDER BY y",
        all.join(", ")
    );
    for sql in [
        "SELECT x1, x2, lsmi(x1, x2, x3, y) AS all FROM 'out.parquet' ORDER BY x1, x2, x3",
        "SELECT y, lsmi_u3(x1, x2, x3, y) AS u3, lsmi_h_23(x1, x2, x3, y) AS h FROM 'out.parquet' \
         WHERE lsmi_i_123(x1, x2, x3, y) > 0 ORDER BY 1, 2, 3",
        "SELECT y, lsmi_summary(r, u1, u2, u3, s) AS p FROM 'out.parquet' GROUP BY y ORDER BY y",
        "SELECT lsmi_summary(r, u1, u2, u3, s)['rows'] AS rows FROM 'out.parquet'",
        "SELECT dominant(r, u1, u2, u3, s) AS d, count(*) AS n FROM 'out.parquet' GROUP BY 1 ORDER BY 1",
        &check,
    ] {
        let (one, many) = (ask(&dir, sql, &[]), ask(&dir, sql, &["--cluster", "local:2"]));
        assert_eq!((one.code, many.code), (0, 0), "{sql}: {}", many.stderr);
        assert_eq!(many.stdout, one.stdout, "{sql}");
        assert!(!many.stderr.contains("runs in this process"), "{sql}: {}", many.stderr);
    }
    let sql = "SELECT lsmi(x1, x2, y) FROM 'out.parquet'";
    refused(&ask(&dir, sql, &["--cluster", "local:2"]), 64, &["2 embeddings", "3 modalities"]);
}
