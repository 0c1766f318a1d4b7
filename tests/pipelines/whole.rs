//! Whole runs on generated data: what is left to do when it is run again, checks that fail, nights
//! without data, and runs that are told to stop.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::files::listing;
use crate::harness::{Ran, last_json, lsmi, must, query, repository, stores::Server};

use super::{project, run_in};

const PIPELINE: &str = "\
input = 'raw'
output = 'out'
[[sql]]
name = 'gate'
expect = 'no_rows'
message = 'rows are missing'
query = 'SELECT count(*) AS rows FROM annotated HAVING count(*) < {{ least }}'
[[sql]]
name = 'classes'
output = 'classes.csv'
query = 'SELECT y, avg(r) AS r FROM annotated GROUP BY y ORDER BY y'
[[sql]]
name = 'rows'
format = 'ndjson'
query = 'SELECT count(r) AS computed FROM annotated'
[report]
output = 'report.html'
[variables]
least = '3000'
";

/// Every file of a folder with its content and the time of its last change.
fn state(dir: &Path, names: &[&str]) -> Vec<(Vec<u8>, std::time::SystemTime)> {
    let of = |name: &&str| {
        let path = dir.join(name);
        (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap())
    };
    names.iter().map(of).collect()
}

fn steps(ran: &Ran) -> Vec<(String, bool)> {
    let summary = last_json(ran);
    let steps = summary["steps"].as_array().unwrap();
    steps.iter().map(|step| (step["name"].as_str().unwrap().to_owned(), step.get("rows").is_some())).collect()
}

#[test]
fn the_second_run_has_nothing_to_do_until_something_changes() {
    let dir = project(PIPELINE);
    let dir = dir.path();
    let first = run_in(dir, &["--json", "--summary", "summary.json"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let summary = last_json(&first);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&fs::read(dir.join("summary.json")).unwrap()).unwrap(),
        summary
    );
    assert_eq!((&summary["nothing_to_do"], &summary["annotate"]["rows"]), (&false.into(), &3000.into()));
    assert_eq!(summary["report"]["rows"], 3000);
    let all = [("gate".to_owned(), false), ("classes".to_owned(), true), ("rows".to_owned(), true)];
    assert_eq!(steps(&first), all);
    assert_eq!(first.stdout.lines().next(), Some("{\"computed\":3000}"));
    let classes = fs::read_to_string(dir.join("classes.csv")).unwrap();
    assert_eq!(classes.lines().next(), Some("y,r"));
    assert_eq!(classes.lines().count(), 1 + 4);

    let written = ["out/in.parquet", "classes.csv", "report.html"];
    let before = state(dir, &written);
    for (more, code) in [(&[][..], 0), (&["--if-nothing", "exit99"][..], 99)] {
        let again = run_in(dir, &[&["--json"], more].concat());
        assert_eq!(again.code, code, "{}", again.stderr);
        assert_eq!(last_json(&again)["nothing_to_do"], true);
        assert_eq!(last_json(&again)["report"], serde_json::Value::Null);
        assert_eq!(steps(&again), [("gate".into(), false), ("classes".into(), false), ("rows".into(), true)]);
        assert!(state(dir, &written) == before);
    }

    // Another pipeline makes all files anew but those that were annotated.
    fs::write(dir.join("pipeline.toml"), format!("{PIPELINE}more = 'text'\n")).unwrap();
    let ran = run_in(dir, &["--json", "--if-nothing", "exit99"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(steps(&ran), all);
    let after = state(dir, &written);
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1].0, before[1].0);
    assert!(after[1].1 > before[1].1 && after[2].1 > before[2].1);

    // One more file: it is annotated, and what was made of all files is made again.
    fs::copy(dir.join("raw/in.parquet"), dir.join("raw/more.parquet")).unwrap();
    let ran = run_in(dir, &["--json"]);
    let summary = last_json(&ran);
    assert_eq!(
        (&summary["annotate"]["rows"], &summary["annotate"]["skipped_files"]),
        (&6000.into(), &1.into())
    );
    assert_eq!(summary["report"]["rows"], 6000);

    // One less.
    fs::remove_file(dir.join("raw/more.parquet")).unwrap();
    fs::remove_file(dir.join("out/more.parquet")).unwrap();
    let ran = run_in(dir, &["--json"]);
    let summary = last_json(&ran);
    assert_eq!(
        (&summary["annotate"]["skipped_files"], &summary["nothing_to_do"]),
        (&1.into(), &false.into())
    );
    assert_eq!((steps(&ran), &summary["report"]["rows"]), (all.to_vec(), &3000.into()));
    assert_eq!(last_json(&run_in(dir, &["--json"]))["nothing_to_do"], true);
}

