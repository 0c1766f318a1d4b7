//! Exact models of discrete systems: every atom is that of `dit`, and the columns hold together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{annotated, on, sets, system, systems};
use crate::harness::{last_json, query, repository};

/// The atoms of a system in bits, by the names of their columns.
fn truth(name: &str) -> BTreeMap<String, f64> {
    let mut all = serde_json::Map::new();
    for file in ["m3_discrete_truth.json", "m4_discrete_truth.json"] {
        let text = std::fs::read(repository().join("tests/fixtures").join(file)).unwrap();
        let read: Value = serde_json::from_slice(&text).unwrap();
        all.extend(read["distributions"].as_object().unwrap().clone());
    }
    let of = all.iter().find(|(key, _)| key.replace(' ', "_") == name).unwrap().1;
    let column = |node: &str| {
        let mut sets: Vec<String> =
            node.split(['{', '}']).filter(|set| !set.is_empty()).map(|set| set.replace(',', "")).collect();
        sets.sort_by_key(|set| (set.len(), set.clone()));
        format!("a_{}", sets.join("_"))
    };
    let atoms = of["atoms"].as_object().unwrap();
    atoms.iter().map(|(node, values)| (column(node), values[1].as_f64().unwrap())).collect()
}

#[test]
fn the_atoms_of_discrete_systems_are_those_of_dit() {
    for engine in ["onnxruntime", "embedded"] {
        for of in systems() {
            let name = of.0.file_name().unwrap().to_str().unwrap();
            let dir = tempfile::tempdir().unwrap();
            annotated(of, dir.path(), engine, &["--columns", "atoms"]);
            let truth = truth(name);
            let sums: Vec<String> =
                truth.keys().map(|column| format!("sum(p * {column}) / ln(2) AS {column}")).collect();
            let found = query(dir.path(), &format!("SELECT {} FROM 'out.parquet'", sums.join(", ")));
            for (column, truth) in &truth {
                let found = found[column].as_f64().unwrap();
                assert!((found - truth).abs() < 1e-5, "{engine}, {name}: {column} {found} for {truth}");
            }
        }
    }
}

#[test]
fn default_columns_are_atoms_and_information_is_the_sum_of_what_lies_below() {
    let dir = tempfile::tempdir().unwrap();
    let columns = ["--columns", "atoms,i_1,i_23,i_123,h_1,h_23,prior_y"];
    let summary = last_json(&annotated(system("shared_xor"), dir.path(), "embedded", &columns));
    let names: Vec<&String> = summary["information"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["h_1", "h_2", "h_3", "i_1", "i_123", "i_2", "i_3"]);
    let below_23 = "a_1_2_3 + a_2_3 + a_2_13 + a_2 + a_3_12 + a_3 + a_12_13_23 + a_12_23 + a_13_23 + a_23 \
                    + a_1_2 + a_1_3 + a_1_23";
    let differences = [
        ("r - a_1_2_3", "r"),
        ("u1 - a_1", "u1"),
        ("u3 - a_3", "u3"),
        ("s - a_123", "s"),
        ("i_1 - (a_1_2_3 + a_1_2 + a_1_3 + a_1_23 + a_1)", "i_1"),
    ];
    for (difference, name) in differences {
        let found = query(dir.path(), &format!("SELECT max(abs({difference})) AS off FROM 'out.parquet'"));
        assert!(found["off"].as_f64().unwrap() < 1e-5, "{name}: {found}");
    }
    // i_23 is the redundancy of {23}: of all nodes with a set within {2, 3}.
    let sql = format!("SELECT max(abs(i_23 - ({below_23}))) AS off FROM 'out.parquet'");
    let found = query(dir.path(), &sql);
    assert!(found["off"].as_f64().unwrap() < 1e-5, "{found}");
    assert_eq!(sets(3).len(), 7);
}

#[test]
fn a_run_is_resumed_and_recognised() {
    let of = system("cat");
    let dir = tempfile::tempdir().unwrap();
    let first = last_json(&annotated(of, dir.path(), "embedded", &[]));
    let input = of.0.join("in.parquet");
    let annotate = ["annotate", input.to_str().unwrap(), "out.parquet", "--bundle", "bundle", "--json"];
    assert_eq!((&first["skipped"], &first["rows"]), (&false.into(), &8.into()));
    assert!(last_json(&on(dir.path(), "embedded", &annotate))["skipped"].as_bool().unwrap());
    let schema = query(
        dir.path(),
        "SELECT count(r) + count(u1) + count(u2) + count(u3) + count(s) AS values FROM 'out.parquet'",
    );
    assert_eq!(schema["values"], 40);
}

#[test]
fn pairs_are_decomposed_as_two_modalities_on_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let columns = ["--pairs", "--columns", "i_1,i_3,i_13,h_1,h_3"];
    annotated(system("xor_cat"), dir.path(), "embedded", &columns);
    // As the paper has it, of x1 and x3.
    let expected = "least(h_1, h_3) - least(h_1 - i_1, h_3 - i_3)";
    let sql = format!(
        "SELECT max(abs(r_13 - ({expected}))) AS r, max(abs(r_13 + u1_13 - i_1)) AS i_1,
                max(abs(r_13 + u3_13 - i_3)) AS i_3, max(abs(r_13 + u1_13 + u3_13 + s_13 - i_13)) AS i_13,
                count(s_12) + count(u2_23) AS others FROM 'out.parquet'"
    );
    let found = query(dir.path(), &sql);
    for name in ["r", "i_1", "i_3", "i_13"] {
        assert!(found[name].as_f64().unwrap() < 1e-5, "{found}");
    }
    assert_eq!(found["others"], 8);
}
