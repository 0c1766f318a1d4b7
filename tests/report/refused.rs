//! What is no report to make, and what is not overwritten.

use std::fs;
use std::path::Path;

use super::odd_rows;
use crate::harness::files::{batch, listing, write};
use crate::harness::{Ran, annotate, lsmi_in, refused, rows};

fn report(dir: &Path, args: &[&str]) -> Ran {
    lsmi_in(dir, ["report"].iter().chain(args))
}

#[test]
fn what_is_not_annotated() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("in.parquet"), &rows(20));
    let ran = report(dir, &["in.parquet"]);
    refused(&ran, 65, &["in.parquet", "not annotated", "r, u1, u2, s are missing", "lsmi-etl annotate"]);
    let annotated = odd_rows(200, 0.0);
    let some = annotated.project(&[0, 1, 2, 3, 5]).unwrap();
    write(&dir.join("some.parquet"), &some);
    refused(&report(dir, &["some.parquet"]), 65, &["some.parquet", "column u2 is missing"]);
    fs::create_dir(dir.join("folder")).unwrap();
    fs::rename(dir.join("some.parquet"), dir.join("folder/b.parquet")).unwrap();
    write(&dir.join("folder/a.parquet"), &annotated);
    refused(&report(dir, &["folder"]), 65, &["b.parquet", "u2"]);

    fs::write(dir.join("no.parquet"), "a,b\n1,2\n").unwrap();
    refused(&report(dir, &["no.parquet"]), 65, &["no.parquet", "not a Parquet file"]);
    refused(&report(dir, &["absent.parquet"]), 66, &["absent.parquet"]);
    refused(&report(dir, &["folder/a.parquet", "--compare", "absent"]), 66, &["absent"]);
    assert_eq!(listing(dir), ["folder", "in.parquet", "no.parquet"]);
}

#[test]
fn columns_that_are_not_there_and_links_that_lead_astray() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("a.parquet"), &odd_rows(200, 0.0));
    refused(&report(dir, &["a.parquet", "--label", "lable"]), 65, &["\"lable\"", "did you mean \"label\"?"]);
    refused(&report(dir, &["a.parquet", "--key", "idd"]), 65, &["--key names it", "\"idd\"", "\"id\""]);
    refused(
        &report(dir, &["a.parquet", "--link-template", "https://h/{file}"]),
        65,
        &["--link-template names it", "\"file\""],
    );
    refused(&report(dir, &["a.parquet", "--link-template", "javascript:{id}"]), 64, &["--link-template"]);
    refused(&report(dir, &["a.parquet", "--link-template", "https://h/id"]), 64, &["names no column"]);
    refused(&report(dir, &["a.parquet", "--bundle", "none"]), 78, &["none"]);
    assert_eq!(listing(dir), ["a.parquet"]);
}

#[test]
fn files_of_different_labels_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let names = ["topic", "kind"];
    for name in names {
        let rows = rows(150);
        let named = [("x1", "x1"), ("x2", "x2"), (name, "y")];
        let columns = named.map(|(name, of)| (name, rows.column_by_name(of).unwrap().clone()));
        write(&dir.join(format!("{name}.parquet")), &batch(&columns));
        let (input, output) = (format!("{name}.parquet"), format!("{name}-out.parquet"));
        assert_eq!(annotate(dir, &input, &output, &["--label", name]).code, 0);
    }
    let both = ["topic-out.parquet", "kind-out.parquet"];
    refused(
        &report(dir, &both),
        64,
        &["topic-out.parquet with the label topic", "kind-out.parquet with the label kind", "--label"],
    );
    // Also where both have a column that looks like a label.
    let mut more = rows(150);
    let class = more.remove_column(more.schema().index_of("y").unwrap());
    let [x1, x2] = ["x1", "x2"].map(|name| more.column_by_name(name).unwrap().clone());
    write(
        &dir.join("several.parquet"),
        &batch(&[("x1", x1), ("x2", x2), ("y", class.clone()), ("class_of_it", class)]),
    );
    for label in ["y", "class_of_it"] {
        assert_eq!(
            annotate(dir, "several.parquet", &format!("by-{label}.parquet"), &["--label", label]).code,
            0
        );
    }
    let ran = report(dir, &["by-y.parquet", "by-class_of_it.parquet"]);
    refused(
        &ran,
        64,
        &["by-y.parquet with the label y", "by-class_of_it.parquet with the label class_of_it"],
    );
    let named = report(dir, &[&both[..], &["--label", "topic"]].concat());
    refused(&named, 65, &["kind-out.parquet, column \"topic\"", "the label of the report"]);
    let key = report(dir, &[&both[..], &["--label", "r", "--key", "topic"]].concat());
    refused(&key, 65, &["kind-out.parquet, column \"topic\"", "the key of the report"]);
}

#[test]
fn what_is_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("a.parquet"), &odd_rows(200, 0.0));
    fs::write(dir.join("report.html"), "mine").unwrap();
    refused(&report(dir, &["a.parquet"]), 73, &["report.html exists", "--overwrite"]);
    assert_eq!(fs::read(dir.join("report.html")).unwrap(), b"mine");
    refused(&report(dir, &["a.parquet", "-o", "no/report.html"]), 73, &["no/report.html"]);
    assert_eq!(report(dir, &["a.parquet", "--overwrite"]).code, 0);
    assert!(fs::read_to_string(dir.join("report.html")).unwrap().starts_with("<!doctype html>"));

    let ran = report(dir, &["a.parquet", "--svg", "pictures", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line = crate::harness::last_json(&ran);
    assert_eq!((&line["pictures"], &line["output"]), (&8.into(), &serde_json::Value::Null));
    let names: Vec<String> = listing(&dir.join("pictures"));
    assert_eq!(
        names,
        [
            "classes.svg",
            "density.svg",
            "distribution-r.svg",
            "distribution-s.svg",
            "distribution-u1.svg",
            "distribution-u2.svg",
            "dominant.svg",
            "means.svg"
        ]
    );
    refused(&report(dir, &["a.parquet", "--svg", "pictures"]), 73, &["exists", "--overwrite"]);
    refused(&report(dir, &["a.parquet", "--svg", "report.html"]), 64, &["report.html: is a file", "folder"]);
    assert_eq!(listing(dir), ["a.parquet", "pictures", "report.html"]);
}
