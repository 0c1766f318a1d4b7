//! A real data set end to end: the README of `pipelines/digits`, as its reader runs it.

use std::process::Command;

use crate::harness::{lsmi, must, python, query, repository};

#[test]
fn fit_annotate_and_ask() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    must(Command::new(python()).current_dir(dir).arg(repository().join("pipelines/digits/make_digits.py")));
    must(
        lsmi()
            .current_dir(dir)
            .args(["fit", "digits-train.parquet", "--bundle", "digits-bundle"])
            .args(["--x1", "top", "--x2", "bottom", "--label", "label"]),
    );
    must(lsmi().current_dir(dir).args([
        "annotate",
        "digits-test.parquet",
        "digits.parquet",
        "--bundle",
        "digits-bundle",
        "--columns",
        "i1,i2,i12",
    ]));
    let means = query(
        dir,
        "SELECT count(*) AS rows, avg(i1) AS i1, avg(i2) AS i2, avg(i12) AS i12, avg(r) AS r, avg(s) AS s, \
         max(abs(r + u1 - i1)) + max(abs(r + u2 - i2)) + max(abs(r + u1 + u2 + s - i12)) AS broken, \
         sum(CASE WHEN u1 * u2 > 1e-9 THEN 1 ELSE 0 END) AS impossible FROM 'digits.parquet'",
    );
    let of = |name: &str| means[name].as_f64().unwrap();
    assert_eq!((means["rows"].as_i64(), means["impossible"].as_i64()), (Some(597), Some(0)), "{means}");
    assert!(of("broken") < 1e-4, "{means}");
    // Ten digits, nearly equally frequent: the pair says almost all of ln 10 = 2.303
    // nats, each half less than the pair, and no more than there is to say.
    assert!(of("i12") > 2.0 && of("i12") < 2.31, "{means}");
    assert!(of("i1") > 1.4 && of("i2") > 1.2 && of("i1") < of("i12") && of("i2") < of("i12"), "{means}");
    // Rows choose between i1 and i2, so that the mean can be a little above both.
    assert!(of("r") > 1.0 && of("r") < of("i1").max(of("i2")) + 0.05, "{means}");
}
