//! Keys of object stores are names: what a server's own client has put under a key that means
//! something else in a URL, a pattern or a path is listed, read and written under exactly that key.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::stores::Server;
use crate::harness::{Ran, fitted, last_json, must, refused, run};

/// Keys that name data files, two of each trouble where that makes a pair of them.
const KEYS: [&str; 14] = [
    "a#b.parquet",
    "a?b=c.parquet",
    "%41.parquet",
    "a%20b.parquet",
    "a b.parquet",
    "a+b&c;d.parquet",
    "x//y.parquet",
    " lead.parquet",
    "[1]{2}.parquet",
    "star*.parquet",
    "q'\"<>^`~|:@,$!().parquet",
    "größe/日本.parquet",
    "e\u{301}.parquet",
    "\u{e9}.parquet",
];

/// Keys below hive folders, and the values of their folders: escapes are undone once, as Spark makes
/// them, and only there.
const PARTITIONS: [(&str, &str); 6] = [
    ("d=1%2F2/a.parquet", "1/2"),
    ("d=1%252F2/a.parquet", "1%2F2"),
    ("d= /a.parquet", " "),
    ("d=#?/a.parquet", "#?"),
    ("d=a+b&c/a.parquet", "a+b&c"),
    ("d=[ü]/a.parquet", "[ü]"),
];

#[test]
fn s3() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "s3", server: Server::s3(), dir: dir.path() };
    store.keys_are_names();
    // What Azure takes for a slash, and what its client can't list.
    store.come_and_go_alone(&["back\\slash.parquet", "b.parquet ", "in/a#"]);
    store.keys_without_names_stop_themselves(&[
        "cr\r.parquet",
        "c\u{1}.parquet",
        "../d.parquet",
        "./e.parquet",
    ]);
}

#[test]
fn google() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "gs", server: Server::google(dir.path()), dir: dir.path() };
    store.keys_are_names();
    store.come_and_go_alone(&["back\\slash.parquet", "b.parquet ", "in/a#"]);
    store.keys_without_names_stop_themselves(&["tab\t.parquet", "../d.parquet"]);
}

#[test]
fn azure() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "az", server: Server::azure(), dir: dir.path() };
    store.keys_are_names();
    store.come_and_go_alone(&["b.parquet ", "in/a#"]);
    let ran = store.annotate(&[&store.at("in/a#b.parquet"), &store.at("back\\slash.parquet")]);
    refused(&ran, 64, &["back\\slash.parquet", "Azure takes"]);
    assert!(!store.keys("").contains("back/slash.parquet"));
}

#[test]
fn brackets_and_stars_are_patterns_only_where_nothing_has_that_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "s3", server: Server::s3(), dir: dir.path() };
    store.put(["one[1].parquet", "one1.parquet", "in[1]/a.parquet", "in1/b.parquet", "in*/c.parquet"]);
    for (input, rows) in [
        ("one[1].parquet", 3000),
        ("one[12].parquet", 3000),
        ("one*", 6000),
        ("in[1]", 3000),
        ("in[1]/", 3000),
        ("in[1]/*.parquet", 3000),
        ("in?/*.parquet", 6000),
        ("in*", 3000),
        ("in*/*.parquet", 9000),
    ] {
        let out = format!("out/{rows}/{}", input.replace('/', "_"));
        let ran = store.annotate(&[&store.at(input), &store.at(&out), "--json"]);
        assert_eq!(ran.code, 0, "{input}: {}", ran.stderr);
        assert_eq!(last_json(&ran)["rows"], rows, "{input}");
    }
    // A folder whose name has brackets or stars is that folder alone.
    let outputs = store.keys("out/3000/in[1]/");
    assert_eq!(outputs, BTreeSet::from(["out/3000/in[1]/a.parquet".to_owned()]));
    assert!(store.keys("out/3000/in[1]_/").contains("out/3000/in[1]_/a.parquet"));
}

