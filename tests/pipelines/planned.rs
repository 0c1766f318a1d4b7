//! Queries are planned against the columns that annotating will write, before anything runs.

use std::fs;

use serde_json::Value;

use crate::harness::files::listing;
use crate::harness::{Ran, fitted, lsmi, refused, run};

use super::{project, run_in};

const ENDS: &str = "input = 'raw'\noutput = 'out'\n";

/// `lsmi-etl validate pipeline.toml` of a pipeline of `ENDS` and more; it writes nothing.
fn validated(more: &str, args: &[&str]) -> Ran {
    let dir = project(&format!("{ENDS}{more}"));
    let ran = run(lsmi().current_dir(dir.path()).args(["validate", "pipeline.toml"]).args(args));
    assert_eq!(listing(dir.path()), ["lsmi-bundle", "pipeline.toml", "raw"]);
    ran
}

const FAULTS: &str = "\
[[sql]]
name = 'a'
query = '''
SELECT y,
       avg(rr) AS mean
FROM annotated GROUP BY y
'''
output = 'a.csv'

[[sql]]
name = 'b'
query = 'SELECT dominated(r, u1, u2, s) FROM annotated'

[[sql]]
name = 'c'
expect = 'all_true'
query = 'SELECT count(*) AS rows FROM annotated'

[[sql]]
name = 'd'
query = 'SELECT i12 FROM annotated'
";

