//! Files that are wrong: exit code 78, the line and the key, and nothing was run.

use crate::harness::files::listing;
use crate::harness::{Ran, lsmi, refused, run};

use super::{project, run_in};

const ENDS: &str = "input = 'raw'\noutput = 'out'\n";

/// What comes of a pipeline of `ENDS` and more, which begins on line 3.
fn with(more: &str, args: &[&str]) -> Ran {
    let dir = project(&format!("{ENDS}{more}"));
    let ran = run_in(dir.path(), args);
    assert_eq!(listing(dir.path()), ["lsmi-bundle", "pipeline.toml", "raw"]);
    ran
}

#[track_caller]
fn wrong(more: &str, line: usize, key: &str, words: &[&str]) {
    let place = format!("pipeline.toml, line {line}, {key}: ");
    refused(&with(more, &[]), 78, &[&[place.as_str()], words].concat());
}

#[test]
fn what_is_no_toml() {
    refused(&with("[annotate\n", &[]), 78, &["pipeline.toml, line 3: "]);
    refused(&with("input = 'twice'\n", &[]), 78, &["pipeline.toml, line 3, input: duplicate key"]);
    wrong("[sql]\nname = 'a'\nquery = 'SELECT 1'\n", 3, "sql", &["write [[sql]]"]);
    let dir = project("");
    let absent = run(lsmi().current_dir(dir.path()).args(["run", "absent.toml"]));
    refused(&absent, 66, &["absent.toml"]);
}

#[test]
fn keys_that_do_not_exist_and_what_was_meant() {
    wrong("ouput = 'x'", 3, "ouput", &["no such key", "did you mean output?"]);
    wrong("\n[annotate]\nbundel = 'x'\n", 5, "annotate.bundel", &["did you mean bundle?"]);
    wrong(
        "[[sql]]\nname = 'a'\nquery = 'SELECT 1'\n[[sql]]\nname = 'b'\nquerry = ''\n",
        8,
        "sql[1].querry",
        &["did you mean query?"],
    );
    wrong("[report]\ncolour = 'red'\n", 4, "report.colour", &["no such key"]);
    wrong("[engine]\ngpu = 1\n", 4, "engine.gpu", &["the keys here are", "device"]);
}

#[test]
fn values_of_another_type_or_of_none() {
    wrong("[annotate]\nworkers = 'two'\n", 4, "annotate.workers", &["\"two\""]);
    wrong("[annotate]\nworkers = 0\n", 4, "annotate.workers", &["0"]);
    wrong("[annotate]\noverwrite = 1\n", 4, "annotate.overwrite", &["boolean"]);
    wrong("[annotate]\ncolumns = 'i1'\n", 4, "annotate.columns", &["it is a list: write [\"i1\"]"]);
    wrong("[report]\nkey = 'id'\n", 4, "report.key", &["it is a list: write [\"id\"]"]);
    wrong(
        "[annotate]\non_bad_row = 'nul'\n",
        4,
        "annotate.on_bad_row",
        &["null", "fail", "did you mean null?"],
    );
    for key in ["x1", "x2"] {
        wrong(
            &format!("[annotate]\nx = ['a', 'b']\n{key} = 'a'\n"),
            5,
            &format!("annotate.{key}"),
            &["line 4 sets annotate.x too", "x once for each modality"],
        );
    }
    wrong("[annotate]\nmemory_limit = 'much'\n", 4, "annotate.memory_limit", &["\"much\"", "512MiB"]);
    wrong("[annotate]\nfiles_per_job = '0/3'\n", 4, "annotate.files_per_job", &["I/N"]);
    wrong("[annotate]\ncolumns = ['i1',\n 'i5']\n", 5, "annotate.columns[1]", &["\"i5\"", "i1, i2, i12"]);
    wrong("[engine]\ndevice = 'tpu'\n", 4, "engine.device", &["cuda"]);
    wrong("[report]\nsamples = 5000\n", 4, "report.samples", &["1000"]);
    wrong("[report]\nlink_template = 'https://host/'\n", 4, "report.link_template", &["no column"]);
    wrong("[tables]\nannotated = 'x'\n", 4, "tables.annotated", &["the output's name"]);
    let steps = "[[sql]]\nname = 'a'\nquery = 'SELECT 1'\n[[sql]]\nname = 'b'\nquery = 'SELECT 2'\n";
    let table = |name: &str| format!("[tables]\nT = 'raw'\n{name} = 'raw'\n{steps}");
    wrong(&table("ANNOTATED"), 5, "tables.ANNOTATED", &["the output's name"]);
    wrong(&table("t"), 5, "tables.t", &["the table of line 4 has this name, too"]);
    wrong("[variables]\nds = 3\n", 4, "variables.ds", &["string"]);
    // Its uses are no faults, too.
    wrong("[variables]\nds = 2026-11-23\n[report]\ntitle = '{{ ds }}'\n", 4, "variables.ds", &["string"]);
    wrong("[[sql]]\nname = 5\nquery = 'SELECT 1'\n", 4, "sql[0].name", &["string"]);
}

#[test]
fn what_is_missing() {
    let dir = project("input = 'raw'\n");
    refused(&run_in(dir.path(), &[]), 78, &["pipeline.toml", "output: it is missing", "--output"]);
    wrong("[[sql]]\nquery = 'SELECT 1'\n", 3, "sql[0].name", &["it is missing"]);
    wrong("[[sql]]\nname = 'a'\n", 3, "sql[0]", &["either a query or a file", "neither"]);
    wrong("[[sql]]\nname = 'a'\nfile = 'absent.sql'\n", 5, "sql[0].file", &["absent.sql"]);
}

