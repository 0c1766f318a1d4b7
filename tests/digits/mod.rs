//! A real data set end to end: the commands of the README of `pipelines/digits`, as its reader runs them.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::docs::commands;
use crate::harness::{last_json, lsmi, must, python, query, repository};

/// The folder in which the README's commands have run, and what they have printed.
fn folder() -> &'static (TempDir, String) {
    static FOLDER: OnceLock<(TempDir, String)> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let of = repository().join("pipelines/digits");
        let readme = std::fs::read_to_string(of.join("README.md")).unwrap();
        // The packages are those of the tests.
        let script = commands(&readme).replace("pip install -r requirements.txt\n", "");
        let dir = tempfile::tempdir().unwrap();
        let digits = dir.path().join("digits");
        std::fs::create_dir(&digits).unwrap();
        std::os::unix::fs::symlink(repository().join("pipelines/sql"), dir.path().join("sql")).unwrap();
        std::fs::copy(of.join("make_digits.py"), digits.join("make_digits.py")).unwrap();
        let program = lsmi().get_program().to_owned();
        let folders = [Path::new(&program), python()].map(|of| of.parent().unwrap().to_owned());
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap();
        let mut shell = Command::new("sh");
        shell.current_dir(&digits).args(["-e", "-c", &script]).env("PATH", path);
        let ran = must(shell.env_remove("LSMI_ETL_BUNDLE").env_remove("LSMI_ETL_ON_MISSING_MODALITY"));
        (dir, ran.stdout)
    })
}

fn ask(sql: &str) -> Value {
    query(&folder().0.path().join("digits"), sql)
}

#[test]
fn two_views_hold_what_there_is_to_tell() {
    let means = ask(
        "SELECT count(*) AS rows, avg(i1) AS i1, avg(i2) AS i2, avg(i12) AS i12, avg(r) AS r, avg(s) AS s, \
         max(abs(r + u1 - i1)) + max(abs(r + u2 - i2)) + max(abs(r + u1 + u2 + s - i12)) AS broken, \
         sum(CASE WHEN u1 * u2 > 1e-9 THEN 1 ELSE 0 END) AS impossible FROM 'digits.parquet'",
    );
    let of = |name: &str| means[name].as_f64().unwrap();
    assert_eq!((means["rows"].as_i64(), means["impossible"].as_i64()), (Some(597), Some(0)), "{means}");
    assert!(of("broken") < 1e-4, "{means}");
    // Ten digits, nearly equally frequent: the pair says almost all of ln 10 = 2.303
    // nats, each half less than the pair, and no more than there is to say.
    assert!(of("i12") > 2.0 && of("i12") < 2.31, "{means}");
    assert!(of("i1") > 1.4 && of("i2") > 1.2 && of("i1") < of("i12") && of("i2") < of("i12"), "{means}");
    // Rows choose between i1 and i2, so that the mean can be a little above both.
    assert!(of("r") > 1.0 && of("r") < of("i1").max(of("i2")) + 0.05, "{means}");
}

/// The sets of three views, each with those that it contains.
const WITHIN: [(&str, &[&str]); 4] = [
    ("i_12", &["i_1", "i_2"]),
    ("i_13", &["i_1", "i_3"]),
    ("i_23", &["i_2", "i_3"]),
    ("i_123", &["i_12", "i_13", "i_23"]),
];

