//! Synthetic data of three and four modalities: exact columns that hold together, and what is refused.

use super::sets;
use crate::harness::files::key_value;
use crate::harness::{lsmi_in, query, refused};

/// The columns of the atoms that are a part of a set's information: a set of their node lies within it.
fn below(columns: &[String], set: &str) -> Vec<String> {
    let is_within = |smaller: &str| smaller.chars().all(|modality| set.contains(modality));
    let holds = |column: &&String| column.split('_').skip(2).any(is_within);
    columns.iter().filter(holds).cloned().collect()
}

#[test]
fn atoms_below_a_set_sum_to_its_information() {
    for (modalities, arguments) in [
        (3, "gaussian --classes 4 --rho -0.3"),
        (3, "wide --dims 9,128,20 --classes 5"),
        (4, "clusters --d1 6 --d2 4 --classes 3 --warp"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let synth =
            format!("synth {arguments} --modalities {modalities} --truth full --rows 500 -o in.parquet");
        let ran = lsmi_in(dir.path(), synth.split(' '));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let first = query(dir.path(), "SELECT * FROM 'in.parquet' LIMIT 1");
        let columns: Vec<String> =
            first.as_object().unwrap().keys().filter(|name| name.starts_with("true_a_")).cloned().collect();
        assert_eq!(columns.len(), if modalities == 3 { 18 } else { 166 });
        for set in sets(modalities) {
            let sum = below(&columns, &set).join(" + ");
            let off = format!("SELECT max(abs(true_i_{set} - ({sum}))) AS off FROM 'in.parquet'");
            let off = query(dir.path(), &off)["off"].as_f64().unwrap();
            assert!(off < 1e-9, "{arguments}, {set}: {off}");
        }
        let lineage = key_value(&dir.path().join("in.parquet"), "lsmi_etl.synth").unwrap();
        assert!(lineage.contains(&format!(r#""modalities":{modalities}"#)), "{lineage}");
    }
}

#[test]
fn generators_of_two_modalities_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let synth = |line: &str| {
        lsmi_in(dir.path(), format!("synth {line} --rows 5 -o in.parquet").split(' ').collect::<Vec<_>>())
    };
    for generator in ["xor", "rdn", "unq"] {
        refused(&synth(&format!("{generator} --modalities 3")), 64, &["two modalities", "gaussian, wide"]);
    }
    refused(&synth("wide --modalities 5"), 64, &["5 modalities", "two to four"]);
    refused(&synth("wide --dims 4,5 --modalities 3"), 64, &["--dims has 2 of 3"]);
    let both = synth("wide --dims 4,5 --d1 3");
    assert!(
        both.code == 64 && both.stderr.contains("--dims") && both.stderr.contains("--d1"),
        "{}",
        both.stderr
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
