//! Queries that need more memory than `--memory-limit`: an error by name, whatever takes it.

use std::path::Path;

use crate::harness::{Ran, lsmi, refused, run};

fn ask(sql: &str) -> Ran {
    run(lsmi().current_dir(Path::new("/")).args(["sql", "--memory-limit", "64MiB", sql]))
}

#[test]
fn long_texts_and_lists_are_refused_by_their_function() {
    for (sql, function) in [
        ("SELECT max(length(concat(repeat('x', 1000000), value))) FROM generate_series(1, 1000)", "concat"),
        ("SELECT array_length(array_repeat(1, 100000000))", "array_repeat"),
        ("SELECT array_length(range(1000000000000))", "range"),
    ] {
        refused(&ask(sql), 64, &[function, "in one batch", "--memory-limit"]);
    }
}

#[test]
fn what_no_function_foresees_ends_with_the_limit() {
    for sql in [
        "SELECT max(length(repeat('x', 10000000) || value)) FROM generate_series(1, 8000)",
        "SELECT max(length(regexp_replace(repeat('x', 4000000), 'x', repeat('y', 4000), 'g')))",
        "SELECT max(length(array_to_string(range(1, 100000), repeat('y', 100000)))) FROM generate_series(1, 9)",
        "SELECT max(length(a)) FROM (SELECT repeat('x', 10000000) AS a FROM generate_series(1, 8000))",
        "SELECT length(string_agg(repeat('x', 1000000) || value, ',')) FROM generate_series(1, 5000)",
        "SELECT array_length(array_agg(repeat('x', 1000000) || value)) FROM generate_series(1, 5000)",
        "SELECT repeat('x', 10000000) || value AS a FROM generate_series(1, 8000) ORDER BY a",
    ] {
        let ran = ask(sql);
        let is_named = ran.stderr.contains("--memory-limit") || ran.stderr.contains("more than 2 GiB");
        assert!(ran.code == 64 && is_named, "{sql}: {} {}", ran.code, ran.stderr);
        assert!(ran.stderr.starts_with("ERROR ") && ran.stdout.is_empty(), "{}", ran.stderr);
    }
}

#[test]
fn what_fits_is_not_refused() {
    for sql in [
        "SELECT max(length(repeat('x', 1000) || value)) AS n FROM generate_series(1, 8000)",
        "SELECT count(*) AS n FROM generate_series(1, 3000000)",
        "SELECT length(string_agg(CAST(value AS VARCHAR), ',')) AS n FROM generate_series(1, 100000)",
        "SELECT sum(n) AS n FROM (SELECT value % 100000 AS k, count(*) AS n FROM generate_series(1, 2000000) GROUP BY k)",
    ] {
        let ran = ask(sql);
        assert_eq!(ran.code, 0, "{sql}: {}", ran.stderr);
    }
}
