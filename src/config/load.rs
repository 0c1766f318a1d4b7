//! From a pipeline file and the command line to what will be done. All that can be found wrong
//! without reading data is found here, before anything runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::{Error, Result};
use crate::report::LinkTemplate;
use crate::sql::{self, Format};

use super::pipeline::{Ends, Pipeline, SqlStep};
use super::resolve::{Setting, listed, resolve};
use super::source::{Lines, Source, join};
use super::variables::Variables;
use super::{AnnotateSettings, EngineArgs, ReportSettings};

/// The name of the output in SQL.
pub const ANNOTATED: &str = "annotated";

/// What was typed.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    /// The pipeline file.
    pub pipeline: &'a Path,
    /// Variables and their values.
    pub set: &'a BTreeMap<String, String>,
    /// Flags, the environment and defaults.
    pub ends: &'a Ends,
    /// Flags, the environment and defaults.
    pub annotate: &'a AnnotateSettings,
    /// Flags, the environment and defaults.
    pub engine: &'a EngineArgs,
    /// Which of these each value is.
    pub matches: &'a ArgMatches,
}

/// What will be done.
#[derive(Debug)]
pub struct Config {
    /// What is annotated.
    pub input: PathBuf,
    /// What is written.
    pub output: PathBuf,
    /// How it is annotated.
    pub annotate: AnnotateSettings,
    /// What runs the models.
    pub engine: EngineArgs,
    /// Names in SQL and their files, the output's among them.
    pub tables: Vec<(String, String)>,
    /// Queries and checks.
    pub queries: Vec<Query>,
    /// The report.
    pub report: Option<ReportSettings>,
    /// Every value, with where it comes from.
    pub settings: Vec<Setting>,
}

/// A step with its SQL read.
#[derive(Debug)]
pub struct Query {
    /// The step as it was written.
    pub step: SqlStep,
    /// Its statements.
    pub sql: String,
    /// The file, the line and the key of its SQL, for messages.
    pub place: String,
}

/// Reads a pipeline file, gives its variables their values and settles what holds.
///
/// # Errors
/// [`Error::NoInput`] where the file is not there; [`Error::Usage`] where a variable is set that
/// nobody asks for; else [`Error::Config`], which names the line and the key.
pub fn load(typed: Typed<'_>) -> Result<Config> {
    let source = Source::open(typed.pipeline)?;
    let mut variables = Variables::new(typed.set, typed.pipeline);
    let (pipeline, lines) = parse(&source, &mut variables)?;
    let read = Read { source: &source, lines: &lines };
    let queries = read.queries(&pipeline)?;
    read.check_report(&pipeline)?;
    read.check_tables(&pipeline)?;

    let mut settings = variables.settings();
    let ends = Ends { input: pipeline.input, output: pipeline.output };
    let ends = resolve("", (typed.ends, typed.matches), (&ends, &lines), &mut settings)?;
    let given = |key: &str, end: Option<PathBuf>| {
        let missing =
            || source.wrong(1, key, format!("it is missing; write it into the file or give --{key}"));
        end.ok_or_else(missing)
    };
    let (input, output) = (given("input", ends.input)?, given("output", ends.output)?);
    if output == Path::new("-") {
        let what = "later steps read it, and - can't be read again; name a file or a folder";
        return Err(read.wrong("output", what));
    }
    let annotate =
        resolve("annotate", (typed.annotate, typed.matches), (&pipeline.annotate, &lines), &mut settings)?;
    let engine = resolve("engine", (typed.engine, typed.matches), (&pipeline.engine, &lines), &mut settings)?;
    settings.extend(listed("tables", &pipeline.tables, &lines)?);
    for (index, query) in queries.iter().enumerate() {
        settings.extend(listed(&format!("sql[{index}]"), &query.step, &lines)?);
    }
    if let Some(report) = &pipeline.report {
        settings.extend(listed("report", report, &lines)?);
    }
    let named = pipeline.tables.into_iter().map(|(name, path)| (name, path.display().to_string()));
    let tables = named.chain([(ANNOTATED.to_owned(), output.display().to_string())]).collect();
    Ok(Config { input, output, annotate, engine, tables, queries, report: pipeline.report, settings })
}

