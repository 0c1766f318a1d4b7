//! The steps after annotating: queries, checks and the report.

use std::iter::once;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

#[cfg(feature = "cluster")]
use crate::config::TlsArgs;
use crate::config::{Config, Query, ReportSettings};
use crate::error::{Error, Place, Result};
use crate::evaluate::SharedBundle;
use crate::printable::without_secrets;
use crate::sql::StatementPaths;
use crate::storage::is_url;

use super::super::report::{self, ReportArgs, ReportSummary};
use super::super::sql::{self, SqlArgs};
use super::freshness::is_fresh;

/// Rows per table on stdout, as in `lsmi-etl sql`.
const MAX_ROWS: usize = 1000;

/// The summary of a step.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct StepSummary {
    /// Name of the step in the pipeline file.
    name: String,
    /// "query" or "check".
    kind: &'static str,
    /// Output file of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    /// Rows written; absent for a check, and where the output was up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Wall-clock seconds.
    seconds: f64,
}

impl StepSummary {
    /// Whether the step wrote its output file.
    pub(super) fn has_written(&self) -> bool {
        self.output.is_some() && self.rows.is_some()
    }
}

/// Runs the steps of a pipeline.
pub(super) struct StepRunner<'a> {
    pub(super) config: &'a Config,
    pub(super) pipeline: &'a Path,
    /// Whether all files had been annotated before this run.
    pub(super) is_annotated: bool,
    /// The bundle, which annotating, the check of queries and the queries share.
    pub(super) bundle: &'a SharedBundle,
    /// TLS with the cluster that runs the queries.
    #[cfg(feature = "cluster")]
    pub(super) tls: &'a TlsArgs,
}

impl StepRunner<'_> {
    /// Runs a query or a check.
    ///
    /// # Errors
    /// As for `lsmi-etl sql`; [`Error::BadData`] where a check fails.
    pub(super) fn query(&self, query: &Query, stop: &AtomicBool) -> Result<StepSummary> {
        let start = Instant::now();
        let step = &query.step;
        let kind = if step.expect.is_some() { "check" } else { "query" };
        let summary = |rows| StepSummary {
            name: step.name.clone(),
            kind,
            output: step.output.as_deref().map(|path| without_secrets(path).into()),
            rows,
            seconds: start.elapsed().as_secs_f64(),
        };
        let named = self.named_files(&query.sql)?;
        let tables = self.config.tables.iter().map(|(_, path)| Path::new(path));
        let sources = tables.chain(step.file.as_deref()).chain(named.iter().map(Path::new));
        if self.is_up_to_date(step.output.as_deref(), sources) {
            tracing::info!("{kind} {}: its output is up to date", step.name);
            return Ok(summary(None));
        }
        tracing::info!("{kind} {}", step.name);
        let args = self.sql_args(query);
        let at_step = |error: Error| match error {
            Error::Usage(text) => Error::Usage(format!("{}: {text}", query.place)),
            error => error,
        };
        let Some(expect) = step.expect else {
            return sql::write(&args, stop).map(|rows| summary(Some(rows))).map_err(at_step);
        };
        match sql::check(&args, expect, stop).map_err(at_step)? {
            None => Ok(summary(None)),
            Some(rows) => {
                let message = step.message.as_deref().unwrap_or("the rows are not as expected");
                let what = format!("the check {} has failed: {message}\n{rows}", step.name);
                Err(Error::bad_data(Place::file(&query.place), what))
            }
        }
    }

    /// The files that statements name as tables.
    fn named_files(&self, sql: &str) -> Result<Vec<String>> {
        let statements = StatementPaths::parse(sql)?;
        let names = statements.into_iter().flat_map(|statement| statement.reads);
        // Other names are views, or tables of the pipeline.
        let is_file = |name: &String| {
            name.contains(['*', '?', '[']) || is_url(Path::new(name)) || Path::new(name).exists()
        };
        let is_table = |name: &String| self.config.tables.iter().any(|(table, _)| table == name);
        Ok(names.filter(|name| is_file(name) && !is_table(name)).collect())
    }

    /// The arguments of `lsmi-etl sql` that a step stands for.
    pub(super) fn sql_args(&self, query: &Query) -> SqlArgs {
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
            no_page_checksums: self.config.annotate.no_page_checksums,
            threads: step.threads,
            on_shift: self.config.annotate.on_shift,
            on_missing_modality: self.config.annotate.on_missing_modality,
            bundle: self.config.annotate.bundle.clone(),
            shared: self.bundle.clone(),
            engine: self.config.engine.clone(),
            cluster: self.config.cluster.clone(),
            #[cfg(feature = "cluster")]
            tls: self.tls.clone(),
        }
    }

    /// Makes the report; `None` if it is up to date.
    ///
    /// # Errors
    /// As for `lsmi-etl report`.
    pub(super) fn report(&self, settings: &ReportSettings) -> Result<Option<ReportSummary>> {
        let written = settings.written().into_iter().chain(settings.svg.as_deref());
        let sources =
            || once(self.config.output.as_path()).chain(settings.compare.iter().map(PathBuf::as_path));
        if written.clone().all(|output| self.is_up_to_date(Some(output), sources())) {
            tracing::info!("report: it is up to date");
            return Ok(None);
        }
        let bundle = settings.bundle.clone().unwrap_or_else(|| self.config.annotate.bundle.clone());
        let no_page_checksums = settings.no_page_checksums || self.config.annotate.no_page_checksums;
        let prefix = settings.prefix.clone().or_else(|| self.config.annotate.prefix.clone());
        let args = ReportArgs {
            inputs: vec![self.config.output.clone()],
            settings: ReportSettings { bundle: Some(bundle), no_page_checksums, prefix, ..settings.clone() },
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
