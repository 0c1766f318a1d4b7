//! The Python package of this checkout with its native module, compiled once like the program under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{build, must, once, repository};

/// A folder for `PYTHONPATH` that has the package.
pub fn python_path() -> PathBuf {
    let sources = repository().join("pipelines/wheel/lsmi_etl").read_dir().unwrap();
    let mut names: Vec<_> = sources.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    once("python-package", &format!("{} {names:?}", build()), |dir| {
        let mut link = Command::new("python3");
        link.arg(repository().join("pipelines/wheel/link_package.py")).arg(dir).args(build_arguments());
        let release = Path::new(env!("CARGO_BIN_EXE_lsmi-etl")).parent().unwrap();
        must(cargo(&mut link, release.parent().unwrap()));
    })
}

/// A command in which cargo builds in a target folder as it does when a person calls it.
pub fn cargo<'c>(command: &'c mut Command, target: &Path) -> &'c mut Command {
    // Build scripts that look at what cargo tells its tests would run again, and all that
    // depends on them be compiled anew; without the settings of the profile, all would be.
    let is_kept =
        |name: &str| matches!(name, "CARGO_HOME" | "CARGO_INCREMENTAL") || name.starts_with("CARGO_PROFILE_");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && !is_kept(&text) {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_TARGET_DIR", target)
}

/// Arguments of cargo: the profile and the features of the program under test. With others nearly all
/// dependencies would be compiled once more.
pub fn build_arguments() -> Vec<&'static str> {
    let mut arguments = vec!["--profile", "release", "--locked"];
    if cfg!(feature = "cluster") {
        arguments.extend(["--features", "cluster"]);
    }
    arguments
}
