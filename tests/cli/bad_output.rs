//! Outputs that are there already, can't be created or run out of space; in no case
//! is anything left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::files::{listing, read, write};
use crate::harness::{Ran, annotate, bundle, fitted, lsmi, lsmi_in, must, refused, rows, run, shell};

/// A folder with `in.parquet`.
fn with_input() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(150));
    dir
}

#[test]
fn an_output_that_exists_is_kept() {
    let dir = with_input();
    let out = dir.path().join("out.parquet");
    fs::write(&out, "precious").unwrap();
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 73, &["out.parquet exists", "--overwrite"]);
    assert_eq!(fs::read(&out).unwrap(), b"precious");

    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--overwrite"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(read(&out).num_rows(), 150);
    assert_eq!(listing(dir.path()), ["in.parquet", "out.parquet"]);

    let synth = ["synth", "xor", "--rows", "10", "-o", "out.parquet"];
    refused(&lsmi_in(dir.path(), synth), 73, &["out.parquet exists", "--overwrite"]);
    assert_eq!(lsmi_in(dir.path(), synth.iter().chain(&["--overwrite"])).code, 0);
    assert_eq!(read(&out).num_rows(), 10);
}

#[test]
fn a_fault_of_the_command_comes_before_an_output_that_exists() {
    let dir = with_input();
    for name in ["out.csv", "out.html", "out.json"] {
        fs::write(dir.path().join(name), "precious").unwrap();
    }
    fs::create_dir(dir.path().join("parts")).unwrap();
    fs::write(dir.path().join("parts/train.parquet"), "precious").unwrap();
    let copy = "COPY (SELECT nope FROM 'in.parquet') TO 'out.csv'";
    let cases: [(&[&str], i32, &str); 9] = [
        (&["sql", "-o", "out.csv", "SELEC 1"], 64, "SELEC"),
        (&["sql", "-o", "out.csv", "SELECT nope FROM 'in.parquet'"], 64, "there is no column nope"),
        (&["sql", "-o", "out.csv", "SELECT 1 FROM 'inn.parquet'"], 66, "inn.parquet"),
        (&["sql", "-o", "out.csv", "SELECT 1 FROM 'in.parquet'"], 73, "out.csv exists"),
        (&["sql", copy], 64, "there is no column nope"),
        (&["report", "inn.parquet", "-o", "out.html"], 66, "inn.parquet"),
        (&["report", "in.parquet", "-o", "out.html"], 65, "in.parquet"),
        (&["split", "in.parquet", "parts", "--by", "nope"], 65, "nope"),
        (&["split", "in.parquet", "parts"], 73, "train.parquet exists"),
    ];
    for (args, code, word) in cases {
        refused(&lsmi_in(dir.path(), args), code, &[word]);
    }
    for name in ["out.csv", "out.html", "parts/train.parquet"] {
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"precious");
    }
}

#[test]
fn the_input_can_be_replaced_by_its_output() {
    let dir = with_input();
    refused(&annotate(dir.path(), "in.parquet", "in.parquet", &[]), 73, &["in.parquet exists"]);
    assert_eq!(annotate(dir.path(), "in.parquet", "in.parquet", &["--overwrite"]).code, 0);
    assert!(read(&dir.path().join("in.parquet")).column_by_name("s").is_some());
}

#[test]
fn places_where_nothing_can_be_created() {
    let dir = with_input();
    fs::create_dir(dir.path().join("folder")).unwrap();
    for out in
        ["no/such/folder/out.parquet", "in.parquet/out.parquet", "folder", "folder/", "/proc/out.parquet"]
    {
        let ran = annotate(dir.path(), "in.parquet", out, &["--overwrite"]);
        refused(&ran, 73, &[out.trim_end_matches('/'), "cannot create the output"]);
        let ran = lsmi_in(dir.path(), ["synth", "xor", "--rows", "10", "--overwrite", "-o", out]);
        refused(&ran, 73, &[out.trim_end_matches('/'), "cannot create the output"]);
    }
    let ran = annotate(dir.path(), "in.parquet", "no/such/folder/out.parquet", &[]);
    refused(&ran, 73, &["(os error 2); check that the folder exists and is writable"]);
    assert_eq!(listing(dir.path()), ["folder", "in.parquet"]);
}

