//! What a cluster answers to queries is what one machine answers: the same rows, errors and exit codes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::killed::spawn;
use super::{Cluster, DEADLINE, finish, run, within};
use crate::harness::stores::Server;
use crate::harness::{Ran, build, bundle, fitted, lsmi, must, once, repository};

/// Tables: `samples/` of six annotated files, `parts/` of the same in folders of hive partitions, the same
/// rows as CSV, JSON and Arrow, `odd.parquet` of odd numbers and nulls, and `large.parquet` of many row
/// groups.
fn tables() -> &'static Path {
    static TABLES: OnceLock<PathBuf> = OnceLock::new();
    TABLES.get_or_init(|| once("cluster-tables", &build(), make))
}

fn make(dir: &Path) {
    std::fs::create_dir_all(dir.join("samples")).unwrap();
    let input = fitted().join("in.parquet");
    let mut annotate = lsmi();
    annotate.current_dir(dir).args(["annotate", "--bundle"]).arg(bundle()).arg(input).arg("all.parquet");
    must(&mut annotate);
    let make = |sql: &str, output: &str| {
        must(lsmi().current_dir(dir).args(["sql", sql, "--output", output]));
    };
    let all =
        "(SELECT CAST(row_number() OVER (ORDER BY true_r, r, s) AS BIGINT) AS id, * FROM 'all.parquet')";
    for part in 0..6 {
        let rows = format!("SELECT * FROM {all} WHERE id % 6 = {part} ORDER BY id");
        make(&rows, &format!("samples/{part}.parquet"));
        let folder = dir.join(format!("parts/day=2026-01-0{}/half={}", part / 2 + 1, part % 2));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(dir.join(format!("samples/{part}.parquet")), folder.join("rows.parquet")).unwrap();
    }
    for ending in ["csv", "ndjson", "arrow"] {
        let rows = format!("SELECT id, y, r, u1, u2, s FROM {all} ORDER BY id");
        make(&rows, &format!("rows.{ending}"));
    }
    let odd = "SELECT * FROM (VALUES (1, 'NaN'::double, 'a'), (2, -0.0, 'b'), (3, 0.0, NULL), (4, NULL, 'a'), \
               (5, -'NaN'::double, 'b'), (6, 'inf'::double, 'c'), (7, 2.5, 'a')) AS t(k, v, name)";
    make(odd, "odd.parquet");
    let large = "SELECT value AS id, value % 1000 AS k, value * 0.5 AS v, 'text ' || (value % 97) AS t FROM \
                 generate_series(1, 1500000)";
    make(large, "large.parquet");
}

