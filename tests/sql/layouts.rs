//! How files lie does not change an answer: names, hidden and foreign files, partitions, columns that
//! differ from file to file, misleading statistics; and random questions about random tables,
//! which DuckDB answers over the same rows in memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::harness::files::{batch, write};
use crate::harness::{Ran, last_json, lsmi, lsmi_in, must, python, refused, repository, run};

/// A file with the integers 0..rows as `v`.
fn numbers(dir: &Path, name: &str, rows: i64) {
    columns(dir, name, &[("v", Arc::new(Int64Array::from_iter_values(0..rows)))]);
}

fn columns(dir: &Path, name: &str, columns: &[(&str, ArrayRef)]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, &batch(columns));
}

fn sql(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", "--format", "csv", sql])
}

/// The lines of a result without its header.
#[track_caller]
fn answer(dir: &Path, query: &str) -> Vec<String> {
    let ran = sql(dir, query);
    assert_eq!(ran.code, 0, "{query}: {}", ran.stderr);
    ran.stdout.lines().skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn count(dir: &Path, table: &str) -> i64 {
    answer(dir, &format!("SELECT count(*) FROM '{}'", table.replace('\'', "''")))[0].parse().unwrap()
}

#[test]
fn a_column_may_be_read_twice_beside_the_name_of_its_file() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    columns(dir, "t/a.parquet", &[("v", Arc::new(Float64Array::from(vec![0.5, 1.5])))]);
    columns(dir, "t/b.parquet", &[("v", Arc::new(Int64Array::from(vec![2])))]);
    fs::write(dir.join("t.csv"), "v\n0.5\n").unwrap();
    let rows = |of: &str, row: &str| {
        let name = "reverse(split_part(reverse(input_file_name()), '/', 1))";
        answer(
            dir,
            &format!("SELECT v, v + 1 AS more, {name} AS file{row} FROM '{of}' WHERE v * v > 0 ORDER BY v"),
        )
    };
    let row = ", file_row_index() AS at";
    assert_eq!(rows("t", row), ["0.5,1.5,a.parquet,0", "1.5,2.5,a.parquet,1", "2.0,3.0,b.parquet,0"]);
    assert_eq!(rows("t.csv", ""), ["0.5,1.5,t.csv"]);
    // Without a condition, which moves the function to the scan.
    let both =
        "SELECT v, -v AS less, file_row_index() + 1 AS n, input_file_name() LIKE '%b.parquet' AS b FROM 't'";
    assert_eq!(answer(dir, both), ["0.5,-0.5,1,false", "1.5,-1.5,2,false", "2.0,-2.0,1,true"]);
    let csv = "SELECT v + v AS twice, length(input_file_name()) > 5 AS named FROM 't.csv'";
    assert_eq!(answer(dir, csv), ["1.0,true"]);
    // Whatever becomes of the query, the function is of the table that it is written over.
    columns(dir, "a.parquet", &[("v", Arc::new(Int64Array::from_iter_values(0..100)))]);
    columns(dir, "b.parquet", &[("w", Arc::new(Int64Array::from_iter_values(1..4)))]);
    let below = "SELECT r FROM (SELECT file_row_index() AS r FROM 'a.parquet') WHERE r < 5";
    for (query, rows) in [
        (format!("SELECT count(*) FROM 'a.parquet' WHERE file_row_index() IN ({below})"), "5"),
        (format!("SELECT count(*) FROM 'a.parquet' WHERE file_row_index() NOT IN ({below})"), "95"),
        ("SELECT count(*) FROM 'a.parquet' AS x WHERE EXISTS (SELECT 1 FROM 'b.parquet' WHERE x.v = file_row_index())".to_owned(), "3"),
        ("SELECT max(file_row_index()) FROM 'a.parquet' AS x WHERE v IN (SELECT w FROM 'b.parquet')".to_owned(), "3"),
        ("SELECT sum(n) FROM (SELECT input_file_name(), count(*) AS n FROM 't' WHERE v > 1 GROUP BY 1)".to_owned(), "2"),
        ("SELECT w FROM 'b.parquet' ORDER BY -file_row_index() LIMIT 1".to_owned(), "3"),
    ] {
        assert_eq!(answer(dir, &query), [rows], "{query}");
    }
    for (function, from) in [
        ("input_file_name()", "(VALUES (1))"),
        ("file_row_index()", "'t.csv'"),
        ("input_file_name()", "'a.parquet' JOIN 'b.parquet' ON v = w WHERE input_file_name() LIKE '%a%'"),
        ("file_row_index()", "'a.parquet' JOIN 'b.parquet' ON v = file_row_index()"),
    ] {
        let ran = sql(dir, &format!("SELECT {function} FROM {from}"));
        refused(&ran, 64, &[&format!("{function} is known only where a file is read"), "FROM 'FILE'"]);
    }
}