#[test]
fn steps_that_make_no_sense() {
    let step = |more: &str| format!("[[sql]]\nname = 'a'\nquery = 'SELECT 1'\n{more}\n");
    wrong(&step("file = 'x.sql'"), 6, "sql[0].file", &["either"]);
    wrong(&step("message = 'm'"), 6, "sql[0].message", &["only a check can fail"]);
    wrong(&step("expect = 'no_rows'\noutput = 'x.csv'"), 7, "sql[0].output", &["a check writes no rows"]);
    wrong(&step("output = 'rows.bin'"), 6, "sql[0].output", &["tells no format"]);
    wrong(&step("output = 'rows.csv.gz'\nformat = 'csv'"), 6, "sql[0].output", &["another format"]);
    wrong(&step("output = 'rows.parquet'\nformat = 'csv'"), 6, "sql[0].output", &["another format"]);
    let svg = with("[report]\nsvg = 'pipeline.toml'\n", &[]);
    refused(&svg, 64, &["pipeline.toml, line 4, report.svg: ", "is a file", "folder"]);
    wrong(&step("expect = 'none'"), 6, "sql[0].expect", &["no_rows, all_true"]);
    wrong(&step("[[sql]]\nname = 'a'\nquery = 'SELECT 2'"), 7, "sql[1].name", &["line 3", "called a too"]);
    wrong("[[sql]]\nname = 'a'\nquery = 'SELEKT 1'\n", 5, "sql[0].query", &["SELEKT"]);
    wrong("[[sql]]\nname = 'a'\nquery = ' ; '\n", 5, "sql[0].query", &["no statement"]);
    wrong(
        "[[sql]]\nname = 'a'\nexpect = 'no_rows'\nquery = 'SELECT 1; SELECT 2'\n",
        6,
        "sql[0].query",
        &["one statement"],
    );
    let dir = project("input = 'raw'\noutput = '-'\n");
    refused(&run_in(dir.path(), &[]), 78, &["line 2, output", "can't be read again"]);
}

#[test]
fn a_check_is_one_query() {
    for (sql, word) in [
        ("CREATE VIEW v AS SELECT r FROM annotated", "CREATE"),
        ("CREATE TABLE t AS SELECT r FROM annotated", "CREATE"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("DROP TABLE annotated", "DROP"),
        ("COPY annotated TO 'x.csv'", "COPY"),
        ("SUMMARIZE annotated", "SUMMARIZE"),
        ("INSERT INTO annotated SELECT * FROM annotated", "INSERT"),
        ("SELECT r INTO t FROM annotated", "SELECT"),
    ] {
        for expect in ["no_rows", "all_true"] {
            let step = format!("[[sql]]\nname = 'a'\nexpect = '{expect}'\nquery = \"{sql}\"\n");
            wrong(
                &step,
                6,
                "sql[0].query",
                &[&format!("{word} does not begin a query whose rows can be checked")],
            );
        }
    }
    for sql in ["WITH t AS (SELECT r FROM annotated) SELECT r FROM t WHERE r > 1e9", "(SELECT 1 LIMIT 0)"] {
        let dir = project(&format!("{ENDS}[[sql]]\nname = 'a'\nexpect = 'no_rows'\nquery = '{sql}'\n"));
        let ran = run_in(dir.path(), &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn variables_without_a_value() {
    wrong(
        "[annotate]\nrejects = 'bad-{{ ds }}'\n",
        4,
        "annotate.rejects",
        &["no variable ds", "--set ds=VALUE"],
    );
    let query = "[[sql]]\nname = 'a'\nquery = '''\nSELECT '{{ day }}'\nFROM '{{ night }}'\n'''\n";
    refused(&with(query, &["--set", "night=1"]), 78, &["line 6, sql[0].query", "no variable day"]);
    refused(&with(query, &["--set", "day=1"]), 78, &["line 7, sql[0].query", "no variable night"]);
    wrong("[tables]\nt = 'x-{{ ds'\n", 4, "tables.t", &[]);
    wrong("[tables]\nt = '{{ here | shout }}'\n", 4, "tables.t", &["shout"]);
    // Variables of the file may use those above them.
    let sound = "[variables]\na = '1'\nb = '{{ a }}/1'\n[annotate]\nfiles_per_job = '{{ b }}'\n";
    let dir = project(&format!("{ENDS}{sound}"));
    let shown = run_in(dir.path(), &["--show-config"]);
    assert!(shown.code == 0 && shown.stdout.contains("1/1"), "{}{}", shown.stdout, shown.stderr);
    let below = "[variables]\nb = '{{ a }}'\na = '1'\n";
    wrong(below, 4, "variables.b", &["the variable a stands below; a variable may use those above it"]);
    // A slip of the pen on the command line would leave the file's own value standing.
    let share = "[variables]\nshare = '1/1'\n[annotate]\nfiles_per_job = '{{ share }}'\n";
    refused(&with(share, &["--set", "shrae=2/20"]), 64, &["--set shrae", "did you mean share?"]);
    let ran = with(share, &["--set", "share"]);
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    assert!(ran.stderr.contains("NAME=VALUE"), "{}", ran.stderr);
}
