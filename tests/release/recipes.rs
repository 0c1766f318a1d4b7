//! The recipes of a release (`pipelines/release/recipes.py`), made for archives of a version that does not exist:
//! what they say is what the archives are, their package managers' parsers take them, and conda's builds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{reader, target};
use crate::harness::{Ran, must, python, repository, run};

const REPOSITORY: &str = "https://example.org/someone/lsmi-etl";

/// An archive with its checksum, as `archive.sh` writes them, whose program is these bytes; its SHA-256.
fn archive(dist: &Path, version: &str, target: &str, program: &[u8]) -> String {
    let name = format!("lsmi-etl-{version}-{target}");
    let path = |file: &str| dist.join(&name).join(file);
    for folder in ["man", "completions"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    fs::write(path("lsmi-etl"), program).unwrap();
    fs::set_permissions(path("lsmi-etl"), Permissions::from_mode(0o755)).unwrap();
    for file in ["LICENSE", "THIRD-PARTY-LICENSES.txt", "man/lsmi-etl.1"] {
        fs::write(path(file), "text").unwrap();
    }
    for shell in ["bash", "zsh", "fish"] {
        fs::write(path(&format!("completions/lsmi-etl.{shell}")), "text").unwrap();
    }
    let file = format!("{name}.tar.gz");
    must(Command::new("tar").current_dir(dist).args(["-czf", &file, &name]));
    let told = must(Command::new("sha256sum").current_dir(dist).arg(&file)).stdout;
    fs::write(dist.join(format!("{file}.sha256")), &told).unwrap();
    told.split_whitespace().next().unwrap().to_owned()
}

fn recipes(dist: &Path) -> Ran {
    let script = repository().join("pipelines/release/recipes.py");
    run(Command::new(python()).arg(script).arg(REPOSITORY).arg(dist))
}

#[test]
fn the_recipes_name_the_archives_with_their_checksums() {
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path();
    let intel = archive(dist, "9.8.7", "x86_64-unknown-linux-gnu", b"\0GLIBC_2.2.5\0GLIBC_2.17\0GLIBC_2.9\0");
    let mac = archive(dist, "9.8.7", "aarch64-apple-darwin", b"program");
    let ran = recipes(dist);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("no archive for aarch64-unknown-linux-gnu"), "{}", ran.stderr);
    let url = |target: &str| format!("{REPOSITORY}/releases/download/v9.8.7/lsmi-etl-9.8.7-{target}.tar.gz");

    let path: PathBuf = dist.join("lsmi-etl.rb");
    let formula = fs::read_to_string(&path).unwrap();
    let license = format!("license \"{}\"", env!("CARGO_PKG_LICENSE"));
    for line in ["version \"9.8.7\"", &license, "bin.install \"lsmi-etl\""] {
        assert!(formula.contains(line), "{line}\n{formula}");
    }
    for (target, sha256) in [("x86_64-unknown-linux-gnu", &intel), ("aarch64-apple-darwin", &mac)] {
        let both = format!("url \"{}\"\n      sha256 \"{sha256}\"\n", url(target));
        assert!(formula.contains(&both), "{both}\n{formula}");
    }
    let parsed = reader(&["formula", path.to_str().unwrap()]);
    assert_eq!(parsed["has_error"], false, "{formula}");
    // The parser is at work.
    fs::write(&path, format!("{formula}end)\n")).unwrap();
    assert_eq!(reader(&["formula", path.to_str().unwrap()])["has_error"], true);

    let path = dist.join("recipe.yaml");
    let on = |platform: &str| reader(&["recipe", path.to_str().unwrap(), platform]);
    let linux = on("linux-64");
    assert_eq!(linux["package"]["version"], "9.8.7");
    assert_eq!(linux["about"]["license"], env!("CARGO_PKG_LICENSE"));
    assert_eq!(linux["source"][0]["url"], url("x86_64-unknown-linux-gnu"));
    assert_eq!(linux["source"][0]["sha256"], intel);
    assert_eq!(linux["requirements"]["run"][0], "__glibc >=2.17");
    let osx = on("osx-arm64");
    assert_eq!(osx["source"][0]["sha256"], mac);
    assert_eq!(osx["requirements"]["run"], Value::Null);
    // Without an archive there is nothing to package.
    assert_eq!(on("linux-aarch64")["source"], Value::Null);
}

#[test]
fn the_conda_recipe_builds_a_package_whose_tests_pass() {
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path();
    // A program for this machine, since what is no ELF file is packed in another way; its exit code is always 0.
    let program = fs::read("/bin/true").unwrap();
    archive(dist, "9.8.7", &target(), &program);
    assert_eq!(recipes(dist).code, 0);
    // Nothing is published: the archive is taken from where it lies.
    let path = dist.join("recipe.yaml");
    let recipe = fs::read_to_string(&path).unwrap();
    let published = format!("{REPOSITORY}/releases/download/v9.8.7");
    assert!(recipe.contains(&published), "{recipe}");
    fs::write(&path, recipe.replace(&published, &format!("file://{}", dist.display()))).unwrap();

    let built = reader(&["package", path.to_str().unwrap(), dist.join("built").to_str().unwrap()]);
    assert_eq!(built["name"], "lsmi-etl");
    assert_eq!(built["version"], "9.8.7");
    assert!(built["depends"][0].as_str().unwrap().starts_with("__glibc >=2."), "{built}");
    let files = [
        "bin/lsmi-etl",
        "share/bash-completion/completions/lsmi-etl",
        "share/fish/vendor_completions.d/lsmi-etl.fish",
        "share/man/man1/lsmi-etl.1",
        "share/zsh/site-functions/_lsmi-etl",
    ];
    assert_eq!(built["files"], json!(files));
    assert!(built["log"].as_str().unwrap().contains("+ lsmi-etl demo --rows 2000"), "{built}");
}

#[test]
fn archives_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path();
    let refused = |code: i32, words: &str| {
        let ran = recipes(dist);
        assert!(ran.code == code && ran.stderr.contains(words), "{}: {}", ran.code, ran.stderr);
        assert!(!dist.join("lsmi-etl.rb").exists() && !dist.join("recipe.yaml").exists());
    };
    refused(66, "no archives");
    archive(dist, "9.8.7", "x86_64-unknown-linux-gnu", b"program");
    let other = dist.join("lsmi-etl-9.8.6-aarch64-apple-darwin.tar.gz");
    archive(dist, "9.8.6", "aarch64-apple-darwin", b"program");
    refused(65, "archives of 9.8.6 and 9.8.7");
    fs::write(&other, "changed").unwrap();
    refused(65, "differs from");
    fs::remove_file(other.with_file_name("lsmi-etl-9.8.6-aarch64-apple-darwin.tar.gz.sha256")).unwrap();
    refused(66, "not found");
}