/// Queries whose rows must be the same; ordered ones in their order.
const QUERIES: &[&str] = &[
    "SELECT count(*) AS n, min(id) AS a, max(id) AS b, sum(id) AS c FROM 'samples/'",
    "SELECT y, count(*) AS n, round(avg(r), 5) AS r FROM 'samples/' GROUP BY y ORDER BY y",
    "SELECT y, round(avg(r), 5) AS r FROM 'samples/' GROUP BY y HAVING avg(s) > -1",
    "SELECT id, r FROM 'samples/' WHERE r > 1 ORDER BY r DESC, id LIMIT 20",
    "SELECT id, r FROM 'samples/' ORDER BY r, id LIMIT 7 OFFSET 30",
    "SELECT * FROM 'samples/3.parquet'",
    "SELECT id FROM 'samples/' LIMIT 5 OFFSET 10",
    "SELECT DISTINCT y FROM 'samples/'",
    "SELECT count(DISTINCT id % 17) AS n FROM 'samples/'",
    "SELECT id FROM 'samples/0.parquet' UNION ALL SELECT id FROM 'samples/1.parquet'",
    "SELECT y FROM 'samples/0.parquet' UNION SELECT y FROM 'samples/1.parquet'",
    "SELECT id FROM 'samples/' INTERSECT SELECT id FROM 'samples/2.parquet'",
    "SELECT id FROM 'samples/' EXCEPT SELECT id FROM 'samples/2.parquet'",
    "SELECT a.id, b.r FROM 'samples/' AS a JOIN 'rows.csv' AS b ON a.id = b.id WHERE a.y = 1",
    "SELECT a.id, b.id AS other FROM 'samples/0.parquet' AS a LEFT JOIN 'samples/' AS b ON a.id = b.id + 1",
    "SELECT a.id, b.id AS other FROM 'samples/0.parquet' AS a FULL JOIN 'samples/1.parquet' AS b ON a.id = b.id - 1",
    "SELECT a.id FROM 'samples/0.parquet' AS a RIGHT JOIN 'samples/' AS b ON a.id = b.id AND a.r > b.s",
    "SELECT count(*) AS n FROM 'samples/0.parquet' AS a, 'samples/' AS b WHERE a.r > b.r + 1",
    "SELECT a.id, b.k FROM 'samples/' AS a LEFT JOIN 'odd.parquet' AS b ON a.r > b.v + 1 AND b.v > 1 WHERE a.id < 40",
    "SELECT b.k, a.id FROM 'odd.parquet' AS b LEFT JOIN 'samples/' AS a ON a.r > b.v AND a.id < 3",
    "SELECT b.k, a.id FROM 'odd.parquet' AS b FULL JOIN 'samples/' AS a ON a.id < b.v AND a.id < 5",
    "SELECT k FROM 'odd.parquet' AS b WHERE NOT EXISTS (SELECT 1 FROM 'samples/' AS a WHERE a.r > b.v)",
    "SELECT k FROM 'odd.parquet' AS b WHERE EXISTS (SELECT 1 FROM 'samples/' AS a WHERE a.r > b.v)",
    "SELECT id FROM 'samples/' WHERE id NOT IN (SELECT id FROM 'samples/1.parquet') AND id < 50",
    "SELECT k FROM 'odd.parquet' WHERE name NOT IN (SELECT name FROM 'odd.parquet' WHERE k > 3)",
    "SELECT k FROM 'odd.parquet' WHERE k NOT IN (SELECT k FROM 'odd.parquet' WHERE v > 1)",
    "SELECT id FROM 'samples/' WHERE r = (SELECT max(r) FROM 'samples/')",
    "SELECT id, (SELECT count(*) FROM 'odd.parquet' AS o WHERE o.k = t.id) AS n FROM 'samples/' AS t WHERE id < 9",
    "SELECT id, row_number() OVER (PARTITION BY y ORDER BY r DESC, id) AS place FROM 'samples/'",
    "SELECT id, round(sum(r) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW), 4) AS near FROM 'samples/'",
    "SELECT id, ntile(3) OVER (ORDER BY r, id) AS third, lag(id) OVER (ORDER BY id) AS before FROM 'samples/'",
    "SELECT y, id % 3 AS m, grouping(y) AS g, count(*) AS n FROM 'samples/' GROUP BY ROLLUP(y, id % 3)",
    "SELECT v, count(*) AS n FROM 'odd.parquet' GROUP BY v",
    "SELECT k, v, name FROM 'odd.parquet' ORDER BY v DESC NULLS LAST, name, k",
    "SELECT a.k, b.k AS other FROM 'odd.parquet' AS a JOIN 'odd.parquet' AS b ON a.v = b.v",
    "SELECT a.k, b.k AS other FROM 'odd.parquet' AS a JOIN 'odd.parquet' AS b ON a.name IS NOT DISTINCT FROM b.name",
    "SELECT name, count(v) AS n, max(v) AS most FROM 'odd.parquet' GROUP BY name ORDER BY name NULLS FIRST",
    "SELECT k FROM 'odd.parquet' WHERE v IN (0.0, 1.0, 2.0, 3.0, 2.5)",
    "SELECT day, half, count(*) AS n FROM 'parts/' GROUP BY day, half ORDER BY day, half",
    "SELECT count(*) AS n, sum(id) AS s FROM 'parts/' WHERE day = '2026-01-02' AND half = 1 AND r > 0",
    "SELECT y, count(*) AS n, round(avg(r), 5) AS r FROM 'rows.csv' GROUP BY y",
    "SELECT y, count(*) AS n, round(avg(r), 5) AS r FROM 'rows.ndjson' GROUP BY y",
    "SELECT y, count(*) AS n, round(avg(r), 5) AS r FROM 'rows.arrow' GROUP BY y",
    "SELECT k, count(*) AS n, sum(id) AS s FROM 'large.parquet' GROUP BY k ORDER BY s DESC LIMIT 10",
    "SELECT count(*) AS n, sum(id) AS s FROM 'large.parquet' WHERE id BETWEEN 700000 AND 700100",
    "SELECT id, t FROM 'large.parquet' WHERE id % 100000 = 3",
    "SELECT t, min(v) AS least FROM 'large.parquet' WHERE t LIKE '%9' GROUP BY t",
    "SELECT dominant(r, u1, u2, s) AS part, count(*) AS n FROM 'samples/' GROUP BY 1",
    "SELECT y, p['rows'] AS rows, round(p['r'], 5) AS r, round(p['s_std_error'], 5) AS e FROM (SELECT y, \
     lsmi_summary(r, u1, u2, s) AS p FROM 'samples/' GROUP BY y)",
    "SELECT lsmi_summary(r, u1, u2, s)['rows'] AS rows FROM 'samples/'",
    "SELECT id, lsmi(x1, x2, y) AS parts FROM 'samples/' ORDER BY id LIMIT 50",
    "SELECT id, lsmi_r(x1, x2, y) AS a, lsmi_s(x1, x2, y) AS b, r, s FROM 'samples/' WHERE lsmi_i12(x1, x2, y) < 0",
    "SELECT y, round(avg(lsmi_u1(x1, x2, y)), 4) AS u1 FROM 'samples/' GROUP BY y",
    "SELECT a.id FROM 'samples/0.parquet' AS a JOIN 'samples/0.parquet' AS b ON a.id = b.id AND \
     lsmi_r(a.x1, a.x2, b.y) > 1",
    "SELECT y, grouping(y) AS g, round(sum(lsmi_r(x1, x2, y)), 2) AS r FROM 'samples/' GROUP BY ROLLUP(y)",
    "SELECT id, repeat('ab', 2) || y AS t, concat_ws('-', y, id) AS c FROM 'samples/' WHERE id < 20",
    "SELECT id, x1[1] AS first, array_length(x2) AS n FROM 'samples/' WHERE id % 100 = 0",
    "SELECT unnest([id, -id]) AS one FROM 'samples/' WHERE id < 10",
    "SELECT s.id, v.value FROM 'samples/' AS s JOIN generate_series(1, 20) AS v ON s.id = v.value",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, count(*) AS n FROM n \
     JOIN 'samples/' AS s ON s.id = i GROUP BY i",
    "SELECT sum(id) AS s FROM 'samples/' WHERE id < 0",
    "SELECT max(length(t)) AS n FROM (SELECT string_agg(t, ',' ORDER BY id) AS t FROM 'large.parquet' WHERE id < 100)",
    "SELECT approx_distinct(k) > 900 AS many, median(k) AS mid FROM 'large.parquet'",
    "SELECT y, r FROM (SELECT y, r FROM 'samples/' ORDER BY r DESC, id LIMIT 100) WHERE y <> 2",
    "SELECT CAST(v AS BIGINT) AS v FROM 'odd.parquet' WHERE k IN (3, 7)",
    "SELECT 1 AS id UNION ALL SELECT id FROM 'samples/'",
    "SELECT 'x' AS t, id FROM 'samples/' UNION SELECT 'y', 1",
    "SELECT sum(id) AS s FROM (SELECT id FROM 'samples/' UNION ALL SELECT 1)",
    "SELECT id FROM 'samples/' WHERE id IN (SELECT 1 UNION ALL SELECT k FROM 'odd.parquet')",
    "SELECT id, (SELECT name FROM 'odd.parquet' WHERE k = 3 AND v > 100) AS none FROM 'samples/' WHERE id < 9",
    "SELECT id FROM 'samples/' WHERE id = (SELECT k FROM 'odd.parquet' ORDER BY k LIMIT 1)",
    "SELECT arrow_cast(CAST(y AS VARCHAR), 'Dictionary(Int32, Utf8)') AS word, count(*) AS n FROM 'samples/' GROUP BY 1",
    "SELECT id, arrow_cast(CAST(y AS VARCHAR), 'Dictionary(Int32, Utf8)') AS word FROM 'samples/' ORDER BY id LIMIT 9",
];

