//! Spans and metrics, as a collector decodes them; and collectors that are away.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{flawed, python};
use crate::harness::{Ran, bundle, last_json, lsmi, refused, repository, run};

/// A collector that is listening.
pub struct Collector {
    process: Child,
    printed: BufReader<ChildStdout>,
    pub url: String,
}

impl Collector {
    pub fn answering(status: &str) -> Self {
        Self::begin("http", &[status.as_ref()])
    }

    /// One that speaks TLS, and whose authority leaves its files in a folder.
    fn secured(folder: &Path) -> Self {
        Self::begin("https", &["200".as_ref(), folder.as_os_str()])
    }

    fn begin(scheme: &str, args: &[&OsStr]) -> Self {
        let script = repository().join("tests/python/collector.py");
        let mut python = Command::new(python());
        let mut process = python.arg(script).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        printed.read_line(&mut port).unwrap();
        Self { process, printed, url: format!("{scheme}://127.0.0.1:{}", port.trim()) }
    }

    /// All that it was sent; it is away then.
    pub fn received(mut self) -> Vec<Value> {
        self.end();
        let mut lines = String::new();
        self.printed.read_to_string(&mut lines).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn end(&mut self) {
        // It may have been ended before.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.end();
    }
}

/// `annotate` of the flawed rows with variables of the environment and more arguments.
fn annotate(variables: &[(&str, &str)], more: &[&str]) -> (Ran, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    flawed(&dir.path().join("in.parquet"));
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["annotate", "in.parquet", "out.parquet", "--json", "--bundle"]);
    let ran = run(command.arg(bundle()).args(more).envs(variables.iter().copied()));
    (ran, dir)
}

/// All values of a message's lists of this name, however deep.
pub fn all<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::Array(items) if key == name => items.iter().collect(),
                _ => all(value, name),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| all(item, name)).collect(),
        _ => Vec::new(),
    }
}

/// What a list of attributes says of a key.
pub fn attribute(of: &Value, key: &str) -> Option<String> {
    let attributes = of["attributes"].as_array()?;
    let value = &attributes.iter().find(|attribute| attribute["key"] == key)?["value"];
    let value = value.as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Base64 of an identifier, as Python prints bytes.
pub fn base64(hex: &str) -> String {
    use base64::Engine;
    let bytes: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_run_is_spans_and_metrics() {
    let collector = Collector::answering("200");
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let (ran, dir) = annotate(
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_SERVICE_NAME", "nightly"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("TRACEPARENT", &format!("00-{trace}-{parent}-01")),
        ],
        &[],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let received = collector.received();
    for request in &received {
        let headers = &request["headers"];
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(
            (&headers["x-key"], &headers["content-encoding"]),
            (&"open sesame".into(), &"gzip".into())
        );
        for kind in ["resourceSpans", "resourceMetrics"] {
            for resource in all(&request["message"], kind) {
                let resource = &resource["resource"];
                assert_eq!(attribute(resource, "service.name").unwrap(), "nightly");
                assert_eq!(attribute(resource, "service.version").unwrap(), env!("CARGO_PKG_VERSION"));
                assert_eq!(attribute(resource, "deployment.environment.name").unwrap(), "test");
            }
        }
    }

    let traces: Vec<_> = received.iter().filter(|request| request["path"] == "/v1/traces").collect();
    let spans: Vec<_> = traces.iter().flat_map(|request| all(&request["message"], "spans")).collect();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    assert!(spans.iter().all(|span| span["traceId"] == base64(trace)), "{spans:?}");
    let [root] = named("lsmi-etl annotate")[..] else { panic!("not one run: {spans:?}") };
    assert_eq!(root["parentSpanId"], base64(parent));
    let [file] = named("file")[..] else { panic!("not one file: {spans:?}") };
    assert_eq!(file["parentSpanId"], root["spanId"]);
    assert_eq!(attribute(file, "input").unwrap(), "in.parquet");
    assert_eq!(attribute(file, "rows").unwrap(), "250");
    let groups = named("row_group");
    assert_eq!(groups.len(), 3, "{spans:?}");
    assert!(groups.iter().all(|group| group["parentSpanId"] == file["spanId"]));
    let rows: Vec<_> = groups.iter().map(|group| attribute(group, "rows").unwrap()).collect();
    assert_eq!(rows, ["100", "100", "50"]);

    // The last of what was sent is the whole.
    let metrics = received.iter().rfind(|request| request["path"] == "/v1/metrics").unwrap();
    let metrics = all(&metrics["message"], "metrics");
    let metric =
        |name: &str| *metrics.iter().find(|metric| metric["name"] == format!("lsmi_etl.{name}")).unwrap();
    let value = |name: &str, label: Option<(&str, &str)>| {
        let points = all(metric(name), "dataPoints");
        let wanted = |point: &&&Value| {
            label.is_none_or(|(key, value)| attribute(point, key).as_deref() == Some(value))
        };
        points.iter().find(wanted).unwrap()["asDouble"].as_f64().unwrap()
    };
    assert_eq!(value("rows", None), 250.0);
    assert_eq!(value("bad_rows", Some(("reason", "null_label"))), 3.0);
    assert_eq!(value("bad_rows", Some(("reason", "unknown_label"))), 2.0);
    assert_eq!(value("reduced_rows", None), 0.0);
    assert_eq!(metric("stage")["unit"], "s");
    for stage in ["read", "evaluate", "write"] {
        assert!(value("stage", Some(("stage", stage))) > 0.0, "{stage}");
    }
    assert_eq!(metric("written")["unit"], "By");
    assert_eq!(value("written", None), fs::metadata(dir.path().join("out.parquet")).unwrap().len() as f64);
    assert!(value("read", None) > 0.0);
    assert_eq!(value("queue_depth", None), 0.0);
    let mean = last_json(&ran)["columns"]["r"]["mean"].as_f64().unwrap();
    assert_eq!(value("mean", Some(("part", "r"))), mean);
    assert_eq!(metric("rows")["sum"]["isMonotonic"], true);
}

#[test]
fn a_run_that_fails_says_so_in_its_span() {
    let collector = Collector::answering("200");
    let url = format!("{}/v1/traces", collector.url);
    let (ran, _) = annotate(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url)], &["--on-bad-row", "fail"]);
    refused(&ran, 65, &["null_label"]);
    let received = collector.received();
    assert!(received.iter().all(|request| request["path"] == "/v1/traces"), "metrics were not asked for");
    let spans: Vec<_> = received.iter().flat_map(|request| all(&request["message"], "spans")).collect();
    let root = spans.iter().find(|span| span["name"] == "lsmi-etl annotate").unwrap();
    assert_eq!(root["status"]["code"], "STATUS_CODE_ERROR");
    assert!(root["status"]["message"].as_str().unwrap().contains("null_label"), "{root}");
    assert_eq!(attribute(root, "process.exit.code").unwrap(), "65");
    // Named by the program where nobody else names it.
    assert_eq!(
        attribute(&all(&received[0]["message"], "resourceSpans")[0]["resource"], "service.name").unwrap(),
        "lsmi-etl"
    );
}

