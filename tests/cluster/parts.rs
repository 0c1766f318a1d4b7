//! A file that is larger than a unit is divided by its row groups; what comes of it is what one machine
//! makes of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command};

use super::killed::spawn;
use super::{Cluster, DEADLINE, annotate_on, finish, run, within};
use crate::harness::files::{self, listing};
use crate::harness::stores::Server;
use crate::harness::{bundle, last_json, lsmi, must, rows};

/// A file of row groups of a thousand rows, and what one machine makes of it.
fn large(folder: &Path, rows: usize) {
    let synth = ["synth", "gaussian", "--classes", "4", "--seed", "8", "--row-group-rows", "1000", "--rows"];
    must(lsmi().args(synth).arg(rows.to_string()).arg("-o").arg(folder.join("in.parquet")));
    alone(folder, &[]);
}

fn alone(folder: &Path, more: &[&str]) {
    let mut one = lsmi();
    one.args(["annotate", "--bundle"]).arg(bundle()).args(more);
    must(one.arg(folder.join("in.parquet")).arg(folder.join("one.parquet")));
}

/// Whether two files of a folder are equal.
fn same(folder: &Path, name: &str, other: &str) -> bool {
    std::fs::read(folder.join(name)).unwrap() == std::fs::read(folder.join(other)).unwrap()
}

fn journals(folder: &Path) -> usize {
    listing(folder).iter().filter(|name| name.contains("lsmi-journal")).count()
}

fn wait_for_journals(folder: &Path, count: usize) {
    assert!(within(DEADLINE, || (journals(folder) >= count).then_some(())).is_some(), "no parts");
}

/// Stops a client by Ctrl-C while parts are computed.
fn stop_among_parts(folder: &Path, client: Child) {
    wait_for_journals(folder, 3);
    must(Command::new("kill").args(["-INT", &client.id().to_string()]));
    assert_eq!(finish(client).code, 75);
}

#[test]
fn a_large_file_is_divided_and_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    large(folder, 40_500);
    let (input, output) = (folder.join("in.parquet"), folder.join("two.parquet"));
    let ran = run(&mut annotate_on("local:2", &input, &output, &["--unit-bytes", "300KiB"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("parts of files are computed"), "{}", ran.stderr);
    assert!(same(folder, "one.parquet", "two.parquet"));
    assert_eq!(listing(folder), ["in.parquet", "one.parquet", "two.parquet"]);
    let summary = last_json(&ran);
    assert_eq!((&summary["resumed_rows"], &summary["fates"]["good"]), (&0.into(), &40_500.into()));
    assert_eq!(summary["computed_row_groups"], 41);
    // Found done.
    let again = run(&mut annotate_on("local:2", &input, &output, &["--unit-bytes", "300KiB"]));
    assert_eq!((again.code, &last_json(&again)["skipped"]), (0, &true.into()), "{}", again.stderr);
    let anew = ["--unit-bytes", "300KiB", "--overwrite", "--restart"];
    let anew = run(&mut annotate_on("local:2", &input, &output, &anew));
    assert_eq!((anew.code, &last_json(&anew)["skipped"]), (0, &false.into()), "{}", anew.stderr);
    assert!(same(folder, "one.parquet", "two.parquet"));
}

#[test]
fn bad_rows_are_judged_over_all_parts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Row groups of 100 rows; bad rows in the third and the last.
    let good = rows(1_000);
    let mut vectors = files::vectors(&good, "x1");
    (vectors[230], vectors[990], vectors[995]) = (None, None, None);
    files::write(&folder.join("in.parquet"), &files::replaced(&good, "x1", files::embeddings(&vectors, 4)));
    let rejects = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    alone(folder, &["--rejects", &rejects("bad1.parquet")]);
    let (input, output) = (folder.join("in.parquet"), folder.join("two.parquet"));
    let bad2 = rejects("bad2.parquet");
    let divided =
        |more: &[&str]| run(annotate_on("local:2", &input, &output, &["--unit-bytes", "10KiB"]).args(more));
    // A tenth of one part, and less than one percent of the file.
    for more in [["--max-bad-rows", "2"], ["--on-bad-row", "fail"], ["--max-bad-rows", "0.2%"]] {
        let mut one = lsmi();
        one.args(["annotate", "--bundle"]).arg(bundle()).arg(&input).arg(folder.join("no.parquet"));
        let (one, ran) = (run(one.args(more)), divided(&more));
        assert_eq!((one.code, ran.code), (65, 65), "{more:?}: {}", ran.stderr);
        let error = |text: &str| text.lines().find(|line| line.starts_with("ERROR")).unwrap().to_owned();
        assert_eq!(error(&ran.stderr), error(&one.stderr));
    }
    let ran = divided(&["--max-bad-rows", "0.3%", "--rejects", &bad2]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("parts of files"), "{}", ran.stderr);
    assert!(same(folder, "one.parquet", "two.parquet"));
    assert_eq!(files::read(&folder.join("bad1.parquet")).num_rows(), 3);
    assert_eq!(files::read(&folder.join("bad2.parquet")).num_rows(), 3);
}

