//! What a cluster tells of itself: metrics of its parts, the metrics and traces of a run, its progress, and
//! what executors that were killed leave on their machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::killed::{Work, spawn};
use super::{
    Cluster, DEADLINE, EXECUTOR_TIMEOUT, Process, annotate_on, files, finish, run, scheduler, within,
};
use crate::harness::files::contents;
use crate::harness::stores::Server;
use crate::harness::{bundle, fitted, last_json, lsmi, must, query};
use crate::telemetry::otlp::{Collector, all, attribute, base64};
use crate::telemetry::prometheus::{parsed, sample};
use crate::telemetry::{flawed, python};

/// The answer to a GET request.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The address of a process' metrics.
fn metrics_of(process: &Process) -> String {
    let line = process.says("metrics at http://");
    line.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned()
}

/// A sample of an answer with metrics, which Prometheus' parser must read.
fn scraped(address: &str, name: &str) -> f64 {
    let answer = get(address, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics");
    std::fs::write(&file, body).unwrap();
    let script = "import sys
from prometheus_client.parser import text_string_to_metric_families as parse
print(sum(len(family.samples) for family in parse(open(sys.argv[1]).read())))";
    must(Command::new(python()).args(["-c", script]).arg(&file));
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {body}")).parse().unwrap()
}

#[test]
fn scheduler_and_executors_have_metrics_and_probes() {
    let work = Work::new(5, 1_000);
    let bind = ["--metrics-bind", "127.0.0.1:0"];
    let mut cluster = Cluster::start(0);
    let mut command = scheduler("127.0.0.1:0", EXECUTOR_TIMEOUT);
    cluster.scheduler = Process::start("scheduler", command.args(bind));
    cluster.address = super::address_of(&cluster.scheduler);
    let of_scheduler = metrics_of(&cluster.scheduler);
    assert!(get(&of_scheduler, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&of_scheduler, "/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(scraped(&of_scheduler, "lsmi_etl_scheduler_executors"), 0.0);
    cluster.add_executor(&bind);
    let of_executor = metrics_of(&cluster.executors[0]);
    let is_ready = |of: &str| get(of, "/readyz").starts_with("HTTP/1.1 200").then_some(());
    within(DEADLINE, || is_ready(&of_executor).and(is_ready(&of_scheduler))).expect("both become ready");
    assert_eq!(scraped(&of_scheduler, "lsmi_etl_scheduler_executors"), 1.0);
    assert_eq!(scraped(&of_executor, "lsmi_etl_executor_slots"), 1.0);

    std::fs::write(work.input.join("bad.parquet"), "PAR1 and nothing else").unwrap();
    let ran = run(&mut cluster.annotate(&work.input, &work.output, &["--on-bad-file", "skip"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for (name, value) in [
        ("units_total{outcome=\"written\"}", 5.0),
        ("units_total{outcome=\"bad\"}", 1.0),
        ("units_total{outcome=\"refused\"}", 0.0),
        ("rows_total", 5_000.0),
        ("running_units", 0.0),
    ] {
        assert_eq!(scraped(&of_executor, &format!("lsmi_etl_executor_{name}")), value, "{name}");
    }
    // A job of the bundle and one of the units; Ballista counts on a thread of its own.
    let counted = |name: &str, value| (scraped(&of_scheduler, name) == value).then_some(());
    within(DEADLINE, || counted("job_completed_total", 2.0)).expect("the jobs are counted");
    for (name, value) in
        [("job_submitted_total", 2.0), ("job_failed_total", 0.0), ("job_exec_time_seconds_count", 2.0)]
    {
        assert_eq!(scraped(&of_scheduler, name), value, "{name}");
    }
}

#[test]
fn the_metrics_of_a_run_are_those_of_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    files(&input, 2, 700);
    flawed(&input.join("flawed.parquet"));
    let metrics = |command: &mut Command, name: &str| {
        let file = folder.path().join(name);
        let ran = run(command.arg("--metrics").arg(&file));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        parsed(&file)
    };
    let mut one = lsmi();
    one.args(["annotate", "--bundle"]).arg(bundle()).arg(&input).arg(folder.path().join("one"));
    let one = metrics(&mut one, "one.prom");
    let two = metrics(&mut annotate_on("local:2", &input, &folder.path().join("two"), &[]), "two.prom");
    for name in [
        "rows_total",
        "bad_rows_total{reason=null_label}",
        "bad_rows_total{reason=unknown_label}",
        "resumed_rows_total",
        "files_total{outcome=written}",
        "read_bytes_total",
        "written_bytes_total",
        "mean_nats{part=r}",
        "mean_nats{part=s}",
        "last_run_success",
    ] {
        assert_eq!(sample(&two, name), sample(&one, name), "{name}");
    }
    assert_eq!(sample(&two, "rows_total"), 1_650.0);
    for stage in ["read", "evaluate", "journal", "write"] {
        assert!(sample(&two, &format!("stage_seconds_total{{stage={stage}}}")) > 0.0, "{stage}");
    }
    assert_eq!(two["types"], one["types"]);
}

#[test]
fn the_spans_of_units_hang_below_that_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    files(&input, 3, 500);
    std::fs::write(input.join("bad.parquet"), "PAR1 and nothing else").unwrap();
    let collector = Collector::answering("200");
    let mut cluster = Cluster::start(0);
    cluster.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector.url.clone())];
    (0..2).for_each(|_| cluster.add_executor(&[]));
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let mut command = cluster.annotate(&input, &folder.path().join("out"), &["--on-bad-file", "skip"]);
    let ran = run(command.env("TRACEPARENT", format!("00-{trace}-{parent}-01")));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // Executors export at their end at the latest.
    for executor in &mut cluster.executors {
        assert_eq!(executor.terminate().0, Some(0), "{}", executor.log());
    }

    let received = collector.received();
    let spans: Vec<_> = received.iter().flat_map(|request| all(&request["message"], "spans")).collect();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [root] = named("lsmi-etl annotate")[..] else { panic!("not one run: {spans:?}") };
    assert_eq!((&root["traceId"], &root["parentSpanId"]), (&base64(trace).into(), &base64(parent).into()));
    let units = named("unit");
    assert_eq!(units.len(), 4, "{spans:?}");
    for unit in &units {
        assert_eq!((&unit["traceId"], &unit["parentSpanId"]), (&root["traceId"], &root["spanId"]), "{unit}");
        let input = attribute(unit, "input").unwrap();
        let below = named("file").into_iter().filter(|file| file["parentSpanId"] == unit["spanId"]);
        assert_eq!(below.count(), 1, "{input}");
    }
}

#[test]
fn rejects_name_the_inputs_as_they_were_given() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    flawed(&folder.path().join("in/flawed.parquet"));
    let annotate = |command: &mut Command, more: [&str; 3]| {
        let [input, output, rejects] = more;
        command.current_dir(folder.path()).args([
            "annotate",
            input,
            output,
            "--rejects",
            rejects,
            "--bundle",
        ]);
        must(command.arg(bundle()))
    };
    annotate(&mut lsmi(), ["in", "one", "one-rejects"]);
    annotate(lsmi().env("LSMI_ETL_CLUSTER", "local:1"), ["in", "two", "two-rejects"]);
    let one = contents(&folder.path().join("one-rejects"));
    assert!(!one.is_empty());
    assert_eq!(contents(&folder.path().join("two-rejects")), one);
    // One file by its own name.
    let input = ["in/flawed.parquet", "out.parquet", "rejects.parquet"];
    annotate(lsmi().env("LSMI_ETL_CLUSTER", "local:1"), input);
    let named = query(folder.path(), "SELECT DISTINCT file FROM 'rejects.parquet'");
    assert_eq!(named["file"], "in/flawed.parquet");
}

#[test]
fn the_next_executor_removes_what_a_killed_one_has_left() {
    let temporary = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(0);
    cluster.environment = vec![("TMPDIR".to_owned(), temporary.path().to_str().unwrap().to_owned())];
    let folders = |path: &Path| std::fs::read_dir(path).unwrap().count();
    for _ in 0..2 {
        cluster.add_executor(&[]);
        cluster.executors.last().unwrap().says("with 1 slots");
    }
    assert_eq!(folders(temporary.path()), 2);
    cluster.executors[0].kill();
    cluster.add_executor(&[]);
    cluster.executors[2].says("with 1 slots");
    assert_eq!(folders(temporary.path()), 2, "that of the killed one is gone, that of the other stays");
    for executor in &mut cluster.executors[1..] {
        assert_eq!(executor.terminate().0, Some(0), "{}", executor.log());
    }
    assert_eq!(folders(temporary.path()), 0);
}

#[test]
fn outputs_in_object_stores_are_counted_too() {
    let server = Server::s3();
    let input = fitted().join("in.parquet");
    for name in ["a", "b", "c"] {
        server.put(&format!("in/{name}.parquet"), &input);
    }
    let mut one = server.lsmi();
    one.args(["annotate", "s3://data/in/a.parquet", "s3://data/out/a.parquet", "--bundle"]);
    must(one.arg(bundle()));
    // Without an executor the run waits.
    let mut cluster = Cluster::with_executor_timeout(0, 60);
    let settings = server.lsmi();
    let settings = settings.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let settings = settings.filter(|(name, _)| name.starts_with("AWS_"));
    cluster.environment = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let folder = |name: &str| format!("s3://data/{name}/");
    let mut command = cluster.annotate(Path::new(&folder("in")), Path::new(&folder("out")), &[]);
    let mut client = spawn(&mut command);
    let mut log = std::io::BufReader::new(client.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("1 of 3 files") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        assert_ne!(read, 0, "the run has ended");
    }
    cluster.add_executor(&[]);
    std::thread::spawn(move || log.read_to_string(&mut String::new()));
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}", cluster.scheduler.log());
    assert_eq!(last_json(&ran)["skipped_files"], 1);
}
