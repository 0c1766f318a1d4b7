//! TLS between the parts of a cluster: what is done with it, and what each part says where it fails.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::killed::Work;
use super::{Cluster, DEADLINE, EXECUTOR_TIMEOUT, Process, address_of, annotate_on, run, scheduler, within};
use crate::harness::{Ran, build, fitted, last_json, lsmi, must, once, refused, repository};
use crate::telemetry::python;

/// The certificates of `python/certificates.py`.
fn certificates() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        once("certificates", &build(), |folder| {
            std::fs::create_dir_all(folder).unwrap();
            let script = repository().join("tests/python/certificates.py");
            must(Command::new(python()).arg(script).arg(folder));
        })
    })
}

/// The flags of a certificate with its key, and of an authority.
fn flags(certificate: &str, authority: &str) -> Vec<String> {
    let file = |name: String| certificates().join(name).to_str().unwrap().to_owned();
    let mut flags = Vec::new();
    if !certificate.is_empty() {
        flags.extend(["--tls-cert".to_owned(), file(format!("{certificate}.pem"))]);
        flags.extend(["--tls-key".to_owned(), file(format!("{certificate}.key"))]);
    }
    if !authority.is_empty() {
        flags.extend(["--tls-ca".to_owned(), file(format!("{authority}.pem"))]);
    }
    flags
}

fn secured(executors: usize) -> Cluster {
    Cluster::with_arguments(executors, EXECUTOR_TIMEOUT, &flags("part", "ca"))
}

fn status(address: &str, flags: &[String]) -> Ran {
    run(lsmi().args(["cluster", "status", address]).args(flags))
}

#[test]
fn all_parts_show_certificates_and_the_bytes_are_those_of_one_machine() {
    let work = Work::new(6, 2_000);
    let mut cluster = secured(2);
    let ran = run(&mut cluster.annotate(&work.input, &work.output, &[]));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
    assert_eq!(last_json(&ran)["cluster"]["attempts"], 6);
    assert!(cluster.scheduler.log().contains("with TLS"));
    assert_eq!(status(&cluster.address, &flags("part", "ca")).code, 0);

    // An executor that is lost, and one that is told to stop.
    std::fs::remove_dir_all(&work.output).unwrap();
    cluster.add_executor(&[]);
    cluster.executors[0].kill();
    assert_eq!(cluster.executors[1].terminate().0, Some(0), "{}", cluster.executors[1].log());
    let ran = run(&mut cluster.annotate(&work.input, &work.output, &[]));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
}

#[test]
fn a_client_that_does_not_fit_is_told_what_to_give() {
    let cluster = secured(0);
    let (input, folder) = (fitted().join("in.parquet"), tempfile::tempdir().unwrap());
    let annotate = |flags: &[String]| {
        run(annotate_on(&cluster.address, &input, &folder.path().join("out.parquet"), &[]).args(flags))
    };
    for (flags, words) in [
        (vec![], &["give --tls-ca"][..]),
        (flags("", "ca"), &["--tls-cert", "refuses"]),
        (flags("other", "ca"), &["--tls-cert", "refuses"]),
        (flags("part", "other-ca"), &["certificate is not accepted", "--tls-ca"]),
        ([flags("part", "ca"), vec!["--tls-name".to_owned(), "no.test".to_owned()]].concat(), &["no.test"]),
    ] {
        let ran = annotate(&flags);
        refused(&ran, 78, words);
        refused(&status(&cluster.address, &flags), 78, words);
    }
    let plain = Cluster::start(0);
    refused(&status(&plain.address, &flags("part", "ca")), 78, &["answers without TLS", "omit --tls-ca"]);
}

