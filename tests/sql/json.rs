//! Files of JSON, however their objects are laid out, and values that the first rows do not tell.

use std::fs;
use std::path::Path;

use crate::harness::{Ran, lsmi, lsmi_in, must, refused};

fn ask(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", "--format", "csv", sql])
}

fn answer(dir: &Path, sql: &str) -> String {
    must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql])).stdout
}

/// More rows than those by which types are inferred.
fn rows(separator: &str) -> String {
    (0..60_000)
        .map(|row| format!("{{\"a\":{row},\"text\":\"some text so that the file is long: ]}} {row:040}\"}}"))
        .collect::<Vec<_>>()
        .join(separator)
}

#[test]
fn objects_are_rows_however_they_are_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let indented = "{\n  \"a\": 1,\n  \"b\": {\"c\": \"x ] }\"}\n}";
    for (name, text) in [
        ("lines.ndjson", "{\"a\":1,\"b\":{\"c\":\"x ] }\"}}\n{\"a\":2}\n".to_owned()),
        ("one_after_the_other.json", "{\"a\":1,\"b\":{\"c\":\"x ] }\"}}{\"a\":2}".to_owned()),
        ("array.json", "[{\"a\":1,\"b\":{\"c\":\"x ] }\"}},\n{\"a\":2}]\n".to_owned()),
        ("indented.json", format!("{indented}\n{{\n\"a\": 2}}\n")),
        ("indented_array.json", format!("[\n{indented},\n{{\n\"a\": 2}}\n]\n")),
        ("marked.json", format!("\u{feff}[{indented},{{\"a\": 2}}]")),
        ("marked.jsonl", format!("\u{feff}{indented}\r\n{{\"a\": 2}}\r\n")),
    ] {
        fs::write(dir.join(name), text).unwrap();
        let read = answer(dir, &format!("SELECT sum(a) AS a, max(b['c']) AS c, count(*) AS n FROM '{name}'"));
        assert_eq!(read, "a,c,n\n3,x ] },2\n", "{name}");
    }
    // More than a chunk of the file.
    fs::write(dir.join("long.json"), format!("[\n{}\n]", rows(",\n"))).unwrap();
    fs::write(dir.join("long.ndjson"), rows("\n")).unwrap();
    for name in ["long.json", "long.ndjson"] {
        assert!(fs::metadata(dir.join(name)).unwrap().len() > 5 << 20);
        for threads in ["1", "7"] {
            let sql = format!("SELECT count(*) AS n, sum(a) AS a, min(length(text)) AS least FROM '{name}'");
            let ran =
                must(lsmi().current_dir(dir).args(["sql", "--format", "csv", "--threads", threads, &sql]));
            assert_eq!(ran.stdout, "n,a,least\n60000,1799970000,79\n", "{name} on {threads} threads");
        }
    }
}

#[test]
fn what_is_no_row_is_named_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (lines, array) = (rows("\n"), rows(",\n"));
    for (name, text, line, words) in [
        ("behind.json", format!("[{array}]\n{{\"a\":1}}\n"), 60_001, "follows the array's end"),
        ("open.json", format!("[{array}\n"), 60_001, "the array does not end"),
        ("comma.json", format!("[{array}\n{{\"a\":1}}]"), 60_001, "no comma"),
        ("number.ndjson", format!("{lines}\n17\n"), 60_001, "no object"),
        ("cut.ndjson", format!("{lines}\n{{\"a\":1"), 60_001, "cut off"),
        ("nan.ndjson", format!("{lines}\n{{\"a\":NaN}}\n"), 60_001, "expected"),
        ("early.json", "[{\"a\":1}]x".to_owned(), 1, "follows the array's end"),
        ("pairs.json", "{\"a\":1}\n[1,2]\n".to_owned(), 2, "no object"),
    ] {
        fs::write(dir.join(name), text).unwrap();
        let ran = ask(dir, &format!("SELECT sum(a) FROM '{name}'"));
        refused(&ran, 65, &[&format!("{name}: line {line}: "), words]);
    }
}

