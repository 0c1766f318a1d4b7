//! Secrets in URLs of HTTP servers and collectors, and in arguments of every command.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_STANDARD, Engine};

use super::{SECRET, Watched};
use crate::harness::{bundle, fitted, lsmi};

/// Serves the files of a folder, and takes what is posted to it.
struct Server {
    address: String,
    posted: Arc<Mutex<Vec<u8>>>,
    authorizations: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn of(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (posted, authorizations) = (Arc::default(), Arc::default());
        let server =
            Self { address, posted: Arc::clone(&posted), authorizations: Arc::clone(&authorizations) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, posted) = (folder.clone(), Arc::clone(&posted));
                let authorizations = Arc::clone(&authorizations);
                // A client that has hung up, or connects and is silent, is its own affair.
                std::thread::spawn(move || _ = answer(stream, &folder, &posted, &authorizations));
            }
        });
        server
    }

    /// A URL with a user and a password.
    fn url(&self, path: &str) -> String {
        format!("http://me:{SECRET}@{}/{path}", self.address)
    }
}

fn answer(
    mut stream: TcpStream,
    folder: &Path,
    posted: &Mutex<Vec<u8>>,
    authorizations: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let mut lines = head.iter().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    authorizations.lock().unwrap().extend(header("authorization"));
    // A client may hang up before it says what it wants.
    let Some(request) = head.first() else { return Ok(()) };
    let mut request = request.split(' ');
    let (method, path) = (request.next().unwrap(), request.next().unwrap().trim_start_matches('/'));
    if method == "POST" {
        let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body)?;
        posted.lock().unwrap().extend(body);
        return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let Ok(file) = fs::read(folder.join(path)) else {
        let status = if path.starts_with("closed") { "403 Forbidden" } else { "404 Not Found" };
        return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let range = header("range").map(|range| {
        let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        (start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap() + 1)
    });
    let (start, end) = range.unwrap_or((0, file.len()));
    let end = end.min(file.len());
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\nETag: \"one\"\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
        end - start,
        end.max(1) - 1,
        file.len()
    )?;
    if method == "GET" { stream.write_all(&file[start..end]) } else { Ok(()) }
}

#[test]
fn runs_on_a_server_that_wants_a_password() {
    let server = Server::of(fitted().to_owned());
    let encoded = BASE64_STANDARD.encode(format!("me:{SECRET}"));
    let watched = Watched::new(&[SECRET, &encoded]);
    let program = |args: &[&str]| {
        let mut command = lsmi();
        // The collector is another of the same kind, in every export.
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", server.url("collector"));
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer {SECRET}"));
        command.env("LSMI_ETL_RETRY_SECONDS", "1").args(args);
        command
    };
    let (input, models) = (server.url("in.parquet"), server.url("bundle"));
    let annotate = [
        "annotate",
        &input,
        "out.parquet",
        "--bundle",
        &models,
        "--overwrite",
        "--summary",
        "s.json",
        "--json",
    ];
    let more = ["--metrics", "run.prom", "--rejects", "bad.parquet"];
    let ran = watched.run(0, &mut program(&[&annotate[..], &more].concat()));
    assert!(ran.stdout.contains("http://***@"), "{}", ran.stdout);
    watched.run(0, &mut program(&["annotate", &input, "out.parquet", "--bundle", &models, "--dry-run"]));
    watched.run(0, &mut program(&["bundle", "check", &models]));
    watched.run(0, &mut program(&["bundle", "inspect", &models]));
    watched.run(0, &mut program(&["bundle", "bench", &models, "--seconds", "0.01", "--json"]));
    let sql = format!("SELECT avg(lsmi_r(x1, x2, y)) AS r FROM '{input}'");
    watched.run(0, &mut program(&["sql", &sql, "--bundle", &models]));
    watched
        .run(0, &mut program(&["report", "out.parquet", "--bundle", &models, "-o", "r.html", "--overwrite"]));
    watched.run(0, &mut program(&["fit", &input, "--bundle", "fitted", "--overwrite", "--max-rows", "500"]));
    let pipeline = format!("input = '{input}'\noutput = 'p.parquet'\n[annotate]\nbundle = '{models}'\n");
    let mut watched = watched;
    fs::write(watched.dir().join("p.toml"), pipeline + "[report]\noutput = 'p.html'\n").unwrap();
    watched.allow("p.toml");
    watched.run(0, &mut program(&["run", "p.toml", "--show-config"]));
    watched.run(0, &mut program(&["run", "p.toml", "--show-config", "--json"]));
    watched.run(0, &mut program(&["run", "p.toml", "--dry-run", "--json"]));
    watched.run(0, &mut program(&["run", "p.toml", "--json", "--overwrite"]));

    assert!(server.authorizations.lock().unwrap().iter().any(|it| it.contains(SECRET)), "to the collector");
    let posted = server.posted.lock().unwrap();
    assert!(posted.windows(4).any(|part| part == b"***@"), "spans name the input");
    watched.check("what was exported", &posted);
}

