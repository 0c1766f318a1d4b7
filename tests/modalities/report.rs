//! Reports on values of three and four modalities: the numbers against the columns, the picture of the
//! lattice in a browser, and what is not put into one report.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use serde_json::Value;

use super::missing_sql::reduced;
use super::{annotated, on, pack, system};
use crate::harness::files::{batch, floats, listing, read, replaced, write};
use crate::harness::{last_json, lsmi, lsmi_in, must, query, refused};
use crate::report::page::{look, nothing_wrong};

/// Columns of the atoms of three modalities that are not among r, u1, u2, u3 and s.
const ATOMS: [&str; 13] = [
    "a_1_2",
    "a_1_3",
    "a_2_3",
    "a_1_23",
    "a_2_13",
    "a_3_12",
    "a_12_13_23",
    "a_12_13",
    "a_12_23",
    "a_13_23",
    "a_12",
    "a_13",
    "a_23",
];

/// Rows of three modalities as annotate writes them, with further columns of values.
fn rows(count: usize, columns: &[&str]) -> RecordBatch {
    let names = ["r", "u1", "u2", "u3", "s"].iter().chain(columns);
    let value = |at: usize, row: usize| ((row * (at + 3)) as f32 * 0.37).sin() * 0.3 + 0.1 * at as f32 - 0.3;
    let mut all: Vec<(&str, ArrayRef)> = names
        .enumerate()
        .map(|(at, name)| {
            let values = (0..count).map(|row| (row % 97 != 5).then(|| value(at, row)));
            (*name, Arc::new(values.collect::<Float32Array>()) as ArrayRef)
        })
        .collect();
    all.push(("label", Arc::new((0..count).map(|row| Some(row as i64 % 4)).collect::<Int64Array>())));
    all.push(("id", Arc::new((0..count).map(|row| Some(format!("row {row}"))).collect::<StringArray>())));
    batch(&all)
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let ran = must(lsmi().current_dir(dir).args(["report", "--format", "json"]).args(args));
    serde_json::from_str(&ran.stdout).unwrap()
}

