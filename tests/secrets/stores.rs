//! Secrets of object stores and of encrypted files.

use std::fs;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::{SECRET, Watched};
use crate::harness::stores::Server;
use crate::harness::{bundle, eight_values, fitted, must, python, repository};

/// The key of the emulator's account, which is Azurite's for everybody.
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn go_and_come(watched: &Watched, program: &dyn Fn(&[&str]) -> Command, scheme: &str) {
    let models = bundle();
    let models = models.to_str().unwrap();
    let at = |key: &str| format!("{scheme}://data/{key}");
    let input = fitted().join("in.parquet");
    let annotate = |from: &str, to: &str, code: i32| {
        let args = ["annotate", from, to, "--bundle", models, "--overwrite", "--json", "--summary", "s.json"];
        watched.run(code, &mut program(&args))
    };
    annotate(input.to_str().unwrap(), &at("out.parquet"), 0);
    annotate(&at("in.parquet"), "down.parquet", 0);
    annotate(&at("absent.parquet"), "never.parquet", 66);
    // A signed URL, as it is copied from elsewhere.
    let signed = at(&format!("in.parquet?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}&sig={SECRET}"));
    annotate(&signed, "never.parquet", 66);
    let sql = format!("SELECT count(*) FROM '{}'", at("out.parquet"));
    watched.run(0, &mut program(&["sql", &sql]));
    watched.run(0, &mut program(&["report", &at("out.parquet"), "-o", "r.html", "--overwrite"]));
}

#[test]
fn s3() {
    let server = Server::s3();
    server.put("in.parquet", &fitted().join("in.parquet"));
    let watched = Watched::new(&[SECRET]);
    let program = |args: &[&str]| {
        let mut command = server.lsmi();
        command
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_SESSION_TOKEN", format!("t{SECRET}"))
            .args(args);
        command
    };
    go_and_come(&watched, &program, "s3");
    // A bucket with a user in front of it, and an endpoint that is not there.
    let models = bundle();
    let input = format!("s3://me:{SECRET}@data/absent.parquet");
    let annotate = ["annotate", &input, "never.parquet", "--bundle", models.to_str().unwrap()];
    watched.run(66, &mut program(&annotate));
    let mut away = program(&annotate);
    away.env("AWS_ENDPOINT_URL", format!("http://me:{SECRET}@127.0.0.1:1"))
        .env("LSMI_ETL_RETRY_SECONDS", "0");
    watched.run(75, &mut away);
}

#[test]
fn azure() {
    let server = Server::azure();
    server.put("in.parquet", &fitted().join("in.parquet"));
    let watched = Watched::new(&[SECRET, EMULATOR_KEY]);
    go_and_come(
        &watched,
        &|args| {
            let mut command = server.lsmi();
            command.args(args);
            command
        },
        "az",
    );
    // A key and a signature that the store refuses: its reply repeats what was signed.
    let models = bundle();
    let annotate =
        ["annotate", "az://data/in.parquet", "never.parquet", "--bundle", models.to_str().unwrap()];
    let endpoint = format!("{}/devstoreaccount1", server.url);
    let refused = |name: &str, value: String| {
        let mut command = server.lsmi();
        command
            .env_remove("AZURE_STORAGE_USE_EMULATOR")
            .env("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1");
        command.env("AZURE_STORAGE_ENDPOINT", &endpoint).env("AZURE_ALLOW_HTTP", "true");
        watched.run(66, command.env(name, value).args(annotate));
    };
    refused("AZURE_STORAGE_ACCOUNT_KEY", BASE64_STANDARD.encode(SECRET));
    refused("AZURE_STORAGE_SAS_KEY", format!("sv=2021-08-06&sp=r&sr=c&se=2030-01-01T00:00:00Z&sig={SECRET}"));
}

#[test]
fn keys_of_encrypted_files() {
    let mut watched = Watched::new(&[]);
    let script = repository().join("tests/python/encrypted.py");
    must(Command::new(python()).arg(script).arg("write").arg(watched.dir()));
    let names = fs::read_dir(watched.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut keys: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    keys.retain(|name| name.ends_with(".json"));
    assert!(!keys.is_empty());
    for name in &keys {
        let text = fs::read_to_string(watched.dir().join(name)).unwrap();
        for key in strings(&serde_json::from_str(&text).unwrap()) {
            // Names of columns and prefixes are no secrets.
            if key.len() >= 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                watched.secret(key.as_bytes());
            }
        }
        watched.allow(name);
    }
    let models = eight_values();
    for name in &keys {
        let input = format!("{}.parquet", name.trim_end_matches(".json"));
        let annotate = |keys: &str, output: &str| {
            let mut command = crate::harness::lsmi();
            command.args([
                "annotate",
                &input,
                output,
                "--label",
                "label",
                "--overwrite",
                "--json",
                "--bundle",
            ]);
            command.arg(models).args(["--parquet-keys", keys]);
            command
        };
        watched.run(0, &mut annotate(name, "out.parquet"));
        let other = keys.iter().find(|other| *other != name).unwrap();
        let wrong = crate::harness::run(annotate(other, "never.parquet").current_dir(watched.dir()));
        watched.check("a run with other keys", format!("{wrong:?}").as_bytes());
    }
}

/// All strings of a JSON value.
fn strings(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(values) => values.iter().flat_map(strings).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}
