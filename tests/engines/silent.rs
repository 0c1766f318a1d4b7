//! ONNX Runtime's builds collect usage data for their maker, below the user's home. Not
//! here.

use std::fs;

use crate::harness::files::{read, write};
use crate::harness::{bundle, lsmi, must, rows, runtime};

#[test]
fn nothing_is_collected_for_onnx_runtimes_maker() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    write(&dir.path().join("in.parquet"), &rows(30));
    let mut command = lsmi();
    command.current_dir(dir.path()).env("HOME", &home).env_remove("ORT_DISABLE_TELEMETRY");
    for folder in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        command.env_remove(folder);
    }
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).args(["annotate", "--engine", "onnxruntime", "--bundle"]);
    must(command.arg(bundle()).args(["in.parquet", "out.parquet"]));
    assert_eq!(read(&dir.path().join("out.parquet")).num_rows(), 30);
    let left: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
