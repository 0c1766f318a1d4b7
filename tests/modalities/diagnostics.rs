//! Diagnostics of a fit of three modalities: R in other units, expectations without labels and the power curve,
//! against the annotated training rows and the exact values of synthetic data.

use std::fs;

use serde_json::Value;

use crate::harness::{last_json, lsmi, must, query};

/// r of rows with these i and h by a name and the number of the modality, where δ is added to h of the first.
fn shifted_r(shift: &str, i: &str, h: &str) -> String {
    let h = [format!("({h}1 + {shift})"), format!("{h}2"), format!("{h}3")];
    let loss: Vec<String> = h.iter().enumerate().map(|(m, h)| format!("{h} - {i}{}", m + 1)).collect();
    format!("avg(least({}) - least({}))", h.join(", "), loss.join(", "))
}

/// Values of the diagnostics against those of the annotated training rows, which are evaluated out of fold,
/// too, and against the exact ones of the generator.
#[test]
fn diagnostics_say_what_rows_units_and_labels_decide() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let synth =
        "synth gaussian -o train.parquet --rows 1200 --seed 7 --modalities 3 --classes 3 --truth full";
    must(lsmi().current_dir(dir).args(synth.split(' ')));
    let flags = ["--power-curve", "--label-free-check", "--folds", "3", "--json"];
    let mut command = lsmi();
    command.current_dir(dir).args(["fit", "train.parquet", "--bundle", "b", "--label", "y"]).args(flags);
    let validation = last_json(&must(&mut command))["validation"].clone();
    let annotate = |output: &str, more: &[&str]| {
        let base = ["annotate", "train.parquet", output, "--bundle", "b", "--engine", "embedded"];
        must(lsmi().current_dir(dir).args(base).args(more));
    };
    annotate("own.parquet", &["--pairs", "--columns", "i_1,i_2,i_3,i_123,h_1,h_2,h_3"]);
    annotate("free.parquet", &["--label-free"]);
    let near = |found: &Value, expected: &Value, off: f64, what: &str| {
        let values = [found, expected].map(|value| value.as_f64().unwrap());
        assert!((values[0] - values[1]).abs() < off, "{what}: {found} for {expected}");
    };

    // R of other units.
    let by_shift = &validation["estimates"]["redundancy_by_shift"];
    let curve = |modality: &str, at: usize| &by_shift[modality]["shifts"][at];
    assert_eq!(curve("h_1", 4)["shift_nats"], 1.0);
    let sql = format!(
        "SELECT avg(i_2) AS i_2, avg(r_12) AS r_12, avg(r_23) AS r_23, avg(r) AS r, {} AS shifted, {} AS truth,
                avg(least(i_1, i_2, i_3)) AS least, avg(greatest(i_1, i_2, i_3)) AS most,
                avg((r = i_1 AND r <> i_2 AND r <> i_3)::INT::DOUBLE) AS at_1 FROM 'own.parquet'",
        shifted_r("1", "i_", "h_"),
        shifted_r("1", "true_i_", "true_h_"),
    );
    let found = query(dir, &sql);
    for (value, expected) in [
        (&by_shift["h_2"]["at_minus_infinity_nats"], "i_2"),
        (&by_shift["h_3"]["at_plus_infinity_nats"], "r_12"),
        (&by_shift["h_1"]["at_plus_infinity_nats"], "r_23"),
        (&curve("h_1", 3)["r_nats"], "r"),
        (&curve("h_3", 3)["r_nats"], "r"),
        (&curve("h_1", 4)["r_nats"], "shifted"),
        (&by_shift["bounds_nats"][0], "least"),
        (&by_shift["bounds_nats"][1], "most"),
    ] {
        near(value, &found[expected], 2e-4, expected);
    }
    near(&curve("h_1", 4)["r_nats"], &found["truth"], 0.06, "the exact R of this shift");
    let range = by_shift["range_nats"].as_array().unwrap();
    let all = ["h_1", "h_2", "h_3"].iter().flat_map(|h| by_shift[h]["shifts"].as_array().unwrap());
    assert!(all.into_iter().all(|at| {
        let r = at["r_nats"].as_f64().unwrap();
        range[0].as_f64().unwrap() <= r && r <= range[1].as_f64().unwrap()
    }));
    let shares = &validation["estimates"]["redundancy_shares"];
    near(&shares["i_1"], &found["at_1"], 0.005, "rows with r = i_1");
    let sum: f64 = shares.as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9 && shares["both"].is_null(), "{shares}");

    // Expectations over the label.
    let check = &validation["label_free"];
    for column in ["r", "u1", "u2", "u3", "s"] {
        let sql = format!(
            "SELECT avg(f.{column} - o.{column}) AS mean, sqrt(avg(power(f.{column} - o.{column}, 2))) AS rmse
             FROM (SELECT {column}, row_number() OVER () AS n FROM 'free.parquet') f
             JOIN (SELECT {column}, row_number() OVER () AS n FROM 'own.parquet') o ON f.n = o.n"
        );
        let found = query(dir, &sql);
        near(&check[column]["mean_difference_nats"], &found["mean"], 2e-4, column);
        near(&check[column]["rmse_nats"], &found["rmse"], 5e-4, column);
    }
    let entropy = query(dir, "SELECT avg(label_entropy) AS entropy FROM 'free.parquet'");
    near(&check["mean_entropy_nats"], &entropy["entropy"], 2e-4, "entropy");

    // More rows lead to the whole fit, and that to the exact values.
    let curve = validation["power_curve"].as_array().unwrap();
    let rows: Vec<u64> = curve.iter().map(|point| point["trained_rows"].as_u64().unwrap()).collect();
    assert!(rows.len() == 3 && rows[0].abs_diff(300) < 9 && rows[1].abs_diff(600) < 9, "{rows:?}");
    for column in ["r", "u1", "u2", "u3", "s", "i_123"] {
        let whole = &curve[2][format!("{column}_nats")];
        near(whole, &validation["estimates"][column]["mean_nats"], 1e-9, column);
        let truth = query(dir, &format!("SELECT avg(true_{column}) AS mean FROM 'train.parquet'"));
        near(whole, &truth["mean"], 0.06, column);
    }
    for part in ["r_agreement", "s_agreement"] {
        let rmse = |point: usize| curve[point][part]["rmse_nats"].as_f64().unwrap();
        assert!(rmse(0) > rmse(1) && rmse(1) > 0.0 && curve[2][part].is_null(), "{part}: {curve:?}");
    }

    let text = must(lsmi().current_dir(dir).args(["bundle", "inspect", "b"])).stdout;
    for words in [
        "I123   RMSE r",
        "r is i_1 on",
        "the h of one modality",
        "    h_3   -inf: ",
        "of several at once: from",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let report = ["report", "own.parquet", "--bundle", "b", "-o", "r.html"];
    must(lsmi().current_dir(dir).args(report));
    let html = fs::read_to_string(dir.join("r.html")).unwrap();
    assert!(html.contains("which shift the h of the modalities against each other, R"), "{html}");
    let report = ["report", "own.parquet", "--bundle", "b", "--format", "json"];
    let report: Value = serde_json::from_str(&must(lsmi().current_dir(dir).args(report)).stdout).unwrap();
    assert_eq!(report["models"]["validation"], validation);
}
