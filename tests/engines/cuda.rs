//! What `--device cuda` says where it can't: everything up to the session's creation,
//! which needs a GPU (`benches/gpu.sh` is for a machine that has one).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::files::listing;
use crate::harness::{annotate, fitted, lsmi, must, python, refused, run, runtime};

pub(super) fn cpu_library() -> std::path::PathBuf {
    let capi = runtime().join("cpu/onnxruntime/capi");
    let name = listing(&capi).into_iter().find(|name| name.starts_with("libonnxruntime.so"));
    capi.join(name.unwrap())
}

#[test]
fn a_cpu_build_is_named_and_passed_over() {
    for device in ["cuda", "cuda:1", "cuda:0,cuda:1"] {
        let ran = run(lsmi()
            .env("LSMI_ETL_RUNTIME_DIR", runtime())
            .args(["bundle", "check", "--device", device])
            .arg(fitted().join("bundle")));
        let words = [
            "no ONNX Runtime for GPUs",
            "is a build for the CPU",
            "`lsmi-etl runtime install --cuda`",
            "doctor",
        ];
        refused(&ran, 69, &words);
    }
}

#[test]
fn a_cpu_build_that_is_asked_for_is_tried() {
    let ran = run(lsmi().args(["doctor", "--device", "cuda:2", "--onnxruntime"]).arg(runtime().join("cpu")));
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    for word in
        ["cannot use cuda:2", "a build for the CPU", "`lsmi-etl runtime install --cuda`", "--device cpu"]
    {
        assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr);
    }
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("ERROR")).count(), 1, "{}", ran.stderr);
}

#[test]
fn nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--device", "cuda"]);
    refused(&ran, 69, &["runtime install --cuda"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn the_embedded_engine_has_no_gpu() {
    let ran = run(lsmi()
        .args(["bundle", "check", "--engine", "embedded", "--device", "cuda:0,cuda:1"])
        .arg(fitted().join("bundle")));
    refused(&ran, 69, &["embedded engine runs on the cpu only"]);
}

#[test]
fn devices_that_are_none() {
    for device in ["gpu", "cuda:", "cuda:64", "cuda:0,cpu"] {
        let ran = run(lsmi().args(["doctor", "--device", device]));
        assert_eq!(ran.code, 64, "{}", ran.stderr);
        assert!(ran.stderr.contains("--device"), "{}", ran.stderr);
    }
}

/// A folder that looks as `runtime install --cuda` leaves it, but whose library is the
/// CPU's, whose provider is no library, and in which one of CUDA's is broken.
fn broken_runtime(dir: &Path) {
    let capi = dir.join("cuda/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    let library = cpu_library();
    fs::copy(&library, capi.join(library.file_name().unwrap())).unwrap();
    fs::write(capi.join("libonnxruntime_providers_cuda.so"), "no library").unwrap();
    let nvidia = dir.join("cuda/nvidia/cu13/lib");
    fs::create_dir_all(&nvidia).unwrap();
    fs::write(nvidia.join("libcublas.so.13"), "no library").unwrap();
}

#[test]
fn the_doctor_lists_what_cuda_needs() {
    let dir = tempfile::tempdir().unwrap();
    broken_runtime(dir.path());
    let doctor = |device: &str| {
        run(lsmi().env("LSMI_ETL_RUNTIME_DIR", dir.path()).args(["doctor", "--device", device]))
    };
    let ran = doctor("cuda");
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    for line in ["found, for GPUs", "What CUDA needs:", "libcudart.so.13", "libcudnn.so.9", "libcuda.so.1"] {
        assert!(ran.stdout.contains(line), "no {line:?} in {}", ran.stdout);
    }
    let broken = ran.stdout.lines().find(|line| line.trim_start().starts_with("libcublas.so.13"));
    let broken = broken.unwrap();
    assert!(broken.contains("missing (") && broken.contains("nvidia/cu13/lib"), "{broken}");
    assert!(ran.stderr.contains("cannot use cuda:0"), "{}", ran.stderr);
    // The same library on the processor, where nothing of CUDA is loaded.
    let ran = doctor("cpu");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("on cpu") && !ran.stdout.contains("What CUDA needs"), "{}", ran.stdout);
}

/// The real build for GPUs without CUDA's libraries: with a driver and CUDA 13 on the
/// system it runs, anywhere else it says what it lacks.
#[test]
#[ignore = "downloads 256 MB"]
fn the_gpu_build_without_cuda() {
    let dir = tempfile::tempdir().unwrap();
    let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"];
    let package = "onnxruntime-gpu>=1.31,<1.32";
    must(Command::new(python()).args(pip).arg(dir.path().join("cuda")).arg(package));
    let ran = run(lsmi().env("LSMI_ETL_RUNTIME_DIR", dir.path()).args(["doctor", "--device", "cuda"]));
    assert!(ran.stdout.contains("found, for GPUs"), "{}", ran.stdout);
    if ran.code == 0 {
        assert!(Path::new("/dev/nvidiactl").exists() && ran.stdout.contains("on cuda:0"), "{}", ran.stdout);
        return;
    }
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("missing") && ran.stderr.contains("--device cpu"), "{}", ran.stderr);
}
