//! Files of CSV, TSV and JSON lines: line breaks and quotes in fields, types that the first rows do not tell, headers.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::harness::{Ran, lsmi, lsmi_in, must, refused};

fn ask(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", "--format", "csv", sql])
}

fn answer(dir: &Path, sql: &str) -> String {
    must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql])).stdout
}

/// A row in each field of whose text there is what looks like a row.
fn with_line_breaks(rows: usize, delimiter: char) -> String {
    (0..rows).fold(format!("id{delimiter}caption\n"), |mut text, row| {
        writeln!(text, "{row}{delimiter}\"one of {row}, in quotes \"\"so\"\"\n7{delimiter}two\"").unwrap();
        text
    })
}

#[test]
fn line_breaks_in_fields_make_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.csv"), with_line_breaks(60_000, ',')).unwrap();
    fs::write(dir.join("a.tsv"), with_line_breaks(60_000, '\t')).unwrap();
    assert!(fs::metadata(dir.join("a.csv")).unwrap().len() > 2 << 20);
    let numbers =
        "count(*) AS rows, sum(id) AS sum, min(length(caption)) AS least, max(length(caption)) AS most";
    for threads in ["1", "2", "7"] {
        for (table, sql) in [
            ("'a.csv'", ""),
            ("'a.tsv'", ""),
            ("t", "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv'; "),
        ] {
            let sql = format!("{sql}SELECT {numbers} FROM {table}");
            let ran =
                must(lsmi().current_dir(dir).args(["sql", "--format", "csv", "--threads", threads, &sql]));
            let expected = "rows,sum,least,most\n60000,1799970000,30,34\n";
            assert_eq!(ran.stdout, expected, "{table} on {threads} threads");
        }
    }
}

#[test]
fn an_open_quote_is_named_by_its_line_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for rows in [3, 900, 50_000] {
        let whole = with_line_breaks(rows, ',');
        fs::write(dir.join("a.csv"), format!("{whole}1,\"open\n2,x\n3,y\n")).unwrap();
        let line = format!("in line {} is not closed", 2 * rows + 2);
        refused(&ask(dir, "SELECT count(*) FROM 'a.csv'"), 65, &["a.csv: ", &line]);
        fs::write(dir.join("b.csv"), format!("{whole}1,5\" disk\n2,\"x\"\n")).unwrap();
        assert_eq!(answer(dir, "SELECT count(*) AS n FROM 'b.csv'"), format!("n\n{}\n", rows + 2));
    }
    // What a query does not read it does not find.
    assert_eq!(answer(dir, "SELECT id FROM 'a.csv' LIMIT 1"), "id\n0\n");
}

#[test]
fn a_late_value_of_another_type_is_told_with_the_way_to_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (name, delimiter) in [("late.csv", ','), ("late.tsv", '\t')] {
        let rows = (0..2000).map(|row| format!("{row}{delimiter}{row}\n"));
        let text: String = rows.chain([format!("2000{delimiter}abc\n")]).collect();
        fs::write(dir.join(name), format!("id{delimiter}V\n{text}")).unwrap();
        let ran = ask(dir, &format!("SELECT sum(\"V\") FROM '{name}'"));
        refused(
            &ran,
            65,
            &["\"V\"", "\"abc\" in row 2001 is no Int64", "first 1000 rows", "CREATE EXTERNAL TABLE"],
        );
        assert!(!ran.stderr.contains("damaged"), "{}", ran.stderr);
        let way = &ran.stderr[ran.stderr.find("CREATE").unwrap()..];
        let read =
            answer(dir, &format!("{}; SELECT count(\"V\") AS n, max(\"V\") AS v FROM t", way.trim_end()));
        assert_eq!(read, "n,v\n2001,abc\n");
    }
    let lines: String = (0..2000).map(|row| format!("{{\"a\":{row}}}\n")).collect();
    fs::write(dir.join("late.ndjson"), format!("{lines}{{\"a\":\"x\"}}\n")).unwrap();
    fs::write(dir.join("early.json"), "{\"a\":1}\n{\"a\":\"x\"}\n").unwrap();
    for name in ["late.ndjson", "early.json"] {
        let ran = ask(dir, &format!("SELECT max(a) FROM '{name}'"));
        refused(&ran, 65, &[name, "line ", "in field a is no ", "first rows", "write"]);
    }
}