#[test]
fn an_older_file_in_the_place_of_a_source_is_noticed() {
    let dir = project(
        "input = 'raw'\noutput = 'out'\n[tables]\nnames = 'names.csv'\n\
         [[sql]]\nname = 'a'\noutput = 'a.csv'\nquery = 'SELECT * FROM names'\n\
         [[sql]]\nname = 'b'\noutput = 'b.csv'\nquery = \"SELECT * FROM 'more.csv'\"\n",
    );
    let dir = dir.path();
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(100_000);
        fs::File::options().write(true).open(dir.join(name)).unwrap().set_modified(long_ago).unwrap();
    };
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    write("names.csv", "name\nold\n");
    write("more.csv", "more\nold\n");
    assert_eq!(run_in(dir, &[]).code, 0);
    assert_eq!(run_in(dir, &["--if-nothing", "exit99"]).code, 99);
    for (source, output) in [("names.csv", "a.csv"), ("more.csv", "b.csv")] {
        assert!(text(output).contains("old"));
        write("new.csv", &text(source).replace("old", "new"));
        fs::rename(dir.join("new.csv"), dir.join(source)).unwrap();
        let ran = run_in(dir, &["--if-nothing", "exit99"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(text(output).contains("new"), "{}", text(output));
        assert_eq!(run_in(dir, &["--if-nothing", "exit99"]).code, 99);
    }
}

#[test]
fn a_check_that_fails_ends_the_run_and_fails_again() {
    let dir = project(PIPELINE);
    let dir = dir.path();
    for _ in 0..2 {
        let ran = run_in(dir, &["--set", "least=3001", "--json", "--summary", "summary.json"]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        let words = [
            "ERROR pipeline.toml, line 7, sql[0].query: the check gate has failed: rows are missing",
            "| 3000 |",
        ];
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "no {word} in {}", ran.stderr));
        assert_eq!(last_json(&ran)["code"], 65);
        // What is annotated stays; nothing that stands after the check was made.
        assert_eq!(listing(dir), ["lsmi-bundle", "out", "pipeline.toml", "raw"]);
    }
    let ran = run_in(dir, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["annotate"]["skipped_files"], 1);
    assert!(dir.join("report.html").exists());
}

#[test]
fn a_night_without_data_is_no_error_where_that_was_said() {
    let dir = project(PIPELINE);
    let dir = dir.path();
    fs::remove_file(dir.join("raw/in.parquet")).unwrap();
    assert_eq!(run_in(dir, &[]).code, 66);
    for (code, exit) in [("exit0", 0), ("exit99", 99)] {
        let ran = run_in(dir, &["--if-nothing", code, "--json"]);
        assert_eq!(ran.code, exit, "{}", ran.stderr);
        assert_eq!(last_json(&ran)["steps"], serde_json::json!([]));
        assert!(!dir.join("report.html").exists());
    }
}

