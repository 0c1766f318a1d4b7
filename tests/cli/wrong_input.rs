//! Wrong input, each with its message and its exit code.

use crate::harness::{fitted, lsmi_in};

#[test]
fn no_such_file() {
    let ran = lsmi_in(fitted(), ["annotate", "absent.parquet", "out.parquet", "--bundle", "bundle"]);
    assert_eq!(ran.code, 66, "{}", ran.stderr);
    assert!(ran.stderr.contains("absent.parquet"), "{}", ran.stderr);
}