#[test]
fn an_existing_name_is_no_pattern() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let names = [
        "[1].parquet",
        "a b.parquet",
        "what?.parquet",
        "50%.parquet",
        "a#1.parquet",
        "%41.parquet",
        "U.PARQUET",
        "part-00000",
        "it's.parquet",
        "x.y",
        "*.parquet",
        "ü.parquet",
        "a;b.parquet",
    ];
    for (rows, name) in (1..).zip(names) {
        numbers(dir, name, rows);
    }
    for (rows, name) in (1..).zip(names) {
        assert_eq!(count(dir, name), rows, "{name}");
    }
    numbers(dir, "run [1]/a.parquet", 3);
    numbers(dir, "run [1]/B.PARQUET", 4);
    numbers(dir, "run [1]/part-00000", 5);
    fs::write(dir.join("run [1]/LICENSE"), "none").unwrap();
    assert_eq!(count(dir, "run [1]"), 12);
    assert_eq!(count(dir, "run [1]/*"), 12);
    assert_eq!(count(dir, "run*/a.parquet"), 3);
}

#[test]
fn hidden_and_foreign_files_are_no_rows() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for name in ["a.parquet", "deep/b.parquet", "_k=1/c.parquet"] {
        numbers(dir, &format!("t/{name}"), 10);
    }
    for name in [
        "_temporary/0/a.parquet",
        ".ipynb_checkpoints/a-checkpoint.parquet",
        "_old.parquet",
        ".a.parquet",
        "deep/_x/y.parquet",
    ] {
        numbers(dir, &format!("t/{name}"), 1000);
    }
    fs::create_dir_all(dir.join("t/_delta_log")).unwrap();
    for (name, text) in [
        ("dataset_info.json", "{\"features\": {}}"),
        ("_delta_log/00000000000000000000.json", "{\"commitInfo\":{}}"),
        ("_metadata", "PAR1"),
        ("_SUCCESS", ""),
        (".a.parquet.crc", "crc"),
        ("a.csv", "v\n1\n"),
        ("README.md", "of the data"),
    ] {
        fs::write(dir.join("t").join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(dir.join("t"), dir.join("t/again")).unwrap();
    // Not partitioned alike, if _k=1 were a partition of some.
    fs::rename(dir.join("t/_k=1/c.parquet"), dir.join("t/c.parquet")).unwrap();
    assert_eq!(count(dir, "t"), 30);
    assert_eq!(count(dir, "t/*.parquet"), 20);
    assert_eq!(count(dir, "t/_temporary"), 1000, "what is named is meant");
    let annotated =
        lsmi_in(dir, ["sql", "--table", "named=t", "--format", "csv", "SELECT count(*) AS n FROM named"]);
    assert_eq!(annotated.stdout, "n\n30\n");

    fs::create_dir(dir.join("mixed")).unwrap();
    fs::write(dir.join("mixed/a.csv"), "v\n1\n").unwrap();
    fs::write(dir.join("mixed/b.json"), "{\"v\":1}\n").unwrap();
    refused(&sql(dir, "SELECT * FROM 'mixed'"), 65, &["mixed/b.json", "mixed/a.csv", "glob"]);
    assert_eq!(count(dir, "mixed/*.csv"), 1);
}

#[test]
fn files_that_are_empty_or_broken_are_named() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    numbers(dir, "t/b.parquet", 10);
    fs::write(dir.join("t/a.parquet"), "").unwrap();
    refused(&sql(dir, "SELECT * FROM 't'"), 65, &["t/a.parquet", "0 bytes"]);
    fs::write(dir.join("t/a.parquet"), &fs::read(dir.join("t/b.parquet")).unwrap()[..200]).unwrap();
    refused(&sql(dir, "SELECT count(*) FROM 't'"), 65, &["t/a.parquet"]);
}

