//! A server that fails now and then, or always: what is retried, and what is told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Ran, fitted, lsmi, run};

/// Serves a file to `GET` and `HEAD`, with ranges, for as long as the process lives.
/// `refuses` says which requests, counted from 0, get a 503.
fn serve(file: Vec<u8>, refuses: fn(usize) -> bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let refused = refuses(counter.fetch_add(1, Ordering::SeqCst));
            // A client that has hung up is its own affair.
            let _ = answer(stream, &file, refused);
        }
    });
    (url, requests)
}

fn answer(mut stream: TcpStream, file: &[u8], refused: bool) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            let (start, end) = bytes.split_once('-').unwrap();
            range = Some((start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap() + 1));
        }
        if line.is_empty() {
            break;
        }
    }
    if refused {
        return stream.write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let (status, start, end) = match range {
        Some((start, end)) => ("206 Partial Content", start, end.min(file.len())),
        None => ("200 OK", 0, file.len()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\nETag: \"one\"\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
        end - start,
        end - 1,
        file.len()
    )?;
    if request.starts_with("GET") { stream.write_all(&file[start..end]) } else { Ok(()) }
}

fn annotate(url: &str, seconds: &str) -> (Ran, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = lsmi();
    command.current_dir(dir.path()).env("LSMI_ETL_RETRY_SECONDS", seconds);
    command.args(["annotate", url, "out.parquet", "--bundle"]).arg(fitted().join("bundle"));
    (run(&mut command), dir)
}

#[test]
fn requests_that_fail_are_repeated() {
    let file = fs::read(fitted().join("in.parquet")).unwrap();
    let (url, requests) = serve(file, |request| request % 3 != 2);
    let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(dir.path().join("out.parquet").exists());
    assert!(requests.load(Ordering::SeqCst) >= 9);
}

#[test]
fn a_server_that_stops_answering_is_transient() {
    let file = fs::read(fitted().join("in.parquet")).unwrap();
    // The footer comes, the rows do not.
    let (url, _) = serve(file, |request| request >= 3);
    let (ran, dir) = annotate(&format!("{url}/in.parquet"), "1");
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("in.parquet") && ran.stderr.contains("run again"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn no_server_at_all_is_transient() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (ran, _dir) = annotate(&format!("http://{closed}/in.parquet"), "1");
    assert_eq!(ran.code, 75, "{}", ran.stderr);
}
