//! Encrypted files of pyarrow annotated: encrypted with the same keys, by pyarrow's own
//! reading, and otherwise what becomes of the same rows in the open.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{parquet_files, script};
use crate::harness::files::listing;
use crate::harness::{Ran, eight_values, last_json, lsmi, must, refused, run};

fn annotate(dir: &Path, input: &str, output: &str) -> Command {
    let mut command = lsmi();
    command.current_dir(dir).args(["annotate", "--json", input, output, "--label", "label", "--bundle"]);
    command.arg(eight_values());
    command
}

fn with_keys(dir: &Path, name: &str) -> Command {
    let mut command = annotate(dir, &format!("{name}.parquet"), &format!("out_{name}.parquet"));
    command.args(["--parquet-keys", &format!("{name}.json")]);
    command
}

#[test]
fn encrypted_files_stay_encrypted_with_the_same_keys() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(script("encrypted.py").arg("write").arg(dir));
    let names = parquet_files(dir);
    let names: Vec<&str> =
        names.iter().filter_map(|name| name.strip_prefix("plain_")?.strip_suffix(".parquet")).collect();
    assert_eq!(names.len(), 6);
    for name in names {
        let ran = must(&mut with_keys(dir, name));
        let summary = last_json(&ran);
        assert_eq!((&summary["written"], &summary["fates"]["good"]), (&"re-encoded".into(), &700.into()));
        assert!(ran.stderr.contains("WARN") && ran.stderr.contains("encoded anew"), "{}", ran.stderr);
        let (plain, out) = (format!("plain_{name}.parquet"), format!("out_plain_{name}.parquet"));
        let ran = must(&mut annotate(dir, &plain, &out));
        assert_eq!(last_json(&ran)["written"], "spliced");
        let out_name = format!("out_{name}.parquet");
        must(script("encrypted.py").current_dir(dir).args(["check", ".", name, &out_name, &out]));
        // It is known again as the same work.
        assert_eq!(last_json(&must(&mut with_keys(dir, name)))["skipped"], true, "{name}");
    }
    assert!(listing(dir).iter().all(|name| !name.starts_with('.')), "{:?}", listing(dir));
}

#[test]
fn what_cannot_be_read_says_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(script("encrypted.py").arg("write").arg(dir));
    must(script("encrypted.py").arg("refused").arg(dir.join("refused")));
    let refuses = |command: &mut Command, code: i32, words: &[&str]| {
        let ran: Ran = run(command);
        refused(&ran, code, words);
        assert!(listing(dir).iter().all(|name| !name.contains("out")), "{:?}", listing(dir));
    };
    refuses(&mut annotate(dir, "one_key.parquet", "out.parquet"), 65, &["one_key.parquet", "--parquet-keys"]);
    refuses(
        &mut annotate(dir, "open_footer.parquet", "out.parquet"),
        65,
        &["encrypted columns", "--parquet-keys"],
    );
    refuses(
        annotate(dir, "prefix.parquet", "out.parquet").args(["--parquet-keys", "one_key.json"]),
        65,
        &["AAD"],
    );
    refuses(
        annotate(dir, "service.parquet", "out.parquet").args(["--parquet-keys", "one_key.json"]),
        65,
        &["footer key"],
    );
    refuses(
        annotate(dir, "one_key.parquet", "out.parquet").args(["--parquet-keys", "none.json"]),
        78,
        &["none.json"],
    );
    for (file, words) in [
        ("int96", &["\"when\"", "INT96"][..]),
        ("ctr", &["--parquet-keys", "not yet"]),
        ("duckdb", &["DuckDB"]),
    ] {
        let input = format!("refused/{file}.parquet");
        let mut command = annotate(dir, &input, "out.parquet");
        refuses(command.args(["--parquet-keys", "refused/keys.json"]), 65, words);
    }
    let fit = ["fit", "one_key.parquet", "--bundle", "models"];
    refuses(lsmi().current_dir(dir).args(fit), 65, &["--parquet-keys"]);
}

#[test]
fn rejects_of_an_encrypted_file_are_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(script("encrypted.py").arg("write").arg(dir));
    must(with_keys(dir, "one_key").args(["--rejects", "bad.parquet"]));
    assert!(fs::read(dir.join("bad.parquet")).unwrap().starts_with(b"PARE"));
}

#[test]
fn columns_of_an_encrypted_file_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(script("encrypted.py").arg("write").arg(dir));
    must(&mut with_keys(dir, "one_key"));
    let mut again = annotate(dir, "out_one_key.parquet", "again.parquet");
    again.args(["--parquet-keys", "one_key.json", "--replace-columns"]);
    refused(&run(&mut again), 64, &["is encrypted", "--prefix"]);
    assert!(!dir.join("again.parquet").exists());
}
