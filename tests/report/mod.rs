//! The report: its numbers against DuckDB's and numpy's, its page in a browser, and what
//! it refuses.

mod numbers;
pub mod page;
mod refused;
mod samples;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};

use crate::harness::files::batch;

/// Rows as annotate writes them, with 40 classes whose names a page must not believe.
pub fn odd_rows(count: usize, shift: f32) -> RecordBatch {
    let wave = |k: f32, from: f32| -> ArrayRef {
        // The first classes stand out, so that pictures and lists show them.
        let more = |row: usize| if row % 40 < 4 && k == 0.37 { 0.5 } else { 0.0 };
        let value =
            |row: usize| from + more(row) + ((row as f32) * k).sin() + 0.1 * ((row as f32) * 7.3).cos();
        Arc::new((0..count).map(|row| (row % 97 != 5).then(|| value(row))).collect::<Float32Array>())
    };
    let class = |row: usize| match row % 40 {
        0 => "<script>alert(1)</script>".to_owned(),
        1 => "a rather long name of a class that no column is wide enough for".to_owned(),
        2 => "\"quoted\" & 'quoted'".to_owned(),
        3 => "層の名前".to_owned(),
        n => format!("class {n}"),
    };
    let text = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..count).map(|row| Some(of(row))).collect::<StringArray>())
    };
    batch(&[
        ("id", text(&|row| format!("a/{row}\"><img src=x onerror=alert(1)>&b c"))),
        ("label", text(&class)),
        ("r", wave(0.37, 1.0 + shift)),
        ("u1", wave(0.11, 0.1)),
        ("u2", wave(0.71, -0.2)),
        ("s", wave(0.23, 0.3 - shift)),
    ])
}

/// The numbers of a report, to the last digit.
fn text(dir: &Path, args: &[&str]) -> String {
    let mut command = crate::harness::lsmi();
    command.current_dir(dir).args(["report", "--format", "json"]).args(args);
    crate::harness::must(&mut command).stdout
}

/// The same, parsed.
fn json(dir: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&text(dir, args)).unwrap()
}
