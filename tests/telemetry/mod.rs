//! What a run tells machines: log lines as JSON, spans and metrics to a collector, a file
//! for Prometheus.

mod logs;
pub mod otlp;
pub mod prometheus;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use crate::harness::files::{replaced, write};
use crate::harness::{self, rows};

/// Python with a decoder of OTLP and Prometheus' parser.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<std::path::PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| harness::environment("venv-telemetry", "tests/python/requirements-telemetry.txt"))
}

/// 250 rows in three row groups, three of them without a label and two of an unknown one.
pub fn flawed(path: &Path) {
    let rows = rows(250);
    let y = rows.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let label = |row| match row {
        40..43 => None,
        120 | 240 => Some(77),
        _ => Some(y.value(row)),
    };
    let y: ArrayRef = Arc::new(Int64Array::from_iter((0..y.len()).map(label)));
    write(path, &replaced(&rows, "y", y));
}
