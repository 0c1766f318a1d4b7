//! The loader of pipeline files: combines the file with the command line into a [`Config`] and
//! reports every error that can be found without reading data, before anything runs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::report::LinkTemplate;
use crate::sql::{self, Format};

use super::faults::Faults;
use super::keys::deserialize;
use super::pipeline::{InputOutput, Pipeline, SqlStep};
use super::resolve::{Setting, SettingOrigin, file_settings, resolve};
use super::source_text::{KeyLines, SourceText, join};
use super::variables::Variables;
use super::{AnnotateSettings, ClusterArgs, EngineArgs, ReportSettings};

/// The name of the output as an SQL table.
pub const ANNOTATED: &str = "annotated";

/// The arguments of `lsmi-etl run`.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine<'a> {
    /// The pipeline file.
    pub pipeline: &'a Path,
    /// Variables given with `--set`.
    pub set: &'a BTreeMap<String, String>,
    /// Input and output from flags, environment and defaults.
    pub paths: &'a InputOutput,
    /// Settings of annotating, likewise.
    pub annotate: &'a AnnotateSettings,
    /// Settings of the engine, likewise.
    pub engine: &'a EngineArgs,
    /// The cluster, likewise.
    pub cluster: &'a ClusterArgs,
    /// The source of each value: flag, environment or default.
    pub matches: &'a ArgMatches,
}

/// The complete configuration of a run.
#[derive(Debug)]
pub struct Config {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// The input to annotate.
    pub input: PathBuf,
    /// The output.
    pub output: PathBuf,
    /// The settings of annotating.
    pub annotate: AnnotateSettings,
    /// The engine.
    pub engine: EngineArgs,
    /// The cluster.
    pub cluster: ClusterArgs,
    /// SQL tables and their files, including the output.
    pub tables: Vec<(String, String)>,
    /// Queries and checks.
    pub queries: Vec<Query>,
    /// The report.
    pub report: Option<ReportSettings>,
    /// Every setting with its origin, for `--show-config`.
    pub settings: Vec<Setting>,
    /// What is wrong with steps and the report, each with its place in the file.
    pub faults: Faults,
}

impl Config {
    /// The file, the line and the key of a setting that the file makes, or the flag or variable that makes it; `None`
    /// of a default.
    pub fn place(&self, key: &str) -> Option<String> {
        let origin = self.settings.iter().find(|setting| setting.key == key).map(|setting| &setting.origin);
        match origin? {
            SettingOrigin::File(line) => Some(format!("{}, line {line}, {key}", self.pipeline.display())),
            SettingOrigin::Default => None,
            origin => Some(origin.to_string()),
        }
    }

    /// An error of a file, with the place that names the file.
    pub fn named_by(&self, key: &str, error: Error) -> Error {
        match self.place(key) {
            Some(place) => error.named_by(&format!("{place} names it")),
            None => error,
        }
    }

    /// What an output is, with the place that names it.
    pub fn with_place(&self, what: &str, key: &str) -> String {
        self.place(key).map_or_else(|| what.to_owned(), |place| format!("{what} ({place})"))
    }
}

/// An SQL step with its statements.
#[derive(Debug)]
pub struct Query {
    /// The step as written in the file.
    pub step: SqlStep,
    /// The statements.
    pub sql: String,
    /// The key of its table: `sql[0]`.
    pub table: String,
    /// The file, the line and the key of its SQL, for messages.
    pub place: String,
    /// Whether it is among the faults, so that its SQL is not to be planned.
    pub is_faulty: bool,
}

