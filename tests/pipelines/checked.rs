//! What is wrong with a pipeline as a whole is told before anything runs, all at once and with its place, by
//! `validate`, `run --dry-run` and `run` alike.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};

use crate::harness::files::{listing, write};
use crate::harness::{Ran, lsmi, must, refused, rows, run};

use super::{project, run_in};

const ENDS: &str = "input = 'raw'\noutput = 'out'\n";
const STEP: &str = "[[sql]]\nname = 'a'\nquery = 'SELECT count(*) AS n FROM annotated'\n";

/// What each of the commands that check says of a pipeline in a folder.
fn all_of(dir: &Path) -> [Ran; 3] {
    let before = listing(dir);
    let validated = run(lsmi().current_dir(dir).args(["validate", "pipeline.toml"]));
    let all = [validated, run_in(dir, &["--dry-run"]), run_in(dir, &[])];
    assert_eq!(listing(dir), before);
    all
}

/// Checks that all commands refuse a pipeline of these lines alike, and write nothing.
#[track_caller]
fn wrong(pipeline: &str, code: i32, words: &[&str]) {
    let dir = project(pipeline);
    for ran in all_of(dir.path()) {
        refused(&ran, code, &[]);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr));
    }
}

/// Checks that all commands refuse a pipeline of `ENDS` and more.
#[track_caller]
fn wrong_more(more: &str, code: i32, words: &[&str]) {
    wrong(&format!("{ENDS}{more}"), code, words);
}

