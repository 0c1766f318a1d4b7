//! Inputs that somebody writes to while they are read: nothing comes of them, and what
//! was computed is thrown away.

use std::fs;

use super::{Fault, INPUT, calls, folder, points, with_fault, work};
use crate::harness::files::{listing, read};
use crate::harness::run;

#[test]
fn an_input_that_is_changed_while_it_is_read_is_noticed() {
    const READS: &str = "read,pages";
    let count = calls(READS, INPUT);
    for what in ["touch", "halve", "replace"] {
        for at in points(count) {
            let dir = folder();
            fs::write(dir.path().join("with"), &work().input).unwrap();
            let (ran, _) = with_fault(dir.path(), Fault { calls: READS, path: INPUT, at, what });
            assert_eq!(ran.code, 75, "{what} at {at}: {}", ran.stderr);
            assert!(
                ran.stderr.contains("in.parquet: the input was changed"),
                "{what} at {at}: {}",
                ran.stderr
            );
            let _ = fs::remove_file(dir.path().join("with"));
            assert_eq!(listing(dir.path()), [INPUT], "{what} at {at}");
        }
    }
    // What it has become is annotated by the next run.
    let dir = folder();
    with_fault(dir.path(), Fault { calls: READS, path: INPUT, at: count / 2, what: "touch" });
    let again = run(&mut super::annotate(dir.path()));
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(read(&dir.path().join("out.parquet")).num_rows(), 300);
}
