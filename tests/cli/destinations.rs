//! Outputs that would take the place of inputs, of other outputs or of files of another kind: nothing
//! is written, and what was there stays.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::files::{copy_folder, listing, read, write};
use crate::harness::{Ran, bundle, last_json, lsmi, lsmi_in, refused, rows, run};

/// A folder with inputs, an output, a bundle and links to them.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("in")).unwrap();
    for name in ["in.parquet", "in/a.parquet", "in/b.parquet"] {
        write(&path(name), &rows(150));
    }
    copy_folder(&bundle(), &path("models"));
    let ran = lsmi_in(dir.path(), ["annotate", "in.parquet", "out.parquet", "--bundle", "models"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    symlink("in.parquet", path("link.parquet")).unwrap();
    symlink("in", path("in-link")).unwrap();
    dir
}

/// All files with their contents.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for name in listing(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            all.extend(contents(&path).into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            all.push((name, fs::read(path).unwrap()));
        }
    }
    all
}

fn words(dir: &Path, line: &str) -> Ran {
    run(lsmi().current_dir(dir).args(line.split(' ')))
}

/// Checks that each line is refused with this exit code and changes nothing.
#[track_caller]
fn all_refused(dir: &Path, code: i32, lines: &[&str]) {
    let before = contents(dir);
    for line in lines {
        let ran = words(dir, line);
        assert_eq!(ran.code, code, "{line}: {}", ran.stderr);
        assert!(contents(dir) == before, "{line}: {:?}", listing(dir));
    }
}

