//! A server that fails now and then, or always: what is retried, and what is told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::files::read;
use crate::harness::{Ran, fitted, lsmi, must, run};

/// What a server was asked for and has sent.
#[derive(Default)]
struct Traffic {
    requests: AtomicUsize,
    /// Requests for metadata alone.
    heads: AtomicUsize,
    bytes: AtomicUsize,
}

impl Traffic {
    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// How a request is answered.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Whole,
    /// With a status in place of the file.
    Status(&'static str),
    /// As if no range had been asked for.
    NoRange,
    /// With half of the bytes that were promised, and then the connection's end.
    Cut,
    /// As another version, although the first one was asked for.
    OtherVersion,
    /// The bytes with another tag than the metadata.
    OtherTag,
}

/// Serves a file to `GET` and `HEAD`, with ranges, for as long as the process lives.
/// `answers` says how each request, counted from 0, is answered.
fn serve(file: Vec<u8>, answers: fn(usize) -> Answer) -> (String, Arc<Traffic>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let traffic = Arc::new(Traffic::default());
    let counted = Arc::clone(&traffic);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let how = |request: &str| {
                counted.heads.fetch_add(usize::from(request.starts_with("HEAD")), Ordering::SeqCst);
                answers(counted.requests.fetch_add(1, Ordering::SeqCst))
            };
            // A client that has hung up is its own affair.
            let sent = answer(stream, &file, how).unwrap_or(0);
            counted.bytes.fetch_add(sent, Ordering::SeqCst);
        }
    });
    (url, traffic)
}

/// Returns the bytes of the file that were sent.
fn answer(mut stream: TcpStream, file: &[u8], how: impl FnOnce(&str) -> Answer) -> std::io::Result<usize> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    // A client may hang up before it says what it wants.
    let Some(request) = lines.next() else { return Ok(0) };
    let request = request?;
    let how = how(&request);
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
    if let Answer::Status(status) = how {
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(0);
    }
    let (status, start, end) = match range.filter(|_| how != Answer::NoRange) {
        Some((start, end)) => ("206 Partial Content", start, end.min(file.len())),
        None => ("200 OK", 0, file.len()),
    };
    let is_other = how == Answer::OtherVersion || (how == Answer::OtherTag && request.starts_with("GET"));
    let tag = if is_other { "two" } else { "one" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\nETag: \"{tag}\"\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
        end - start,
        end - 1,
        file.len()
    )?;
    let sent = if how == Answer::Cut { start.midpoint(end) } else { end };
    if !request.starts_with("GET") {
        return Ok(0);
    }
    stream.write_all(&file[start..sent])?;
    Ok(sent - start)
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
    let (_dir, file) = large_file();
    let two_of_three: [fn(usize) -> Answer; 3] = [
        |request| if request % 3 != 2 { Answer::Status("503 Slow Down") } else { Answer::Whole },
        |request| if request % 3 != 2 { Answer::Status("429 Too Many Requests") } else { Answer::Whole },
        |request| if request % 3 != 2 { Answer::Status("500 Internal Server Error") } else { Answer::Whole },
    ];
    for answers in two_of_three {
        let (url, traffic) = serve(file.clone(), answers);
        let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(dir.path().join("out.parquet").exists());
        assert!(traffic.requests() >= 9);
    }
}

