//! The recipes and the pipeline file of three modalities, on systems of which the answers are known.

use std::path::Path;

use serde_json::Value;

use super::missing_sql::reduced;
use super::sql::annotated;
use super::{on, pack, system};
use crate::harness::{Ran, lsmi, must, query, repository, run};

const COLUMNS: &str = "atoms,i_1,i_2,i_3,i_12,i_13,i_23,i_123";

/// The rows of a recipe over the outcomes of a system, each with an id and a label.
fn recipe(name: &str, of: &str) -> Vec<Value> {
    let ran = recipe_over(name, of);
    assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recipe_over(name: &str, of: &str) -> Ran {
    let dir = annotated(of, COLUMNS);
    let copy = "COPY (SELECT row_number() OVER (ORDER BY x1, x2, x3, y) AS id, y AS label, * FROM 'out.parquet') \
                TO 'annotated.parquet'";
    must(lsmi().current_dir(dir.path()).args(["sql", copy]));
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["sql", "--format", "ndjson", "-f"]);
    command.arg(repository().join("pipelines/sql").join(name));
    for table in ["annotated", "earlier", "later"] {
        command.args(["-t", &format!("{table}=annotated.parquet")]);
    }
    run(&mut command)
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("no {name} in {row}"))
}

fn near(row: &Value, name: &str, expected: f64) {
    assert!((number(row, name) - expected).abs() < 0.002, "{name} is not {expected} in {row}");
}

/// A bit in nats.
const BIT: f64 = std::f64::consts::LN_2;

#[test]
fn a_modality_may_be_dropped_where_others_have_what_it_has() {
    // x1 and x2 have the bit together, and so do x2 and x3.
    let rows = recipe("droppable_modalities.sql", "shared_xor");
    let mut names: Vec<&str> = rows.iter().map(|row| row["dropped"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), names.pop()), (3, Some("x2")));
    for (row, cost) in rows.iter().zip([0.0, 0.0, BIT]) {
        near(row, "cost", cost);
        near(row, "of_the_others", BIT - cost);
        near(row, "alone", 0.0);
        near(row, "together", cost);
        near(row, "cost ±", 0.0);
        near(row, "rows_that_lose", if cost > 0.5 { 1.0 } else { 0.0 });
        assert_eq!(row["rows"], 8);
    }
    assert!(
        recipe("droppable_modalities.sql", "redundant").iter().all(|row| number(row, "cost").abs() < 0.002)
    );
}

