//! COPY: its file is what `--output` writes, and has its name when it is whole, or never.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::files::listing;
use crate::harness::{Ran, lsmi_in, query, refused};

/// Rows of which one that comes late fails.
const LATE: &str = "SELECT value, CAST(CASE WHEN value = 299000 THEN 'x' ELSE '1' END AS INT) AS q \
                    FROM generate_series(1, 300000)";

/// Rows of lists, texts that want quotes, nulls and floats.
const ROWS: &str =
    "SELECT * FROM (VALUES (1, 0.5, 'a,\"b\"', [1, 2]), (2, NULL, 'é', NULL)) AS t(k, r, name, l) ORDER BY k";

fn sql(dir: &Path, args: &[&str]) -> Ran {
    lsmi_in(dir, [&["sql"], args].concat())
}

#[test]
fn a_late_failure_leaves_nothing_and_an_earlier_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in
        ["a.parquet", "a.csv", "a.tsv", "a.json", "a.ndjson", "a.arrow", "a.arrows", "folder/", "parts"]
    {
        let by = if name == "parts" { " STORED AS CSV PARTITIONED BY (q)" } else { "" };
        let by = if name == "folder/" { " STORED AS PARQUET" } else { by };
        let copy = format!("COPY ({LATE}) TO '{name}'{by}");
        refused(&sql(dir, &[&copy]), 64, &["'x' is no Int32"]);
        assert!(listing(dir).is_empty(), "{name}: {:?}", listing(dir));
        if by.is_empty() {
            fs::write(dir.join(name), "precious").unwrap();
            refused(&sql(dir, &["--overwrite", &copy]), 64, &["'x' is no Int32"]);
            assert_eq!(fs::read(dir.join(name)).unwrap(), b"precious", "{name}");
            assert_eq!(listing(dir), [name]);
            fs::remove_file(dir.join(name)).unwrap();
        }
    }
}

#[test]
fn the_file_is_that_of_output() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for ending in ["parquet", "csv", "tsv", "json", "ndjson", "arrow", "arrows", "md"] {
        let (copy, output) = (format!("copy.{ending}"), format!("output.{ending}"));
        let ran = sql(dir, &["--format", "csv", &format!("COPY ({ROWS}) TO '{copy}'")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "count\n2\n"), "{}", ran.stderr);
        assert_eq!(sql(dir, &["-o", &output, ROWS]).code, 0);
        assert_eq!(fs::read(dir.join(copy)).unwrap(), fs::read(dir.join(output)).unwrap(), "{ending}");
    }
    let again = "COPY 'copy.parquet' TO 'again.csv'; SELECT count(*) AS n FROM 'again.csv'";
    assert_eq!(sql(dir, &[again]).code, 0);
    assert_eq!(fs::read(dir.join("again.csv")).unwrap(), fs::read(dir.join("copy.csv")).unwrap());
    refused(&sql(dir, &["COPY (SELECT 1 AS a) TO 'no/such/x.csv'"]), 73, &["no/such/x.csv", "folder"]);
    let explained = sql(dir, &[&format!("EXPLAIN COPY ({ROWS}) TO 'explained.csv'")]);
    assert!(explained.code == 0 && explained.stdout.contains("SortExec"), "{}", explained.stderr);
    let analyzed = format!("EXPLAIN ANALYZE COPY ({ROWS}) TO 'explained.csv'");
    refused(&sql(dir, &[&analyzed]), 64, &["EXPLAIN ANALYZE", "the query of the COPY"]);
    assert!(!dir.join("explained.csv").exists());
}

#[test]
fn options_are_followed_or_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let copy = |to: &str| sql(dir, &["--overwrite", &format!("COPY (SELECT 1 AS a, 'x' AS b) TO {to}")]);
    for (to, name, text) in [
        ("'a.csv' OPTIONS ('format.has_header' 'false')", "a.csv", "1,x\n"),
        ("'a.csv' OPTIONS (HAS_HEADER true, DELIMITER ';')", "a.csv", "a;b\n1;x\n"),
        ("'a.txt' STORED AS CSV OPTIONS ('format.delimiter' '|')", "a.txt", "a|b\n1|x\n"),
        ("'plain' STORED AS TSV", "plain", "a\tb\n1\tx\n"),
        ("'lines' STORED AS NDJSON", "lines", "{\"a\":1,\"b\":\"x\"}\n"),
    ] {
        let ran = copy(to);
        assert_eq!(ran.code, 0, "{to}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), text, "{to}");
    }
    for compression in ["zstd(5)", "snappy", "gzip", "lz4_raw", "brotli(2)", "uncompressed"] {
        let options = format!("'format.compression' '{compression}', 'format.max_row_group_size' 1");
        let ran = copy(&format!("'b.parquet' OPTIONS ({options})"));
        assert_eq!(ran.code, 0, "{compression}: {}", ran.stderr);
        assert_eq!(query(dir, "SELECT a, b FROM 'b.parquet'"), serde_json::json!({"a": 1, "b": "x"}));
    }
    for (to, words) in [
        ("'c.csv' OPTIONS ('format.compression' 'gzip')", &["format.compression of csv"][..]),
        ("'c.csv' OPTIONS ('format.null_value' 'NA')", &["format.null_value"]),
        ("'c.csv' OPTIONS ('format.delimiter' '::')", &["format.delimiter", "::"]),
        ("'c.parquet' OPTIONS ('format.has_header' 'true')", &["format.has_header of parquet"]),
        ("'c.parquet' OPTIONS ('format.compression' 'zip')", &["format.compression", "zip", "zstd"]),
        ("'c.csv' OPTIONS (DELIMITER '\"')", &["format.delimiter", "no quote"]),
        ("'c.csv' OPTIONS (DELIMITER '\n')", &["format.delimiter", "no line break"]),
        ("'c.csv' OPTIONS (DELIMITER ',', 'format.delimiter' ';')", &["delimiter twice"]),
        (
            "'c.parquet' OPTIONS (COMPRESSION 'lzo')",
            &["format.compression", "lzo", "zstd, zstd(LEVEL), snappy"],
        ),
        ("'c' STORED AS CSV PARTITIONED BY (a, a)", &["PARTITIONED BY has a twice"]),
        ("'c' STORED AS AVRO", &["AVRO", "PARQUET"]),
        ("'c'", &["STORED AS"]),
    ] {
        refused(&copy(to), 64, words);
    }
    assert_eq!(listing(dir), ["a.csv", "a.txt", "b.parquet", "lines", "plain"]);
}

