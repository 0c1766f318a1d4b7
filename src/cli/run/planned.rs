//! The check of a pipeline's queries before anything runs: each is planned over an empty table with the columns
//! that annotating will write.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::annotate::{AnnotateOptions, kept_columns, new_fields};
use crate::config::{ANNOTATED, Config, Query};
use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::sql::{Session, SqlRequest};
use crate::storage::{FilePair, Files, create_parent_folder, io_errors};

use super::steps::StepRunner;

/// Checks all queries, in their order, and reports all that is wrong with them.
///
/// Where no input can be read their columns are unknown, and nothing is checked: annotating says what is wrong
/// with them.
///
/// # Errors
/// [`Error::Config`] of queries that cannot be planned, each with its place in the file; [`Error::NoInput`]
/// of a table; [`Error::Bundle`]; [`Error::Interrupted`].
pub(super) fn check_queries(steps: &StepRunner<'_>, files: &Files, stop: &AtomicBool) -> Result<()> {
    let config = steps.config;
    if config.queries.is_empty() || files.pairs().is_empty() {
        return Ok(());
    }
    let options = config.annotate.options()?;
    let Some(annotated) = EmptyOutput::write(steps, files, &options)? else { return Ok(()) };
    let mut written: Vec<(String, SchemaRef)> = Vec::new();
    let mut faults = Vec::new();
    for query in &config.queries {
        let request = steps.sql_args(query).planning(annotated.tables(config), query.sql.clone());
        let planned = plan(&request, query, &written, stop);
        match planned {
            Ok(Some(schema)) => {
                let output = query.step.output.as_ref();
                written.extend(output.map(|output| (output.display().to_string(), schema)));
            }
            Ok(None) => {}
            Err(error @ Error::Usage(_)) => faults.push(format!("{}: {error}", query.place)),
            Err(error) => return Err(error),
        }
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err(Error::Config(faults.concat())),
        count => Err(Error::Config(format!("{count} queries cannot run:\n{}", faults.join("\n")))),
    }
}

fn plan(
    request: &SqlRequest,
    query: &Query,
    written: &[(String, SchemaRef)],
    stop: &AtomicBool,
) -> Result<Option<SchemaRef>> {
    let session = Session::open(request)?;
    for (name, schema) in written {
        session.register_empty(name, Arc::clone(schema))?;
    }
    session.plan(&query.sql, query.step.expect, stop)
}

/// Files without rows in the places of the outputs, below a temporary folder.
struct EmptyOutput {
    _folder: TempDir,
    /// The output, a file or a folder.
    output: PathBuf,
}

impl EmptyOutput {
    /// Those of the first and the last file that can be read, whose columns may differ; `None` where none can.
    fn write(steps: &StepRunner<'_>, files: &Files, options: &AnnotateOptions) -> Result<Option<Self>> {
        let config = steps.config;
        let bundle = steps.bundle.open(&config.annotate.bundle)?;
        let fields = new_fields(&bundle, options)?;
        let failed = |e: std::io::Error| Error::io(Place::file(std::env::temp_dir().display()), "write", e);
        let folder = tempfile::tempdir().map_err(failed)?;
        let name = config.output.file_name().map_or_else(|| PathBuf::from(ANNOTATED), PathBuf::from);
        let output = folder.path().join(name);
        let pairs = files.pairs();
        let open = |pair: &FilePair| {
            let input = Input::open_with(&pair.input, options.keys.as_ref()).ok()?;
            Some((pair.relative.clone(), kept_columns(&bundle, options, &input).ok()?))
        };
        let Some(first) = pairs.iter().find_map(open) else { return Ok(None) };
        let last = pairs.iter().rev().find_map(open);
        for (relative, input) in [first].into_iter().chain(last) {
            let old = input.schema().fields().iter();
            let is_kept = |name: &String| !fields.iter().any(|new| new.name() == name);
            let old = old.filter(|field| is_kept(field.name())).cloned();
            let all = old.chain(fields.iter().cloned().map(Arc::new)).collect::<Vec<_>>();
            let path = if files.is_file() { output.clone() } else { output.join(relative) };
            write_empty(&path, Arc::new(Schema::new(all)))?;
        }
        Ok(Some(Self { _folder: folder, output }))
    }

    /// The tables of the pipeline, with these in place of the output.
    fn tables(&self, config: &Config) -> Vec<(String, String)> {
        let here = |(name, path): &(String, String)| match name == ANNOTATED {
            true => (name.clone(), self.output.display().to_string()),
            false => (name.clone(), path.clone()),
        };
        config.tables.iter().map(here).collect()
    }
}

fn write_empty(path: &Path, schema: SchemaRef) -> Result<()> {
    create_parent_folder(path)?;
    let place = || Place::file(path.display());
    let file = File::create(path).map_err(|e| Error::io(place(), "write", e))?;
    let written = ArrowWriter::try_new(file, schema, None).and_then(ArrowWriter::close);
    written.map(drop).map_err(|e| io_errors::parquet(place(), "write", e))
}
