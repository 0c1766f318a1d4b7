//! The targets of fuzzing: each takes bytes as a stranger hands them to a command, and returns how the
//! command's steps ended. `fuzz_targets` gives them to libFuzzer, `tests/fuzz` to seeded mutations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Args, Command};
use lsmi_etl::annotate::{AnnotateOptions, InputStart, Progress, Run};
use lsmi_etl::bundle::Bundle;
use lsmi_etl::config::{self, AnnotateSettings, ClusterArgs, CommandLine, EngineArgs, InputOutput};
use lsmi_etl::engine::{Engine, EngineChoice, EngineOptions};
use lsmi_etl::error::{Error, Place, Result};
use lsmi_etl::fit::{FitOptions, FitProgress, Recipe, fit_files};
use lsmi_etl::output::{BatchSource, NewColumns, RowWriter, SourceColumns, write_stream_file};
use lsmi_etl::parquet_file::Input;
use lsmi_etl::report::{self, ReportOptions};
use lsmi_etl::samples::{ColumnRequest, FateCounts, OnMissingModality, Roles};
use lsmi_etl::sql::{self, Format, Layout, SqlOptions, SqlRequest};
use lsmi_etl::storage::Staged;

/// Exit codes of a command that was given bytes of a stranger: done, and what is wrong with them.
const DATA: [u8; 4] = [0, 65, 74, 75];
/// The same of a bundle, a pipeline file or a journal.
const CONFIGURATION: [u8; 4] = [0, 65, 66, 78];
/// The same of a model, which may be one that only the other engine runs.
const MODELS: [u8; 3] = [0, 69, 78];
/// The same of a text that a user types.
const TYPED: [u8; 5] = [0, 64, 65, 66, 78];

/// How the steps of a target ended: the name of each, and its exit code with the message.
pub type Ends = Vec<(&'static str, u8, String)>;

/// A target and its name.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&Fixture, &[u8]) -> Ends,
    /// The exit codes that its steps may have.
    pub codes: &'static [u8],
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "parquet", run: parquet, codes: &DATA },
    Target { name: "stream", run: stream, codes: &DATA },
    Target { name: "arrow_file", run: arrow_file, codes: &DATA },
    Target { name: "manifest", run: manifest, codes: &CONFIGURATION },
    Target { name: "model", run: model, codes: &MODELS },
    Target { name: "pipeline", run: pipeline, codes: &CONFIGURATION },
    Target { name: "journal", run: journal, codes: &CONFIGURATION },
    Target { name: "sql", run: sql, codes: &TYPED },
];

impl Target {
    /// Runs the target, and says what must not be: an exit code of another kind, or a temporary file
    /// left behind.
    ///
    /// # Errors
    /// The step and its end.
    pub fn check(&self, fixture: &Fixture, bytes: &[u8]) -> std::result::Result<Ends, String> {
        let ends = (self.run)(fixture, bytes);
        if let Some((step, code, message)) = ends.iter().find(|(_, code, _)| !self.codes.contains(code)) {
            return Err(format!("{step} ended with {code}: {message}"));
        }
        let entries = fs::read_dir(&fixture.folder).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        match names.find(|name| name.ends_with(".partial") || name.ends_with(".lsmi-journal")) {
            Some(name) => {
                _ = fs::remove_file(fixture.folder.join(&name));
                Err(format!("{name} is left behind: {ends:?}"))
            }
            None => Ok(ends),
        }
    }
}

const MODEL: &str = "density_1.onnx";
/// The output of the sound input.
const OUTPUT: &str = "good.out.parquet";

/// What the targets need beside the bytes: a bundle of two embeddings x1 and x2 and a label y, and a
/// folder of their own.
pub struct Fixture {
    bundle: Bundle,
    engine: Engine,
    folder: PathBuf,
}

/// An observer of runs that tells nobody.
struct Silent;

impl Progress for Silent {
    fn begin(&self, _: InputStart) {}
    fn advance(&self, _: &FateCounts) {}
}

impl FitProgress for Silent {
    fn stage(&self, _: &str) {}
    fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
}

/// An observer that stops a run as soon as rows are computed.
struct StopsEarly<'a>(&'a AtomicBool);

impl Progress for StopsEarly<'_> {
    fn begin(&self, _: InputStart) {}

    fn advance(&self, _: &FateCounts) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A sound input, its output as it must be, and the journal of a run on it that was stopped.
const GOOD: [&str; 3] = ["good.parquet", "good.expected", ".good.out.parquet.lsmi-journal"];

impl Fixture {
    /// A fixture in a folder, which exists. `good` is a file that can be annotated, of a few hundred
    /// rows.
    ///
    /// # Errors
    /// Those of opening the bundle and of annotating the file.
    pub fn new(bundle: &Path, good: &Path, folder: &Path) -> Result<Self> {
        let engine = EngineOptions { engine: EngineChoice::Embedded, ..EngineOptions::default() };
        let (bundle, engine) = (Bundle::open(bundle)?, Engine::find(&engine)?);
        let fixture = Self { bundle, engine, folder: folder.to_owned() };
        let [input, expected, _] = GOOD.map(|name| folder.join(name));
        fs::copy(good, &input).unwrap();
        fixture.annotate(&input, &expected, true)?;
        Ok(fixture)
    }

