//! The shell, on a terminal.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::terminal::{absent, on_a_terminal, see, types, types_bytes, types_until};
use crate::harness::{Ran, lsmi, refused, run};

/// The next line can be read.
const PROMPT: &str = "\nlsmi> ";

/// A folder with `samples.csv`: three rows of `label` and `weight`.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("samples.csv"), "label,weight\n1,0.5\n1,1.5\n2,3.0\n").unwrap();
    dir
}

/// Runs these steps in a shell, from its first prompt to its end, which must be a good one.
#[track_caller]
fn shell(dir: &Path, args: &[&str], steps: &[Value]) -> Ran {
    let args = [&["sql"], args].concat();
    let all = [&[see("lsmi> ")], steps, &[see("lsmi> "), types("\x04")]].concat();
    let ran = on_a_terminal(dir, 100, &args, &all);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    ran
}

#[test]
fn a_line_that_is_no_text_ends_neither_the_shell_nor_its_output() {
    let dir = folder();
    let one = |sql: &str| [types(sql), see("lsmi> ")];
    let steps = [
        &one(".output o.csv\r")[..],
        &one("SELECT 1 AS a;\r"),
        &[types_bytes(b"SELECT '\xff"), see("ERROR.*the line is no UTF-8 text"), see("lsmi> ")],
        &one("SELECT 2 AS a;\r"),
        &one(".output\r"),
        &[types("SELECT 3 AS c;\r"), see(r"\| 3 \|")],
    ];
    shell(dir.path(), &[], &steps.concat());
    assert_eq!(fs::read_to_string(dir.path().join("o.csv")).unwrap(), "a\n1\n2\n");
}

#[test]
fn a_statement_may_take_several_lines_and_an_error_does_not_end_it() {
    shell(
        folder().path(),
        &[],
        &[
            types("SELECT 1 +\r"),
            types("1 AS two;\r"),
            see(r"\| two \|"),
            see(r"\| 2   \|"),
            types("\\timing\r"),
            see("timing is off"),
            types(".timer on\r"),
            see("timing is on"),
            types("SELECT wieght FROM 'samples.csv';\r"),
            see("ERROR.*there is no column wieght; did you mean weight"),
            types("\\nonsense\r"),
            see(r"unknown command \\nonsense"),
            types("SELECT 3 AS three; SELECT 4 AS four;\r"),
            see(r"\| 3     \|"),
            see(r"\| 4    \|"),
            see(r"2 rows in \d+\.\d+ s"),
            types("CREATE VIEW v AS SELECT * FROM 'samples.csv';\r"),
            see(r"0 rows in"),
            types("SELECT count(*) AS n FROM v;\r"),
            see(r"\| 3 \|"),
        ],
    );
}

#[test]
fn the_lines_of_a_statement_have_a_prompt_that_says_what_is_open() {
    shell(
        folder().path(),
        &[],
        &[
            types("SELECT 'a\r"),
            see(r"\n \.\.'> "),
            types("b' AS t,\r"),
            see(r"\n \.\.\.> "),
            types("\\timing off\r"),
            see("timing is off"),
            see(r"\n \.\.\.> "),
            types("(1 +\r"),
            see(r"\n \.\.\(> "),
            types("/* one\r"),
            see(r"\n \.\.\*> "),
            types("more */ 41) AS n;\r"),
            see(r"\| a"),
            see(r"\| 42 \|"),
            see(PROMPT),
            // An unfinished statement is dropped, and columns of tables on other lines are completed.
            types("SELECT nonsense(\r"),
            see(r"\n \.\.\(> "),
            types("\x03"),
            see(PROMPT),
            types("SELECT sum(v.weight) AS total FROM 'samples.csv' AS v\r"),
            see(r"\n \.\.\.> "),
            types("WHERE v.lab\t"),
            see("label"),
            types(" = 1;\r"),
            see(r"\| 2.0 "),
        ],
    );
}

#[test]
fn a_long_query_shows_how_far_it_is_until_its_rows_come() {
    let endless = "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 100000000) AS b \
                   WHERE a.value * b.value = 0;\r";
    let steps =
        [types(endless), see(r"\n. [2-9] s"), see(r"[3-9] s"), types_until("\x03", "cancelled"), see(PROMPT)];
    let after = [types("SELECT 5 AS five;\r"), see(r"\| 5    \|")];
    shell(folder().path(), &[], &[&steps[..], &after].concat());
    // Nothing of it where only errors are wanted.
    let dir = folder();
    let ran = on_a_terminal(
        dir.path(),
        100,
        &["--quiet", "sql"],
        &[see("lsmi> "), types(endless), types_until("\x03", PROMPT), types("\x04")],
    );
    assert_eq!(ran.code, 0);
    assert!(!ran.stdout.contains(" s  ") && !ran.stdout.contains("⠁"), "{}", ran.stdout);
}