#[test]
fn a_partition_is_found_as_it_is_compared() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    numbers(dir, "t/month=01/a.parquet", 10);
    numbers(dir, "t/month=02/a.parquet", 20);
    numbers(dir, "t/month=12/a.parquet", 30);
    assert_eq!(
        answer(dir, "SELECT month, count(*) FROM 't' GROUP BY month ORDER BY month"),
        ["1,10", "2,20", "12,30"]
    );
    for (filter, rows) in [
        ("month = 1", 10),
        ("month = '01'", 10),
        ("month = '1'", 10),
        ("'02' = month", 20),
        ("month + 0 = 1", 10),
        ("month IN ('01', 12)", 40),
        ("month > 1", 50),
        ("month BETWEEN 1 AND 2 AND v < 5", 10),
        ("month <> 1 OR v = 0", 51),
        ("month IS NULL", 0),
        ("CAST(month AS VARCHAR) = '1'", 10),
    ] {
        assert_eq!(
            answer(dir, &format!("SELECT count(*) FROM 't' WHERE {filter}")),
            [rows.to_string()],
            "{filter}"
        );
    }

    for key in ["1", "2", "__HIVE_DEFAULT_PARTITION__"] {
        numbers(dir, &format!("n/grp={key}/a.parquet"), 10);
    }
    assert_eq!(
        answer(dir, "SELECT grp, count(*) FROM 'n' GROUP BY grp ORDER BY grp"),
        ["1,10", "2,10", ",10"]
    );
    assert_eq!(answer(dir, "SELECT count(*) FROM 'n' WHERE grp IS NULL"), ["10"]);
    assert_eq!(answer(dir, "SELECT count(*) FROM 'n' WHERE grp = 1"), ["10"]);
    assert_eq!(answer(dir, "SELECT count(grp), min(grp), max(grp) FROM 'n'"), ["20,1,2"]);

    for key in ["a%2Fb", "a b", "50%25", "x=y", "Ä"] {
        numbers(dir, &format!("e/name={key}/a.parquet"), 1);
    }
    let names = answer(dir, "SELECT name FROM 'e' ORDER BY name");
    assert_eq!(names, ["50%", "a b", "a/b", "x=y", "Ä"]);
    assert_eq!(answer(dir, "SELECT count(*) FROM 'e' WHERE name = 'a/b' OR name = '50%'"), ["2"]);
    assert_eq!(answer(dir, "SELECT name FROM 'e/name=a*/*.parquet' ORDER BY name"), ["a b", "a/b"]);
}

#[test]
fn a_partition_column_in_the_files_is_one_column() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let group = |value: i32| -> [(&str, ArrayRef); 2] {
        [
            ("v", Arc::new(Int64Array::from_iter_values(0..10))),
            ("grp", Arc::new(Int32Array::from(vec![value; 10]))),
        ]
    };
    columns(dir, "t/grp=01/k=a/a.parquet", &group(1));
    columns(dir, "t/grp=02/k=b/a.parquet", &group(2));
    assert_eq!(
        answer(dir, "SELECT grp, k, count(*) FROM 't' GROUP BY grp, k ORDER BY grp"),
        ["1,a,10", "2,b,10"]
    );
    assert_eq!(answer(dir, "SELECT count(*) FROM 't' WHERE grp = 2 AND k = 'b'"), ["10"]);
    let header = sql(dir, "SELECT * FROM 't' LIMIT 1").stdout;
    assert!(header.starts_with("v,grp,k\n"), "{header}");

    columns(dir, "t/grp=03/k=c/a.parquet", &group(4));
    refused(&sql(dir, "SELECT sum(grp) FROM 't'"), 65, &["grp=03", "column \"grp\"", "holds 4", "grp=3"]);
    assert_eq!(answer(dir, "SELECT count(*), sum(v) FROM 't'"), ["30,135"], "it is not read");
}