#[test]
fn bad_files_end_the_run_before_its_steps_unless_they_are_skipped() {
    let dir = project(PIPELINE);
    let dir = dir.path();
    fs::write(dir.join("raw/bad.parquet"), "").unwrap();
    for skipped in [0, 1] {
        let ran = run_in(dir, &["--json", "--summary", "summary.json"]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("ERROR raw/bad.parquet: ") && ran.stderr.contains("1 of 2 files"),
            "{}",
            ran.stderr
        );
        let summary = last_json(&ran);
        assert_eq!(
            (&summary["nothing_to_do"], &summary["annotate"]["skipped_files"]),
            (&false.into(), &skipped.into())
        );
        assert_eq!(summary["annotate"]["bad_files"][0]["input"], "raw/bad.parquet");
        assert_eq!(
            (&summary["steps"], &summary["report"]),
            (&serde_json::json!([]), &serde_json::Value::Null)
        );
        assert_eq!(listing(dir), ["lsmi-bundle", "out", "pipeline.toml", "raw", "summary.json"]);
        assert_eq!(listing(&dir.join("out")), ["in.parquet"]);
    }
    let ran = run_in(dir, &["--dry-run"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(ran.stdout.contains("files      2, of which 1 can not be annotated"), "{}", ran.stdout);

    // By the file, the environment or a flag.
    let skips = PIPELINE.replace("[report]", "[annotate]\non_bad_file = 'skip'\n[report]");
    fs::write(dir.join("pipeline.toml"), skips).unwrap();
    let ran = run_in(dir, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((steps(&ran).len(), &last_json(&ran)["report"]["rows"]), (3, &3000.into()));
    assert!(ran.stderr.contains("1 of 2 files is bad and left out"), "{}", ran.stderr);
    let again = run_in(dir, &["--json", "--if-nothing", "exit99"]);
    assert_eq!(again.code, 99, "{}", again.stderr);
    assert_eq!(run_in(dir, &["--on-bad-file", "fail"]).code, 65);

    // Mended, it is annotated, and the steps are taken again.
    fs::copy(dir.join("raw/in.parquet"), dir.join("raw/bad.parquet")).unwrap();
    let ran = run_in(dir, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["report"]["rows"], 6000);
    assert!(last_json(&ran)["annotate"].get("bad_files").is_none());
}

#[test]
fn a_dry_run_tells_all_steps_and_takes_none() {
    let dir = project(PIPELINE);
    let before = listing(dir.path());
    let ran = run_in(dir.path(), &["--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for line in [
        "annotate raw to out",
        "rows       3000 in 3 row groups",
        "check gate",
        "  SELECT count(*) AS rows FROM annotated HAVING count(*) < 3000",
        "query classes to classes.csv",
        "report to report.html",
    ] {
        assert!(ran.stdout.lines().any(|it| it == line), "no {line:?} in {}", ran.stdout);
    }
    let plan = last_json(&run_in(dir.path(), &["--dry-run", "--json"]));
    assert_eq!(
        (&plan["annotate"]["rows"], &plan["steps"][1]["output"]),
        (&3000.into(), &"classes.csv".into())
    );
    assert_eq!(plan["report"], serde_json::json!(["report.html"]));
    assert_eq!(listing(dir.path()), before);
}

#[test]
fn a_run_that_is_told_to_stop_goes_on_when_it_is_run_again() {
    let dir =
        project("input = 'many.parquet'\noutput = 'out.parquet'\n[[sql]]\nname = 'n'\nquery = 'SELECT 1'\n");
    let dir = dir.path();
    let rows = ["--rows", "2000000", "--row-group-rows", "50000", "-o", "many.parquet"];
    must(lsmi().current_dir(dir).args(["synth", "gaussian", "--classes", "4", "--truth", "none"]).args(rows));
    let mut command = lsmi();
    command.current_dir(dir).args(["run", "pipeline.toml", "--workers", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = || fs::metadata(dir.join(".out.parquet.lsmi-journal")).is_ok_and(|it| it.len() > 2_000_000);
    let start = Instant::now();
    while !journal() {
        assert!(start.elapsed() < Duration::from_secs(120), "no journal grows");
        std::thread::sleep(Duration::from_millis(5));
    }
    must(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
    let told = Instant::now();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(told.elapsed() < Duration::from_secs(10), "it took {:?}", told.elapsed());
    assert_eq!(ran.stdout, "");
    assert!(!dir.join("out.parquet").exists());

    let ran = run_in(dir, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let annotate = &last_json(&ran)["annotate"];
    assert!(annotate["resumed_row_groups"].as_u64().unwrap() > 0, "{annotate}");
    assert_eq!(annotate["rows"], 2_000_000);
    let plain = ["annotate", "many.parquet", "plain.parquet"];
    must(lsmi().current_dir(dir).args(plain));
    assert!(fs::read(dir.join("plain.parquet")).unwrap() == fs::read(dir.join("out.parquet")).unwrap());
}

#[test]
fn the_backfill_takes_shares_and_keeps_folders() {
    let dir = project("");
    let dir = dir.path();
    for day in 1..=3 {
        let folder = dir.join(format!("raw/ds=2026-02-0{day}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(dir.join("raw/in.parquet"), folder.join("a.parquet")).unwrap();
    }
    let backfill = repository().join("pipelines/backfill.toml");
    let share = |share: &str| {
        let set = ["--set", "from=raw/**/a.parquet", "--set", "to=studied", "--set", share, "--json"];
        must(lsmi().current_dir(dir).arg("run").arg(&backfill).args(set))
    };
    let shares: Vec<u64> = (1..=4)
        .map(|job| last_json(&share(&format!("share={job}/4")))["annotate"]["files"].as_u64().unwrap())
        .collect();
    assert_eq!(shares.iter().sum::<u64>(), 3, "{shares:?}");
    let found = query(dir, "SELECT count(i12) AS n, count(DISTINCT ds) AS nights FROM 'studied'");
    assert_eq!((&found["n"], &found["nights"]), (&9000.into(), &3.into()));
    assert!(share("share=1/1").stdout.contains("9000"));
}

#[test]
fn the_backfill_works_from_bucket_to_bucket() {
    let (server, dir) = (Server::s3(), project(""));
    let dir = dir.path();
    for key in ["raw/ds=2026-02-01/a.parquet", "raw/ds=2026-02-02/b.parquet"] {
        server.put(key, &dir.join("raw/in.parquet"));
    }
    let set = ["--set", "from=s3://data/raw", "--set", "to=s3://data/studied", "--json"];
    let run = || {
        let mut command = server.lsmi();
        command.current_dir(dir).arg("run").arg(repository().join("pipelines/backfill.toml")).args(set);
        last_json(&must(command.env("TMPDIR", dir)))
    };
    let first = run();
    assert_eq!((&first["annotate"]["rows"], &first["nothing_to_do"]), (&6000.into(), &false.into()));
    assert_eq!(run()["nothing_to_do"], true);
    server.get("studied/ds=2026-02-02/b.parquet", &dir.join("b.parquet"));
    assert_eq!(query(dir, "SELECT count(h1) AS n FROM 'b.parquet'")["n"], 3000);
}