#[test]
fn what_was_typed_is_there_the_next_time() {
    let dir = folder();
    shell(dir.path(), &[], &[types("SELECT 41\r+ 1 AS answer;\r"), see(r"\| 42 ")]);
    assert!(dir.path().join(".local/state/lsmi-etl/sql_history").exists());
    shell(dir.path(), &[], &[types("\x1b[A"), see("answer;"), types("\r"), see(r"\| 42 ")]);
    let found = [types("\x12"), types("answ"), see("answer;"), types("\r"), see(r"\| 42 ")];
    shell(dir.path(), &[], &found);
}

#[test]
fn tab_completes_files_columns_functions_and_tables() {
    shell(
        folder().path(),
        &["--table", "measured=samples.csv"],
        &[
            types("SELECT count(*) AS n FROM 'sam\t"),
            see("samples.csv'"),
            types(";\r"),
            see(r"\| 3 \|"),
            types("SELECT sum(label) AS n FROM 'samples.csv' WHERE wei\t"),
            see("weight"),
            types(" > 1;\r"),
            see(r"\| 3 \|"),
            types("SELECT approx_med\t"),
            see(r"approx_median\("),
            types("label) AS m FROM meas\t"),
            see("measured"),
            types(";\r"),
            see(r"\| 1.0 \|"),
            types("\\ti\t"),
            see("timing"),
            types("\r"),
            see("timing is off"),
        ],
    );
}

#[test]
fn ctrl_c_stops_a_query_or_clears_the_line_and_the_shell_goes_on() {
    // Compares for years, and never has a row to give.
    let endless = "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 100000000) AS b \
                   WHERE a.value * b.value = 0;\r";
    shell(
        folder().path(),
        &[],
        &[
            types(endless),
            types_until("\x03", "cancelled"),
            see(PROMPT),
            types("SELECT 4 AS four;\r"),
            see(r"\| 4    \|"),
            see(PROMPT),
            types("SELECT broken FROM"),
            see("broken FROM"),
            types("\x03"),
            // What is typed before the next prompt goes with the line.
            see(r"\n+lsmi> "),
            types("SELECT 5 AS five;\r"),
            see(r"\| 5    \|"),
        ],
    );
}

#[test]
fn results_go_to_a_file_and_back() {
    let dir = folder();
    let file = |name: &str| dir.path().join(name);
    shell(
        dir.path(),
        &[],
        &[
            types("\\o out.csv\r"),
            see(PROMPT),
            types("SELECT 7 AS seven;\r"),
            see(PROMPT),
            types("SELECT nope;\r"),
            see("ERROR.*nope"),
            absent(&file("out.csv")),
            // One header, and one set of columns.
            types("SELECT 8 AS eight;\r"),
            see(r"ERROR csv has one header.*\(eight\).*\(seven\).*\.output FILE"),
            absent(&file("out.csv")),
            types("SELECT 9 AS seven;\r"),
            see(PROMPT),
            types("\\o\r"),
            see("out.csv: 2 rows"),
            // One value, and so one result.
            types("\\o one.json\r"),
            see(PROMPT),
            types("SELECT 1 AS a;\r"),
            see("one.json: 1 row"),
            types("\\o book.xlsx\r"),
            see("ERROR book.xlsx: workbooks are not written"),
            types("\\o samples.csv\r"),
            see("samples.csv exists"),
            types("\\o one.parquet\r"),
            see(PROMPT),
            types("SELECT * FROM 'samples.csv';\r"),
            see("one.parquet: 3 rows"),
            types("\\f csv\r"),
            see(PROMPT),
            types("SELECT sum(weight) AS total FROM 'one.parquet';\r"),
            see("total\n5.0"),
            types("\\f parquet\r"),
            see(PROMPT),
            types("SELECT 1;\r"),
            see("not for a terminal"),
        ],
    );
    assert_eq!(fs::read_to_string(file("out.csv")).unwrap(), "seven\n7\n9\n");
    assert_eq!(fs::read_to_string(file("one.json")).unwrap(), "[{\"a\":1}]\n");
    assert!(file("one.parquet").exists());
}