#[test]
fn columns_that_drift_are_widened_or_named() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let v: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let with = |name: &str, extra: ArrayRef| columns(dir, name, &[("v", v.clone()), ("w", extra)]);
    with("n/mon.parquet", Arc::new(Int64Array::from(vec![5, 6])));
    with("n/tue.parquet", Arc::new(Float64Array::from(vec![None, Some(0.5)])));
    numbers(dir, "n/wed.parquet", 2);
    assert_eq!(answer(dir, "SELECT w FROM 'n' ORDER BY w"), ["0.5", "5.0", "6.0", "\"\"", "\"\"", "\"\""]);
    assert_eq!(answer(dir, "SELECT count(*) FROM 'n' WHERE w > 5"), ["1"]);
    with("n/thu.parquet", Arc::new(Int64Array::from(vec![1, (1 << 53) + 1])));
    let words = ["n/thu.parquet", "column \"w\"", "9007199254740993"];
    for question in ["SELECT max(w) FROM 'n'", "SELECT count(*) FROM 'n' WHERE w > 5"] {
        refused(&sql(dir, question), 65, &words);
    }
    assert_eq!(answer(dir, "SELECT count(*) FROM 'n'"), ["8"]);

    // No nanoseconds hold the year 9999.
    let days = |days: Vec<i32>| -> ArrayRef { Arc::new(Date32Array::from(days)) };
    let nanoseconds: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1, 2]));
    with("d/mon.parquet", nanoseconds.clone());
    with("d/tue.parquet", days(vec![0, 1]));
    let count = "SELECT count(*) FROM 'd' WHERE w < TIMESTAMP '1971-01-01'";
    assert_eq!(answer(dir, count), ["4"]);
    with("d/wed.parquet", days(vec![0, 2_932_896]));
    let words = ["d/wed.parquet", "column \"w\"", "Date32", "Timestamp(ns)", "read the files apart"];
    refused(&sql(dir, "SELECT max(w) FROM 'd'"), 65, &words);
    refused(&sql(dir, count), 65, &words);
    with("m/mon.parquet", nanoseconds);
    with("m/tue.parquet", Arc::new(TimestampMillisecondArray::from(vec![1, 253_402_300_799_000])));
    refused(&sql(dir, "SELECT max(w) FROM 'm'"), 65, &["m/tue.parquet", "column \"w\"", "Timestamp(ms)"]);

    with("c/mon.parquet", Arc::new(Int64Array::from(vec![5, 6])));
    with("c/tue.parquet", Arc::new(StringArray::from(vec!["5", "x"])));
    assert_eq!(answer(dir, "SELECT count(*), sum(v) FROM 'c'"), ["4,6"]);
    refused(
        &sql(dir, "SELECT max(w) FROM 'c'"),
        65,
        &["c/tue.parquet", "column \"w\"", "c/mon.parquet", "Int64", "CAST(w AS BIGINT)"],
    );
    with("s/a.parquet", Arc::new(UInt64Array::from(vec![1, u64::MAX])));
    with("s/b.parquet", Arc::new(Int64Array::from(vec![-1, 2])));
    assert_eq!(answer(dir, "SELECT w FROM 's' ORDER BY w"), ["-1", "1", "2", "18446744073709551615"]);
}

#[test]
fn two_columns_of_one_name_are_both_there() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let integers = |values: [i64; 2]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    columns(
        dir,
        "a.parquet",
        &[
            ("id", integers([1, 2])),
            ("v", integers([10, 20])),
            ("v", text.clone()),
            ("v_1", integers([7, 8])),
        ],
    );
    let ran = sql(dir, "SELECT * FROM 'a.parquet'");
    assert_eq!(ran.stdout, "id,v,v_2,v_1\n1,10,x,7\n2,20,y,8\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("has 2 columns v; here they are v, v_2"), "{}", ran.stderr);
    assert_eq!(answer(dir, "SELECT id FROM 'a.parquet' WHERE v_2 = 'y' AND v > 10"), ["2"]);
}

#[test]
fn statistics_are_not_believed_where_they_mislead() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    for (name, nan) in [("nan", f64::NAN), ("negative", -f64::NAN)] {
        columns(
            dir,
            &format!("{name}.parquet"),
            &[("id", id.clone()), ("x", Arc::new(Float64Array::from(vec![1.0, nan, 1.0])))],
        );
        let table = format!("'{name}.parquet'");
        assert_eq!(
            answer(dir, &format!("SELECT id, x, isnan(x) FROM {table}")),
            ["1,1.0,false", "2,NaN,true", "3,1.0,false"]
        );
        assert_eq!(answer(dir, &format!("SELECT id FROM {table} WHERE x > 2 OR isnan(x)")), ["2"]);
        assert_eq!(answer(dir, &format!("SELECT max(x), min(x) FROM {table}")), ["NaN,1.0"]);
        assert_eq!(answer(dir, &format!("SELECT id FROM {table} ORDER BY x DESC, id")), ["2", "1", "3"]);
        must(lsmi().current_dir(dir).args([
            "sql",
            "--output",
            "copy.parquet",
            &format!("SELECT * FROM {table}"),
            "--overwrite",
        ]));
        assert_eq!(answer(dir, "SELECT count(*) FROM 'copy.parquet' WHERE isnan(x)"), ["1"]);
    }
    let far: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![-62_135_596_800_000_000, 0, 253_402_300_799_000_000]));
    columns(dir, "far.parquet", &[("id", id), ("t", far)]);
    assert_eq!(answer(dir, "SELECT id FROM 'far.parquet' WHERE t >= TIMESTAMP '2024-01-01 00:00:00'"), ["3"]);
}