#[test]
fn late_values_are_neither_cut_nor_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let lines = rows("\n");
    for (name, late, words) in [
        ("fraction.ndjson", "{\"a\":1.9}", "1.9 in field a is no Int64"),
        ("field.ndjson", "{\"a\":1,\"late\":{\"x\":1}}", "field late is in none of the first rows"),
        ("large.ndjson", "{\"a\":9007199254740993.0}", "9007199254740993.0 in field a is no Int64"),
        ("larger.ndjson", "{\"a\":-9223372036854775809}", "-9223372036854775809 in field a is no Int64"),
        ("text.ndjson", "{\"a\":\"007\"}", "\"007\" in field a is no Int64"),
    ] {
        fs::write(dir.join(name), format!("{lines}\n{late}\n")).unwrap();
        let ran = ask(dir, &format!("SELECT * FROM '{name}' ORDER BY a"));
        refused(&ran, 65, &[name, "line 60001", words, "CREATE EXTERNAL TABLE"]);
    }
    let declared = "CREATE EXTERNAL TABLE t (a DOUBLE, late STRUCT<x BIGINT>) STORED AS NDJSON LOCATION";
    let read = |name: &str| {
        answer(dir, &format!("{declared} '{name}'; SELECT sum(a) AS a, max(late['x']) AS x FROM t"))
    };
    assert_eq!(read("fraction.ndjson"), "a,x\n1799970001.9,\n");
    assert_eq!(read("field.ndjson"), "a,x\n1799970001.0,1\n");
    // What a query does not read is none of its concern.
    for name in ["fraction.ndjson", "field.ndjson", "text.ndjson"] {
        assert_eq!(answer(dir, &format!("SELECT count(text) AS n FROM '{name}'")), "n\n60000\n");
    }
    assert_eq!(answer(dir, "SELECT sum(a) AS a FROM 'field.ndjson'"), "a\n1799970001\n");
    // Among the first rows, which are as many as make some megabytes, both are known.
    let few = lines.lines().take(20_000).collect::<Vec<_>>().join("\n");
    fs::write(dir.join("known.ndjson"), format!("{few}\n{{\"a\":1.9,\"late\":true}}\n")).unwrap();
    let read = answer(dir, "SELECT max(a) AS a, count(late) AS n FROM 'known.ndjson' WHERE a < 2");
    assert_eq!(read, "a,n\n1.9,1\n");
}

#[test]
fn values_are_not_cut_to_declared_types() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(
        dir.join("a.ndjson"),
        "{\"n\":1.9,\"l\":[1,2.5],\"s\":{\"x\":[{\"y\":0.5}]},\"d\":\"2024-02-29 10:00:00\",\"m\":1.255,\"e\":0.12345678901234567890123,\"f\":\"1e65536\",\"h\":1e300,\"k\":{\"z\":1.5}}\n\
         {\"n\":2.0,\"l\":[3.0],\"d\":\"2024-02-29\",\"m\":\"1.25\"}\n",
    )
    .unwrap();
    for (columns, words) in [
        ("n BIGINT", "1.9 in field n is no Int64"),
        ("n INT", "1.9 in field n is no Int32"),
        ("l BIGINT[]", "2.5 in field l is no Int64"),
        ("s STRUCT<x STRUCT<y BIGINT>[]>", "0.5 in field s.x.y is no Int64"),
        ("d DATE", "\"2024-02-29 10:00:00\" in field d is no Date32"),
        ("m DECIMAL(10, 2)", "1.255 in field m is no Decimal128(10, 2)"),
        ("e DECIMAL(38, 18)", "0.12345678901234567890123 in field e is no Decimal128(38, 18)"),
        ("f DECIMAL(10, 2)", "\"1e65536\" in field f is no Decimal128(10, 2)"),
        ("h REAL", "1e300 in field h is no Float32"),
    ] {
        let ran = ask(
            dir,
            &format!(
                "CREATE EXTERNAL TABLE t ({columns}) STORED AS JSON LOCATION 'a.ndjson'; SELECT * FROM t"
            ),
        );
        refused(&ran, 65, &["a.ndjson: line 1: ", words]);
    }
    let wide = "n DOUBLE, l DOUBLE[], d TIMESTAMP, m DECIMAL(10, 3)";
    let read = answer(
        dir,
        &format!(
            "CREATE EXTERNAL TABLE t ({wide}) STORED AS JSON LOCATION 'a.ndjson'; SELECT n, l[1] AS l, d, m FROM t"
        ),
    );
    assert_eq!(read, "n,l,d,m\n1.9,1.0,2024-02-29T10:00:00,1.255\n2.0,3.0,2024-02-29T00:00:00,1.250\n");
}