/// Reads a pipeline file, substitutes its variables and resolves all settings.
///
/// # Errors
/// [`Error::NoInput`] where the file does not exist; [`Error::Usage`] where `--set` names an unknown
/// variable; else [`Error::Config`], which names the line and the key. What is wrong with steps and the report is among
/// the [faults](Config::faults).
pub fn load(command_line: CommandLine<'_>) -> Result<Config> {
    let source = SourceText::open(command_line.pipeline)?;
    let mut variables = Variables::new(command_line.set, command_line.pipeline);
    let mut faults = Faults::default();
    let Some((pipeline, lines)) = parse(&source, &mut variables, &mut faults)? else {
        return Err(faults.into_error());
    };
    let is_complete = faults.is_empty();
    let validator = Validator { source: &source, lines: &lines };
    let queries = validator.queries(&pipeline, &mut faults);
    validator.check_report(&pipeline, &mut faults);
    let tables = validator.tables(&pipeline, &mut faults);
    // What a key at fault would have said is not known.
    if !is_complete {
        return Err(faults.into_error());
    }

    let mut settings = variables.settings();
    let matches = command_line.matches;
    let paths = InputOutput { input: pipeline.input, output: pipeline.output };
    let paths = resolve("", (command_line.paths, matches), (&paths, &lines), &mut settings)?;
    for (key, path) in [("input", &paths.input), ("output", &paths.output)] {
        if path.is_none() {
            let what = format!("it is missing; write it into the file or give --{key}");
            faults.push(key, source.error(1, key, what));
        }
    }
    let Some((input, output)) = paths.input.zip(paths.output) else {
        return Err(faults.into_error());
    };
    if output == Path::new("-") {
        let what = "later steps read it, and - can't be read again; name a file or a folder";
        validator.fault(&mut faults, "output", what);
        return Err(faults.into_error());
    }
    let mut annotate: AnnotateSettings =
        resolve("annotate", (command_line.annotate, matches), (&pipeline.annotate, &lines), &mut settings)?;
    if let Err(error) = annotate.settle_columns_of(&mut settings, &source) {
        faults.push("annotate.x", error);
        return Err(faults.into_error());
    }
    let engine =
        resolve("engine", (command_line.engine, matches), (&pipeline.engine, &lines), &mut settings)?;
    let cluster =
        resolve("cluster", (command_line.cluster, matches), (&pipeline.cluster, &lines), &mut settings)?;
    let cluster: ClusterArgs = cluster.of(settings.last().map(|setting| setting.origin.clone()));
    settings.extend(file_settings("tables", &pipeline.tables, &lines)?);
    for (index, query) in queries.iter().enumerate() {
        settings.extend(file_settings(&format!("sql[{index}]"), &query.step, &lines)?);
    }
    if let Some(report) = &pipeline.report {
        settings.extend(file_settings("report", report, &lines)?);
    }
    let annotated = (ANNOTATED.to_owned(), output.display().to_string());
    let tables = tables.into_iter().chain([annotated]).collect();
    let report = pipeline.report;
    let pipeline = command_line.pipeline.to_owned();
    Ok(Config {
        pipeline,
        input,
        output,
        annotate,
        engine,
        cluster,
        tables,
        queries,
        report,
        settings,
        faults,
    })
}

/// Deserializes the file and records the lines of its keys; `None` where it is at fault as a whole.
fn parse(
    source: &SourceText,
    variables: &mut Variables<'_>,
    faults: &mut Faults,
) -> Result<Option<(Pipeline, KeyLines)>> {
    let table = DeTable::parse(&source.text).map_err(|e| source.explain("", &e))?;
    let span = table.span();
    let mut root = Spanned::new(span, DeValue::Table(table.into_inner()));
    let mut lines = KeyLines::new();
    source.collect_lines("", &root, &mut lines);
    variables.render_all(source, &mut root, &lines, faults);
    Ok(deserialize(source, root, faults).map(|pipeline| (pipeline, lines)))
}

/// Validates a parsed pipeline file.
struct Validator<'a> {
    source: &'a SourceText,
    lines: &'a KeyLines,
}