/// Runs statements in the folder of tables, on a cluster or not.
fn sql(cluster: Option<&str>, more: &[&str]) -> Command {
    let mut command = lsmi();
    command.current_dir(tables()).args(["sql", "--bundle"]).arg(bundle()).args(more);
    if let Some(cluster) = cluster {
        command.args(["--cluster", cluster]);
    }
    command
}

/// The rows of each of [`QUERIES`], and what went to the log.
fn all_rows(cluster: Option<&str>) -> (Vec<Vec<String>>, String) {
    let script: String =
        QUERIES.iter().map(|query| format!("SELECT 'next query' AS marker;\n{query};\n")).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let ran = run(&mut sql(cluster, &["--format", "ndjson", "-f", file.path().to_str().unwrap()]));
    let done = ran.stdout.matches("next query").count();
    assert_eq!(ran.code, 0, "query {done}: {:?}\n{}", QUERIES.get(done.wrapping_sub(1)), ran.stderr);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in ran.stdout.lines() {
        match line.contains("next query") {
            true => rows.push(Vec::new()),
            false => rows.last_mut().unwrap().push(line.to_owned()),
        }
    }
    (rows, ran.stderr)
}

#[test]
fn queries_have_the_rows_of_one_machine() {
    let (one, _) = all_rows(None);
    let cluster = Cluster::start(2);
    for address in ["local:2", &cluster.address] {
        let (rows, log) = all_rows(Some(address));
        assert_eq!((rows.len(), one.len()), (QUERIES.len(), QUERIES.len()));
        for ((query, mut rows), mut one) in QUERIES.iter().zip(rows).zip(one.clone()) {
            // An order within the query only is not one of the result.
            let is_ordered = query.rfind("ORDER BY").is_some_and(|at| !query[at..].contains(')'));
            if !is_ordered {
                rows.sort();
                one.sort();
            }
            assert_eq!(rows, one, "{address}: {query}");
        }
        // A recursion, four unions with constants, and a subquery that might give several rows.
        let here: Vec<&str> = log.lines().filter(|line| line.contains("runs in this process")).collect();
        assert_eq!(here.len(), 6, "{here:?}");
    }
}