#[test]
fn runs_that_fail() {
    let server = Server::of(fitted().to_owned());
    let watched = Watched::new(&[SECRET]);
    let models = bundle();
    let models = models.to_str().unwrap();
    let nobody = format!("http://me:{SECRET}@127.0.0.1:1/in.parquet");
    let signed = format!("https://127.0.0.1:1/in.parquet?sv=1&sig={SECRET}&X-Amz-Credential={SECRET}");
    let odd = format!("http://me:{SECRET}/2@127.0.0.1/in.parquet");
    let blank = format!("http://me:a {SECRET}@127.0.0.1:x/in.parquet");
    let other = format!("ftp://me:{SECRET}@host/in.parquet");
    for (url, code) in [
        (server.url("absent.parquet"), 66),
        (server.url("closed.parquet"), 66),
        (server.url("bundle/bundle.json"), 65),
        (nobody, 75),
        (signed, 64),
        (odd, 64),
        (blank, 64),
        (other, 64),
    ] {
        let program = |args: &[&str]| {
            let mut command = lsmi();
            command.env("LSMI_ETL_RETRY_SECONDS", "0").args(args);
            command
        };
        watched.run(code, &mut program(&["annotate", &url, "out.parquet", "--bundle", models]));
        watched.run(code, &mut program(&["fit", &url, "--bundle", "never"]));
        watched.run(code, &mut program(&["report", &url, "-o", "r.html"]));
        let sql = format!("SELECT * FROM '{url}'");
        let ran = crate::harness::run(program(&["sql", &sql]).current_dir(watched.dir()));
        // A manifest is an object of JSON, and a table of one row.
        let codes: &[i32] = if url.ends_with(".json") { &[0] } else { &[64, 65, 66, 75] };
        assert!(codes.contains(&ran.code), "{}", ran.stderr);
        watched.check("sql", ran.stderr.as_bytes());
        let ran = crate::harness::run(program(&["bundle", "check", &url]).current_dir(watched.dir()));
        assert!(ran.code > 0);
        watched.check("bundle check", ran.stderr.as_bytes());
        // One argument too many is quoted.
        watched.run(64, &mut program(&["annotate", "a", "b", &url]));
        watched.run(64, &mut program(&["annotate", "a", "b", "--workers", &url]));
        watched.run(0, program(&["annotate", "--help"]).env("LSMI_ETL_BUNDLE", &url));
    }
}

#[test]
fn collectors_that_are_away() {
    let watched = Watched::new(&[SECRET]);
    let input = fitted().join("in.parquet");
    let models = bundle();
    let annotate = ["annotate", input.to_str().unwrap(), "out.parquet", "--bundle", models.to_str().unwrap()];
    let program = |endpoint: &str| {
        let mut command = lsmi();
        command.args(annotate).arg("--overwrite").env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer {SECRET}"));
        command
    };
    let away = watched.run(0, &mut program(&format!("http://me:{SECRET}@127.0.0.1:1/way?key={SECRET}&t")));
    // A path may be a secret, too; only the OpenTelemetry crates name it, where their details are logged.
    assert!(away.stderr.contains("http://***@127.0.0.1:1: the collector does not answer"), "{}", away.stderr);
    watched.run(0, &mut program(&format!("http://me:{SECRET}@host:no-port")));
}