fn close(a: &Value, b: &Value) {
    let off = (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
    assert!(off < 1e-5, "{a} {b}");
}

#[test]
fn numbers_are_those_of_the_columns() {
    let of = system("shared_xor");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(pack(of, &dir.join("bundle"), "embedded").code, 0);
    let input = of.0.join("in.parquet");
    let base = ["annotate", input.to_str().unwrap()];
    let all = "atoms,h_1,h_2,h_3,i_1,i_2,i_3,i_12,i_13,i_23,i_123";
    for (output, columns) in [("plain.parquet", "h_1"), ("atoms.parquet", "atoms"), ("all.parquet", all)] {
        let more = [output, "--bundle", "bundle", "--columns", columns];
        let ran = on(dir, "embedded", &[&base[..], &more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let report = json(dir, &["all.parquet"]);
    let data = &report["data"];
    for name in ["r", "u1", "u2", "u3", "s"] {
        let mean = query(dir, &format!("SELECT avg({name}) AS mean FROM 'all.parquet'"));
        close(&data["parts"][name]["mean_nats"], &mean["mean"]);
    }
    for (section, name) in
        [("atoms", "a_1_23"), ("atoms", "a_123"), ("information", "i_12"), ("specificity", "h_3")]
    {
        let mean = query(dir, &format!("SELECT avg({name}) AS mean FROM 'all.parquet'"));
        close(&data[section][name]["mean_nats"], &mean["mean"]);
    }
    assert_eq!(data["atoms"].as_object().unwrap().len(), 18);
    assert_eq!(data["origin"]["x3"][0], "x3");
    let cases = query(
        dir,
        "WITH v AS (SELECT *, (r = i_1)::INT + (r = i_2)::INT + (r = i_3)::INT AS equal FROM 'all.parquet')
         SELECT sum((equal = 1 AND r = i_1)::INT) AS i_1, sum((equal = 1 AND r = i_2)::INT) AS i_2,
                sum((equal = 1 AND r = i_3)::INT) AS i_3, sum((equal > 1)::INT) AS several,
                sum((equal = 0)::INT) AS between FROM v",
    );
    assert_eq!(data["cases"], cases);
    assert_eq!(data["samples"]["unique_3"], serde_json::json!([]), "no row of these has i_3 > 0");

    // Atoms alone tell every i; r, u and s alone none.
    let atoms = json(dir, &["atoms.parquet"]);
    assert_eq!(atoms["data"]["information"].as_object().unwrap().len(), 7);
    for (name, figure) in data["information"].as_object().unwrap() {
        close(&atoms["data"]["information"][name]["mean_nats"], &figure["mean_nats"]);
    }
    close(&atoms["data"]["redundancy_bounds_nats"][1], &data["redundancy_bounds_nats"][1]);
    assert_eq!((&atoms["data"]["specificity"], &atoms["data"]["cases"]), (&Value::Null, &Value::Null));
    let plain = json(dir, &["plain.parquet"]);
    assert_eq!(plain["data"]["information"], serde_json::json!({}));
    assert!(plain["data"].get("atoms").is_none() && plain["data"]["samples"].get("contradicted").is_none());
    assert_eq!(plain["data"]["parts"], data["parts"]);
    // Only what all files have is reported.
    let both = json(dir, &["plain.parquet", "all.parquet"]);
    assert_eq!((&both["data"]["information"], &both["data"]["rows"]), (&serde_json::json!({}), &16.into()));

    let svg = ["report", "all.parquet", "--svg", "pictures"];
    must(lsmi().current_dir(dir).args(svg));
    assert!(listing(&dir.join("pictures")).contains(&"lattice.svg".to_owned()));
    let lattice = std::fs::read_to_string(dir.join("pictures/lattice.svg")).unwrap();
    assert!(lattice.contains("--u3:") && lattice.contains(">x1 + x2 or x1 + x3 or x2 + x3: "), "{lattice}");
}

#[test]
fn of_four_the_largest_atoms_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    annotated(system("random"), dir, "embedded", &["--columns", "atoms"]);
    let data = &json(dir, &["out.parquet"])["data"];
    assert_eq!(data["atoms"].as_object().unwrap().len(), 166);
    let i_1234 = query(dir, "SELECT avg(a_1234) AS top, avg(s) AS s FROM 'out.parquet'");
    close(&i_1234["top"], &i_1234["s"]);
    assert_eq!(data["information"].as_object().unwrap().len(), 15);
    let mut samples = data["samples"].as_object().unwrap().values().filter_map(Value::as_array).flatten();
    let sample = samples.find(|sample| sample.is_object()).unwrap();
    assert!(sample["i_1234"].is_number() && sample["parts"]["u4"].is_number(), "{sample}");
    must(lsmi().current_dir(dir).args(["report", "out.parquet", "-o", "a.html"]));
    let html = std::fs::read_to_string(dir.join("a.html")).unwrap();
    assert!(html.contains("The 16 largest of 166 combinations") && html.contains("150 others together"));
}

#[test]
fn the_lattice_is_drawn_and_in_its_box() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("a.parquet"), &rows(3000, &ATOMS));
    must(lsmi().current_dir(dir).args(["report", "a.parquet", "-o", "a.html"]));
    let words = [
        "Which combinations carry the information",
        "any one suffices",
        "Most unique to x3",
        "all three together carry",
        "Without “",
    ];
    nothing_wrong(&look(&dir.join("a.html"), "three"), 10, &words);

    // Where x2 has the least h by far, r is its i, and the report says so.
    let table = rows(500, &["i_1", "i_3", "h_1", "h_2", "h_3"]);
    let schema = table.schema();
    let named = schema.fields().iter().zip(table.columns());
    let mut columns: Vec<(&str, ArrayRef)> =
        named.map(|(field, values)| (field.name().as_str(), values.clone())).collect();
    columns.push(("i_2", table.column_by_name("r").unwrap().clone()));
    write(&dir.join("one.parquet"), &batch(&columns));
    must(lsmi().current_dir(dir).args(["report", "one.parquet", "-o", "one.html"]));
    let html = std::fs::read_to_string(dir.join("one.html")).unwrap();
    for words in
        ["r = i_2: all information of x2", "On 100 % of the rows h_2", "r is i_2 itself", "smallest h"]
    {
        assert!(html.contains(words), "no {words:?} in {html}");
    }

    write(&dir.join("b.parquet"), &rows(2000, &[]));
    must(lsmi().current_dir(dir).args(["report", "b.parquet", "-o", "b.html"]));
    let html = std::fs::read_to_string(dir.join("b.html")).unwrap();
    assert!(html.contains("--columns atoms") && !html.contains("Most contradicted"), "{html}");
    assert!(html.contains("Largest u3") && html.contains("the third modality alone speaks"), "{html}");
    assert!(!html.contains("Most unique"), "{html}");
    must(lsmi().current_dir(dir).args(["report", "a.parquet", "--compare", "b.parquet", "-o", "c.html"]));
}

#[test]
fn other_numbers_of_modalities_are_another_report() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("three.parquet"), &rows(200, &[]));
    write(&dir.join("two.parquet"), &crate::report::odd_rows(200, 0.0));
    let ran = lsmi_in(dir, ["report", "two.parquet", "three.parquet", "--label", "label"]);
    refused(&ran, 65, &["three.parquet", "3 modalities", "of 2"]);
    let ran = lsmi_in(dir, ["report", "two.parquet", "--compare", "three.parquet"]);
    refused(&ran, 64, &["two.parquet has 2 modalities", "three.parquet has 3"]);
    let some = rows(200, &["u4", "u5"]);
    let order = ["r", "u1", "u2", "u3", "u4", "u5", "s", "label"];
    write(
        &dir.join("five.parquet"),
        &batch(&order.map(|name| (name, some.column_by_name(name).unwrap().clone()))),
    );
    refused(&lsmi_in(dir, ["report", "five.parquet"]), 65, &["five.parquet", "5 modalities", "4 at most"]);
    assert_eq!(listing(dir), ["five.parquet", "three.parquet", "two.parquet"]);
}

