//! Google's and Microsoft's object stores over a real connection: a server that speaks
//! Google's XML API (moto; S3's is the same but for its headers), and Azurite.

use std::fs;
use std::path::Path;

use crate::harness::stores::Server;
use crate::harness::{fitted, last_json, lsmi, must, run};

#[test]
fn google_cloud_storage() {
    let dir = tempfile::tempdir().unwrap();
    goes_and_comes("gs", &Server::google(dir.path()), dir.path());
}

#[test]
fn azure_blob_storage() {
    let dir = tempfile::tempdir().unwrap();
    goes_and_comes("az", &Server::azure(), dir.path());
}

/// Annotates into the store, from it, a folder of it twice, and asks it with SQL.
fn goes_and_comes(scheme: &str, server: &Server, dir: &Path) {
    let annotate = |args: &[&str]| {
        let mut command = server.lsmi();
        command.current_dir(dir).arg("annotate").args(args).arg("--bundle").arg(fitted().join("bundle"));
        // The journal of a remote output is in the temporary folder: let it be this test's.
        run(command.env("TMPDIR", dir))
    };
    let at = |key: &str| format!("{scheme}://data/{key}");
    // Several parts to write, several windows to read.
    let rows = ["--rows", "400000", "--seed", "3", "--row-group-rows", "150000", "-o", "big.parquet"];
    must(lsmi().current_dir(dir).args(["synth", "gaussian", "--classes", "4"]).args(rows));
    assert_eq!(annotate(&["big.parquet", "expected.parquet"]).code, 0);
    let expected = fs::read(dir.join("expected.parquet")).unwrap();
    assert!(expected.len() > 20 << 20);

    let ran = annotate(&["big.parquet", &at("up.parquet")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    server.get("up.parquet", &dir.join("up.parquet"));
    assert!(fs::read(dir.join("up.parquet")).unwrap() == expected);

    server.put("in/day=1/a b.parquet", &dir.join("big.parquet"));
    let ran = annotate(&[&at("in"), &at("out"), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["rows"], 400_000);
    let ran = annotate(&[&at("out/day=1/a b.parquet"), "again.parquet"]);
    assert_eq!(ran.code, 64, "annotated already: {}", ran.stderr);
    server.get("out/day=1/a b.parquet", &dir.join("out.parquet"));
    assert!(fs::read(dir.join("out.parquet")).unwrap() == expected);
    // Whole already.
    let ran = annotate(&[&at("in"), &at("out"), "--if-nothing", "exit99"]);
    assert_eq!(ran.code, 99, "{}", ran.stderr);
    let mut keys = server.ask("list", &[]);
    keys.sort();
    assert_eq!(keys, ["in/day=1/a b.parquet", "out/day=1/a b.parquet", "up.parquet"]);

    let ran = annotate(&[&at("in/day=1/a b.parquet"), "down.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fs::read(dir.join("down.parquet")).unwrap() == expected);
    for (input, code) in [(at("absent.parquet"), 66), (format!("{scheme}://no-such/a.parquet"), 66)] {
        let ran = annotate(&[&input, "never.parquet"]);
        assert_eq!(ran.code, code, "{input}: {}", ran.stderr);
    }

    let sql = format!("SELECT day, count(*) AS n, count(r) AS r FROM '{}' GROUP BY day", at("out"));
    let ran = run(server.lsmi().args(["sql", "--format", "csv", &sql]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "day,n,r\n1,400000,400000\n"), "{}", ran.stderr);
}