#[test]
fn of_three_views_more_tell_more_and_none_more_than_there_is() {
    let sets = ["i_1", "i_2", "i_3", "i_12", "i_13", "i_23", "i_123"];
    let bounds = sets.map(|set| format!("max({set} + ln(prior_y)) AS {set}")).join(", ");
    let most = ask(&format!("SELECT count(r) AS rows, {bounds} FROM 'digits3.parquet'"));
    assert_eq!(most["rows"], 597);
    for set in sets {
        // i = ln p(y|x) − ln p(y), and p(y|x) is one at most.
        assert!(most[set].as_f64().unwrap() < 1e-4, "{set}: {most}");
    }
    for (more, few) in WITHIN {
        for less in few {
            let gain = format!(
                "SELECT avg({more} - {less}) AS mean, stddev({more} - {less}) / sqrt(count(*)) AS error"
            );
            let gain = ask(&format!("{gain} FROM 'digits3.parquet'"));
            let (mean, error) = (gain["mean"].as_f64().unwrap(), gain["error"].as_f64().unwrap());
            // Views that tell nothing new cost a classifier of a thousand rows a little.
            assert!(mean > -3.0 * error - 0.02, "{more} is below {less}: {gain}");
        }
    }
    let means = ask("SELECT avg(i_123) AS all, avg(-ln(prior_y)) AS entropy FROM 'digits3.parquet'");
    let of = |name: &str| means[name].as_f64().unwrap();
    assert!(
        of("all") > 2.1 && of("all") < of("entropy") && (of("entropy") - 10f64.ln()).abs() < 0.01,
        "{means}"
    );
}

#[test]
fn of_three_views_the_middle_may_be_dropped() {
    let rows = |recipe: &str| -> Vec<Value> {
        let mut command = lsmi();
        command.current_dir(folder().0.path().join("digits")).args(["sql", "--format", "ndjson", "-f"]);
        command
            .arg(repository().join("pipelines/sql").join(recipe))
            .args(["-t", "annotated=digits3.parquet"]);
        must(&mut command).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [identities] = &rows("identities.sql")[..] else { panic!() };
    assert_eq!((&identities["checked"], &identities["left_out"]), (&597.into(), &0.into()));
    assert!(identities["largest_difference"].as_f64().unwrap() < 1e-4, "{identities}");

    // Top and bottom have all pixels of the middle, so that its cost is zero; theirs is not.
    let costs = rows("droppable_modalities.sql");
    let of = |row: &Value, name: &str| row[name].as_f64().unwrap();
    assert_eq!(costs[0]["dropped"], "x2", "{costs:?}");
    assert!(of(&costs[0], "cost").abs() < 3.0 * of(&costs[0], "cost ±") + 0.02, "{costs:?}");
    assert!(of(&costs[0], "rows_that_lose") < 0.01, "{costs:?}");
    for row in &costs[1..] {
        assert!(of(row, "cost") > 0.005 && of(row, "rows_that_lose") > 0.01, "{costs:?}");
    }
    // Alone it tells more than either.
    let alone = ask("SELECT avg(i_2 - i_1) AS top, avg(i_2 - i_3) AS bottom FROM 'digits3.parquet'");
    assert!(alone["top"].as_f64().unwrap() > 0.0 && alone["bottom"].as_f64().unwrap() > 0.0, "{alone}");
    let combinations = rows("combinations.sql");
    assert_eq!(combinations[0]["atom"], "a_1_2_3");
    for atom in ["a_2", "a_12", "a_23", "a_123"] {
        let row = combinations.iter().find(|row| row["atom"] == atom).unwrap();
        assert!(of(row, "nats").abs() < 3.0 * of(row, "±") + 0.01, "{row}");
    }
}

#[test]
fn a_picture_without_the_middle_has_the_values_of_top_and_bottom() {
    let (dir, printed) = folder();
    assert!(printed.contains("| has_middle | rows |"), "{printed}");
    let sql = "SELECT count(*) AS rows, count(v['u2']) AS u2, max(abs(v['r'] + v['u1'] - a.i_1)) AS one,
                      max(abs(v['r'] + v['u1'] + v['u3'] + v['s'] - a.i_13)) AS both
               FROM (SELECT id, lsmi(top, CASE WHEN id < 0 THEN middle END, bottom, label) AS v
                     FROM 'digits3-test.parquet') AS t JOIN 'digits3.parquet' AS a ON t.id = a.id";
    let mut command = lsmi();
    command.current_dir(dir.path().join("digits")).args(["sql", "--format", "ndjson", "--bundle"]);
    let found = last_json(&must(command.args(["digits3-bundle", "--on-missing-modality", "reduce", sql])));
    assert_eq!((&found["rows"], &found["u2"]), (&597.into(), &0.into()));
    assert!(["one", "both"].iter().all(|name| found[name].as_f64().unwrap() < 1e-5), "{found}");
}