fn codes(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn rows_that_lack_a_modality_are_named_and_counted_where_they_have_values() {
    for modalities in [2, 3] {
        let (dir, bundle) = reduced(modalities, "embedded");
        let dir = dir.path();
        // Without the rows that have no values, and with atoms.
        let gaps = format!("SELECT * FROM 'gaps.parquet' WHERE n < {}", (1 << modalities) - 1);
        must(lsmi().current_dir(dir).args(["sql", &gaps, "--output", "some.parquet"]));
        let columns = if modalities == 2 { "i1,h1" } else { "atoms,i_1,i_2,i_3,i_123,h_1,h_2,h_3" };
        let base = ["annotate", "some.parquet", "a.parquet", "--columns", columns, "--json", "--bundle"];
        let reduce = [bundle.to_str().unwrap(), "--on-missing-modality", "reduce"];
        let ran = on(dir, "embedded", &[&base[..], &reduce].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (summary, found) = (last_json(&ran), json(dir, &["a.parquet"]));
        let data = &found["data"];
        for (key, of) in [("computed_rows", "rows"), ("reduced_rows", "reduced_rows")] {
            assert_eq!(data[key], summary[of], "{key}");
        }
        assert_eq!(data["bad_rows"], 0);
        assert!(codes(&found).contains(&"reduced_rows") && !codes(&found).contains(&"bad_rows"), "{found}");
        // As annotate's summary: means of the rows that have the column.
        for (name, moments) in summary["columns"].as_object().unwrap() {
            let section = match name.as_bytes()[0] {
                b'i' if modalities > 2 => "information",
                b'h' if modalities > 2 => "specificity",
                b'r' | b'u' | b's' => "parts",
                _ => continue,
            };
            close(&data[section][name]["mean_nats"], &moments["mean"]);
            assert_eq!(data[section][name]["rows"], moments["count"], "{name}");
            if section == "parts" {
                assert_eq!(data["distributions"][name]["rows"], moments["count"], "{name}");
            }
        }
        // What belongs together is of complete rows.
        let complete = query(
            dir,
            "SELECT count(*) AS rows, avg(r) AS r, avg(u1) AS u1 FROM 'a.parquet' WHERE s IS NOT NULL AND n = 0",
        );
        let counts =
            data["density"]["counts"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
        let inside: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(
            inside + data["density"]["outside_rows"].as_u64().unwrap(),
            complete["rows"].as_u64().unwrap()
        );
        let cases: u64 = data["cases"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
        assert_eq!(cases, complete["rows"].as_u64().unwrap(), "{}", data["cases"]);
        if modalities == 3 {
            close(&data["atoms"]["a_1_2_3"]["mean_nats"], &complete["r"]);
            let atoms = data["atoms"].as_object().unwrap().values();
            let sum: f64 = atoms.map(|figure| figure["mean_nats"].as_f64().unwrap()).sum();
            close(&sum.into(), &data["information"]["i_123"]["mean_nats"]);
        } else {
            let i1 = complete["r"].as_f64().unwrap() + complete["u1"].as_f64().unwrap();
            close(&data["information"]["i1"]["mean_nats"], &i1.into());
        }
        // Every row has a largest part, among those that it has.
        let classes = data["classes"].as_array().unwrap();
        for class in classes {
            let dominant = class["dominant"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap());
            assert_eq!(dominant.sum::<u64>(), class["rows"].as_u64().unwrap());
        }
        let all = (1..=modalities).map(|m| format!("u{m}, ")).collect::<String>();
        let sql = format!("SELECT sum((dominant(r, {all}s) = 'unique_2')::INT) AS twos FROM 'a.parquet'");
        let twos: u64 = classes.iter().map(|class| class["dominant"]["u2"].as_u64().unwrap()).sum();
        assert_eq!(query(dir, &sql)["twos"], twos);
        must(lsmi().current_dir(dir).args(["report", "a.parquet", "-o", "a.html"]));
        let html = std::fs::read_to_string(dir.join("a.html")).unwrap();
        for words in
            ["rows with values lack a modality", "that lack a modality)", "rows that lack no modality"]
        {
            assert!(html.contains(words), "{words}");
        }

        // Where all rows lack some.
        let some = "SELECT * FROM 'a.parquet' WHERE n > 0";
        must(lsmi().current_dir(dir).args(["sql", some, "--output", "none.parquet"]));
        let none = json(dir, &["none.parquet", "--label", "y"]);
        let data = &none["data"];
        assert_eq!(data["computed_rows"], data["reduced_rows"]);
        assert!(codes(&none).contains(&"reduced_rows") && !codes(&none).contains(&"no_rows"), "{none}");
        assert_eq!((&data["cases"], &data["samples"]["redundant"]), (&Value::Null, &serde_json::json!([])));
        let mean = query(dir, "SELECT avg(u1) AS u1 FROM 'none.parquet'");
        close(&data["parts"]["u1"]["mean_nats"], &mean["u1"]);
        must(lsmi().current_dir(dir).args(["report", "none.parquet", "--label", "y", "-o", "none.html"]));
        let html = std::fs::read_to_string(dir.join("none.html")).unwrap();
        assert!(html.contains("No row has") && !html.contains("NaN"), "{html}");
    }
}

#[test]
fn columns_of_the_users_own_are_no_values() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let some = rows(200, &[]);
    let column = |name: &str| some.column_by_name(name).unwrap().clone();
    let own: [(&str, ArrayRef); 3] = [
        ("double", Arc::new((0..200).map(|row| Some(f64::from(row))).collect::<Float64Array>())),
        ("text", Arc::new((0..200).map(|row| Some(row.to_string())).collect::<StringArray>())),
        ("float", column("u3")),
    ];
    for (kind, own) in own {
        // Without metadata, as a query's output is.
        let two = ["r", "u1", "u2", "s", "label"].map(|name| (name, column(name)));
        write(&dir.join("two.parquet"), &batch(&[&[("u3", own)][..], &two[..]].concat()));
        let ran = must(lsmi().current_dir(dir).args(["report", "two.parquet", "--format", "json"]));
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        let parts = &found["data"]["parts"];
        assert_eq!(parts.as_object().unwrap().len(), 4, "{kind}: {parts}");
        assert!(ran.stderr.contains("column u3 ("), "{kind}: {}", ran.stderr);
        assert!(ran.stderr.contains("the report is of 2 modalities"), "{kind}: {}", ran.stderr);
    }

    // With metadata, only what they list.
    let of = system("shared_xor");
    let input = read(&of.0.join("in.parquet"));
    let far: ArrayRef = Arc::new(Float64Array::from(vec![749.0; input.num_rows()]));
    let names = input.schema();
    let columns = names.fields().iter().zip(input.columns());
    let mut columns: Vec<(&str, ArrayRef)> =
        columns.map(|(field, values)| (field.name().as_str(), values.clone())).collect();
    columns.extend(["i_12", "h_1", "u4"].map(|name| (name, far.clone())));
    write(&dir.join("in.parquet"), &batch(&columns));
    assert_eq!(pack(of, &dir.join("bundle"), "embedded").code, 0);
    let args = ["annotate", "in.parquet", "out.parquet", "--bundle", "bundle", "--columns", "i_1"];
    let ran = on(dir, "embedded", &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let data = &json(dir, &["out.parquet"])["data"];
    assert_eq!(data["information"].as_object().unwrap().keys().collect::<Vec<_>>(), ["i_1"], "{data}");
    assert_eq!((&data["specificity"], data["parts"].as_object().unwrap().len()), (&Value::Null, 5));
}

#[test]
fn a_row_with_nan_in_one_column_has_no_values() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let whole = rows(300, &ATOMS);
    let mut broken: Vec<Option<f32>> = floats(&whole, "a_12_13").iter().collect();
    (broken[3], broken[7]) = (Some(f32::NAN), Some(f32::INFINITY));
    write(&dir.join("whole.parquet"), &whole);
    let broken: ArrayRef = Arc::new(Float32Array::from(broken));
    write(&dir.join("broken.parquet"), &replaced(&whole, "a_12_13", broken));
    let rows_of = |report: &Value| report["data"]["computed_rows"].as_u64().unwrap();
    let (whole, found) = (json(dir, &["whole.parquet"]), json(dir, &["broken.parquet"]));
    assert_eq!(rows_of(&found), rows_of(&whole) - 2);
    for (name, figure) in found["data"]["atoms"].as_object().unwrap() {
        assert!(figure["mean_nats"].is_number() && figure["std_error_nats"].is_number(), "{name}: {figure}");
    }
    assert_eq!(found["data"]["information"].as_object().unwrap().len(), 7);
    must(lsmi().current_dir(dir).args(["report", "broken.parquet", "-o", "broken.html"]));
    assert!(!std::fs::read_to_string(dir.join("broken.html")).unwrap().contains("NaN nats"));
}