#[test]
fn recipes_have_the_rows_of_one_machine() {
    let recipes = std::fs::read_dir(repository().join("pipelines/sql")).unwrap().flatten();
    let mut count = 0;
    for recipe in
        recipes.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "sql"))
    {
        let recipe = recipe.to_str().unwrap();
        // Columns of three modalities as well: any, for what is compared is one machine and many.
        let three = ["u3", "i_12", "i_13", "i_23", "i_123", "i_1", "i_2", "i_3"].into_iter();
        let atoms = "a_1_2_3 a_1_2 a_1_3 a_2_3 a_1_23 a_2_13 a_3_12 a_1 a_2 a_3 a_12_13_23 a_12_13 a_12_23 a_13_23 \
                     a_12 a_13 a_23 a_123";
        let three = three.chain(atoms.split(' ')).enumerate();
        let three = three.map(|(at, name)| format!(", r + {at} * s AS {name}")).collect::<String>();
        // A recipe of two refuses a table that has u3.
        let is_of_two = std::fs::read_to_string(recipe).unwrap().contains("NULL AS u3");
        let three = if is_of_two { String::new() } else { three };
        let view = format!("SELECT *, y AS label {three} FROM 'samples/'");
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("annotated.parquet");
        must(sql(None, &[&view, "--output", table.to_str().unwrap()]).current_dir(tables()));
        let table = table.to_str().unwrap();
        let [annotated, earlier, later] =
            ["annotated", "earlier", "later"].map(|name| format!("{name}={table}"));
        let args = ["--format", "csv", "-f", recipe, "-t", &annotated, "-t", &earlier, "-t", &later];
        let (one, two) = (run(&mut sql(None, &args)), run(&mut sql(Some("local:2"), &args)));
        assert_eq!((one.code, two.code), (0, 0), "{recipe}: {}", two.stderr);
        assert_eq!(two.stdout, one.stdout, "{recipe}");
        assert!(!two.stderr.contains("runs in this process"), "{recipe}: {}", two.stderr);
        count += 1;
    }
    assert!(count >= 11);
}