#[test]
fn tables_functions_files_and_help_are_shown() {
    let dir = folder();
    fs::write(
        dir.path().join("more.sql"),
        "\\pset format csv\nSELECT 1 +\n 1 AS two; -- done\nSELECT 3 AS three",
    )
    .unwrap();
    fs::write(dir.path().join("loop.sql"), "\\i loop.sql\n").unwrap();
    fs::write(dir.path().join("dots.sql"), ".read dots.sql\n").unwrap();
    fs::write(dir.path().join("dollar.sql"), "SELECT $$a;\nb$$ AS d, $t$;$$;$t$ AS t;\nSELECT 6 AS six;\n")
        .unwrap();
    fs::write(dir.path().join("wrong.sql"), "SELECT 5 AS five;\n\nSELECT 1,\n  nope;\n").unwrap();
    fs::write(dir.path().join("absent.sql"), "-- one\nSELECT * FROM 'no.csv';\n").unwrap();
    shell(
        dir.path(),
        &[],
        &[
            types("\\d\r"),
            see("no tables have a name yet"),
            types("CREATE VIEW mine AS SELECT 1 AS a;\r"),
            see(PROMPT),
            types("\\d\r"),
            see(r"\| mine \| view"),
            types("\\d mine\r"),
            see(r"\| a +\| Int64"),
            types("\\d 'samples.csv'\r"),
            see(r"\| weight +\| Float64"),
            types("\\d absent.csv\r"),
            see("absent.csv: cannot open the input"),
            types("\\df approx_median\r"),
            see(r"\| approx_median +\| aggregate"),
            types("help\r"),
            see("Tab completes"),
            types("\\i more.sql\r"),
            see("two\n2\nthree\n3"),
            types("\\i loop.sql\r"),
            see(r"loop.sql: \\i is nested too deep"),
            types(".read dots.sql\r"),
            see(r"dots.sql: \.read is nested too deep"),
            types(".read wrong.sql\r"),
            see(r"wrong.sql, line 3: SQL: there is no column nope"),
            types(".read absent.sql\r"),
            see(r"absent.sql, line 2: the statement has failed"),
            see("no.csv: cannot open the input"),
            types("\\d nope\r"),
            see("there is no table nope"),
            see(r"\nlsmi> "),
            types(".read dollar.sql\r"),
            see("d,t\n\"a;\nb\",;\\$\\$;\nsix\n6\n"),
            types("SELECT $$x;$$ AS x;\r"),
            see("x\nx;\n"),
            // It is for the next statement, also where that fails.
            types(".once failed.csv\r"),
            see(PROMPT),
            types("SELECT nope;\r"),
            see("ERROR.*nope"),
            types("SELECT 0 AS nought;\r"),
            see("nought\n0\n"),
            absent(&dir.path().join("failed.csv")),
            types(".once once.csv\r"),
            see(PROMPT),
            types("SELECT 1 AS one;\r"),
            see("once.csv: 1 row"),
            types("SELECT 2 AS two;\r"),
            see("two\n2\n"),
            types(".once once.csv\r"),
            see("once.csv exists; name another file, or begin the shell with --overwrite"),
            types("\\i no.sql\r"),
            see("no.sql: cannot open the input"),
        ],
    );
}

#[test]
fn quit_and_its_friends_leave() {
    let dir = folder();
    for word in ["\\q\r", "quit\r", "exit;\r"] {
        let ran = on_a_terminal(dir.path(), 80, &["sql"], &[see("lsmi> "), types(word)]);
        assert_eq!(ran.code, 0, "{word}: {}", ran.stdout);
    }
    let refused = on_a_terminal(dir.path(), 80, &["sql", "--output", "x.csv"], &[see("in the shell")]);
    assert_eq!(refused.code, 64);
}

#[test]
fn a_wide_result_fits_the_terminal() {
    let dir = folder();
    let columns: Vec<String> = (0..20).map(|i| format!("'{}' AS column_{i}", "x".repeat(30))).collect();
    let sql = format!("SELECT {}", columns.join(", "));
    let ran = on_a_terminal(dir.path(), 60, &["sql", &sql], &[see("of 20 columns fit"), see("column_19")]);
    assert_eq!(ran.code, 0);
    let table: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with(['|', '+'])).collect();
    assert_eq!(table.len(), 5, "{}", ran.stdout);
    assert!(table.iter().all(|line| line.chars().count() <= 60), "{}", ran.stdout);
}

#[test]
fn without_a_terminal_statements_come_from_standard_input() {
    let mut child = lsmi()
        .args(["sql", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1 AS a;\nSELECT 2\n AS b").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\n1\nb\n2\n"), "{}", ran.stderr);
    for command in [".tables", "\\d in.parquet"] {
        let name = command.split(' ').next().unwrap();
        let is_for = format!("{name} is for the shell");
        refused(&run(lsmi().args(["sql", command])), 64, &[&is_for, "SHOW TABLES"]);
    }
}