#[test]
fn a_connection_that_ends_before_an_answer_is_tried_again() {
    for (closed, code, connections) in [(4, 0, 5), (5, 75, 5)] {
        let mut server = Command::new(python());
        server.arg(repository().join("tests/python/hasty_scheduler.py"));
        for file in ["part.pem", "part.key"] {
            server.arg(certificates().join(file));
        }
        let mut server = server.arg(closed.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        let ran = status(&format!("127.0.0.1:{port}"), &flags("", "ca"));
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!((ran.code, lines.count()), (code, connections), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn an_executor_that_does_not_fit_ends_and_says_why() {
    let (secured, plain) = (secured(0), Cluster::start(0));
    for (address, flags, word) in [
        (&secured.address, vec![], "give --tls-ca"),
        (&secured.address, flags("other", "other-ca"), "certificate is not accepted"),
        (&plain.address, flags("part", "ca"), "answers without TLS"),
        // Its own certificate is for another name, or of another authority.
        (&secured.address, flags("named", "ca"), "refuse the certificate of --tls-cert as that of 127.0.0.1"),
        (&secured.address, flags("part", "other-ca"), "refuse the certificate of --tls-cert"),
    ] {
        let mut command = lsmi();
        command.args(["cluster", "executor", "--slots", "1", "--scheduler", address]).args(&flags);
        let mut executor = Process::start("executor", &mut command);
        assert_eq!(executor.end(), Some(78), "{flags:?}\n{}", executor.log());
        executor.says(word);
    }
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.pem").to_str().unwrap().to_owned();
    std::fs::write(&text, "no certificate").unwrap();
    let with = |flags: &[String]| run(scheduler("127.0.0.1:0", EXECUTOR_TIMEOUT).args(flags));
    let part = flags("part", "");
    refused(&with(&part[..2]), 64, &["--tls-cert", "--tls-key", "give both"]);
    refused(&with(&flags("", "ca")), 64, &["a server needs a certificate"]);
    refused(&with(&["--tls-ca".to_owned(), "missing.pem".to_owned()]), 78, &["--tls-ca missing.pem"]);
    refused(&with(&["--tls-ca".to_owned(), text.clone()]), 78, &["--tls-ca", "text.pem", "no certificate"]);
    let key = [&part[..2], &["--tls-key".to_owned(), text]].concat();
    refused(&with(&key), 78, &["--tls-key", "text.pem", "no private key"]);
    // A key of another certificate.
    let mixed = [&part[..2], &flags("other", "")[2..]].concat();
    refused(&with(&mixed), 78, &["--tls-cert and --tls-key"]);
}

#[test]
fn certificates_may_have_one_name_for_all_parts() {
    let work = Work::new(2, 1_000);
    let named = [flags("named", "ca"), vec!["--tls-name".to_owned(), "cluster.test".to_owned()]].concat();
    let cluster = Cluster::with_arguments(1, EXECUTOR_TIMEOUT, &named);
    // The flags by the environment.
    let mut command = annotate_on(&cluster.address, &work.input, &work.output, &[]);
    for flag in named.chunks(2) {
        let name = flag[0].trim_start_matches("--").replace('-', "_").to_uppercase();
        command.env(format!("LSMI_ETL_{name}"), &flag[1]);
    }
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
}

#[test]
fn only_without_tls_a_scheduler_warns_of_strangers() {
    let warning = "without encryption";
    let plain = Process::start("scheduler", &mut scheduler("0.0.0.0:0", EXECUTOR_TIMEOUT));
    address_of(&plain);
    assert!(plain.log().contains(warning), "{}", plain.log());
    let mut command = scheduler("0.0.0.0:0", EXECUTOR_TIMEOUT);
    let secured =
        Process::start("scheduler", command.args(["--advertise", "localhost"]).args(flags("part", "ca")));
    let port = address_of(&secured).rsplit(':').next().unwrap().to_owned();
    assert!(!secured.log().contains(warning), "{}", secured.log());
    // It waits for executors, which are none.
    let asked = within(DEADLINE, || {
        let ran = status(&format!("localhost:{port}"), &flags("part", "ca"));
        (ran.code == 75).then_some(ran)
    });
    assert!(asked.unwrap().stderr.contains("has no executor"));
}