fn error(ran: &Ran) -> String {
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("ERROR")).collect();
    let [error] = errors[..] else { panic!("not one error: {}", ran.stderr) };
    error.to_owned()
}

#[test]
fn errors_have_the_message_and_the_code_of_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.parquet");
    let mut bytes = std::fs::read(tables().join("large.parquet")).unwrap();
    bytes[4..2000].fill(0xff);
    std::fs::write(&damaged, bytes).unwrap();
    let damaged = damaged.to_str().unwrap();
    let of_damaged = format!("SELECT sum(id), sum(k), sum(v), count(t) FROM '{damaged}'");
    let joined =
        format!("SELECT count(*) FROM '{damaged}' AS a JOIN 'samples/' AS b ON a.id = b.id WHERE a.t <> 'x'");
    let queries = [
        of_damaged.as_str(),
        joined.as_str(),
        "SELECT no FROM 'samples/'",
        "SELECT (SELECT k FROM 'odd.parquet') AS k",
        "SELECT id FROM 'samples/' WHERE id > (SELECT k FROM 'odd.parquet' ORDER BY k)",
        "SELECT id FROM 'no-such.parquet'",
        // Of one row: which is the first to fail is chance.
        "SELECT sum(CAST(t AS BIGINT)) FROM 'large.parquet' WHERE t = 'text 1'",
        "SELECT id / (id - id) FROM 'large.parquet'",
        "SELECT a.id FROM 'large.parquet' AS a JOIN 'samples/' AS b ON CAST(a.t AS BIGINT) = b.id \
         WHERE a.t = 'text 1'",
        "SELECT max(length(repeat(t, 100000000))) FROM 'large.parquet' WHERE id = 7",
        "SELECT lsmi(x1, x2, y, 'no-such-bundle') FROM 'samples/'",
        "SELECT lsmi(x1, x2) FROM 'samples/'",
    ];
    for query in queries {
        let args = ["--memory-limit", "500MB", query];
        let (one, two) = (run(&mut sql(None, &args)), run(&mut sql(Some("local:2"), &args)));
        assert_eq!((two.code, error(&two)), (one.code, error(&one)), "{query}");
        assert_ne!(one.code, 0);
    }
}