#[test]
fn folder_not_writable() {
    let dir = with_input();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions don't bind root: a file system that is read-only does.
    let by_root = fs::write(closed.join("probe"), "").is_ok();
    let _mounted = by_root.then(|| Tmpfs::mount(&closed, "size=1m,ro"));
    if fs::write(closed.join("probe"), "").is_ok() {
        // Root without the right to mount: /proc refuses everybody.
        let ran = annotate(dir.path(), "in.parquet", "/proc/self/out.parquet", &[]);
        return refused(&ran, 73, &["/proc/self/out.parquet: cannot create the output"]);
    }
    let ran = annotate(dir.path(), "in.parquet", "closed/out.parquet", &[]);
    refused(&ran, 73, &["closed/out.parquet: cannot create the output", "is writable"]);
    let ran = lsmi_in(dir.path(), ["synth", "xor", "--rows", "10", "-o", "closed/out.parquet"]);
    refused(&ran, 73, &["closed/out.parquet: cannot create the output"]);
    let ran = run(lsmi()
        .current_dir(dir.path())
        .arg("fit")
        .arg(fitted().join("train.parquet"))
        .args(["--bundle", "closed/models"]));
    refused(&ran, 73, &["closed/models: cannot create the output"]);
}

/// Runs the program with files limited to so many blocks of 512 bytes (some shells: of
/// 1024), a write beyond that failing and not killing.
fn limited(dir: &Path, blocks: u32, args: &[&str]) -> Ran {
    let line = format!("ulimit -f {blocks}; trap '' XFSZ; exec lsmi-etl \"$@\"");
    run(shell(&line).arg("sh").args(args).current_dir(dir))
}

#[test]
fn a_file_that_may_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let (input, bundle) = (fitted().join("in.parquet"), bundle());
    let (input, bundle) = (input.to_str().unwrap(), bundle.to_str().unwrap());
    for blocks in [1, 20, 200] {
        let ran = limited(dir.path(), blocks, &["annotate", input, "out.parquet", "--bundle", bundle]);
        refused(&ran, 74, &["out.parquet", "write failed", "File too large"]);
        let ran = limited(dir.path(), blocks, &["synth", "gaussian", "--rows", "20000", "-o", "out.parquet"]);
        refused(&ran, 74, &["out.parquet", "write failed", "File too large"]);
        // What was computed waits for the next run; nothing else is left.
        let others = listing(dir.path()).into_iter().filter(|name| name != ".out.parquet.lsmi-journal");
        assert_eq!(others.count(), 0, "{:?}", listing(dir.path()));
    }
    must(lsmi().current_dir(dir.path()).args(["annotate", input, "out.parquet", "--bundle", bundle]));
    assert_eq!(listing(dir.path()), ["out.parquet"]);
    fs::remove_file(dir.path().join("out.parquet")).unwrap();
    let train = fitted().join("train.parquet");
    let ran = limited(dir.path(), 2, &["fit", train.to_str().unwrap(), "--bundle", "models"]);
    refused(&ran, 74, &["models", "write failed", "File too large"]);
    assert!(listing(dir.path()).is_empty(), "{:?}", listing(dir.path()));
}

#[test]
fn a_disk_that_fills_up() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    // Without the right to mount, the limit on a file's size is the test.
    let Some(_mounted) = Tmpfs::mount(&disk, "size=96k") else { return };
    let input = fitted().join("in.parquet");
    let ran = annotate(dir.path(), input.to_str().unwrap(), "disk/out.parquet", &[]);
    refused(&ran, 74, &["disk/out.parquet", "write failed", "No space left on device"]);
    let ran = lsmi_in(dir.path(), ["synth", "gaussian", "--rows", "20000", "-o", "disk/out.parquet"]);
    refused(&ran, 74, &["disk/out.parquet", "write failed", "No space left on device"]);
    assert_eq!(listing(&disk), [".out.parquet.lsmi-journal"]);
    fs::remove_file(disk.join(".out.parquet.lsmi-journal")).unwrap();

    fs::write(disk.join("ballast"), vec![0; 92 << 10]).unwrap();
    let train = fitted().join("train.parquet");
    let ran = run(lsmi().current_dir(dir.path()).arg("fit").arg(train).args(["--bundle", "disk/models"]));
    refused(&ran, 74, &["disk/models", "write failed", "No space left on device"]);
    assert_eq!(listing(&disk), ["ballast"]);
}

/// A file system in memory, mounted while this lives.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// `None` where mounting is not permitted.
    fn mount(at: &'a Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        must(Command::new("umount").arg(self.0));
    }
}

#[test]
fn a_summary_that_cannot_be_written() {
    let dir = with_input();
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--summary", "no/summary.json"]);
    refused(&ran, 73, &["no/summary.json: cannot create the output"]);
}

#[test]
fn a_query_that_cannot_write_its_copy() {
    let dir = with_input();
    for out in ["/proc/out.parquet", "/proc/no/out.parquet", "in.parquet/out.parquet"] {
        let query = format!("COPY (SELECT y FROM 'in.parquet') TO '{out}'");
        refused(&lsmi_in(dir.path(), ["sql", &query]), 73, &[out, "cannot create the output"]);
    }
    let query = "COPY (SELECT y FROM 'in.parquet') TO 'new/folder/out.parquet'";
    refused(&lsmi_in(dir.path(), ["sql", query]), 73, &["new/folder/out.parquet", "folder exists"]);
    assert!(!dir.path().join("new").exists());
}