#[test]
fn parts_of_a_run_that_was_killed_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    large(folder, 600_000);
    let (input, output) = (folder.join("in.parquet"), folder.join("two.parquet"));
    let cluster = Cluster::start(2);
    let annotate = |more: &[&str]| {
        let mut command = cluster.annotate(&input, &output, &["--unit-bytes", "4MiB"]);
        command.args(more);
        command
    };
    stop_among_parts(folder, spawn(&mut annotate(&[])));
    assert!(journals(folder) >= 2, "{:?}", listing(folder));
    let ran = run(&mut annotate(&[]));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    assert!(same(folder, "one.parquet", "two.parquet"));
    assert_eq!(listing(folder), ["in.parquet", "one.parquet", "two.parquet"]);
}

#[test]
fn parts_of_other_work_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    large(folder, 600_000);
    let (input, output) = (folder.join("in.parquet"), folder.join("two.parquet"));
    let cluster = Cluster::start(2);
    stop_among_parts(folder, spawn(&mut cluster.annotate(&input, &output, &["--unit-bytes", "4MiB"])));
    let other = ["--unit-bytes", "4MiB", "--columns", "i1,i2"];
    let ran = run(&mut cluster.annotate(&input, &output, &other));
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("another choice of columns"), "{}", ran.stderr);
    let anew = ["--unit-bytes", "4MiB", "--restart"];
    let ran = run(&mut cluster.annotate(&input, &output, &anew));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(same(folder, "one.parquet", "two.parquet"));
    assert_eq!(listing(folder), ["in.parquet", "one.parquet", "two.parquet"]);
}

#[test]
fn a_part_of_an_executor_that_is_killed_is_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    large(folder, 600_000);
    let (input, output) = (folder.join("in.parquet"), folder.join("two.parquet"));
    let mut cluster = Cluster::start(2);
    let client = spawn(&mut cluster.annotate(&input, &output, &["--unit-bytes", "4MiB"]));
    wait_for_journals(folder, 4);
    cluster.executors[0].kill();
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    assert!(same(folder, "one.parquet", "two.parquet"));
    assert_eq!(listing(folder), ["in.parquet", "one.parquet", "two.parquet"]);
}

#[test]
fn files_of_an_object_store_are_annotated_and_divided() {
    let (server, folder) = (Server::failing_s3("0.05"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    large(folder, 60_000);
    ["large.parquet", "year=2024/a b.parquet", "year=2025/c.parquet"]
        .iter()
        .for_each(|key| server.put(&format!("in/{key}"), &folder.join("in.parquet")));
    let temporary = folder.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let program = || {
        let mut command = server.lsmi();
        // The journal of a remote output is in the temporary folder.
        command.env("TMPDIR", &temporary).env("LSMI_ETL_RETRY_SECONDS", "20");
        command
    };
    let mut cluster = Cluster::start(0);
    let text = |text: &OsStr| text.to_str().unwrap().to_owned();
    cluster.environment =
        program().get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect();
    (0..2).for_each(|_| cluster.add_executor(&[]));
    for (output, more) in [("whole", vec![]), ("divided", vec!["--unit-bytes", "500KiB"])] {
        let mut command = program();
        command.args(["annotate", "--json", "--cluster", &cluster.address, "s3://data/in/"]);
        command.arg(format!("s3://data/{output}/")).arg("--bundle").arg(bundle()).args(more);
        let ran = run(&mut command);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
        assert_eq!(last_json(&ran)["rows"], 180_000);
        for key in ["large.parquet", "year=2024/a b.parquet", "year=2025/c.parquet"] {
            server.get(&format!("{output}/{key}"), &folder.join("got.parquet"));
            assert!(same(folder, "one.parquet", "got.parquet"), "{output}/{key}");
        }
    }
    let left: Vec<_> = listing(&temporary).into_iter().filter(|name| name.contains("journal")).collect();
    assert!(left.is_empty(), "{left:?}");
}