/// Of a list of four values or more, or of several lists in one, the engine makes a set of bits.
#[test]
fn zeros_of_both_signs_are_in_a_list() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let values = [0.0, -0.0, 1.0, f64::INFINITY, f64::NAN, 2.5];
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..7));
    let x: ArrayRef = Arc::new(Float64Array::from_iter(values.map(Some).into_iter().chain([None])));
    let f: ArrayRef = cast(&x, &DataType::Float32).unwrap();
    columns(dir, "zeros.parquet", &[("id", id), ("x", x), ("f", f)]);
    for column in ["x", "f"] {
        for (list, ids) in [
            ("IN (0.0, 7, 8, 9, 10)", &["0", "1"][..]),
            ("IN (-0.0, 7, 8, 9, 10)", &["0", "1"]),
            ("IN (0, 1)", &["0", "1", "2"]),
            ("NOT IN (-0.0, 7, 8, 9, 10)", &["2", "3", "4", "5"]),
            ("IN (CAST('-0.0' AS REAL), CAST('nan' AS REAL), 2.5, 9, 10)", &["0", "1", "4", "5"]),
            ("IN (id - id, 7, 8, 9, 10)", &["0", "1"]),
        ] {
            let query = format!("SELECT id FROM 'zeros.parquet' WHERE {column} {list} ORDER BY id");
            assert_eq!(answer(dir, &query), ids, "{query}");
            let query = format!("SELECT {column} {list} AS found FROM 'zeros.parquet' ORDER BY id");
            let found: Vec<String> = (0..6)
                .map(|id| ids.contains(&id.to_string().as_str()).to_string())
                .chain(["\"\"".to_owned()])
                .collect();
            assert_eq!(answer(dir, &query), found, "{query}");
        }
        let lists = format!("{column} IN (9, 10) OR {column} IN (-0.0, 1.0) OR {column} = 2.5");
        assert_eq!(
            answer(dir, &format!("SELECT id FROM 'zeros.parquet' WHERE {lists} ORDER BY id")),
            ["0", "1", "2", "5"]
        );
        let chain: Vec<String> = (0..9).map(|value| format!("{column} = {value}")).collect();
        let chain = format!("SELECT id FROM 'zeros.parquet' WHERE {} ORDER BY id", chain.join(" OR "));
        assert_eq!(answer(dir, &chain), ["0", "1", "2"]);
    }
}

/// DuckDB writes 32-bit integers in a way that the Parquet crate does not read: the file is whole.
#[test]
fn wide_differences_of_duckdb_are_no_damage() {
    let dir = TempDir::new().unwrap();
    let write = "import duckdb
duckdb.execute('''COPY (SELECT i AS id, (i * 2654435761 % 4294967296)::UINTEGER AS k FROM range(1000) AS t(i))
    TO 'wide.parquet' (FORMAT parquet, PARQUET_VERSION v2)''')
duckdb.execute('''COPY (FROM 'wide.parquet') TO 'again.parquet' (FORMAT parquet, PARQUET_VERSION v1)''')";
    must(Command::new(python()).current_dir(dir.path()).args(["-c", write]));
    let ask = |query: &str| run(lsmi().current_dir(dir.path()).args(["sql", "--format", "csv", query]));
    for query in ["SELECT sum(k) FROM 'wide.parquet'", "SELECT * FROM 'wide.parquet' WHERE k > 7"] {
        let ran = ask(query);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        let words = [
            "wide.parquet, row group 0, column \"k\"",
            "an encoding that can't be read: DELTA_BINARY_PACKED",
        ];
        for words in [&words[..], &["PARQUET_VERSION v1, or as BIGINT"]].concat() {
            assert!(ran.stderr.contains(words), "no {words:?} in {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("damaged"), "{}", ran.stderr);
    }
    assert_eq!(ask("SELECT sum(id) AS s, count(*) AS n FROM 'wide.parquet'").stdout, "s,n\n499500,1000\n");
    assert_eq!(ask("SELECT count(k) AS n FROM 'again.parquet'").stdout, "n\n1000\n");
}

#[test]
fn random_questions_are_answered_as_by_duckdb() {
    let dir = TempDir::new().unwrap();
    let (tables, seed) = (std::env::var("LSMI_RANDOM_TABLES"), std::env::var("LSMI_RANDOM_SEED"));
    let mut command = Command::new(python());
    command.arg(repository().join("tests/python/random_tables.py")).current_dir(dir.path());
    command.arg(lsmi().get_program()).args([
        seed.as_deref().unwrap_or("1"),
        tables.as_deref().unwrap_or("40"),
        "50",
    ]);
    let ran = must(&mut command);
    let sum = last_json(&ran);
    assert_eq!(sum["differences"], 0, "{}", ran.stdout);
    assert!(sum["questions"].as_i64() >= Some(2000) || tables.is_ok(), "{sum}");
}