#[test]
fn two_keys_never_become_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "s3", server: Server::s3(), dir: dir.path() };
    store.put(["in//a.parquet", "in/a.parquet", "in/x/b.parquet", "in/x//b.parquet", "in/x///b.parquet"]);
    let ran = store.annotate(&[&store.at("in"), &store.at("out"), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(store.keys("out/"), below(&store.keys("in/"), "in/", "out/"));
    // The local file system has no empty names.
    let ran = store.annotate(&[&store.at("in"), "here"]);
    refused(&ran, 64, &["in//a.parquet", "in/a.parquet", "would both become"]);
    assert!(!store.dir.join("here").exists());
}

#[test]
fn bundles_and_pipelines_take_any_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { scheme: "s3", server: Server::s3(), dir: dir.path() };
    for file in fs::read_dir(fitted().join("bundle")).unwrap() {
        let file = file.unwrap();
        store.server.put(&format!("models/%41 #1?/{}", file.file_name().to_str().unwrap()), &file.path());
    }
    store.put(["in/a#1.parquet"]);
    let bundle = "s3://data/models/%41 #1?";
    must(store.server.lsmi().args(["bundle", "inspect", bundle]));
    let run = ["annotate", "s3://data/in/a#1.parquet", "a.parquet", "--bundle", bundle];
    must(store.server.lsmi().current_dir(dir.path()).args(run));
    let text = format!(
        "input = 's3://data/in'\noutput = 's3://data/out#1'\n[annotate]\nbundle = '{bundle}'\n\
         [[sql]]\nname = 'n'\noutput = 's3://data/n?.csv'\nquery = 'SELECT count(*) AS n FROM annotated'\n"
    );
    fs::write(dir.path().join("p.toml"), text).unwrap();
    let mut pipeline = store.server.lsmi();
    must(pipeline.current_dir(dir.path()).env("TMPDIR", dir.path()).args(["run", "p.toml"]));
    assert_eq!(store.keys("out"), BTreeSet::from(["out#1/a#1.parquet".to_owned()]));
    store.server.get("n?.csv", &dir.path().join("n.csv"));
    assert_eq!(fs::read_to_string(dir.path().join("n.csv")).unwrap(), "n\n3000\n");
    let report = must(store.server.lsmi().args(["report", "s3://data/out#1", "--format", "json"]));
    assert!(report.stdout.contains("\"s3://data/out#1/a#1.parquet\""), "{}", report.stdout);
}

struct Store<'a> {
    scheme: &'static str,
    server: Server,
    dir: &'a Path,
}