impl Validator<'_> {
    fn line(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(1)
    }

    fn error(&self, key: &str, what: impl std::fmt::Display) -> Error {
        self.source.error(self.line(key), key, what)
    }

    fn fault(&self, faults: &mut Faults, key: &str, what: impl std::fmt::Display) {
        faults.push(key, self.error(key, what));
    }

    /// The steps, without those whose own keys are at fault.
    fn queries(&self, pipeline: &Pipeline, faults: &mut Faults) -> Vec<Query> {
        let mut names = BTreeMap::new();
        let mut queries = Vec::new();
        for (index, step) in pipeline.sql.iter().enumerate() {
            let table = format!("sql[{index}]");
            if faults.is_at_fault(&table) {
                continue;
            }
            if let Some(first) = names.insert(step.name.as_str(), self.line(&table)) {
                let what = format!("the step of line {first} is called {} too", step.name);
                self.fault(faults, &join(&table, "name"), what);
            }
            let statements = self.statements(&table, step);
            let is_faulty = statements.is_err();
            let (key, sql) = statements.unwrap_or_else(|error| {
                faults.push(&table, error);
                (table.clone(), String::new())
            });
            self.check_step(&table, step, faults);
            let place = self.source.place(self.line(&key), &key);
            queries.push(Query { step: step.clone(), sql, table, place, is_faulty });
        }
        queries
    }

    /// The key and the text of a step's statements.
    fn statements(&self, table: &str, step: &SqlStep) -> Result<(String, String)> {
        let both = "a step has either a query or a file";
        let (key, sql) = match (&step.query, &step.file) {
            (Some(query), None) => ("query", query.clone()),
            (None, Some(file)) => {
                let source = SourceText::open(file).map_err(|e| self.error(&join(table, "file"), e))?;
                ("file", source.text)
            }
            (Some(_), Some(_)) => return Err(self.error(&join(table, "file"), both)),
            (None, None) => return Err(self.error(table, format!("{both}, and this one has neither"))),
        };
        let key = join(table, key);
        let wrong = match sql::count_statements(&sql) {
            Err(error) => Some(error.to_string()),
            Ok(0) => Some("it has no statement".to_owned()),
            Ok(_) if step.expect.is_some() => sql::require_query(&sql).err().map(|error| error.to_string()),
            Ok(_) => None,
        };
        match wrong {
            Some(what) => Err(self.error(&key, what)),
            None => Ok((key, sql)),
        }
    }

    /// Checks the keys of a step against each other.
    fn check_step(&self, table: &str, step: &SqlStep, faults: &mut Faults) {
        let is_check = step.expect.is_some();
        let has_format = |output: &PathBuf| Format::of_output(output, step.format).is_ok();
        let no_format = match step.format {
            None => "its extension tells no format; set format, or use .parquet, .csv, .ndjson or .md",
            Some(_) => "its extension tells another format; use .parquet, .csv, .ndjson or .md",
        };
        let writes_no_rows = "a check writes no rows; omit this key or expect";
        let cannot_fail = "only a check can fail; add expect, or omit this key";
        for (key, is_there, what) in [
            ("output", is_check && step.output.is_some(), writes_no_rows),
            ("format", is_check && step.format.is_some(), writes_no_rows),
            ("output", step.output.as_ref().is_some_and(|output| !has_format(output)), no_format),
            ("message", !is_check && step.message.is_some(), cannot_fail),
        ] {
            if is_there {
                self.fault(faults, &join(table, key), what);
            }
        }
    }

    fn check_report(&self, pipeline: &Pipeline, faults: &mut Faults) {
        let Some(report) = &pipeline.report else { return };
        if let Some(Err(error)) = report.link_template.as_deref().map(LinkTemplate::parse) {
            self.fault(faults, "report.link_template", error);
        }
        if report.samples > ReportSettings::MOST_SAMPLES {
            let what = format!("at most {} samples are listed", ReportSettings::MOST_SAMPLES);
            self.fault(faults, "report.samples", what);
        }
    }

    /// The tables with names of their own. SQL does not tell upper case from lower.
    fn tables(&self, pipeline: &Pipeline, faults: &mut Faults) -> Vec<(String, String)> {
        let mut known = BTreeMap::from([(ANNOTATED.to_owned(), None)]);
        let mut tables = Vec::new();
        let mut named: Vec<_> = pipeline.tables.iter().collect();
        named.sort_by_key(|(name, _)| self.line(&join("tables", name)));
        for (name, path) in named {
            let key = join("tables", name);
            match known.entry(sql::table_name(name)) {
                Entry::Vacant(free) => {
                    free.insert(Some(self.line(&key)));
                    tables.push((name.clone(), path.display().to_string()));
                }
                Entry::Occupied(taken) => {
                    let what = match taken.get() {
                        None => "this is the output's name; use another".to_owned(),
                        Some(line) => format!("the table of line {line} has this name, too; use another"),
                    };
                    self.fault(faults, &key, what);
                }
            }
        }
        tables
    }
}