#[test]
fn values_are_not_cut_to_the_type_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let write = |name: &str, first: &str, late: &str| {
        let rows: String = (0..2000).map(|row| format!("{row},{first},\"two\nlines\"\n")).collect();
        fs::write(dir.join(name), format!("id,v,text\n{rows}2000,{late},x")).unwrap();
    };
    // A fraction of a second is one of the column's values.
    write("fraction.csv", "2024-02-29T10:00:00", "2024-02-29T10:00:00.25");
    assert_eq!(answer(dir, "SELECT max(v) AS v FROM 'fraction.csv'"), "v\n2024-02-29T10:00:00.250\n");
    for (first, late, type_of_first) in [
        ("2024-02-29", "2024-02-29 10:00:00", "Date32"),
        ("2024-02-29T10:00:00", "2024-02-29T10:00:00.1234567", "Timestamp"),
        ("2024-02-29T10:00:00", "29.02.2024", "Timestamp"),
    ] {
        write("late.csv", first, late);
        assert_eq!(answer(dir, "SELECT sum(id) AS n FROM 'late.csv'"), "n\n2001000\n");
        let ran = ask(dir, "SELECT max(v) FROM 'late.csv'");
        refused(&ran, 65, &["\"v\"", &format!("\"{late}\" in row 2001 is no {type_of_first}"), "EXTERNAL"]);
        let way = &ran.stderr[ran.stderr.find("CREATE").unwrap()..];
        let read = answer(dir, &format!("{}; SELECT v FROM t WHERE id = 2000", way.trim_end()));
        assert_eq!(read, format!("v\n{late}\n"));
    }
    // Also to one that is declared.
    write("decimal.csv", "1.25", "1.255");
    let declared = |scale: u8| {
        ask(
            dir,
            &format!(
                "CREATE EXTERNAL TABLE t (v DECIMAL(10, {scale})) STORED AS CSV LOCATION 'decimal.csv'; SELECT max(v) AS v \
                 FROM t"
            ),
        )
    };
    refused(&declared(2), 65, &["\"1.255\" in row 2001 is no Decimal128(10, 2)"]);
    assert_eq!(declared(3).stdout, "v\n1.255\n");
    let long = format!("1.{}", "2".repeat(300));
    for (late, words) in [
        ("123456789", "\"123456789\" in row 2001"),
        ("1e65536", "\"1e65536\" in row 2001"),
        (&long, "\"1.2222"),
    ] {
        write("decimal.csv", "1.25", late);
        refused(&declared(2), 65, &[words, "is no Decimal128(10, 2)"]);
    }
    // One thread reads a file, or, where the user says so and nothing can be cut, several do.
    let plan = |name: &str| {
        let divided = "SET datafusion.catalog.newlines_in_values = false; EXPLAIN SELECT count(*) FROM";
        let sql = format!("{divided} '{name}' WHERE v <> id");
        must(lsmi().current_dir(dir).args(["sql", "--threads", "4", &sql])).stdout
    };
    let numbers: String = (0..400_000).map(|row| format!("{row},{row}000000000000000000\n")).collect();
    fs::write(dir.join("numbers.csv"), format!("id,v\n{numbers}")).unwrap();
    assert!(plan("numbers.csv").contains("4 groups"), "{}", plan("numbers.csv"));
}

#[test]
fn headers_are_unique_or_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("twice.csv"), "id,id,v\n1,2,3\n").unwrap();
    assert_eq!(answer(dir, "SELECT * FROM 'twice.csv'"), "id,id_1,v\n1,2,3\n");
    fs::write(dir.join("blank.csv"), "\n").unwrap();
    refused(&ask(dir, "SELECT * FROM 'blank.csv'"), 65, &["blank.csv", "no header"]);
    fs::create_dir(dir.join("parts")).unwrap();
    for ending in ["csv", "json", "ndjson"] {
        let empty = format!("empty.{ending}");
        fs::write(dir.join(&empty), "").unwrap();
        refused(&ask(dir, &format!("SELECT * FROM '{empty}'")), 65, &[&empty, "is empty"]);
    }
    fs::write(dir.join("parts/a.csv"), "").unwrap();
    fs::write(dir.join("parts/b.csv"), "v\n1\n").unwrap();
    assert_eq!(answer(dir, "SELECT * FROM 'parts'"), "v\n1\n");
}

#[test]
fn an_empty_text_is_written_and_null_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sql =
        "SELECT * FROM (VALUES (1, 'a,b', 0.5), (2, '', NULL), (3, NULL, 1.0)) AS t(id, s, r) ORDER BY id";
    must(lsmi().current_dir(dir).args(["sql", "--output", "out.csv", sql]));
    let written = fs::read_to_string(dir.join("out.csv")).unwrap();
    assert_eq!(written, "id,s,r\n1,\"a,b\",0.5\n2,\"\",\n3,,1.0\n");
    assert_eq!(answer(dir, sql), written);
}

#[test]
fn a_column_without_early_values_is_text() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let late = (0..=1000).fold("a,c\n".to_owned(), |mut text, row| {
        writeln!(text, "{row},{}", if row < 1000 { "" } else { "late" }).unwrap();
        text
    });
    fs::write(dir.join("a.csv"), &late).unwrap();
    assert_eq!(answer(dir, "SELECT count(c) AS n, max(c) AS c FROM 'a.csv'"), "n,c\n1,late\n");
    let external = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv'; SELECT a FROM t WHERE c = 'late'";
    assert_eq!(answer(dir, external), "a\n1000\n");
    // Beside a file that tells its type, it is of that.
    fs::create_dir(dir.join("parts")).unwrap();
    fs::write(dir.join("parts/a.csv"), late.replace("late", "2.5")).unwrap();
    fs::write(dir.join("parts/b.csv"), "a,c\n1,0.5\n").unwrap();
    assert_eq!(answer(dir, "SELECT sum(c) AS s FROM 'parts'"), "s\n3.0\n");
}