/// The file's values, and the lines of its keys.
fn parse(source: &Source, variables: &mut Variables<'_>) -> Result<(Pipeline, Lines)> {
    let table = DeTable::parse(&source.text).map_err(|e| source.explain("", &e))?;
    let span = table.span();
    let mut root = Spanned::new(span, DeValue::Table(table.into_inner()));
    let mut lines = Lines::new();
    source.lines("", &root, &mut lines);
    variables.render_all(source, &mut root, &lines)?;
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(ValueDeserializer::from(root), &mut track);
    let pipeline = Pipeline::deserialize(deserializer).map_err(|e| {
        let path = track.path().to_string();
        source.explain(if path == "." { "" } else { &path }, &e)
    })?;
    Ok((pipeline, lines))
}

/// A file that has been read and is to be checked.
struct Read<'a> {
    source: &'a Source,
    lines: &'a Lines,
}

impl Read<'_> {
    fn line(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(1)
    }

    fn wrong(&self, key: &str, what: impl std::fmt::Display) -> Error {
        self.source.wrong(self.line(key), key, what)
    }

    fn queries(&self, pipeline: &Pipeline) -> Result<Vec<Query>> {
        let mut names = BTreeMap::new();
        let mut queries = Vec::new();
        for (index, step) in pipeline.sql.iter().enumerate() {
            let table = format!("sql[{index}]");
            if let Some(first) = names.insert(step.name.as_str(), self.line(&table)) {
                let what = format!("the step of line {first} is called {} too", step.name);
                return Err(self.wrong(&join(&table, "name"), what));
            }
            queries.push(self.query(&table, step)?);
        }
        Ok(queries)
    }

    fn query(&self, table: &str, step: &SqlStep) -> Result<Query> {
        let both = "a step has either a query or a file";
        let (key, sql) = match (&step.query, &step.file) {
            (Some(query), None) => ("query", query.clone()),
            (None, Some(file)) => {
                let source = Source::open(file).map_err(|e| self.wrong(&join(table, "file"), e))?;
                ("file", source.text)
            }
            (Some(_), Some(_)) => return Err(self.wrong(&join(table, "file"), both)),
            (None, None) => return Err(self.wrong(table, format!("{both}, and this one has neither"))),
        };
        let key = join(table, key);
        match sql::count_statements(&sql) {
            Err(error) => return Err(self.wrong(&key, error)),
            Ok(0) => return Err(self.wrong(&key, "it has no statement")),
            Ok(1) => {}
            Ok(_) if step.expect.is_none() => {}
            Ok(count) => {
                return Err(self.wrong(&key, format!("a check is one statement, and here are {count}")));
            }
        }
        let is_check = step.expect.is_some();
        let is_told = |output: &PathBuf| step.format.is_some() || Format::of(output).is_some();
        let no_format = "its ending tells no format; say format, or end it in .parquet, .csv, .ndjson or .md";
        let writes_no_rows = "a check writes no rows; leave out this or expect";
        let cannot_fail = "only a check can fail; say what to expect, or leave this out";
        for (key, is_there, what) in [
            ("output", is_check && step.output.is_some(), writes_no_rows),
            ("format", is_check && step.format.is_some(), writes_no_rows),
            ("output", step.output.as_ref().is_some_and(|output| !is_told(output)), no_format),
            ("message", !is_check && step.message.is_some(), cannot_fail),
        ] {
            if is_there {
                return Err(self.wrong(&join(table, key), what));
            }
        }
        let place = self.source.place(self.line(&key), &key);
        Ok(Query { step: step.clone(), sql, place })
    }

    fn check_report(&self, pipeline: &Pipeline) -> Result<()> {
        let Some(report) = &pipeline.report else { return Ok(()) };
        if let Some(link) = &report.link_template {
            LinkTemplate::parse(link).map_err(|e| self.wrong("report.link_template", e))?;
        }
        if report.samples > ReportSettings::MOST_SAMPLES {
            let what = format!("at most {} samples are listed", ReportSettings::MOST_SAMPLES);
            return Err(self.wrong("report.samples", what));
        }
        Ok(())
    }

    fn check_tables(&self, pipeline: &Pipeline) -> Result<()> {
        match pipeline.tables.contains_key(ANNOTATED) {
            true => Err(self.wrong(&join("tables", ANNOTATED), "this is the output's name; take another")),
            false => Ok(()),
        }
    }
}