#[test]
fn recipes_of_two_modalities_refuse_a_table_of_three() {
    let of_two = [
        "class_profile.sql",
        "distillation_candidates.sql",
        "drift.sql",
        "ensemble_weights.sql",
        "mislabelled.sql",
        "redundancy_thirds.sql",
        "redundant_rows.sql",
    ];
    for name in of_two {
        let ran = recipe_over(name, "synergy");
        assert_eq!(ran.code, 64, "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains("u3 which would be ambiguous"), "{name}: {}", ran.stderr);
    }
}

#[test]
fn rows_need_all_where_no_pair_tells_their_label() {
    let rows = recipe("rows_that_need_all.sql", "synergy");
    assert_eq!(rows.len(), 8);
    for row in &rows {
        near(row, "lost", BIT);
        near(row, "i_123", BIT);
        near(row, "s", BIT);
    }
    assert!(rows.is_sorted_by_key(|row| -number(row, "lost")));
    for of in ["redundant", "shared_xor", "null"] {
        assert_eq!(recipe("rows_that_need_all.sql", of), Vec::<Value>::new(), "{of}");
    }
}

#[test]
fn combinations_are_named_by_those_who_hold_the_information() {
    for (of, atom, held_by) in [
        ("shared_xor", "a_12_23", "x1+x2 | x2+x3"),
        ("xor_shared", "a_1_23", "x1 | x2+x3"),
        ("synergy", "a_123", "x1+x2+x3"),
        ("redundant", "a_1_2_3", "x1 | x2 | x3"),
    ] {
        let rows = recipe("combinations.sql", of);
        assert_eq!(rows.len(), 18);
        assert_eq!((&rows[0]["atom"], &rows[0]["held_by"]), (&atom.into(), &held_by.into()), "{of}");
        near(&rows[0], "nats", BIT);
        near(&rows[1], "nats", 0.0);
    }
}

#[test]
fn columns_hold_together() {
    for of in ["cat", "xor_cat"] {
        let rows = recipe("identities.sql", of);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert!(number(row, "checked") > 0.0 && row["left_out"] == 0, "{row}");
        assert!(number(row, "largest_difference") < 1e-5, "{of}: {row}");
    }
}

/// The rows of a recipe over rows some of which lack a modality, and how many these are.
fn of_reduced(name: &str, modalities: usize) -> (Vec<Value>, Value) {
    let (dir, bundle) = reduced(modalities, "embedded");
    let columns = if modalities == 2 { "i12" } else { COLUMNS };
    let args = ["annotate", "gaps.parquet", "all.parquet", "--columns", columns, "--bundle"];
    let reduce = [bundle.to_str().unwrap(), "--on-missing-modality", "reduce"];
    let ran = on(dir.path(), "embedded", &[&args[..], &reduce].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let copy = "COPY (SELECT row_number() OVER (ORDER BY n) AS id, y AS label, * FROM 'all.parquet') \
                TO 'annotated.parquet'";
    must(lsmi().current_dir(dir.path()).args(["sql", copy]));
    let tables = ["annotated", "earlier", "later"].map(|table| format!("{table}=annotated.parquet"));
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["sql", "--format", "ndjson", "-f"]);
    command.arg(repository().join("pipelines/sql").join(name));
    tables.iter().for_each(|table| _ = command.args(["-t", table]));
    let rows = must(&mut command).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = if modalities == 2 { "i12" } else { "i_123" };
    let truth = format!(
        "SELECT count(*) AS rows, count({all}) AS complete, avg({all}) AS i, count(coalesce(r, u1, u2)) AS some,
                avg(CASE WHEN s IS NOT NULL THEN u1 END) AS u1,
                stddev(CASE WHEN s IS NOT NULL THEN u1 END) / sqrt(count({all})) AS u1_error
         FROM 'annotated.parquet'"
    );
    (rows, query(dir.path(), &truth))
}

#[test]
fn rows_that_lack_a_modality_are_left_out_and_counted() {
    let (costs, truth) = of_reduced("droppable_modalities.sql", 3);
    let (all, complete) = (number(&truth, "rows"), number(&truth, "complete"));
    assert!(complete > 0.0 && complete < number(&truth, "some") && number(&truth, "some") < all, "{truth}");
    for row in &costs {
        assert_eq!((number(row, "rows"), number(row, "left_out")), (complete, all - complete), "{row}");
        near(row, "cost", number(&truth, "i") - number(row, "of_the_others"));
    }
    let (atoms, truth) = of_reduced("combinations.sql", 3);
    let sum: f64 = atoms.iter().map(|row| number(row, "nats")).sum();
    assert!((sum - number(&truth, "i")).abs() < 0.01, "{sum} {truth}");
    for row in &atoms {
        assert_eq!((number(row, "rows"), number(row, "left_out")), (complete, all - complete), "{row}");
    }
    // The identities of rows that lack a modality are those of the others.
    let (identities, truth) = of_reduced("identities.sql", 3);
    let (checked, left_out) = (number(&identities[0], "checked"), number(&identities[0], "left_out"));
    assert_eq!((checked + left_out, number(&truth, "rows")), (all, all), "{identities:?}");
    assert!(checked > complete && left_out > 0.0, "{identities:?}");
    assert!(number(&identities[0], "largest_difference") < 1e-4, "{identities:?}");

    // Of two modalities.
    let (profile, truth) = of_reduced("class_profile.sql", 2);
    let sum = |name: &str| profile.iter().map(|row| number(row, name)).sum::<f64>();
    let complete = number(&truth, "complete");
    assert_eq!((sum("rows"), sum("left_out")), (complete, number(&truth, "rows") - complete), "{profile:?}");
    let mean = profile.iter().map(|row| number(row, "rows") * number(row, "u1")).sum::<f64>() / complete;
    assert!((mean - number(&truth, "u1")).abs() < 0.001, "{mean} {truth}");
    let shares = ["redundancy", "unique_1", "unique_2", "synergy"];
    assert!((shares.iter().map(|name| number(&profile[0], name)).sum::<f64>() - 1.0).abs() < 0.003);
    let (weights, _) = of_reduced("ensemble_weights.sql", 2);
    assert!(weights.iter().all(|row| number(row, "left_out") > 0.0), "{weights:?}");
    let (drift, truth) = of_reduced("drift.sql", 2);
    near(&drift[1], "earlier", number(&truth, "u1"));
    near(&drift[1], "std_error", number(&truth, "u1_error") * 2_f64.sqrt());
    assert_eq!(number(&drift[0], "later_left_out"), number(&truth, "rows") - complete);
}

#[test]
fn the_pipeline_of_three_modalities_says_which_combinations_count() {
    let of = system("shared_xor");
    let dir = tempfile::tempdir().unwrap();
    let dir: &Path = dir.path();
    assert_eq!(pack(of, &dir.join("lsmi-bundle"), "embedded").code, 0);
    let raw = dir.join("raw/ds=2026-11-23");
    std::fs::create_dir_all(&raw).unwrap();
    let input = of.0.join("in.parquet");
    // Other names than the bundle's.
    let copy = format!(
        "COPY (SELECT x1 AS image, x2 AS text, x3 AS audio, y FROM '{}') TO 'raw/ds=2026-11-23/a.parquet'",
        input.display()
    );
    must(lsmi().current_dir(dir).args(["sql", &copy]));
    let pipeline = repository().join("pipelines/modalities.toml");
    let args = ["--set", "ds=2026-11-23", "--engine", "embedded", "--json"];
    let ran = run(lsmi().current_dir(dir).arg("run").arg(&pipeline).args(args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let combinations = std::fs::read_to_string(dir.join("combinations-2026-11-23.csv")).unwrap();
    assert!(
        combinations.lines().nth(1).unwrap().starts_with("a_12_23,x1+x2 | x2+x3,0.693"),
        "{combinations}"
    );
    let droppable = std::fs::read_to_string(dir.join("droppable-2026-11-23.csv")).unwrap();
    assert!(droppable.lines().nth(3).unwrap().starts_with("x2,8,"), "{droppable}");
    let found = query(dir, "SELECT count(u3) AS u3, count(a_1_23) AS a FROM 'annotated/'");
    assert_eq!((&found["u3"], &found["a"]), (&8.into(), &8.into()));

    // Its settings are those of the flags.
    let show =
        run(lsmi().current_dir(dir).arg("run").arg(&pipeline).args(["--set", "ds=x", "--show-config"]));
    assert!(
        show.stdout.lines().any(|line| line.contains("annotate.x ") && line.contains("audio")),
        "{}",
        show.stdout
    );
    let few = std::fs::read_to_string(&pipeline).unwrap().replace(", \"audio\"]", "]");
    std::fs::write(
        dir.join("few.toml"),
        few.replace("{{ here }}", &pipeline.parent().unwrap().display().to_string()),
    )
    .unwrap();
    let ran = run(lsmi().current_dir(dir).args(["run", "few.toml", "--set", "ds=2026-11-23"]));
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("few.toml, line 13, annotate.x: 2 embedding columns")
            && ran.stderr.contains("3 modalities"),
        "{}",
        ran.stderr
    );
}
