//! The Python wheel: built by maturin, installed with its extra into an environment
//! that has nothing else; and the Containerfile.

mod container;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::package::{self, build_arguments, cargo};
use crate::harness::{self, must, repository, run};

/// Python with maturin and a linter for Containerfiles.
fn tools() -> PathBuf {
    harness::environment("venv-wheel", "tests/python/requirements-wheel.txt")
}

/// Works with a target folder in which all is compiled: links to the files of the one that
/// the tests are of, whose program other tests are running.
pub fn compiled(work: impl FnOnce(&Path)) {
    // The native module is compiled there, so that it is not compiled in each copy.
    package::python_path();
    let release = Path::new(env!("CARGO_BIN_EXE_lsmi-etl")).parent().unwrap();
    let target = tempfile::tempdir_in(harness::scratch()).unwrap();
    std::fs::create_dir(target.path().join("release")).unwrap();
    for (folder, how) in [("deps", "-al"), ("build", "-al"), (".fingerprint", "-a")] {
        must(Command::new("cp").arg(how).arg(release.join(folder)).arg(target.path().join("release")));
    }
    work(target.path());
}

/// Builds the wheel.
fn wheel(out: &Path) -> PathBuf {
    let mut backend = Command::new(tools());
    let path = std::env::join_paths(
        [tools().parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    backend.current_dir(repository()).arg("pipelines/wheel/build_backend.py").arg(out);
    backend.env("MATURIN_PEP517_ARGS", build_arguments().join(" ")).env("PATH", path);
    compiled(|target| drop(must(cargo(&mut backend, target))));
    let built = out.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let [wheel] = &built[..] else { panic!("not one wheel: {built:?}") };
    wheel.clone()
}

#[test]
fn cargo_is_given_the_arguments_of_maturin_that_it_knows() {
    let backend = "import json, sys; sys.path.insert(0, 'pipelines/wheel'); import build_backend\n\
                   print(json.dumps(build_backend.cargo_arguments(sys.argv[1:])))";
    for (given, cargos) in [
        ("", "--profile dist"),
        ("--locked -r -i python3.9", "--locked -r"),
        (
            "--profile release --features cluster --target T --compatibility manylinux_2_28 --auditwheel=skip",
            "--profile release --features cluster --target T",
        ),
    ] {
        let mut python = Command::new(tools());
        let ran = must(python.current_dir(repository()).args(["-c", backend]).args(given.split_whitespace()));
        let arguments: Vec<String> = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(arguments.join(" "), cargos);
    }
}

#[test]
fn the_wheel_brings_the_program_and_finds_onnx_runtime_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let wheel = wheel(&dir.path().join("dist"));
    let venv = dir.path().join("venv");
    must(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let python = venv.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];

    // On its own it brings nothing of ONNX Runtime.
    must(Command::new(&python).args(pip).arg(&wheel));
    assert_ne!(run(Command::new(&python).args(["-c", "import onnxruntime"])).code, 0);
    must(Command::new(&python).args(pip).arg(format!("{}[cpu]", wheel.display())));

    let found = "from lsmi_etl import find_lsmi_etl_bin; print(find_lsmi_etl_bin())";
    let found = must(Command::new(&python).args(["-c", found]));
    assert_eq!(Path::new(found.stdout.trim()), venv.join("bin/lsmi-etl"));

    let clean = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(dir.path()).env_clear().env("HOME", dir.path()).env("PATH", "/usr/bin:/bin");
        command
    };
    let version = must(clean(&python).args(["-m", "lsmi_etl", "--version"]));
    assert_eq!(version.stdout.trim(), format!("lsmi-etl {}", env!("CARGO_PKG_VERSION")));
    // The exit code is the program's own.
    assert_eq!(run(clean(&python).args(["-m", "lsmi_etl", "annotate", "a", "b"])).code, 66);

    // The package's functions take no other package, as long as paths are given.
    let fails =
        "import lsmi_etl\ntry: lsmi_etl.annotate('a', 'b')\nexcept lsmi_etl.errors.NoInput: print('none')";
    assert_eq!(must(clean(&python).args(["-c", fails])).stdout, "none\n");

    // The native module reads where pyarrow keeps batches, with ONNX Runtime of the same environment.
    must(Command::new(&python).args(pip).arg(format!("{}[python]", wheel.display())));
    must(clean(&venv.join("bin/lsmi-etl")).args([
        "synth",
        "gaussian",
        "--rows",
        "2000",
        "-o",
        "train.parquet",
    ]));
    must(clean(&venv.join("bin/lsmi-etl")).args(["fit", "train.parquet"]));
    let annotates = "import lsmi_etl, logging, pyarrow.parquet\nlogging.basicConfig(level='INFO')\n\
                     rows = pyarrow.parquet.read_table('train.parquet')\n\
                     with lsmi_etl.Annotator('lsmi-bundle') as annotate: print(annotate(rows).column_names[-4:])";
    let annotated = must(clean(&python).args(["-c", annotates]));
    assert_eq!(annotated.stdout, "['r', 'u1', 'u2', 's']\n");
    assert!(annotated.stderr.contains("engine: onnxruntime ("), "{}", annotated.stderr);

    let demo = must(clean(&venv.join("bin/lsmi-etl")).args(["demo", "--rows", "2000"]));
    assert!(
        demo.stderr.contains("onnxruntime (") || demo.stdout.contains("onnxruntime ("),
        "{}",
        demo.stderr
    );
}