#[test]
fn nothing_else_is_written_among_the_annotated_files() {
    let among = "would be written among the annotated files in out";
    for name in ["out/x.parquet", "out/deep/x.parquet", "./out/x.parquet"] {
        let step = format!("{STEP}output = '{name}'\n");
        let place = "the output of the step a (pipeline.toml, line 6, sql[0].output)";
        wrong_more(&step, 64, &[name, place, among]);
    }
    wrong_more(
        "[report]\noutput = 'out/r.html'\n",
        64,
        &["the report (pipeline.toml, line 4, report.output)", among],
    );
    wrong_more("[report]\nsvg = 'out/svg'\n", 64, &["report.svg", among]);
    wrong_more("[annotate]\nrejects = 'out/rejects'\n", 64, &["--rejects", among]);
    wrong_more("[annotate]\nmetrics = 'out/a.prom'\n", 64, &["annotate.metrics", among]);
    let copy = "[[sql]]\nname = 'a'\nquery = \"COPY (SELECT 1 AS n) TO 'out/x.parquet'\"\n";
    wrong_more(copy, 64, &["the target of a COPY", among]);
    let dir = project(ENDS);
    refused(&run_in(dir.path(), &["--summary", "out/s.json"]), 64, &["--summary", among]);
    refused(&run_in(dir.path(), &["--rejects", "out/r"]), 64, &["--rejects", among]);
    // Beside one file that is annotated there may be others.
    let one = format!("input = 'raw/in.parquet'\noutput = 'a.parquet'\n{STEP}output = 'b.parquet'\n");
    let dir = project(&one);
    for _ in 0..2 {
        let ran = run_in(dir.path(), &["--summary", "s.json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn folders_of_outputs_are_there() {
    let step = |output: &str| format!("{STEP}output = '{output}'\n");
    let place = "it is the output of the step a (pipeline.toml, line 6, sql[0].output)";
    wrong_more(&step("no/x.csv"), 73, &["no/x.csv", "cannot create the output", place]);
    let place = "it is the report (pipeline.toml, line 4, report.output)";
    wrong_more("[report]\noutput = 'no/r.html'\n", 73, &["no/r.html", place]);
    let place = "it is --metrics (pipeline.toml, line 4, annotate.metrics)";
    wrong_more("[annotate]\nmetrics = 'no/a.prom'\n", 73, &["no/a.prom", place]);
    wrong("input = 'raw/in.parquet'\noutput = 'outd/'\n", 73, &["outd/", "the name is that of a folder"]);
    let place = "it is the output (pipeline.toml, line 2, output)";
    wrong("input = 'raw/in.parquet'\noutput = 'no/o.parquet'\n", 73, &["no/o.parquet", place]);
    // All of them, also where others are one file.
    let same = format!(
        "{}output = 'y.csv'\n{}output = 'y.csv'\n",
        STEP.replace("'a'", "'b'"),
        STEP.replace("'a'", "'c'")
    );
    let all = format!("{}{same}[report]\noutput = 'no/r.html'\n", step("no/x.csv"));
    let words =
        ["4 faults:\n", "no/o.parquet: ", "no/x.csv: ", "no/r.html: ", "y.csv is the output of the step b"];
    wrong(&format!("input = 'raw/in.parquet'\noutput = 'no/o.parquet'\n{all}"), 78, &words);
    let dir = project(ENDS);
    refused(&run_in(dir.path(), &["--summary", "no/s.json"]), 73, &["no/s.json"]);
    let copy =
        |target: &str| format!("[[sql]]\nname = 'a'\nquery = \"COPY (SELECT 1 AS n) TO '{target}'\"\n");
    wrong_more(&copy("new/x.csv"), 73, &["new/x.csv", "cannot create the output"]);
    // A COPY of partitions creates its folder.
    let parts = copy("new")
        .replace("'new'", "'new' STORED AS CSV PARTITIONED BY (n)")
        .replace("1 AS n", "1 AS n, 2 AS m");
    let dir = project(&format!("{ENDS}{parts}{}", step("new/y.csv").replace("'a'", "'b'")));
    let ran = run_in(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn the_bundle_and_the_columns_that_it_is_asked_for() {
    wrong_more("[annotate]\nbundle = 'none'\n", 78, &["pipeline.toml, line 4, annotate.bundle: ", "none"]);
    let place = "pipeline.toml, line 4, annotate.columns: ";
    wrong_more("[annotate]\ncolumns = ['i_123']\n", 78, &[place, "i_123"]);
    for key in ["x1", "x2", "label"] {
        let place = format!("pipeline.toml, line 4, annotate.{key}: raw/in.parquet, column \"nocol\": ");
        wrong_more(&format!("[annotate]\n{key} = 'nocol'\n"), 78, &[&place, "there is no such column"]);
    }
    let place = "pipeline.toml, line 4, annotate.x: raw/in.parquet, column \"nocol\": ";
    wrong_more("[annotate]\nx = ['x1', 'nocol']\n", 78, &[place]);
    let both = "[annotate]\nbundle = 'none'\nx2 = 'nocol'\nlabel = 'nolabel'\n";
    let words =
        ["3 faults:\n", "line 4, annotate.bundle: ", "line 5, annotate.x2: ", "line 6, annotate.label: "];
    wrong_more(both, 78, &words);
    // Of the bundle's own columns the input is at fault.
    let dir = project(ENDS);
    let only = rows(20).project(&[0]).unwrap();
    write(&dir.path().join("raw/in.parquet"), &only);
    for ran in all_of(dir.path()) {
        refused(&ran, 65, &["raw/in.parquet, column ", "there is no such column"]);
    }
}

#[test]
fn the_input_and_the_prefix_are_told_with_their_places() {
    let absent = "input = 'absent.parquet'\noutput = 'o.parquet'\n";
    wrong(absent, 66, &["absent.parquet: cannot open", "pipeline.toml, line 1, input names it"]);
    let twice = "[annotate]\nprefix = 'p_'\n";
    let dir = project(&format!("{ENDS}{twice}"));
    let once = run(lsmi().current_dir(dir.path()).args([
        "annotate",
        "raw/in.parquet",
        "o.parquet",
        "--prefix",
        "p_",
    ]));
    assert_eq!(once.code, 0, "{}", once.stderr);
    std::fs::rename(dir.path().join("o.parquet"), dir.path().join("raw/in.parquet")).unwrap();
    for ran in all_of(dir.path()) {
        refused(&ran, 78, &["pipeline.toml, line 4, annotate.prefix: ", "\"p_r\" already"]);
    }
}

#[test]
fn variables_keys_and_steps_are_told_together() {
    let more = "\
        [annotate]\nrejects = '{{ a }}-{{ b }}'\nworkers = '{{ c }}'\nx1 = '{{ here | shout }}'\n\
        [[sql]]\nname = '{{ d }}'\nquery = 'SELECT 1'\n\
        [[sql]]\nname = 'b'\nqery = 'SELECT 1'\n\
        [[sql]]\nname = 'c'\nquery = 'SELECT {{ one | default(1) }}'\noutput = 'rows.bin'\n";
    let words = [
        "7 faults:\n",
        "line 4, annotate.rejects: there is no variable a; ",
        "line 4, annotate.rejects: there is no variable b; ",
        "line 5, annotate.workers: there is no variable c; ",
        "line 6, annotate.x1: ",
        "line 8, sql[0].name: there is no variable d; ",
        "line 12, sql[1].qery: there is no such key",
        "line 16, sql[2].output: its extension tells no format",
    ];
    wrong_more(more, 78, &words);
}

#[test]
fn tables_are_there_without_steps() {
    let place = "pipeline.toml, line 4, tables.t: nofile.parquet: cannot open the input";
    wrong_more("[tables]\nt = 'nofile.parquet'\n", 78, &[place]);
}

#[test]
fn what_a_report_names_is_there() {
    let report = "\
        [report]\nkey = ['nokey', 'y']\nlabel = 'nolabel'\ncompare = ['nofile.parquet']\n\
        link_template = 'https://host/{idd}/{y}'\nbundle = 'none'\n";
    wrong_more(
        report,
        78,
        &[
            "5 faults:\n",
            "pipeline.toml, line 5, report.label: the annotated files, column \"nolabel\": there is no such column",
            "pipeline.toml, line 4, report.key: the annotated files, column \"nokey\": there is no such column",
            "pipeline.toml, line 7, report.link_template: the annotated files, column \"idd\": ",
            "pipeline.toml, line 6, report.compare: nofile.parquet: ",
            "pipeline.toml, line 8, report.bundle: ",
        ],
    );
    wrong_more("[report]\nkey = ['y', 'r2']\n", 78, &["line 4, report.key", "\"r2\""]);
    let without =
        "report.prefix: the annotated files: not annotated: columns p_r, p_u1, p_u2, p_s are missing";
    wrong_more("[report]\nprefix = 'p_'\n", 78, &["line 4, ", without]);
    wrong_more("[annotate]\nprefix = 'q_'\n[report]\nprefix = 'p_'\n", 78, &["line 6, ", without]);
    // Folders of the path are columns, of the output, too.
    let dir = project("input = 'raw'\noutput = 'out/ds=3'\n[report]\nkey = ['ds', 'y']\nlabel = 'ds'\n");
    let ran = run_in(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn what_a_report_compares_with_is_annotated() {
    let compared = "[report]\ncompare = ['raw/in.parquet']\n";
    let place = "pipeline.toml, line 4, report.compare: raw/in.parquet: not annotated: columns r, u1, u2, s are missing";
    wrong_more(compared, 78, &[place]);
    // Each of them is told, and that they are no one data set.
    let several = "[report]\ncompare = ['raw/in.parquet', 'nofile.parquet']\n";
    wrong_more(several, 78, &["2 faults:\n", place, "report.compare: nofile.parquet: "]);
    let dir = project(&format!("{ENDS}[report]\ncompare = ['one.parquet', 'other.parquet']\n"));
    let annotate = ["annotate", "raw/in.parquet", "one.parquet"];
    must(lsmi().current_dir(dir.path()).args(annotate));
    std::os::unix::fs::symlink("one.parquet", dir.path().join("other.parquet")).unwrap();
    for ran in all_of(dir.path()) {
        refused(&ran, 78, &["line 4, report.compare: ", "is named twice"]);
    }
    // Of as many modalities.
    let dir = project(&format!("{ENDS}[report]\ncompare = ['three.parquet']\n"));
    let values = |name| (name, Arc::new(Float32Array::from(vec![0.5; 10])) as ArrayRef);
    let three = ["r", "u1", "u2", "u3", "s", "y"].map(values);
    write(&dir.path().join("three.parquet"), &RecordBatch::try_from_iter(three).unwrap());
    for ran in all_of(dir.path()) {
        refused(&ran, 78, &["line 4, report.compare: ", "out has 2 modalities and three.parquet has 3"]);
    }
}

#[test]
fn no_step_writes_among_the_files_of_a_table() {
    let dir = project("");
    std::fs::create_dir(dir.path().join("ref")).unwrap();
    std::fs::copy(dir.path().join("raw/in.parquet"), dir.path().join("ref/in.parquet")).unwrap();
    for table in ["ref", "./ref/*.parquet"] {
        let pipeline = format!("{ENDS}[tables]\nref = '{table}'\n{STEP}output = 'ref/n.parquet'\n");
        std::fs::write(dir.path().join("pipeline.toml"), pipeline).unwrap();
        for ran in all_of(dir.path()) {
            refused(
                &ran,
                78,
                &["line 8, sql[0].output: ", "ref/n.parquet would be written among the inputs"],
            );
        }
    }
}

#[test]
fn inputs_do_not_lie_among_the_annotated_files() {
    for output in [".", "raw/.."] {
        let pipeline = format!("input = 'raw'\noutput = '{output}'\n{STEP}");
        wrong(
            &pipeline,
            78,
            &["line 2, output: ", "the input ", "raw/in.parquet lies in it", "write elsewhere"],
        );
    }
}

#[test]
fn files_of_no_input_are_named_and_steps_write_none_among_the_inputs() {
    let dir = project(&format!("{ENDS}{STEP}"));
    let dir = dir.path();
    assert_eq!(run_in(dir, &[]).code, 0);
    let quiet = run_in(dir, &[]).stderr;
    assert!(!quiet.contains("of no file of the input"), "{quiet}");
    std::fs::rename(dir.join("raw/in.parquet"), dir.join("raw/other.parquet")).unwrap();
    for ran in all_of_changed(dir) {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let words =
            "WARN out: one file is of no file of the input, such as out/in.parquet; the steps read it, too";
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let among = "raw/x.parquet would be written among the inputs";
    wrong_more(&format!("{STEP}output = 'raw/x.parquet'\n"), 78, &["line 6, sql[0].output: ", among]);
    let copy = "[[sql]]\nname = 'a'\nquery = \"COPY (SELECT 1 AS n) TO 'raw/x.parquet'\"\n";
    wrong_more(copy, 78, &["line 5, sql[0].query: ", among]);
}

/// What the commands that check say, in order, of a pipeline that runs.
fn all_of_changed(dir: &Path) -> [Ran; 3] {
    let validated = run(lsmi().current_dir(dir).args(["validate", "pipeline.toml"]));
    [validated, run_in(dir, &["--dry-run"]), run_in(dir, &[])]
}

#[test]
fn outputs_of_earlier_steps_are_known_by_other_names() {
    let make = STEP.replace("'a'", "'make'") + "output = 'k.csv'\n";
    let read = |name: &str| format!("[[sql]]\nname = 'read'\nquery = \"SELECT n + 1 AS m FROM '{name}'\"\n");
    for name in ["k.csv", "./k.csv", "k*.csv"] {
        let dir = project(&format!("{ENDS}{make}{}", read(name)));
        // Yesterday's had other columns.
        for stale in [false, true] {
            if stale {
                std::fs::write(dir.path().join("k.csv"), "old\nx\n").unwrap();
                let file = std::fs::File::options().write(true).open(dir.path().join("k.csv")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
            for ran in all_of_changed(dir.path()) {
                assert_eq!(ran.code, 0, "{name}, {stale}: {}", ran.stderr);
            }
        }
    }
    // A later step's is not there yet.
    let reversed = format!("{}{make}", read("k.csv"));
    wrong_more(&reversed, 78, &["sql[0].query: ", "k.csv: cannot open the input"]);
}

#[test]
fn expressions_that_can_not_be_computed_are_told() {
    let query = "SELECT y, y IN (SELECT y FROM annotated) AS k FROM annotated";
    let step = format!("[[sql]]\nname = 'a'\nquery = '{query}'\n");
    wrong_more(
        &step,
        78,
        &["line 5, sql[0].query: SQL: a subquery stands here where it can't be computed", "LEFT JOIN"],
    );
}

#[test]
fn an_input_of_another_kind_is_told_with_its_place() {
    let dir = project(&format!("input = 'in.csv'\noutput = 'o.parquet'\n{STEP}"));
    std::fs::write(dir.path().join("in.csv"), "a\n1\n").unwrap();
    for ran in all_of(dir.path()) {
        refused(&ran, 65, &["in.csv", "pipeline.toml, line 1, input names it"]);
    }
}

#[test]
fn a_share_without_files_takes_no_step() {
    let query = "SELECT count(r) > 0 AS has_values FROM annotated";
    let check = format!("[[sql]]\nname = 'gate'\nexpect = 'all_true'\nquery = '{query}'\n");
    let dir =
        project(&format!("{ENDS}[annotate]\nfiles_per_job = '2/2'\n{check}[report]\noutput = 'r.html'\n"));
    for ran in all_of(dir.path()) {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let ran = run_in(dir.path(), &["--files-per-job", "1/2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(dir.path().join("r.html").exists());
}

#[test]
fn all_keys_at_fault_are_told_at_once() {
    let more = "\
        [annotate]\nbundel = 'b'\nworkers = 'two'\ncolumns = ['i1', 'i5']\n\
        [engine]\ndevice = 'tpu'\n\
        [[sql]]\nname = 'a'\nquerry = 'SELECT 1'\n\
        [[sql]]\nname = 'b'\nexpect = 'none'\nquery = 'SELECT rr FROM annotated'\n\
        [report]\nsamples = 'many'\ncolour = 'red'\n";
    let words = [
        "8 faults:\n",
        "line 4, annotate.bundel: there is no such key; did you mean bundle?",
        "line 5, annotate.workers: ",
        "line 6, annotate.columns[1]: \"i5\" is wrong: expected one of i1, ",
        "line 8, engine.device: \"tpu\" is wrong: expected cpu, ",
        "line 11, sql[0].querry: there is no such key; did you mean query?",
        "line 14, sql[1].expect: \"none\" is none of no_rows, all_true",
        "line 17, report.samples: ",
        "line 18, report.colour: there is no such key",
    ];
    wrong_more(more, 78, &words);
    // Settings that are missing, and steps.
    let step = "[[sql]]\nname = 'a'\nquery = 'SELEKT 1'\n";
    wrong(step, 78, &["3 faults:\n", "sql[0].query: ", "input: it is missing", "output: it is missing"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let more = "\
        [annotate]\nmetrics = 'no/a.prom'\n\
        [tables]\ncustomers = 'nofile.parquet'\n\
        [[sql]]\nname = 'a'\nquery = 'SELEKT 1'\noutput = 'a.csv'\n\
        [[sql]]\nname = 'b'\nquery = 'SELECT rr FROM annotated'\n\
        [[sql]]\nname = 'c'\nquery = \"SELECT 1 FROM 'mising.parquet'\"\n\
        [[sql]]\nname = 'd'\nquery = \"SELECT * FROM customers, 'a.csv'\"\n\
        [report]\nlabel = 'nolabel'\nsamples = 2000\n";
    let words = [
        "7 faults:\n",
        "line 9, sql[0].query: SQL: ",
        "    SELEKT 1\n    ^^^^^^\n",
        "line 22, report.samples: at most 1000",
        "no/a.prom: cannot create the output",
        "line 6, tables.customers: nofile.parquet: cannot open the input",
        "line 13, sql[1].query: SQL: there is no column rr; did you mean r?",
        "line 16, sql[2].query: mising.parquet: cannot open the input",
        "    SELECT 1 FROM 'mising.parquet'\n                  ^^^^^^^^^^^^^^^^\n",
        "line 21, report.label: ",
    ];
    wrong_more(more, 78, &words);
    let table = "[[sql]]\nname = 'e'\nquery = 'SELECT 1 FROM custom'\n";
    wrong_more(
        table,
        78,
        &["line 5, sql[0].query", "there is no table custom", "[tables] with NAME = 'PATH' names it"],
    );
}

#[test]
fn what_is_known_without_the_columns_is_told_with_what_is_wrong_with_them() {
    let more = "\
        [annotate]\nx1 = 'nocol'\n\
        [tables]\ncustomers = 'nofile.parquet'\n\
        [[sql]]\nname = 'a'\nquery = 'SELECT rr FROM annotated'\n\
        [[sql]]\nname = 'b'\nquery = \"SELECT * FROM 'mising.parquet'\"\n";
    let words = [
        "4 faults:\n",
        "line 4, annotate.x1: ",
        "line 6, tables.customers: ",
        "line 9, sql[0].query: SQL: there is no column rr",
        "line 12, sql[1].query: mising",
    ];
    wrong_more(more, 78, &words);
    // Where there is nothing to annotate, no step follows, and none is checked.
    let dir = project(&format!("{ENDS}{more}").replace("x1 = 'nocol'", "if_nothing = 'exit0'"));
    std::fs::remove_file(dir.path().join("raw/in.parquet")).unwrap();
    for ran in all_of(dir.path()) {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn the_steps_of_one_output_are_named() {
    let two = format!("{STEP}output = 'x.csv'\n{}output = 'x.csv'\n", STEP.replace("'a'", "'b'"));
    wrong_more(
        &two,
        64,
        &["x.csv is the output of the step a (pipeline.toml, line 6, sql[0].output) and the output of \
                            the step b (pipeline.toml, line 10, sql[1].output)"],
    );
}

#[test]
fn what_the_pipeline_makes_need_not_be_there() {
    let more = "\
        [tables]\nfirst = 'out/in.parquet'\n\
        [[sql]]\nname = 'a'\nquery = 'SELECT count(*) AS n FROM first'\n\
        [[sql]]\nname = 'b'\nquery = \"COPY (SELECT r FROM annotated) TO 'r.csv'\"\n\
        [[sql]]\nname = 'c'\nquery = \"SELECT count(*) AS n FROM 'r.csv'\"\n\
        [[sql]]\nname = 'd'\nquery = \"SELECT count(*) AS n FROM 'out/in.parquet'\"\n";
    let dir = project(&format!("{ENDS}{more}"));
    let [validated, planned, ran] = {
        let dir = dir.path();
        let validated = run(lsmi().current_dir(dir).args(["validate", "pipeline.toml"]));
        [validated, run_in(dir, &["--dry-run"]), run_in(dir, &[])]
    };
    for ran in [validated, planned, ran] {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}