#[test]
fn values_of_any_kind_stop_only_the_queries_that_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(
        dir.join("a.json"),
        "{\"k\":1,\"v\":1,\"l\":[{\"b\":1},null],\"m\":[null,[1]],\"n\":18446744073709551615}\n\
         {\"k\":2,\"v\":{\"b\":2},\"l\":[null,{\"c\":2.5}],\"m\":[],\"n\":9007199254740993}\n",
    )
    .unwrap();
    let read =
        answer(dir, "SELECT k, l[1]['b'] AS b, l[2]['c'] AS c, m[2][1] AS m, n FROM 'a.json' ORDER BY k");
    assert_eq!(read, "k,b,c,m,n\n1,1,,1,18446744073709551615\n2,,2.5,,9007199254740993\n");
    refused(
        &ask(dir, "SELECT v FROM 'a.json'"),
        65,
        &["a.json: line 1: 1 in field v is no Utf8", "write it in double quotes"],
    );
    // Columns come in the order in which they appear.
    assert!(answer(dir, "SELECT * EXCEPT (v) FROM 'a.json'").starts_with("k,l,m,n\n"));
    answer(dir, "COPY (SELECT [NULL, struct(1 AS x)] AS l) TO 'own.json'");
    assert_eq!(answer(dir, "SELECT l[2]['x'] AS x FROM 'own.json'"), "x\n1\n");
}

#[test]
fn values_of_another_type_are_named_by_line_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let first = "{\"i\":1,\"f\":0.5,\"b\":true,\"t\":\"x\",\"l\":[1],\"s\":{\"x\":1},\"n\":null,\"m\":[{\"y\":[true]}]}";
    let lines = format!("{first}\n").repeat(60_000);
    assert!(lines.len() > 4 << 20);
    for (late, words) in [
        ("\"i\":true", "true in field i is no Int64"),
        ("\"f\":\"x\"", "\"x\" in field f is no Float64"),
        ("\"b\":0", "0 in field b is no Boolean"),
        ("\"t\":7", "7 in field t is no Utf8"),
        ("\"t\":{\"x\":1}", "{\"x\":1} in field t is no Utf8"),
        ("\"l\":2", "integer `2`, expected an array in field l"),
        ("\"l\":[\"x\"]", "\"x\" in field l is no Int64"),
        ("\"l\":{\"x\":1}", "map, expected an array in field l"),
        ("\"s\":\"x\"", "string \"x\", expected an object in field s"),
        ("\"s\":[1]", "sequence, expected an object in field s"),
        ("\"s\":{\"z\":1}", "field s.z is in none of the first rows"),
        ("\"n\":1", "1 in field n is no Null"),
        ("\"m\":[{\"y\":[1]}]", "1 in field m.y is no Boolean"),
    ] {
        fs::write(dir.join("late.ndjson"), format!("{lines}{{{late}}}\n")).unwrap();
        // No type holds numbers beside texts.
        let way = if late == "\"t\":7" { "write it in double quotes" } else { "CREATE EXTERNAL" };
        refused(
            &ask(dir, "SELECT * FROM 'late.ndjson' ORDER BY i"),
            65,
            &["late.ndjson: line 60001: ", words, way],
        );
        // Nulls are values of any type.
        let (name, _) = late.split_once(':').unwrap();
        fs::write(dir.join("null.ndjson"), format!("{lines}{{{name}:null}}\n")).unwrap();
        assert_eq!(answer(dir, "SELECT count(*) AS n FROM (SELECT * FROM 'null.ndjson')"), "n\n60001\n");
    }
}

#[test]
fn escaped_characters_are_those_that_are_meant() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.json"), "{\"a\":\"\\ud840\\udc00\",\"\\ud842\\udfb7\":\"\\\\ud840\\u00e9\"}\n")
        .unwrap();
    assert_eq!(answer(dir, "SELECT ascii(a) AS a, \"𠮷\" AS b FROM 'a.json'"), "a,b\n131072,\\ud840é\n");
}

#[test]
fn a_declared_field_that_no_row_has_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("parts")).unwrap();
    fs::write(dir.join("parts/a.json"), "{\"Id\":1,\"v\":\"x\"}\n").unwrap();
    fs::write(dir.join("parts/b.json"), "{\"w\":2}\n").unwrap();
    let read = |columns: &str| {
        ask(
            dir,
            &format!(
                "CREATE EXTERNAL TABLE t ({columns}) STORED AS JSON LOCATION 'parts'; SELECT * FROM t ORDER BY v"
            ),
        )
    };
    // Files without rows have no fields, and none is missing.
    fs::write(dir.join("none.json"), "[]").unwrap();
    let none =
        "CREATE EXTERNAL TABLE t (a INT) STORED AS JSON LOCATION 'none.json'; SELECT count(a) AS n FROM t";
    assert_eq!(answer(dir, none), "n\n0\n");
    refused(&read("Id INT, v VARCHAR"), 64, &["no row has the field id", "Id, v, w"]);
    assert_eq!(read("\"Id\" INT, v VARCHAR, w INT").stdout, "Id,v,w\n1,x,\n,,2\n");
}
