//! Names of tables that are names of files, too; and the texts of statements as editors save them.

use std::fs;

use crate::harness::files::listing;
use crate::harness::{lsmi_in, query, refused, run, shell};

#[test]
fn what_create_names_comes_before_files() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("foo")).unwrap();
    fs::write(dir.join("foo/a.csv"), "a\n7\n8\n").unwrap();
    fs::write(dir.join("bar"), "").unwrap();
    let csv = |sql: &str| {
        let ran = lsmi_in(dir, ["sql", "--format", "csv", sql]);
        assert_eq!(ran.code, 0, "{sql}: {}", ran.stderr);
        ran.stdout
    };
    assert_eq!(
        csv("CREATE VIEW foo AS SELECT 1 AS a; SELECT * FROM foo; DROP VIEW foo; SELECT * FROM foo"),
        "a\n1\na\n7\n8\n"
    );
    assert_eq!(csv("CREATE TABLE bar AS SELECT 1 AS a; SELECT * FROM bar"), "a\n1\n");
    assert_eq!(csv("CREATE TABLE Foo AS SELECT * FROM foo WHERE a = 7; SELECT * FROM foo"), "a\n7\n");
    assert_eq!(csv("CREATE TABLE bar (a INT); SELECT count(*) AS n FROM bar"), "n\n0\n");
    assert_eq!(csv("CREATE TABLE IF NOT EXISTS foo AS SELECT 3 AS a; SELECT a FROM foo"), "a\n3\n");
    let shown = csv("CREATE OR REPLACE VIEW foo AS SELECT 1 AS a; SHOW CREATE TABLE foo");
    assert!(shown.contains("CREATE OR REPLACE VIEW foo AS SELECT 1 AS a"), "{shown}");
    let twice = "CREATE VIEW foo AS SELECT 1 AS a; CREATE VIEW foo AS SELECT 2 AS a";
    refused(&lsmi_in(dir, ["sql", twice]), 64, &["foo", "already exists"]);
    refused(&lsmi_in(dir, ["sql", "SELECT * FROM bar"]), 65, &["bar"]);
}

#[test]
fn a_mark_in_front_of_a_text_is_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("q.sql"), "\u{feff}SELECT 1 AS a").unwrap();
    for line in ["lsmi-etl sql --format csv -f q.sql", "lsmi-etl sql --format csv < q.sql"] {
        let ran = run(shell(line).current_dir(dir));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\n1\n"), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.csv"), "a\n1\n").unwrap();
    assert_eq!(query(dir, "SELECT a FROM 'a.csv'")["a"], 1);
    for name in ["t\tb.csv", "n\nb.csv", "d\u{7f}b.csv", "e\u{1b}b.csv"] {
        fs::write(dir.join(name), "a\n1\n").unwrap();
        let quoted = format!("SELECT a FROM '{name}'");
        refused(&lsmi_in(dir, ["sql", &quoted]), 65, &["control character", "rename"]);
        fs::remove_file(dir.join(name)).unwrap();
    }
    assert_eq!(listing(dir), ["a.csv"]);
}

#[cfg(unix)]
#[test]
fn a_limit_of_open_files_is_none_of_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = shell("ulimit -n 12; exec lsmi-etl sql -o out.csv 'SELECT 1 AS a'");
    let ran = run(command.current_dir(dir.path()));
    if ran.code != 0 {
        refused(&ran, 75, &["ulimit -n"]);
    }
}