/// Runs with a collector that is no good: the run is as without one, but for one warning.
fn goes_on(endpoint: &str, words: &str) {
    let start = Instant::now();
    let (ran, dir) = annotate(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    assert!(dir.path().join("out.parquet").exists());
    assert_eq!(last_json(&ran)["rows"], 250);
    let warnings: Vec<_> = ran.stderr.lines().filter(|line| line.contains("telemetry")).collect();
    let [warning] = warnings[..] else { panic!("not one warning: {}", ran.stderr) };
    assert!(warning.starts_with(" WARN") && warning.contains(words), "{warning}");
}

#[test]
fn a_collector_that_is_away_is_warned_of_once() {
    // A port that nobody listens on any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    goes_on(&format!("http://127.0.0.1:{port}"), "does not answer (Connection refused");
}

#[test]
fn a_collector_that_never_answers_does_not_hold_a_run_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    goes_on(&format!("http://user:secret@{}", silent.local_addr().unwrap()), "does not answer");
}

#[test]
fn a_collector_that_refuses_is_warned_of_once() {
    let collector = Collector::answering("401");
    goes_on(&collector.url, "the collector answers 401");
    assert!(!collector.received().is_empty());
}

#[test]
fn what_the_variables_ask_for_and_is_not_there_is_an_error() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
    ] {
        let (ran, dir) = annotate(&[endpoint, (name, value)], &[]);
        refused(&ran, 78, &[&format!("{name}={value}")]);
        assert!(!dir.path().join("out.parquet").exists());
    }
    let (ran, _) = annotate(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "no url at all")], &[]);
    refused(&ran, 78, &["OTEL_", "no url at all"]);
}

#[test]
fn nothing_is_sent_where_it_is_switched_off() {
    let collector = Collector::answering("200");
    let url = collector.url.clone();
    for off in [
        &[("OTEL_SDK_DISABLED", "true")][..],
        &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")],
    ] {
        let (ran, _) = annotate(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())], off].concat(), &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert_eq!(collector.received(), Vec::<Value>::new());
}

#[test]
fn a_collector_behind_tls_is_known_by_its_authority_and_knows_us() {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::secured(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let ca = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.as_str());
    let key = ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str());

    // Neither trusts a stranger: nothing is sent, and the run goes on.
    for (variables, words) in [(&[endpoint][..], "UnknownIssuer"), (&[endpoint, ca], "does not answer")] {
        let (ran, _dir) = annotate(variables, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(words) && ran.stderr.matches("WARN https://").count() == 1,
            "{}",
            ran.stderr
        );
    }
    let (ran, _dir) = annotate(&[endpoint, ca, certificate, key], &[]);
    assert_eq!((ran.code, ran.stderr.contains("https://")), (0, false), "{}", ran.stderr);

    // Files that are of no use are said before the run.
    for (variables, words) in [
        (&[endpoint, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem")][..], &["CERTIFICATE=none.pem"][..]),
        (&[endpoint, (ca.0, key.1)], &["OTEL_EXPORTER_OTLP_CERTIFICATE=", "no certificate"]),
        (&[endpoint, ca, certificate], &["OTEL_EXPORTER_OTLP_CLIENT_KEY"]),
    ] {
        refused(&annotate(variables, &[]).0, 78, words);
    }
    let paths: Vec<_> = collector.received().iter().map(|sent| sent["path"].to_string()).collect();
    assert_eq!(paths.len(), 2, "one request of each signal, of the trusted run alone: {paths:?}");
}