#[test]
fn rows_go_where_they_go_on_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT id, y, r, lsmi_s(x1, x2, y) AS s FROM 'samples/' ORDER BY id";
    for ending in ["parquet", "csv", "arrow", "md"] {
        let outputs = [None, Some("local:2")].map(|cluster| {
            let output = folder.path().join(format!("{}.{ending}", cluster.is_some()));
            let output = output.to_str().unwrap();
            must(&mut sql(cluster, &[query, "--output", output]));
            match ending {
                // Their batches may be others.
                "parquet" | "arrow" => {
                    must(lsmi().args(["sql", "--format", "csv", &format!("SELECT * FROM '{output}'")])).stdout
                }
                _ => std::fs::read_to_string(output).unwrap(),
            }
        });
        assert_eq!(outputs[0], outputs[1], "{ending}");
    }
    // What is no query is done by the client.
    let copy = folder.path().join("copy.parquet");
    let statements = format!(
        "CREATE VIEW v AS SELECT id, y FROM 'samples/' WHERE id < 100; CREATE TABLE t AS SELECT * FROM v; \
         SELECT count(*) AS n FROM t; SELECT sum(id) AS s FROM v; COPY (SELECT * FROM v ORDER BY id) TO '{0}'; \
         SELECT count(*) AS c FROM '{0}'; DESCRIBE '{0}'; EXPLAIN SELECT sum(id) FROM v",
        copy.display()
    );
    let ran = must(&mut sql(Some("local:2"), &["--format", "csv", &statements]));
    assert!(ran.stdout.contains("n\n99\n") && ran.stdout.contains("s\n4950\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("c\n99\n") && ran.stdout.contains("ScanExec"), "{}", ran.stdout);
}

#[test]
fn files_of_a_store_are_read_by_the_executors() {
    let server = Server::s3();
    for part in 0..3 {
        let file = tables().join(format!("samples/{part}.parquet"));
        server.put(&format!("samples/part={part}/rows.parquet"), &file);
    }
    let query = "SELECT part, count(*) AS n, round(avg(lsmi_r(x1, x2, y)), 4) AS r FROM 's3://data/samples/' WHERE part \
                 > 0 GROUP BY part ORDER BY part";
    let answers = [None, Some("local:2")].map(|cluster| {
        let mut command = server.lsmi();
        command.args(["sql", "--format", "csv", query, "--bundle"]).arg(bundle());
        must(command.args(cluster.map(|cluster| ["--cluster", cluster]).into_iter().flatten())).stdout
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].lines().count(), 3);
}

/// A query that takes a while: the sum over so many pairs of rows.
const LONG: &str = "SELECT sum(a.v + b.v) AS s, count(*) AS n FROM 'large.parquet' AS a JOIN 'large.parquet' AS b ON a.k \
                    = b.k WHERE b.id < 30000";

#[test]
fn a_killed_executor_costs_no_row() {
    let one = must(&mut sql(None, &["--format", "csv", LONG])).stdout;
    for wait in [300, 900, 1500] {
        let mut cluster = Cluster::start(2);
        let client = spawn(&mut sql(Some(&cluster.address), &["--format", "csv", LONG]));
        std::thread::sleep(Duration::from_millis(wait));
        cluster.executors[0].kill();
        let ran = finish(client);
        match ran.code {
            0 => assert_eq!(ran.stdout, one),
            code => assert_eq!(code, 75, "{}\n{}", ran.stderr, cluster.scheduler.log()),
        }
        // The other one answers the next query.
        let again = run(&mut sql(Some(&cluster.address), &["--format", "csv", LONG]));
        assert_eq!((again.code, again.stdout), (0, one.clone()), "{}", again.stderr);
    }
}

#[test]
fn an_interrupted_query_is_cancelled() {
    let cluster = Cluster::start(1);
    let long = "SELECT count(*) FROM 'large.parquet' AS a JOIN 'large.parquet' AS b ON a.k = b.k WHERE a.v + b.v <> 1";
    let mut client = spawn(&mut sql(Some(&cluster.address), &[long]));
    std::thread::sleep(Duration::from_millis(1500));
    let start = Instant::now();
    let pid = client.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(within(DEADLINE, || client.try_wait().unwrap()).is_some());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let ran = finish(client);
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("the job is cancelled"), "{}", ran.stderr);
    // The executor is free for the next.
    let next = run(&mut sql(Some(&cluster.address), &["SELECT sum(id) FROM 'samples/'"]));
    assert_eq!(next.code, 0, "{}", next.stderr);
}

#[test]
fn a_lost_scheduler_ends_the_query() {
    let mut cluster = Cluster::start(1);
    let client = spawn(&mut sql(Some(&cluster.address), &[LONG]));
    std::thread::sleep(Duration::from_millis(700));
    cluster.scheduler.kill();
    let ran = finish(client);
    assert!(ran.code == 75 || ran.code == 0, "{}", ran.stderr);
    let ran = run(&mut sql(Some(&cluster.address), &[LONG]));
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(error(&ran).contains("scheduler"), "{}", ran.stderr);
}

#[test]
fn an_executor_on_another_device_refuses_naming_both() {
    let cluster = Cluster::start(1);
    let query = "SELECT avg(lsmi_r(x1, x2, y)) FROM 'samples/'";
    let ran = run(&mut sql(Some(&cluster.address), &["--device", "cuda", query]));
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(["executor", "the CPU", "GPUs"].iter().any(|word| error(&ran).contains(word)), "{}", ran.stderr);
    let shift = run(&mut sql(Some(&cluster.address), &["--on-shift", "fail", query]));
    assert_eq!(shift.code, 64, "{}", shift.stderr);
    assert!(error(&shift).contains("--on-shift"), "{}", shift.stderr);
}
