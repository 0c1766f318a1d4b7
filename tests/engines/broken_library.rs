//! A library of ONNX Runtime that does not load: the loader's reason, in every command.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::cuda::cpu_library;
use crate::harness::{Ran, bundle, fitted, lsmi, refused, run};

/// A folder with a file of this content in the library's place.
fn folder(content: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("libonnxruntime.so"), content).unwrap();
    dir
}

/// Every command that runs models.
fn commands(dir: &Path) -> Vec<Command> {
    let input = fitted().join("in.parquet");
    let command = |args: &[&str]| {
        let mut command = lsmi();
        command.current_dir(dir).args(args);
        command
    };
    let mut annotate = command(&["annotate"]);
    annotate.arg(&input).args(["out.parquet", "--bundle"]).arg(bundle());
    let mut check = command(&["bundle", "check"]);
    check.arg(bundle());
    let mut sql = command(&["sql", "--bundle"]);
    sql.arg(bundle()).arg(format!("SELECT lsmi_r(x1, x2, y) FROM '{}'", input.display()));
    vec![annotate, check, sql, command(&["doctor"])]
}

fn error(ran: &Ran) -> &str {
    ran.stderr.lines().find(|line| line.starts_with("ERROR")).unwrap_or_default()
}

#[test]
fn a_named_library_that_does_not_load_is_refused_with_the_reason() {
    let text = b"this is a text, and no library: ".repeat(200);
    for (content, reason) in
        [(&b"not a library"[..], "file too short"), (&text, "invalid ELF header"), (b"", "file too short")]
    {
        let dir = folder(content);
        let library = dir.path().join("libonnxruntime.so");
        for mut command in commands(dir.path()) {
            let ran = run(command.env("ORT_DYLIB_PATH", &library));
            assert_eq!(ran.code, 69, "{}", ran.stderr);
            for word in [library.to_str().unwrap(), reason, "(ORT_DYLIB_PATH)", "leave it out"] {
                assert!(error(&ran).contains(word), "no {word:?} in {:?}", error(&ran));
            }
        }
        // A relative path is a file here, and not a name for the loader to look up elsewhere.
        for mut command in commands(dir.path()) {
            let ran = run(command.env("ORT_DYLIB_PATH", "libonnxruntime.so"));
            assert!(ran.code == 69 && error(&ran).contains(reason), "{}", ran.stderr);
        }
        let ran = run(lsmi().current_dir(dir.path()).args(["doctor", "--onnxruntime", "."]));
        refused_after_output(&ran, &[reason, "(--onnxruntime)"]);
    }
}

fn refused_after_output(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    words.iter().for_each(|word| assert!(error(ran).contains(word), "no {word:?} in {}", ran.stderr));
}

#[test]
fn another_library_is_told_apart() {
    let names = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"];
    let Some(libm) = names.into_iter().find(|path| Path::new(path).exists()) else { return };
    let dir = tempfile::tempdir().unwrap();
    for mut command in commands(dir.path()) {
        let ran = run(command.env("ORT_DYLIB_PATH", libm));
        refused_after_output(&ran, &[libm, "not ONNX Runtime"]);
    }
}

#[test]
fn a_found_library_that_does_not_load_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let capi = dir.path().join("venv/lib/python3.12/site-packages/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    fs::write(capi.join("libonnxruntime.so.1.24.0"), "not a library").unwrap();
    for mut command in commands(dir.path()) {
        let ran = run(command.env("VIRTUAL_ENV", dir.path().join("venv")));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let warning = ran.stderr.lines().find(|line| line.starts_with(" WARN")).unwrap();
        for word in ["libonnxruntime.so.1.24.0", "(VIRTUAL_ENV)", "file too short"] {
            assert!(warning.contains(word), "no {word:?} in {warning:?}");
        }
        let _ = fs::remove_file(dir.path().join("out.parquet"));
    }
    for mut command in commands(dir.path()) {
        command.env("VIRTUAL_ENV", dir.path().join("venv"));
        if command.get_args().next() == Some("doctor".as_ref()) {
            continue;
        }
        refused(&run(command.args(["--engine", "onnxruntime"])), 69, &["file too short"]);
    }
}

#[test]
fn one_in_the_loaders_own_path_is_warned_of_too() {
    let dir = folder(b"not a library");
    let ran = run(lsmi().env("LD_LIBRARY_PATH", dir.path()).arg("doctor"));
    assert!(ran.code == 0 && ran.stderr.contains("file too short"), "{}", ran.stderr);
    // None at all is no reason for a warning.
    let ran = run(lsmi().arg("doctor"));
    assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);
}

#[test]
fn a_relative_path_to_a_good_library_works() {
    let library = cpu_library();
    let ran = run(lsmi()
        .current_dir(library.parent().unwrap())
        .env("ORT_DYLIB_PATH", library.file_name().unwrap())
        .arg("doctor"));
    assert!(ran.code == 0 && ran.stdout.contains("engine   onnxruntime (1."), "{}{}", ran.stdout, ran.stderr);
}