#[test]
fn all_faults_of_queries_are_told_at_once_and_nothing_is_run() {
    let words = [
        "4 faults",
        "pipeline.toml, line 5, sql[0].query: SQL: there is no column rr; did you mean r?",
        "    avg(rr) AS mean\n        ^^\n",
        "line 14, sql[1].query: SQL: there is no function dominated; did you mean dominant?",
        "line 19, sql[2].query: the query has no boolean column",
        "line 23, sql[3].query: SQL: there is no column i12; `lsmi-etl annotate --columns i12` adds it",
    ];
    let told = |ran: &Ran| {
        assert_eq!(ran.code, 78, "{}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr));
    };
    told(&validated(FAULTS, &[]));
    for args in [&[][..], &["--dry-run"]] {
        let dir = project(&format!("{ENDS}{FAULTS}"));
        told(&run_in(dir.path(), args));
        assert_eq!(listing(dir.path()), ["lsmi-bundle", "pipeline.toml", "raw"]);
    }
}

#[test]
fn changes_of_files_are_refused_before_anything_runs() {
    for (sql, what) in [
        ("DELETE FROM annotated WHERE r < 0", "SQL: DELETE is not possible; write the rows to keep"),
        ("UPDATE annotated SET r = 0", "SQL: UPDATE is not possible; write the changed rows"),
        ("INSERT INTO annotated SELECT * FROM annotated", "SQL: INSERT adds rows to tables of CREATE TABLE"),
        ("SELECT 1; COMMIT", "SQL: there are no transactions"),
    ] {
        let step = format!("[[sql]]\nname = 'a'\nquery = '{sql}'\n");
        refused(&validated(&step, &[]), 78, &[&format!("pipeline.toml, line 5, sql[0].query: {what}")]);
    }
    let sql = "CREATE TABLE t AS SELECT r FROM annotated; INSERT INTO t SELECT r FROM annotated; \
               CREATE OR REPLACE TABLE t AS SELECT 1 AS r FROM t; SELECT count(*) AS n FROM t";
    let dir = project(&format!("{ENDS}[[sql]]\nname = 'a'\noutput = 'n.csv'\nquery = '{sql}'\n"));
    let ran = run_in(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(dir.path().join("n.csv")).unwrap(), "n\n6000\n");
    // Of several results the output would be no table.
    for (sql, output, what) in [
        ("SELECT 1 AS a; SELECT 2 AS b", "o.csv", "csv has one header"),
        ("SELECT 1 AS a; SELECT 2 AS a", "o.parquet", "parquet holds one result"),
        ("CREATE TABLE t AS SELECT 1 AS a", "o.csv", "the statements give no rows for the output"),
    ] {
        let step = format!("[[sql]]\nname = 'a'\noutput = '{output}'\nquery = '{sql}'\n");
        refused(&validated(&step, &[]), 78, &["pipeline.toml, line 6, sql[0].query: ", what]);
    }
}

#[test]
fn columns_are_those_of_the_settings_and_outputs_are_tables_of_later_steps() {
    let sound = "\
        [annotate]\ncolumns = ['i12']\n\
        [[sql]]\nname = 'a'\nquery = 'SELECT y, avg(i12) AS mean FROM annotated GROUP BY y'\noutput = 'a.csv'\n\
        [[sql]]\nname = 'b'\nexpect = 'all_true'\nquery = \"SELECT max(mean) > 0 AS some FROM 'a.csv'\"\n";
    let ran = validated(sound, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let checked: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&checked["files"], &checked["steps"]), (&1.into(), &serde_json::json!(["a", "b"])));
    let text = validated(sound, &[]);
    assert_eq!(text.stdout, "pipeline.toml is valid: 1 input file, 2 SQL steps\n");
    let later = sound.replace("max(mean)", "max(means)");
    refused(&validated(&later, &[]), 78, &["sql[1].query", "there is no column means; did you mean mean?"]);

    // It runs as it was checked.
    let dir = project(&format!("{ENDS}{sound}"));
    let ran = run_in(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn summaries_are_queries() {
    let steps = "\
        [[sql]]\nname = 'a'\nquery = 'SUMMARIZE annotated'\noutput = 'a.csv'\n\
        [[sql]]\nname = 'b'\nquery = 'DESCRIBE annotated'\noutput = 'b.csv'\n\
        [[sql]]\nname = 'c'\nquery = \"SUMMARIZE SELECT s FROM annotated; SELECT avg FROM 'a.csv'\"\n";
    let dir = project(&format!("{ENDS}{steps}"));
    let ran = run_in(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written = fs::read_to_string(dir.path().join("a.csv")).unwrap();
    assert!(
        written.starts_with("column_name,column_type,min") && written.contains("\nu1,Float32,"),
        "{written}"
    );
    refused(
        &validated("[[sql]]\nname = 'a'\nquery = 'SUMMARIZE annotatet'\n", &[]),
        78,
        &["did you mean annotated?"],
    );
}

#[test]
fn partitions_are_columns_of_the_output() {
    let dir = project(&format!(
        "{ENDS}[[sql]]\nname = 'a'\nquery = 'SELECT ds, count(r) FROM annotated GROUP BY ds'\noutput = 'a.csv'\n"
    ));
    let validate = || run(lsmi().current_dir(dir.path()).args(["validate", "pipeline.toml"]));
    refused(&validate(), 78, &["there is no column ds"]);
    fs::create_dir(dir.path().join("raw/ds=2026-11-23")).unwrap();
    fs::rename(dir.path().join("raw/in.parquet"), dir.path().join("raw/ds=2026-11-23/in.parquet")).unwrap();
    assert_eq!(validate().code, 0);
}

#[test]
fn without_an_input_or_with_a_bad_one() {
    let dir = project(&format!("{ENDS}{FAULTS}"));
    fs::write(dir.path().join("raw/in.parquet"), "PAR1 and no more").unwrap();
    let validate = || run(lsmi().current_dir(dir.path()).args(["validate", "pipeline.toml", "--json"]));
    // Annotating says what is wrong with it.
    assert_eq!(validate().code, 0);
    // Where another can be read, its columns are known.
    fs::copy(fitted().join("in.parquet"), dir.path().join("raw/later.parquet")).unwrap();
    refused(&validate(), 78, &["4 faults"]);
    fs::remove_file(dir.path().join("raw/later.parquet")).unwrap();
    fs::remove_file(dir.path().join("raw/in.parquet")).unwrap();
    let ran = validate();
    assert_eq!(ran.code, 66, "{}", ran.stderr);
    let failure: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&failure["code"], &failure["place"]), (&66.into(), &"raw".into()));
}
