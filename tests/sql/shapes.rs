//! Queries of many shapes: what they give over the models is what they give over the
//! columns that annotate wrote.

use std::path::Path;

use serde_json::Value;

use crate::harness::files::write;
use crate::harness::{annotate, bundle, lsmi, must, rows};

/// `{t.r}` stands for the column r of t, and for the call that gives it.
const SHAPES: [&str; 22] = [
    "SELECT h1, {t.r} AS a, {t.s} AS b FROM t ORDER BY h1",
    "SELECT q.h1, a, b FROM (SELECT h1, {t.r} AS a FROM t) AS q JOIN (SELECT h1, {t.s} AS b FROM t) AS p \
     ON q.h1 = p.h1 ORDER BY q.h1",
    "SELECT x.h1, {x.r} AS a, {z.s} AS b FROM t AS x JOIN t AS z ON x.h1 = z.h1 WHERE {x.i12} > {z.s} ORDER BY x.h1",
    "SELECT x.h1, {x.r} AS a FROM t AS x LEFT JOIN t AS z ON x.h1 = z.h1 AND {z.s} > 0.5 WHERE z.h1 IS NULL \
     ORDER BY x.h1",
    "SELECT DISTINCT ON (y) y, h1, {t.r} AS a FROM t ORDER BY y, {t.u1} DESC, h1",
    "SELECT y, count(*) AS n FROM t WHERE {t.i12} < 1 GROUP BY y HAVING max({t.s}) > 0.1 ORDER BY y",
    "SELECT y, avg({t.r}) FILTER (WHERE {t.s} > 0) AS p FROM t GROUP BY y ORDER BY y",
    "SELECT round({t.r}) AS g, count(*) AS n, max({t.i12}) AS m FROM t GROUP BY round({t.r}) ORDER BY g",
    "SELECT y, round({t.r}) AS g, count(*) AS n FROM t GROUP BY CUBE(y, round({t.r})) ORDER BY y, g",
    "SELECT h1 FROM t WHERE {t.r} > (SELECT avg({t.r}) FROM t) ORDER BY h1",
    "SELECT h1 FROM t WHERE h1 IN (SELECT h1 FROM t WHERE {t.s} > 0.3) ORDER BY h1",
    "SELECT h1 FROM t AS o WHERE EXISTS (SELECT 1 FROM t AS i WHERE i.y = o.y AND {i.s} > {o.s} + 1) ORDER BY h1",
    "SELECT h1, (SELECT max({i.s}) FROM t AS i WHERE i.y = o.y) AS m FROM t AS o ORDER BY h1",
    "SELECT h1, a FROM (SELECT h1, {t.r} AS a, row_number() OVER (PARTITION BY y ORDER BY {t.s} DESC) AS n FROM t) \
     WHERE n <= 2 ORDER BY h1",
    "SELECT h1, CASE WHEN y = 3 THEN {t.r} WHEN {t.s} > 0 THEN {t.u1} END AS a, coalesce(NULL, {t.u2}) AS b FROM t \
     ORDER BY h1",
    "SELECT a FROM (SELECT {t.r} AS a FROM t WHERE h1 < 4 UNION ALL SELECT {t.s} FROM t WHERE h1 >= 4) ORDER BY a",
    "WITH v AS (SELECT *, {t.r} AS a FROM t), w AS (SELECT *, {v.s} AS b FROM v WHERE a > 1) \
     SELECT h1, a, b, {w.i12} AS c FROM w WHERE b > 0 ORDER BY h1",
    "SELECT h1, {q.r} AS a FROM (SELECT * FROM t ORDER BY {t.s} DESC LIMIT 20 OFFSET 5) AS q WHERE {q.s} > 0 ORDER BY h1",
    "SELECT y AS r, {t.r} AS y FROM t ORDER BY r, y",
    "SELECT t.h1, u.n FROM t, unnest([1, 2]) AS u(n) WHERE {t.s} > 0.2 ORDER BY t.h1, u.n",
    "SELECT y % 2 AS p, sum({t.r}) OVER (PARTITION BY y % 2 ORDER BY h1) AS z FROM t WHERE {t.i12} > 0 ORDER BY h1",
    "SELECT a FROM (SELECT -{t.r} AS a, x1, x2, y FROM t) AS t ORDER BY a LIMIT 3",
];

/// A shape with every `{table.part}` as what `write` makes of them.
fn filled(shape: &str, write: impl Fn(&str, &str) -> String) -> String {
    let mut parts = shape.split('{');
    let mut sql = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        let (table, part) = name.split_once('.').unwrap();
        sql += &write(table, part);
        sql += rest;
    }
    sql
}

fn ask(dir: &Path, sql: &str) -> Vec<Value> {
    let mut command = lsmi();
    command.current_dir(dir).args(["sql", "--table", "t=out.parquet", "--format", "ndjson", "--bundle"]);
    let ran = must(command.arg(bundle()).arg(sql));
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_near(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-4 * one.abs().max(1.0),
        _ => one == other,
    }
}

#[test]
fn calls_give_what_the_columns_give() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(300));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--columns", "i12,h1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for shape in SHAPES {
        let expected = ask(dir.path(), &filled(shape, |table, part| format!("{table}.{part}")));
        assert!(!expected.is_empty(), "{shape}");
        let accessor = filled(shape, |table, part| format!("lsmi_{part}({table}.x1, {table}.x2, {table}.y)"));
        let field = filled(shape, |table, part| format!("lsmi({table}.x1, {table}.x2, {table}.y)['{part}']"));
        for sql in [accessor, field] {
            let found = ask(dir.path(), &sql);
            assert_eq!(found.len(), expected.len(), "{sql}");
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
                assert!(found.keys().eq(expected.keys()), "{sql}: {found:?}");
                for (name, value) in found {
                    assert!(is_near(value, &expected[name]), "{sql}: {name} {value} for {}", expected[name]);
                }
            }
        }
    }
}
