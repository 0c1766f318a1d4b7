//! The check of a pipeline's queries before anything runs: each is planned over an empty table with the columns
//! that annotating will write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::SchemaRef;
use glob::Pattern;

use crate::config::{ANNOTATED, Faults, Query};
use crate::error::{Error, Result};
use crate::sql::{Format, Session, SqlRequest, StatementPaths, TABLE_FLAG, with_caret};
use crate::storage::lies_in;

use super::empty_output::EmptyOutput;
use super::steps::StepRunner;

/// Checks all tables and queries, in their order, and adds all that is wrong with them. Where the columns of the
/// output are unknown, only queries of other tables are planned.
///
/// # Errors
/// As for [`Faults::add`].
pub(super) fn check_queries(
    steps: &StepRunner<'_>,
    annotated: Option<&EmptyOutput>,
    faults: &mut Faults,
    stop: &AtomicBool,
) -> Result<()> {
    let config = steps.config;
    let mut known = Known { made: vec![config.output.clone()], ..Known::default() };
    known.unknown.extend(annotated.is_none().then(|| ANNOTATED.to_owned()));
    for (name, path) in config.tables.iter().filter(|(name, _)| name != ANNOTATED) {
        let tables = vec![(name.clone(), path.clone())];
        let request = SqlRequest { tables, ..SqlRequest::new("") };
        if let Err(error) = Session::open(&request) {
            known.unknown.push(name.clone());
            if !known.is_made(&error) {
                faults.add_at(config.place(&format!("tables.{name}")), error)?;
            }
        }
    }
    for query in &config.queries {
        let tables = config.tables.iter().filter(|(name, _)| !known.is_unknown(name)).cloned();
        let in_place = |(name, path): (String, String)| match annotated.filter(|_| name == ANNOTATED) {
            Some(annotated) => (name, annotated.output.display().to_string()),
            None => (name, path),
        };
        let tables = tables.map(in_place).collect();
        let schema = match query.is_faulty {
            true => None,
            false => known.plan((steps, tables), query, faults, stop)?,
        };
        known.add(query, schema);
    }
    Ok(())
}

/// Whether two names of tables are those of one file.
fn is_same(one: &str, other: &str) -> bool {
    let paths = || (Path::new(one), Path::new(other));
    let lies_in_both = |(one, other): (&Path, &Path)| lies_in(one, other) && lies_in(other, one);
    one == other || lies_in_both(paths())
}

/// What is known of tables when a query is planned.
#[derive(Default)]
struct Known {
    /// The outputs of earlier queries.
    written: Vec<(String, SchemaRef)>,
    /// Tables and outputs of which no more is known than their names, since what makes them is at fault.
    unknown: Vec<String>,
    /// Files and folders that the pipeline makes.
    made: Vec<PathBuf>,
}

impl Known {
    fn is_unknown(&self, name: &str) -> bool {
        self.unknown.iter().any(|unknown| is_same(name, unknown))
    }

    /// Whether a glob is one of names that steps write: what it finds is not there yet.
    fn is_pattern_of_outputs(&self, name: &str) -> bool {
        let outputs = || self.written.iter().map(|(name, _)| name).chain(&self.unknown);
        Pattern::new(name)
            .is_ok_and(|glob| name.contains(['*', '?', '[']) && outputs().any(|name| glob.matches(name)))
    }

    /// Whether an error is that a file is not there, which the pipeline makes, or none in a folder in which it makes
    /// one.
    fn is_made(&self, error: &Error) -> bool {
        let Error::NoInput { place, .. } = error else { return false };
        let missing = Path::new(&place.file);
        self.made.iter().any(|made| lies_in(missing, made) || lies_in(made, missing))
    }

    /// The schema of a query's rows; `None` where it is unknown or has none.
    fn plan(
        &self,
        (steps, tables): (&StepRunner<'_>, Vec<(String, String)>),
        query: &Query,
        faults: &mut Faults,
        stop: &AtomicBool,
    ) -> Result<Option<SchemaRef>> {
        let statements = StatementPaths::parse(&query.sql)?;
        let reads = || statements.iter().flat_map(|statement| &statement.reads);
        if reads().any(|name| self.is_unknown(name) || self.is_pattern_of_outputs(name)) {
            return Ok(None);
        }
        let request = steps.sql_args(query).planning(tables, query.sql.clone());
        let planned = Session::open(&request).and_then(|session| {
            for name in reads().collect::<BTreeSet<_>>() {
                if let Some((_, schema)) = self.written.iter().find(|(written, _)| is_same(name, written)) {
                    session.register_empty(name, Arc::clone(schema))?;
                }
            }
            let format =
                query.step.output.as_deref().map(|output| Format::of_output(output, query.step.format));
            session.plan(&query.sql, (query.step.expect, format.and_then(Result::ok)), stop)
        });
        let error = match planned {
            Ok(schema) => return Ok(schema),
            Err(error) if self.is_made(&error) => return Ok(None),
            Err(error @ Error::NoInput { .. }) => with_caret(Error::Usage(error.to_string()), &query.sql),
            // The way of the command line has another name in a pipeline.
            Err(Error::Usage(text)) => Error::Usage(text.replace(TABLE_FLAG, "[tables] with NAME = 'PATH'")),
            Err(error) => error,
        };
        faults.add_at(Some(query.place.clone()), error).map(|()| None)
    }

    /// Adds what a query writes.
    fn add(&mut self, query: &Query, schema: Option<SchemaRef>) {
        if let Some(output) = &query.step.output {
            self.made.push(output.clone());
            let name = output.display().to_string();
            match schema {
                Some(schema) => self.written.push((name, schema)),
                None => self.unknown.push(name),
            }
        }
        let statements = StatementPaths::parse(&query.sql).unwrap_or_default();
        self.made.extend(statements.into_iter().filter_map(|statement| statement.writes).map(PathBuf::from));
    }
}
