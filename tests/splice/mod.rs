//! Files of many writers annotated: every old column as it was, to three readers, and
//! the new ones equal to values computed in numpy.

mod damaged;
mod encrypted;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{eight_values, lsmi, must, python, repository};

fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(repository().join("tests/python").join(name));
    command
}

fn parquet_files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".parquet")).collect();
    names.sort();
    names
}

#[test]
fn old_columns_stay_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(script("make_files.py").arg(dir));
    let files = parquet_files(dir);
    assert!(files.len() > 20, "{files:?}");
    fs::create_dir(dir.join("annotated")).unwrap();
    for file in files {
        let out = format!("annotated/{file}");
        let annotate = ["annotate", &file, &out, "--label", "label", "--bundle"];
        must(lsmi().current_dir(dir).args(annotate).arg(eight_values()));
        must(script("compare.py").current_dir(dir).args([&file, &out, "--bundle"]).arg(eight_values()));
    }
}
