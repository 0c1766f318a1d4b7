//! The Containerfile, as far as it can be checked without a container engine: by a linter,
//! and by what it copies and sets.

use std::fs;
use std::process::Command;

use super::tools;
use crate::harness::{lsmi, must, repository, run, runtime};

const FILE: &str = "pipelines/Containerfile";

#[test]
fn the_containerfile_passes_its_linter() {
    let linter = tools().with_file_name("hadolint");
    must(Command::new(&linter).arg(repository().join(FILE)));
    // The linter is at work.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE.rsplit('/').next().unwrap()), "FROM debian\nRUN cd /tmp\n").unwrap();
    let ran = run(Command::new(&linter).current_dir(dir.path()).arg("Containerfile"));
    assert!(ran.code == 1 && ran.stdout.contains("DL3006"), "{}", ran.stdout);
}

#[test]
fn the_containerfile_copies_what_is_there_and_runs_as_nobody() {
    let text = fs::read_to_string(repository().join(FILE)).unwrap();
    let copied =
        text.lines().filter(|line| !line.contains("--from=")).filter_map(|line| line.strip_prefix("COPY "));
    let mut sources = 0;
    for line in copied {
        let words: Vec<&str> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(repository().join(source).exists(), "{source} is not there to be copied");
            sources += 1;
        }
    }
    assert!(sources >= 5, "{text}");
    let user = text.lines().filter_map(|line| line.strip_prefix("USER ")).next_back().unwrap();
    assert_ne!(user.split(':').next().unwrap(), "0");
}

#[test]
fn a_folder_with_the_library_is_enough_as_in_the_image() {
    let text = fs::read_to_string(repository().join(FILE)).unwrap();
    assert!(text.contains("ENV LSMI_ETL_ONNXRUNTIME=/opt/onnxruntime\n"), "{text}");
    // A folder of nothing but the versioned library.
    let dir = tempfile::tempdir().unwrap();
    let found = run(Command::new("find").arg(runtime()).args(["-name", "libonnxruntime.so.*", "-type", "f"]));
    let library = std::path::Path::new(found.stdout.lines().next().unwrap());
    fs::copy(library, dir.path().join(library.file_name().unwrap())).unwrap();
    let ran = must(lsmi().env("LSMI_ETL_ONNXRUNTIME", dir.path()).arg("doctor"));
    assert!(ran.stdout.contains("engine   onnxruntime (1."), "{}", ran.stdout);
}
