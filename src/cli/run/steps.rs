//! The steps after annotating: queries, checks and the report.

use std::iter::once;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Config, Query, ReportSettings};
use crate::error::{Error, Place, Result};

use super::super::report::{self, Made, ReportArgs};
use super::super::sql::{self, SqlArgs};
use super::fresh::is_fresh;

/// Rows of a table on stdout, as for `lsmi-etl sql`.
const MAX_ROWS: usize = 1000;

/// A step that was done, or was there already.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct Done {
    /// The step's name in the pipeline file.
    name: String,
    /// "query" or "check".
    kind: &'static str,
    /// The file of its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    /// The rows that were written; nothing for a check, and where they were there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Wall-clock seconds.
    seconds: f64,
}

impl Done {
    /// Whether a file is new.
    pub(super) fn has_written(&self) -> bool {
        self.output.is_some() && self.rows.is_some()
    }
}

/// What the steps of a run share.
pub(super) struct Steps<'a> {
    pub(super) config: &'a Config,
    pub(super) pipeline: &'a Path,
    /// Whether this run has found all files annotated.
    pub(super) is_annotated: bool,
}

impl Steps<'_> {
    /// Writes the rows of a query, or makes a check.
    ///
    /// # Errors
    /// As for `lsmi-etl sql`; [`Error::BadData`] where a check fails.
    pub(super) fn query(&self, query: &Query, stop: &AtomicBool) -> Result<Done> {
        let start = Instant::now();
        let step = &query.step;
        let kind = if step.expect.is_some() { "check" } else { "query" };
        let done = |rows| Done {
            name: step.name.clone(),
            kind,
            output: step.output.clone(),
            rows,
            seconds: start.elapsed().as_secs_f64(),
        };
        let tables = self.config.tables.iter().map(|(_, path)| Path::new(path));
        if self.is_up_to_date(step.output.as_deref(), tables.chain(step.file.as_deref())) {
            tracing::info!("{kind} {}: its rows are there already", step.name);
            return Ok(done(None));
        }
        tracing::info!("{kind} {}", step.name);
        let args = self.sql(query);
        let Some(expect) = step.expect else { return sql::write(&args, stop).map(|rows| done(Some(rows))) };
        match sql::check(&args, expect, stop)? {
            None => Ok(done(None)),
            Some(rows) => {
                let message = step.message.as_deref().unwrap_or("its rows are not as expected");
                let what = format!("the check {} has failed: {message}\n{rows}", step.name);
                Err(Error::bad_data(Place::file(&query.place), what))
            }
        }
    }

    fn sql(&self, query: &Query) -> SqlArgs {
        let Query { step, sql, .. } = query;
        let default_rows = if step.output.is_some() { 0 } else { MAX_ROWS };
        SqlArgs {
            query: Some(sql.clone()),
            file: None,
            tables: self.config.tables.clone(),
            format: step.format,
            output: step.output.clone(),
            overwrite: true,
            max_rows: step.max_rows.unwrap_or(default_rows),
            memory_limit: step.memory_limit,
            threads: step.threads,
            bundle: self.config.annotate.bundle.clone(),
            engine: self.config.engine.clone(),
        }
    }

    /// Makes the report; nothing where it is there already.
    ///
    /// # Errors
    /// As for `lsmi-etl report`.
    pub(super) fn report(&self, settings: &ReportSettings) -> Result<Option<Made>> {
        let written = settings.written().into_iter().chain(settings.svg.as_deref());
        let sources =
            || once(self.config.output.as_path()).chain(settings.compare.iter().map(PathBuf::as_path));
        if written.clone().all(|output| self.is_up_to_date(Some(output), sources())) {
            tracing::info!("report: it is there already");
            return Ok(None);
        }
        let bundle = settings.bundle.clone().unwrap_or_else(|| self.config.annotate.bundle.clone());
        let args = ReportArgs {
            inputs: vec![self.config.output.clone()],
            settings: ReportSettings { bundle: Some(bundle), ..settings.clone() },
            overwrite: true,
            json: false,
        };
        report::make(&args).map(Some)
    }

    fn is_up_to_date<'p>(&'p self, output: Option<&Path>, sources: impl Iterator<Item = &'p Path>) -> bool {
        let sources = sources.chain(once(self.pipeline));
        self.is_annotated && output.is_some_and(|output| is_fresh(output, sources))
    }
}