impl Store<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}://data/{key}", self.scheme)
    }

    /// Puts the fitted input under every key.
    fn put(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) {
        let keys: Vec<_> = keys.into_iter().collect();
        let file = fitted().join("in.parquet");
        let args = [file.to_str().unwrap()].into_iter().chain(keys.iter().map(AsRef::as_ref));
        self.server.ask("spread", &args.collect::<Vec<_>>());
    }

    /// The keys that begin so.
    fn keys(&self, prefix: &str) -> BTreeSet<String> {
        self.server.ask("list", &[]).into_iter().filter(|key| key.starts_with(prefix)).collect()
    }

    fn annotate(&self, args: &[&str]) -> Ran {
        let mut command = self.server.lsmi();
        command.current_dir(self.dir).arg("annotate").args(args).arg("--bundle").arg(fitted().join("bundle"));
        // The journal of a remote output is in the temporary folder: let it be this test's.
        run(command.env("TMPDIR", self.dir))
    }

    fn count(&self, table: &str) -> Ran {
        let quoted = table.replace('\'', "''");
        let sql = format!("SELECT count(*) AS n, count(y) AS y FROM '{quoted}'");
        run(self.server.lsmi().current_dir(self.dir).args(["sql", "--format", "csv", &sql]))
    }

    /// A folder of all keys, each key alone, as a table, and as the target of a COPY.
    fn keys_are_names(&self) {
        let names: BTreeSet<String> = KEYS.iter().map(|key| format!("in/{key}")).collect();
        self.put(&names);
        // What tools put in place of a folder.
        fs::write(self.dir.join("empty"), "").unwrap();
        self.server.put("in/x/", &self.dir.join("empty"));
        let mut listed = self.keys("in/");
        listed.remove("in/x/");
        assert_eq!(listed, names, "the server's own client");

        let ran = self.annotate(&[&self.at("in"), &self.at("out"), "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(last_json(&ran)["rows"], 3000 * KEYS.len());
        let outputs = below(&names, "in/", "out/");
        assert_eq!(self.keys("out/"), outputs);
        let ran = self.annotate(&[fitted().join("in.parquet").to_str().unwrap(), "expected.parquet"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let expected = self.dir.join("expected.parquet");
        let differing = [expected.to_str().unwrap()].into_iter().chain(outputs.iter().map(String::as_str));
        assert!(self.server.ask("differing", &differing.collect::<Vec<_>>()).is_empty());
        // Whole already.
        let ran = self.annotate(&[&self.at("in"), &self.at("out"), "--if-nothing", "exit99"]);
        assert_eq!(ran.code, 99, "{}", ran.stderr);
        self.come_and_go_alone(&KEYS);

        let total = self.count(&self.at("out"));
        let rows = 3000 * KEYS.len();
        assert_eq!(total.stdout, format!("n,y\n{rows},{rows}\n"), "{}", total.stderr);
        for key in KEYS {
            let ran = self.count(&self.at(&format!("out/{key}")));
            assert_eq!(ran.stdout, "n,y\n3000,3000\n", "{key}: {}", ran.stderr);
        }
        for key in KEYS {
            let target = self.at(&format!("copy/{key}")).replace('\'', "''");
            let sql = format!("COPY (SELECT 1 AS v) TO '{target}'");
            let ran = run(self.server.lsmi().current_dir(self.dir).args(["sql", &sql]));
            assert_eq!(ran.code, 0, "{key}: {}", ran.stderr);
        }
        self.put(PARTITIONS.map(|(key, _)| format!("hive/{key}")));
        let ran = self.annotate(&[&self.at("hive"), &self.at("hived")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let sql = format!("SELECT d, count(y) AS n FROM '{}' GROUP BY d", self.at("hived"));
        let ran = run(self.server.lsmi().args(["sql", "--format", "csv", &sql]));
        let rows: BTreeSet<&str> = ran.stdout.lines().skip(1).collect();
        let expected = PARTITIONS.map(|(_, value)| format!("{value},3000"));
        assert_eq!(rows, expected.iter().map(String::as_str).collect(), "{}", ran.stderr);

        assert_eq!(self.keys("copy/"), below(&names, "in/", "copy/"));
    }

    /// Each key named alone, as input and as output, below one folder and below another.
    fn come_and_go_alone(&self, keys: &[&str]) {
        let before = self.keys("alone/");
        self.put(keys.iter().map(|key| format!("single/{key}")));
        for key in keys {
            let (input, output) = (self.at(&format!("single/{key}")), self.at(&format!("alone/{key}")));
            let ran = self.annotate(&[&input, &output, "--json"]);
            assert_eq!(ran.code, 0, "{key}: {}", ran.stderr);
            assert_eq!(last_json(&ran)["rows"], 3000, "{key}");
        }
        let expected: BTreeSet<String> = keys.iter().map(|key| format!("alone/{key}")).collect();
        assert_eq!(self.keys("alone/").difference(&before).cloned().collect::<BTreeSet<_>>(), expected);
    }

    /// Others of their folder are done; the one that can't be requested is named.
    fn keys_without_names_stop_themselves(&self, keys: &[&str]) {
        self.put(["odd/#.parquet"]);
        for key in keys {
            self.put([format!("odd/{key}")]);
            let ran = self.annotate(&[&self.at("odd"), &self.at("even")]);
            let name: String = key.chars().flat_map(char::escape_default).collect();
            refused(&ran, 65, &[&format!("odd/{name}"), "can't be requested"]);
            assert_eq!(self.keys("even/"), BTreeSet::from(["even/#.parquet".to_owned()]));
            let ran = self.annotate(&[&self.at("odd"), &self.at("even"), "--on-bad-file", "skip"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            self.server.ask("delete", &[&format!("odd/{key}")]);
        }
        for output in ["even/../a.parquet", "/even.parquet", "even\u{1}.parquet", "even/"] {
            let ran = self.annotate(&[&self.at("odd/#.parquet"), &self.at(output)]);
            refused(&ran, 64, &["write to another key"]);
        }
        assert_eq!(self.keys("").iter().filter(|key| key.contains("even")).count(), 1);
        let ran = self.annotate(&[&self.at("/odd.parquet"), "odd.parquet"]);
        refused(&ran, 65, &["//odd.parquet", "begins with /"]);
    }
}

/// The same keys below another prefix.
fn below(keys: &BTreeSet<String>, from: &str, to: &str) -> BTreeSet<String> {
    keys.iter().map(|key| key.strip_prefix(from).map(|rest| format!("{to}{rest}")).unwrap()).collect()
}