#[test]
fn no_output_of_annotate_is_an_input() {
    let dir = folder();
    let dir = dir.path();
    let mut lines = Vec::new();
    for more in ["", " --overwrite"] {
        for flag in ["--rejects", "--summary", "--metrics"] {
            for name in ["in.parquet", "link.parquet", "./in-link/../in.parquet", "models/bundle.json"] {
                lines.push(format!("annotate in.parquet new.parquet --bundle models {flag} {name}{more}"));
            }
            lines.push(format!("annotate in new --bundle models {flag} in-link/b.parquet{more}"));
        }
        lines.push(format!("annotate in new --bundle models --rejects in{more}"));
        lines.push(format!("annotate in new --bundle models --rejects in-link{more}"));
        lines.push(format!("annotate in new --bundle models --rejects in/rejects{more}"));
        lines.push(format!("annotate in.parquet models/bundle.json --bundle models{more}"));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    all_refused(dir, 64, &lines);
    // A glob, and a stream.
    let glob = ["annotate", "in/*.parquet", "new", "--bundle", "models", "--overwrite", "--rejects"];
    refused(&lsmi_in(dir, glob.iter().chain(&["in"])), 64, &["among the inputs"]);
    let stream = "annotate in.parquet - --bundle models --rejects in.parquet --overwrite";
    all_refused(dir, 64, &[stream]);
}

#[test]
fn no_two_outputs_of_annotate_are_one_file() {
    let dir = folder();
    let dir = dir.path();
    fs::create_dir(dir.join("there")).unwrap();
    symlink("there", dir.join("here")).unwrap();
    all_refused(
        dir,
        64,
        &[
            "annotate in.parquet out.parquet --bundle models --rejects out.parquet",
            "annotate in.parquet out.parquet --bundle models --rejects out.parquet --overwrite",
            "annotate in.parquet there/new.parquet --bundle models --rejects here/new.parquet",
            "annotate in.parquet there/new.parquet --bundle models --summary here/new.parquet",
            "annotate in.parquet new.parquet --bundle models --summary there/x --metrics here/x",
            "annotate in there --bundle models --rejects here",
            "annotate in.parquet s3://data/a.parquet --bundle models --rejects s3://data/a.parquet",
        ],
    );
}

#[test]
fn what_is_no_output_of_its_kind_is_kept() {
    let dir = folder();
    let dir = dir.path();
    fs::write(dir.join("notes.json"), r#"{"seconds": "ten"}"#).unwrap();
    fs::write(dir.join("notes.prom"), "node_load1 0.5\n").unwrap();
    for kept in ["notes.json", "notes.prom", "out.parquet"] {
        for flag in ["--summary", "--metrics"] {
            let ran = words(dir, &format!("annotate in.parquet new.parquet --bundle models {flag} {kept}"));
            refused(&ran, 73, &[kept, "exists and is", "--overwrite"]);
        }
        let ran = words(dir, &format!("fit in.parquet --bundle new --metrics {kept}"));
        refused(&ran, 73, &[kept, "exists and is"]);
    }
    // Nor is another table taken for the rejects of a run that is done.
    let rejects = "annotate in.parquet out.parquet --bundle models --rejects in/a.parquet";
    refused(
        &words(dir, rejects),
        73,
        &["out.parquet exists, made by the same work, but without in/a.parquet"],
    );

    let again =
        "annotate in.parquet new.parquet --bundle models --summary run.json --metrics run.prom --json";
    for overwrite in ["", "", " --overwrite"] {
        fs::write(dir.join("empty"), "").unwrap();
        let ran = words(dir, &format!("{again}{overwrite}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.join("run.json")).unwrap()).unwrap();
        assert_eq!(summary, last_json(&ran));
        let ran = words(dir, &format!("{again}{overwrite}").replace("run.json", "empty"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let ran = words(dir, "annotate in.parquet new.parquet --bundle models --summary notes.json --overwrite");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn folders_of_outputs_are_there_before_anything_is_computed() {
    let dir = folder();
    let dir = dir.path();
    all_refused(
        dir,
        73,
        &[
            "annotate in.parquet new.parquet --bundle models --summary no/s.json",
            "annotate in.parquet new.parquet --bundle models --metrics no/s.prom",
            "annotate in.parquet new.parquet --bundle models --rejects no/bad.parquet",
            "annotate in.parquet no/new.parquet --bundle models",
            "annotate in new --bundle models --summary no/s.json",
            "split in parts --summary no/s.json",
            "fit in.parquet --bundle new --metrics no/fit.prom",
            "report out.parquet -o no/r.html",
        ],
    );
    // Those that the run creates need not be.
    let ran = words(dir, "annotate in new/deep --bundle models --summary new/s.json --rejects bad/deep");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = words(dir, "split in parts --summary parts/s.json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // What an annotated folder holds is annotated.
    all_refused(
        dir,
        64,
        &[
            "annotate in other --bundle models --rejects other/bad",
            "annotate in other --bundle models --rejects other",
        ],
    );
}

#[test]
fn a_bundle_takes_the_place_of_no_input() {
    let dir = folder();
    let dir = dir.path();
    fs::create_dir(dir.join("data")).unwrap();
    fs::copy(dir.join("in.parquet"), dir.join("data/train.parquet")).unwrap();
    fs::copy(dir.join("in.parquet"), dir.join("models/train.parquet")).unwrap();
    symlink("models/train.parquet", dir.join("train.parquet")).unwrap();
    let pack = "bundle pack models --overwrite --density-1 models/density_1.onnx --density-2 models/density_2.onnx \
                --classifier-1 models/classifier_1.onnx --classifier-2 models/classifier_2.onnx --classifier-12 \
                models/classifier_12.onnx --classes 0,1,2,3 --prior 0.25,0.25,0.25,0.25 --output log-prob";
    all_refused(
        dir,
        64,
        &[
            "fit models/train.parquet --bundle models --overwrite",
            "fit train.parquet --bundle models --overwrite",
            "fit models --bundle models --overwrite",
            "fit in.parquet --bundle models --overwrite --metrics in.parquet",
            "fit in.parquet --bundle models --overwrite --metrics models/fit.prom",
            pack,
            "bundle export models --overwrite -o models/density_1.onnx",
        ],
    );
    all_refused(dir, 64, &["fit in.parquet --bundle new --metrics in.parquet"]);
    all_refused(dir, 73, &["fit in.parquet --bundle new --metrics out.parquet"]);
}

#[test]
fn no_report_is_an_input() {
    let dir = folder();
    let dir = dir.path();
    symlink("out.parquet", dir.join("out-link.parquet")).unwrap();
    fs::create_dir(dir.join("pictures")).unwrap();
    symlink("../out.parquet", dir.join("pictures/means.svg")).unwrap();
    all_refused(
        dir,
        64,
        &[
            "report out.parquet -o out.parquet",
            "report out.parquet --overwrite -o out.parquet",
            "report out.parquet --overwrite -o out-link.parquet",
            "report out.parquet --overwrite --format json -o out.parquet",
            "report out.parquet --compare in/a.parquet --overwrite -o in/a.parquet",
            "report out.parquet --overwrite --svg pictures",
            "report out.parquet --bundle models --overwrite -o models/bundle.json",
        ],
    );
    symlink("out.parquet", dir.join("page.html")).unwrap();
    all_refused(
        dir,
        64,
        &["report out.parquet --overwrite -o page.html", "report out.parquet -o in.parquet"],
    );
    fs::write(dir.join("other.html"), "kept").unwrap();
    all_refused(dir, 73, &["report out.parquet -o other.html"]);
}

#[test]
fn no_output_of_sql_is_an_input() {
    let dir = folder();
    let dir = dir.path();
    let sql = |more: &[&str]| run(lsmi().current_dir(dir).arg("sql").args(more));
    let before = contents(dir);
    fs::write(dir.join("q.sql"), "SELECT 1 AS a").unwrap();
    fs::hard_link(dir.join("in.parquet"), dir.join("hard.parquet")).unwrap();
    for target in ["in.parquet", "link.parquet", "./in.parquet", "hard.parquet"] {
        for read in ["in.parquet", "*.parquet", "."] {
            let select = format!("SELECT y FROM '{read}'");
            let copy = format!("COPY ({select}) TO '{target}'");
            let view = format!("CREATE VIEW v AS {select}; COPY (SELECT * FROM v) TO '{target}'");
            let with = format!("COPY (WITH c AS ({select}) SELECT * FROM c) TO '{target}' STORED AS PARQUET");
            let explained = format!("EXPLAIN ANALYZE {copy}");
            let table = format!("t={read}");
            for overwrite in [&[][..], &["--overwrite"]] {
                for sql_text in [&copy, &view, &with, &explained] {
                    let ran = sql(&[overwrite, &[sql_text]].concat());
                    refused(&ran, 64, &[target, "name another file"]);
                }
                let ran =
                    sql(&[overwrite, &["--table", &table, &format!("COPY (SELECT 1 AS a) TO '{target}'")]]
                        .concat());
                refused(&ran, 64, &[target]);
            }
            let ran = sql(&["--overwrite", "--output", target, &select]);
            refused(&ran, 64, &[target, "--output"]);
        }
    }
    refused(&sql(&["--overwrite", "-f", "q.sql", "--format", "csv", "-o", "q.sql"]), 64, &["q.sql"]);
    refused(&sql(&["COPY (SELECT y FROM 'in/*.parquet') TO 'in/'"]), 64, &["lies in"]);
    refused(&sql(&["COPY (SELECT 1 AS a) TO 'x.csv'; COPY (SELECT 2 AS a) TO 'x.csv'"]), 64, &["x.csv"]);
    // What is not read is kept, too, if nobody says otherwise.
    refused(&sql(&["COPY (SELECT 1 AS a) TO 'in.parquet'"]), 73, &["in.parquet exists", "--overwrite"]);
    // A fault of another statement is graver; it may need what an earlier one defines or writes.
    let several = |last: &str| {
        format!(
            "CREATE VIEW v AS SELECT 1 AS a; COPY (SELECT a FROM v) TO 'in.parquet'; \
             COPY (SELECT a FROM v) TO 'a.csv'; SELECT {last} FROM v, 'a.csv' AS c"
        )
    };
    refused(&sql(&[&several("v.b")]), 64, &["there is no column v.b"]);
    refused(&sql(&[&several("v.a")]), 73, &["in.parquet exists"]);
    fs::remove_file(dir.join("q.sql")).unwrap();
    fs::remove_file(dir.join("hard.parquet")).unwrap();
    assert!(contents(dir) == before, "{:?}", listing(dir));

    let copy = "COPY (SELECT y FROM 'in.parquet') TO 'new.parquet'; SELECT count(*) AS n FROM 'new.parquet'";
    for overwrite in ["--overwrite", "--overwrite"] {
        let ran = sql(&[overwrite, "--format", "ndjson", copy]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "{\"count\":150}\n{\"n\":150}\n"), "{}", ran.stderr);
    }
    assert_eq!(read(&dir.join("new.parquet")).num_rows(), 150);
}

#[test]
fn no_step_of_a_pipeline_writes_over_its_inputs() {
    let dir = folder();
    let dir = dir.path();
    fs::write(dir.join("query.sql"), "SELECT count(*) AS n FROM annotated").unwrap();
    let head = "input = \"in.parquet\"\noutput = \"new.parquet\"\n[annotate]\nbundle = \"models\"\n";
    let step = |rest: &str| format!("{head}[[sql]]\nname = \"a\"\n{rest}");
    for (pipeline, code, words) in [
        (step("query = \"SELECT 1\"\noutput = \"in.parquet\""), 64, "in.parquet"),
        (step("query = \"SELECT 1\"\noutput = \"link.parquet\""), 64, "link.parquet"),
        (step("query = \"SELECT 1\"\noutput = \"new.parquet\""), 64, "new.parquet"),
        (
            // Its ending and its format, and what lies there.
            step("query = \"SELECT 1\"\noutput = \"out.parquet\"\nformat = \"csv\""),
            78,
            "2 faults:",
        ),
        (
            step("query = \"SELECT 1\"\noutput = \"query.sql\"\nformat = \"parquet\""),
            73,
            "query.sql exists and is",
        ),
        (step("file = \"query.sql\"\noutput = \"query.sql\"\nformat = \"csv\""), 64, "query.sql"),
        (step("query = \"COPY (SELECT 1) TO 'in.parquet'\""), 64, "in.parquet"),
        (step("query = \"COPY (SELECT 1) TO 'models/bundle.json'\""), 64, "bundle.json"),
        (
            // Two faults: its ending, and what lies there.
            format!("{head}[report]\noutput = \"out.parquet\"\n"),
            78,
            "2 faults:",
        ),
        (format!("{head}[report]\noutput = \"in.parquet\"\n"), 78, "2 faults:"),
        (format!("{head}overwrite = true\n[report]\noutput = \"in.parquet\"\n"), 78, "2 faults:"),
        (format!("{head}[report]\noutput = \"pipeline.toml\"\n"), 64, "pipeline.toml"),
        (
            format!(
                "{head}[tables]\nt = \"in/a.parquet\"\n[[sql]]\nname = \"a\"\nquery = \"SELECT 1\"\noutput = \"in/a.parquet\"\n"
            ),
            64,
            "in/a.parquet",
        ),
    ] {
        fs::write(dir.join("pipeline.toml"), &pipeline).unwrap();
        let before = contents(dir);
        let ran = lsmi_in(dir, ["run", "pipeline.toml"]);
        refused(&ran, code, &[words]);
        assert!(contents(dir) == before, "{pipeline}: {:?}", listing(dir));
    }
    fs::write(dir.join("pipeline.toml"), head).unwrap();
    for (summary, code, words) in [
        ("in.parquet", 64, "name another file"),
        ("pipeline.toml", 64, "name another file"),
        ("out.parquet", 73, "exists and is"),
    ] {
        let ran = lsmi_in(dir, ["run", "pipeline.toml", "--summary", summary]);
        refused(&ran, code, &[summary, words]);
    }
    // The folder of the output may be a table, too.
    let folder = head.replace("new.parquet", "new/a.parquet") + "[tables]\nall = \"new\"\n";
    fs::create_dir(dir.join("new")).unwrap();
    fs::write(dir.join("pipeline.toml"), folder).unwrap();
    for _ in 0..2 {
        assert_eq!(lsmi_in(dir, ["run", "pipeline.toml"]).code, 0);
    }
    let all = step("query = \"SELECT count(*) AS n FROM annotated\"\noutput = \"n.csv\"\n")
        + "[report]\noutput = \"r.html\"\n";
    fs::write(dir.join("pipeline.toml"), all).unwrap();
    for _ in 0..2 {
        let ran = lsmi_in(dir, ["run", "pipeline.toml", "--summary", "run.json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        // Its steps are taken again.
        fs::write(dir.join("pipeline.toml"), fs::read(dir.join("pipeline.toml")).unwrap()).unwrap();
    }
}

#[test]
fn a_demo_replaces_files_of_demos_only() {
    let dir = folder();
    fs::create_dir(dir.path().join("demo")).unwrap();
    for name in ["train.parquet", "in.parquet", "out.parquet"] {
        let path = dir.path().join("demo").join(name);
        fs::copy(dir.path().join("in.parquet"), &path).unwrap();
        refused(&words(dir.path(), "demo --rows 200 --dir demo"), 73, &[name, "no demo has made"]);
        fs::remove_file(path).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(words(dir.path(), "demo --rows 200 --dir demo").code, 0);
    }
}