#[test]
fn a_folder_appears_as_a_whole_and_only_where_none_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = "SELECT value AS v, value % 3 AS k, CASE WHEN value % 2 = 0 THEN 'a/b' END AS t FROM generate_series(1, 600)";
    let copy = format!("COPY ({rows}) TO 'parts' STORED AS PARQUET PARTITIONED BY (k, t)");
    let ran = sql(dir, &["--format", "csv", &copy]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "count\n600\n"), "{}", ran.stderr);
    assert_eq!(listing(dir), ["parts"]);
    let counted =
        "SELECT count(*) AS n, count(t) AS t, sum(v) AS v, sum(k) AS k, max(t) AS most FROM 'parts'";
    assert_eq!(
        query(dir, counted),
        serde_json::json!({"n": 600, "t": 300, "v": 180_300, "k": 600, "most": "a/b"})
    );
    refused(&sql(dir, &["--overwrite", &copy]), 73, &["parts", "not empty"]);
    assert_eq!(query(dir, counted)["n"], 600);

    fs::create_dir(dir.join("empty")).unwrap();
    let ran = sql(dir, &["COPY (SELECT [1, 2] AS l) TO 'empty' STORED AS CSV"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(dir.join("empty/rows.csv")).unwrap(), "l\n\"[1,2]\"\n");
    for (to, code, word) in [
        ("'no/such/' STORED AS CSV", 73, "no/such"),
        ("'f' STORED AS CSV PARTITIONED BY (z)", 64, "PARTITIONED BY (z)"),
        ("'f' STORED AS CSV PARTITIONED BY (a)", 64, "no column"),
        ("'s3://data/f/' STORED AS CSV", 64, "one object"),
    ] {
        refused(&sql(dir, &[&format!("COPY (SELECT 1 AS a) TO {to}")]), code, &[word]);
    }
    assert_eq!(listing(dir), ["empty", "parts"]);
}

#[test]
fn partitions_of_any_value_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = "SELECT * FROM (VALUES (1, '__HIVE_DEFAULT_PARTITION__', [NULL]), (2, NULL, []), (3, 'x', NULL)) \
                AS t(v, k, l)";
    let ran = sql(dir, &[&format!("COPY ({rows}) TO 'parts' STORED AS PARQUET PARTITIONED BY (k, l)")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let read = sql(dir, &["--format", "csv", "SELECT v, k, l FROM 'parts' ORDER BY v"]);
    assert_eq!(read.stdout, "v,k,l\n1,__HIVE_DEFAULT_PARTITION__,[null]\n2,,[]\n3,x,\n");
}

#[cfg(unix)]
#[test]
fn a_folder_behind_a_link_is_written_and_the_link_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::os::unix::fs::symlink("nowhere", dir.join("broken")).unwrap();
    for (link, to) in [("with", "with/"), ("without", "without")] {
        fs::create_dir(dir.join(format!("real {link}"))).unwrap();
        std::os::unix::fs::symlink(format!("real {link}"), dir.join(link)).unwrap();
        let ran = sql(dir, &[&format!("COPY (SELECT 1 AS a) TO '{to}' STORED AS CSV")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(fs::read_to_string(dir.join(format!("real {link}/rows.csv"))).unwrap(), "a\n1\n");
        assert!(dir.join(link).is_symlink());
    }
    refused(&sql(dir, &["COPY (SELECT 1 AS a) TO 'broken/' STORED AS CSV"]), 73, &["broken"]);
    assert_eq!(listing(dir), ["broken", "real with", "real without", "with", "without"]);
}

#[test]
fn what_a_killed_run_has_left_is_swept_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lsmi-etl"))
        .current_dir(dir)
        .args(["sql", "COPY (SELECT value, sin(value) FROM generate_series(1, 1000000000)) TO 'k.csv'"])
        .spawn()
        .unwrap();
    while listing(dir).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listing(dir)[0].starts_with(".k.csv."), "{:?}", listing(dir));
    assert_eq!(sql(dir, &["COPY (SELECT 1 AS a) TO 'k.csv'"]).code, 0);
    assert_eq!(listing(dir), ["k.csv"]);
}