#[test]
fn a_connection_that_is_cut_is_taken_up_where_it_was() {
    let (_dir, file) = large_file();
    let (whole, _) = serve(file.clone(), |_| Answer::Whole);
    let (ran, undisturbed) = annotate(&format!("{whole}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (cut, traffic) = serve(file, |request| if request % 2 == 1 { Answer::Cut } else { Answer::Whole });
    let (ran, dir) = annotate(&format!("{cut}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(traffic.requests() >= 4);
    let output = |dir: &tempfile::TempDir| fs::read(dir.path().join("out.parquet")).unwrap();
    assert!(output(&dir) == output(&undisturbed));
}

/// A file `in.parquet` whose column chunks are of several pieces, and its bytes.
fn large_file() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let synth = ["synth", "gaussian", "--classes", "4", "--rows", "150000", "-o", "in.parquet"];
    must(lsmi().current_dir(dir.path()).args(synth));
    let file = fs::read(dir.path().join("in.parquet")).unwrap();
    assert!(file.len() > 9 << 20, "{}", file.len());
    (dir, file)
}

#[test]
fn the_models_and_the_copy_ask_for_the_embeddings_once() {
    let (_dir, file) = large_file();
    // And a request now and then that fails or is cut.
    let answers: [fn(usize) -> Answer; 2] = [
        |_| Answer::Whole,
        |request| if request % 5 == 3 { Answer::Status("503 Slow Down") } else { Answer::Whole },
    ];
    for answers in answers {
        let (url, traffic) = serve(file.clone(), answers);
        let (ran, remote) = annotate(&format!("{url}/in.parquet"), "60");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let sent = traffic.bytes.load(Ordering::SeqCst);
        assert!(sent < file.len() + file.len() / 5, "{sent} of {}", file.len());
        let names: Vec<_> =
            fs::read_dir(remote.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["out.parquet"]);
    }
}

#[test]
fn an_object_is_opened_with_the_metadata_by_which_it_was_found() {
    let (_dir, file) = large_file();
    let (url, traffic) = serve(file, |_| Answer::Whole);
    let (ran, _remote) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // One says that it is a file, and one that it has not changed.
    assert_eq!(traffic.heads.load(Ordering::SeqCst), 2);
}

#[test]
fn answers_of_another_version_are_noticed() {
    let (_dir, file) = large_file();
    // The server sends the range whatever version is asked for.
    let (url, _) =
        serve(file.clone(), |request| if request > 5 { Answer::OtherVersion } else { Answer::Whole });
    let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("the input was changed while it was read"), "{}", ran.stderr);
    assert!(!dir.path().join("out.parquet").exists());
    // Although the object is the first version again, when its metadata are looked at last.
    let (url, _) =
        serve(
            file.clone(),
            |request| {
                if (4..7).contains(&request) { Answer::OtherVersion } else { Answer::Whole }
            },
        );
    let (ran, _dir) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    // Where only the metadata of the bytes differ, those of the object decide.
    let (url, _) = serve(file, |_| Answer::OtherTag);
    let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(dir.path().join("out.parquet").exists());
}

#[test]
fn short_row_groups_are_requested_in_pieces_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let synth = ["synth", "gaussian", "--classes", "4", "--rows", "60000", "--row-group-rows", "500"];
    must(lsmi().current_dir(dir.path()).args(synth).args(["-o", "in.parquet"]));
    let file = fs::read(dir.path().join("in.parquet")).unwrap();
    let (url, traffic) = serve(file.clone(), |_| Answer::Whole);
    let (ran, remote) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sent = traffic.bytes.load(Ordering::SeqCst);
    assert!(sent < file.len() + file.len() / 5, "{sent} of {}", file.len());
    // Of 120 row groups of three columns, besides the footer and the first rows.
    let requests = traffic.requests();
    assert!(requests < 20 + file.len() / (1 << 20), "{requests}");
    let bundle = fitted().join("bundle");
    must(
        lsmi()
            .current_dir(dir.path())
            .args(["annotate", "in.parquet", "out.parquet", "--bundle"])
            .arg(bundle),
    );
    let columns = |dir: &tempfile::TempDir| read(&dir.path().join("out.parquet")).columns().to_vec();
    assert!(columns(&remote) == columns(&dir));
}

#[test]
fn a_sample_of_rows_is_read_in_one_pass() {
    let (dir, file) = large_file();
    let (url, traffic) = serve(file.clone(), |_| Answer::Whole);
    let mut inspect = lsmi();
    let ran = run(inspect.args(["inspect", "--json"]).arg(format!("{url}/in.parquet")));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let local = run(lsmi().current_dir(dir.path()).args(["inspect", "--json", "in.parquet"]));
    let columns =
        |ran: &Ran| serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["embeddings"].clone();
    assert_eq!(columns(&ran), columns(&local));
    // The sample, the first rows, the labels and the footer.
    let sent = traffic.bytes.load(Ordering::SeqCst);
    assert!(sent < file.len() * 2, "{sent} of {}", file.len());
}

#[test]
fn a_server_without_ranges_is_not_asked_again() {
    let file = fs::read(fitted().join("in.parquet")).unwrap();
    let (url, traffic) = serve(file, |_| Answer::NoRange);
    let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    assert!(ran.stderr.contains("in.parquet") && ran.stderr.contains("download it"), "{}", ran.stderr);
    assert!(traffic.requests() <= 4, "{}", traffic.requests());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_forbidden_is_not_asked_for_again() {
    for (status, code) in [("403 Forbidden", 66), ("401 Unauthorized", 66), ("404 Not Found", 66)] {
        let file = fs::read(fitted().join("in.parquet")).unwrap();
        let (url, traffic) = match status {
            "403 Forbidden" => serve(file, |_| Answer::Status("403 Forbidden")),
            "401 Unauthorized" => serve(file, |_| Answer::Status("401 Unauthorized")),
            _ => serve(file, |_| Answer::Status("404 Not Found")),
        };
        let (ran, dir) = annotate(&format!("{url}/in.parquet"), "60");
        assert_eq!(ran.code, code, "{status}: {}", ran.stderr);
        // What is not there as a file may be there as a folder.
        assert!(traffic.requests() <= 2, "{status}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_server_that_stops_answering_is_transient() {
    let (_dir, file) = large_file();
    // The footer comes, the rows do not.
    let (url, _) =
        serve(file, |request| if request >= 3 { Answer::Status("503 Slow Down") } else { Answer::Whole });
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
