//! Object stores over a real connection: moto's server, which speaks S3, looked at with
//! boto3.

use std::fs;
use std::path::Path;

use lsmi_etl::storage::{Files, SourceFile};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

use crate::harness::stores::Server;
use crate::harness::{Ran, fitted, last_json, lsmi, must, repository, run};

fn annotate(server: &Server, dir: &Path, args: &[&str]) -> Ran {
    let mut command = server.lsmi();
    command.current_dir(dir).arg("annotate").args(args).arg("--bundle").arg(fitted().join("bundle"));
    // The journal of a remote output is in the temporary folder: let it be this test's.
    run(command.env("TMPDIR", dir))
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

#[test]
fn an_object_becomes_an_object() {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    // Several parts to write, several windows to read.
    let rows = ["--rows", "400000", "--seed", "3", "--row-group-rows", "150000", "-o", "big.parquet"];
    must(lsmi().current_dir(dir).args(["synth", "gaussian", "--classes", "4"]).args(rows));
    let ran = annotate(&server, dir, &["big.parquet", "expected.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fs::metadata(dir.join("expected.parquet")).unwrap().len() > 20 << 20);

    let ran = annotate(&server, dir, &["big.parquet", "s3://data/up.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    server.get("up.parquet", &dir.join("up.parquet"));
    assert!(same(&dir.join("up.parquet"), &dir.join("expected.parquet")));

    server.put("big.parquet", &dir.join("big.parquet"));
    let ran = annotate(&server, dir, &["s3://data/big.parquet", "down.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(same(&dir.join("down.parquet"), &dir.join("expected.parquet")));

    // Of another input; the store's clock counts in seconds and can't tell by the age.
    server.put("other.parquet", &fitted().join("in.parquet"));
    let ran = annotate(&server, dir, &["s3://data/other.parquet", "s3://data/up.parquet"]);
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    let ran = annotate(&server, dir, &["s3://data/other.parquet", "s3://data/up.parquet", "--overwrite"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_prefix_and_a_glob_are_many_files() {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let input = fitted().join("in.parquet");
    let keys =
        ["in/c.parquet", "in/t=1%3A00/a b.parquet", "in/year=2024/a.parquet", "in/year=2024/_b.parquet"];
    keys.iter().for_each(|key| server.put(key, &input));
    let ran = annotate(&server, dir, &["s3://data/in", "s3://data/out", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["rows"], 9000);
    let written: Vec<_> = server
        .ask("list", &[])
        .into_iter()
        .filter_map(|key| Some(key.strip_prefix("out/")?.to_owned()))
        .collect();
    assert_eq!(written, ["c.parquet", "t=1%3A00/a b.parquet", "year=2024/a.parquet"]);

    let ran = annotate(&server, dir, &["s3://data/in/year=*/*.parquet", "here"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    server.get("out/t=1%3A00/a b.parquet", &dir.join("there.parquet"));
    assert!(same(&dir.join("here/year=2024/a.parquet"), &dir.join("there.parquet")));

    let again = annotate(&server, dir, &["s3://data/in", "s3://data/in/out"]);
    assert_eq!(again.code, 64, "{}", again.stderr);
}

#[test]
fn a_failed_run_leaves_no_part_behind() {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let input = fitted().join("in.parquet");
    let mut bytes = fs::read(&input).unwrap();
    // The last row group's first embeddings become NaN, or can't be decompressed.
    let reader = SerializedFileReader::new(fs::File::open(&input).unwrap()).unwrap();
    let (start, length) = reader.metadata().row_groups().last().unwrap().column(0).byte_range();
    let middle = usize::try_from(start + length / 2).unwrap();
    bytes[middle..middle + 400].fill(0xff);
    fs::write(dir.join("broken.parquet"), bytes).unwrap();
    let ran = annotate(&server, dir, &["broken.parquet", "s3://data/out.parquet", "--on-bad-row", "fail"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(server.ask("list", &[]).is_empty());
    assert!(server.ask("uploads", &[]).is_empty());
}

#[test]
fn what_stores_refuse() {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    server.put("in.parquet", &fitted().join("in.parquet"));
    let private = ["private.parquet", fitted().join("in.parquet").to_str().unwrap()].map(str::to_owned);
    server.ask("put", &[&private[0], &private[1], "private"]);
    for (input, output, code, words) in [
        ("s3://data/absent.parquet", "out.parquet", 66, "s3://data/absent.parquet"),
        ("s3://no-such-bucket/a.parquet", "out.parquet", 66, "no-such-bucket"),
        (&format!("{}/data/private.parquet", server.url), "out.parquet", 66, "private.parquet"),
        ("s3://data/in.parquet", "s3://no-such-bucket/a.parquet", 73, "no-such-bucket"),
        ("ftp://data/in.parquet", "out.parquet", 64, "s3://"),
    ] {
        let ran = annotate(&server, dir, &[input, output]);
        assert_eq!(ran.code, code, "{input} {output}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{input} {output}: {}", ran.stderr);
        assert!(!dir.join("out.parquet").exists());
    }
}

#[test]
fn an_object_that_was_found_is_read_as_it_was_then() {
    let server = Server::s3();
    let input = fitted().join("in.parquet");
    let url = format!("{}/data/in.parquet", server.url);
    server.put("in.parquet", &input);
    let prefetch = || Files::discover(Path::new(&url), Path::new("out.parquet")).unwrap().prefetch().unwrap();
    let (file, early) = (prefetch(), prefetch());
    assert_eq!(file.version(), SourceFile::open(Path::new(&url)).unwrap().version());
    let whole = fs::read(&input).unwrap();
    assert_eq!(file.get_bytes(0, whole.len()).unwrap(), whole);
    file.verify_unchanged().unwrap();
    server.put("in.parquet", &repository().join("Cargo.lock"));
    assert_eq!(early.verify_unchanged().unwrap_err().exit_code(), 75);
}

#[test]
fn an_object_that_changes_is_noticed() {
    let server = Server::s3();
    let input = fitted().join("in.parquet");
    server.put("in.parquet", &input);
    let file = SourceFile::open(Path::new(&format!("{}/data/in.parquet", server.url))).unwrap();
    let whole = fs::read(&input).unwrap();
    assert_eq!(file.get_bytes(100, whole.len() - 100).unwrap(), whole[100..]);
    file.verify_unchanged().unwrap();
    let fresh = file.clone();
    server.put("in.parquet", &repository().join("Cargo.lock"));
    assert_eq!(file.verify_unchanged().unwrap_err().exit_code(), 75);
    let error = fresh.get_bytes(0, 10).unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}