    /// A whole bundle's manifest and first model.
    pub fn bundle_files(&self) -> [Vec<u8>; 2] {
        ["bundle.json", MODEL].map(|name| fs::read(self.bundle.dir().join(name)).unwrap())
    }

    /// The sound input with its computed columns.
    pub fn annotated(&self) -> Vec<u8> {
        fs::read(self.folder.join(GOOD[1])).unwrap()
    }

    /// The journal of a run that was stopped.
    pub fn journal(&self) -> Vec<u8> {
        let [input, _, journal] = GOOD.map(|name| self.folder.join(name));
        let stop = AtomicBool::new(false);
        let stopped = self.run(&input, &self.folder.join(OUTPUT), false, &StopsEarly(&stop), &stop);
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        fs::read(journal).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn annotate(&self, input: &Path, output: &Path, overwrite: bool) -> Result<()> {
        self.run(input, output, overwrite, &Silent, &AtomicBool::new(false))
    }

    fn run(
        &self,
        input: &Path,
        output: &Path,
        overwrite: bool,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<()> {
        let options = AnnotateOptions {
            overwrite,
            workers: Some(1),
            batch_rows: Some(64),
            x: ["x1", "x2"].map(|name| Some(name.to_owned())).to_vec(),
            label: Some("y".to_owned()),
            ..AnnotateOptions::default()
        };
        Run::new(&self.bundle, &self.engine, &options, progress, stop).file(input, output).map(drop)
    }

    /// The files and folders of the bundle, elsewhere, with one file replaced.
    fn copy_of_bundle(&self, replaced: &str, bytes: &[u8]) -> PathBuf {
        let copy = self.folder.join("bundle");
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(self.bundle.dir()).unwrap().flatten() {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        fs::write(copy.join(replaced), bytes).unwrap();
        copy
    }
}

fn end<T>(step: &'static str, result: Result<T>) -> (&'static str, u8, String) {
    match result {
        Ok(_) => (step, 0, String::new()),
        Err(error) => (step, error.exit_code(), error.to_string()),
    }
}

fn query(table: &Path, sql: &str) -> Result<()> {
    let layout = Layout { format: Format::Ndjson, ..Layout::default() };
    let options = SqlOptions { threads: std::num::NonZeroUsize::new(1), ..SqlOptions::default() };
    let tables = vec![("t".to_owned(), table.display().to_string())];
    sql::run(&SqlRequest { tables, layout, options, ..SqlRequest::new(sql) }, &mut io::sink())
}

/// A Parquet file, as annotate, sql, fit and report read it. Annotate and fit agree whether it is bad.
fn parquet(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let (input, output) = (fixture.write("in.parquet", bytes), fixture.folder.join("out.parquet"));
    let mut ends = vec![end("sql", query(&input, "SELECT * FROM t")), end("rows", file_rows(&input))];
    // An annotated file has the new columns already.
    if bytes.windows(6).any(|found| found == b"lsmi_e") {
        let options = ReportOptions { inputs: vec![input], samples: 3, ..ReportOptions::default() };
        ends.push(end(
            "report",
            report::open(&options).and_then(|files| report::read(files, &options, None)),
        ));
        return ends;
    }
    let annotated = end("annotate", fixture.annotate(&input, &output, true));
    // A fit takes longer than the rest.
    if bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 8 == 0 {
        let fitted = end("fit", fit(fixture, &input));
        let is_damaged = |(_, code, text): &(_, u8, String)| {
            *code == 65 && (text.contains("write it again") || text.contains("write the file again"))
        };
        if is_damaged(&fitted) != is_damaged(&annotated) {
            let what = format!("annotate says {annotated:?}, and fit {fitted:?}");
            ends.push(("agreement", 70, what));
        }
        ends.push(fitted);
    }
    ends.push(annotated);
    ends
}

fn fit(fixture: &Fixture, input: &Path) -> Result<()> {
    let options = FitOptions {
        x: vec!["x1".to_owned(), "x2".to_owned()],
        label: Some("y".to_owned()),
        // A column of many labels is refused before the embeddings are read.
        max_classes: Some(usize::MAX),
        recipe: Recipe { folds: 1, ..Recipe::default() },
        overwrite: true,
        ..FitOptions::default()
    };
    fit_files(&[input.to_owned()], &fixture.folder.join("fitted"), &options, &Silent).map(drop)
}

/// All rows of a file, as a stream.
fn file_rows(input: &Path) -> Result<()> {
    let input = Input::open(input)?;
    let rows = BatchSource::of_file(&input, 64);
    let added = NewColumns { fields: &[], key_values: &[] };
    let mut writer = RowWriter::stream(&rows, added, SourceColumns::Kept, io::sink(), Place::file("stdout"))?;
    for batch in rows {
        writer.write(&batch?.rows, Vec::new())?;
    }
    writer.finish().map(drop)
}

fn chunks(bytes: &[u8]) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + '_ {
    bytes.chunks(4096).map(|chunk| Ok(chunk.to_vec()))
}

/// An Arrow stream, as annotate, fit and sql read it.
fn stream(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let path = fixture.write("t.arrows", bytes);
    let copy = fixture.folder.join("stdin.parquet");
    _ = fs::remove_file(&copy);
    let source = || BatchSource::of_stream(chunks(bytes), Place::file("stdin"), None);
    vec![
        end("annotate", stream_rows(fixture, bytes)),
        end("fit", source().and_then(|rows| write_stream_file(rows, &copy))),
        end("sql", query(&path, "SELECT * FROM t")),
    ]
}

/// The rows of a stream as samples, and as a file.
fn stream_rows(fixture: &Fixture, bytes: &[u8]) -> Result<()> {
    let source = BatchSource::of_stream(chunks(bytes), Place::file("stdin"), None)?;
    let x = ["x1", "x2"].map(str::to_owned).into_iter().zip(fixture.bundle.dims()).collect::<Vec<_>>();
    let (classes, on_missing) = (fixture.bundle.classes(), OnMissingModality::Null);
    let request = ColumnRequest { x: &x, label: Some("y"), classes, key: &[], on_missing };
    let roles = Roles::find(source.schema(), source.place(), &request)?;
    let staged = Staged::create(&fixture.folder.join("rows.parquet"), true)?;
    let added = NewColumns { fields: &[], key_values: &[] };
    let mut writer =
        RowWriter::file(&source, added, staged, &roles.embeddings().collect::<Vec<_>>(), 1 << 20, None)?;
    for batch in source {
        let batch = batch?;
        let place = Place::file("stdin").row_group(batch.group);
        roles.samples(&batch.rows, 0..batch.rows.num_rows(), place, batch.first_row)?;
        writer.write(&batch.rows, Vec::new())?;
    }
    writer.finish().map(drop)
}

/// An Arrow file, as sql reads it.
fn arrow_file(fixture: &Fixture, bytes: &[u8]) -> Ends {
    vec![end("sql", query(&fixture.write("t.arrow", bytes), "SELECT * FROM t"))]
}

/// The manifest of a bundle.
fn manifest(fixture: &Fixture, bytes: &[u8]) -> Ends {
    vec![end("open", open(fixture, &fixture.copy_of_bundle("bundle.json", bytes)))]
}

/// A model of a bundle, under its hash.
fn model(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let copy = fixture.copy_of_bundle(MODEL, bytes);
    let manifest = copy.join("bundle.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for model in json["models"].as_array_mut().unwrap() {
        if model["file"] == MODEL {
            model["sha256"] = sha256(bytes).into();
        }
    }
    fs::write(manifest, json.to_string()).unwrap();
    vec![end("open", open(fixture, &copy))]
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(fixture: &Fixture, bundle: &Path) -> Result<()> {
    let bundle = Bundle::open(bundle)?;
    fixture.engine.sessions(&bundle.program(), 1).map(drop)
}

/// A pipeline file, up to the first step.
fn pipeline(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let path = fixture.write("pipeline.toml", bytes);
    let (paths, annotate, engine) =
        (InputOutput::default(), AnnotateSettings::default(), EngineArgs::default());
    let cluster = ClusterArgs::default();
    let command = CommandLine {
        pipeline: &path,
        set: &Default::default(),
        paths: &paths,
        annotate: &annotate,
        engine: &engine,
        cluster: &cluster,
        matches: &no_arguments(),
    };
    vec![end("load", config::load(command))]
}

fn no_arguments() -> ArgMatches {
    let command = EngineArgs::augment_args(AnnotateSettings::augment_args(Command::new("run")));
    let command = ClusterArgs::augment_args(command);
    InputOutput::augment_args(command).get_matches_from(["run"])
}

/// The journal of an unfinished run: what it holds is used or refused, and never changes a byte.
fn journal(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let [input, expected, _] = GOOD.map(|name| fixture.folder.join(name));
    let output = fixture.folder.join(OUTPUT);
    _ = fs::remove_file(&output);
    let journal = fixture.write(GOOD[2], bytes);
    let annotated = fixture.annotate(&input, &output, false);
    _ = fs::remove_file(journal);
    if annotated.is_ok() && fs::read(&output).unwrap() != fs::read(expected).unwrap() {
        return vec![("annotate", 70, "other bytes than those of an undisturbed run".to_owned())];
    }
    vec![end("annotate", annotated)]
}

/// The text of a query, up to its plan: what would run may be anything.
fn sql(fixture: &Fixture, bytes: &[u8]) -> Ends {
    let text =
        String::from_utf8_lossy(bytes).replace("FILE", &fixture.folder.join(GOOD[0]).display().to_string());
    let planned = || -> Result<()> {
        let context = sql::context(&SqlOptions::default())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let planned = runtime.unwrap().block_on(async {
            let state = context.state();
            let plan = state.create_logical_plan(&text).await?;
            state.optimize(&plan)
        });
        planned.map(drop).map_err(|error| sql::convert_error(error, "t"))
    };
    vec![end("plan", planned())]
}
