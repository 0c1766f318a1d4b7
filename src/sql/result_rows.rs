//! The rows of a statement on their way to a file, a pipe or the terminal.

use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, stream};

use crate::error::{Error, Place, Result};

use super::caret::with_caret;
use super::definitions;
#[cfg(feature = "cluster")]
use super::elsewhere;
use super::errors::convert_error;
use super::file_order;
use super::output::{Encoding, Format, row_encoder};
use super::redacted;
use super::session::StoppableRun;

/// The rows of a statement.
pub(super) struct ResultRows {
    stream: SendableRecordBatchStream,
    /// The tables that they are of, for messages.
    tables: String,
    /// Whether they tell definitions, which may hold secrets.
    tells: bool,
    /// Their schema as it is written.
    schema: SchemaRef,
}

impl ResultRows {
    /// Begins a statement.
    ///
    /// # Errors
    /// Of running elsewhere; of planning.
    pub(super) fn start(run: &StoppableRun<'_>, plan: LogicalPlan, sql: &str) -> Result<Self> {
        let names = scanned_tables(&plan);
        let tables = names.join(" or ");
        let tells = redacted::tells_definitions(&plan);
        let stream = start(run, plan)?.map_err(|e| with_caret(convert_error(e, &tables), sql))?;
        let schema = with_short_names(&stream.schema(), &names);
        Ok(Self { stream, tables, tells, schema })
    }

    /// Rows that are there.
    pub(super) fn of_batch(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter([Ok(batch)]));
        Self { stream: Box::pin(stream), tables: String::new(), tells: false, schema }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows as they are written; `None` at the end.
    ///
    /// # Errors
    /// Those of the query.
    pub(super) fn next(&mut self, run: &StoppableRun<'_>) -> Result<Option<RecordBatch>> {
        let failed = |e: DataFusionError| convert_error(e, &self.tables);
        let Some(batch) = run.block_on(self.stream.next())? else { return Ok(None) };
        let batch = batch.map_err(failed)?;
        let count = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &count);
        let batch = batch.map_err(|e| failed(e.into()))?;
        match self.tells {
            true => redacted::without_secrets(&batch).map_err(|e| failed(e.into())).map(Some),
            false => Ok(Some(batch)),
        }
    }

    /// Runs a statement without result columns to completion.
    ///
    /// # Errors
    /// Those of the query.
    pub(super) fn drain(mut self, run: &StoppableRun<'_>) -> Result<()> {
        while let Some(batch) = run.block_on(self.stream.next())? {
            batch.map_err(|e| convert_error(e, &self.tables))?;
        }
        Ok(())
    }

    /// Writes the rows to what messages call `name`, and returns their number.
    ///
    /// # Errors
    /// Those of the query; [`Error::Usage`] for columns that the format can't hold; [`Error::Io`].
    pub(super) fn write(
        mut self,
        run: &StoppableRun<'_>,
        encoding: Encoding,
        (out, name): (&mut dyn Write, &str),
    ) -> Result<u64> {
        let unfit = |e| unfit(encoding.layout.format, &e);
        let mut encoder = row_encoder(&encoding, Arc::clone(&self.schema)).map_err(unfit)?;
        let mut text = Vec::new();
        let mut written = 0;
        while let Some(batch) = self.next(run)? {
            encoder.encode(&batch, &mut text).map_err(unfit)?;
            if !text.is_empty() {
                run.session().output_begins();
            }
            out.write_all(&text).map_err(|e| write_error(name, e))?;
            text.clear();
            written += batch.num_rows() as u64;
            if encoder.is_full() {
                break;
            }
        }
        encoder.finish(&mut text).map_err(unfit)?;
        run.session().output_begins();
        out.write_all(&text).map_err(|e| write_error(name, e))?;
        Ok(written)
    }
}

/// An error of an encoder: a column that the format can't hold.
pub(super) fn unfit(format: Format, error: &ArrowError) -> Error {
    let (format, why) = (format.name(), error.to_string());
    let why = why.trim_start_matches("Not yet implemented: ");
    Error::Usage(format!("the result does not fit {format}: {why}; cast or leave out the column"))
}

/// An error of writing to what messages call `name`.
pub(super) fn write_error(name: &str, source: io::Error) -> Error {
    // An upload's error carries its own cause.
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::io(Place::file(name), "write", source),
    }
}

/// Begins a statement, elsewhere where the session has what runs its queries.
///
/// # Errors
/// Of running elsewhere; those of DataFusion as they are.
pub(super) fn start(
    run: &StoppableRun<'_>,
    plan: LogicalPlan,
) -> Result<datafusion::error::Result<SendableRecordBatchStream>> {
    let context = run.session().context();
    #[cfg(feature = "cluster")]
    if let Some(runner) = elsewhere::runner_of(context, &plan) {
        return elsewhere::start(run, runner.as_ref(), plan);
    }
    run.block_on(start_stream(context, plan))
}

async fn start_stream(
    context: &SessionContext,
    plan: LogicalPlan,
) -> datafusion::error::Result<SendableRecordBatchStream> {
    match file_order::is_streamed_scan(&plan) {
        true => file_order::stream_in_file_order(context, plan).await,
        false => {
            let context = definitions::context_of(context, &plan);
            context.execute_logical_plan(plan).await?.execute_stream().await
        }
    }
}

/// Renames DataFusion's `avg(out.parquet.r)` to `avg(r)` where the short name remains unique.
fn with_short_names(schema: &SchemaRef, tables: &[String]) -> SchemaRef {
    let short = |name: &str| {
        tables.iter().fold(name.to_owned(), |name, table| name.replace(&format!("{table}."), ""))
    };
    let names: Vec<String> = schema.fields().iter().map(|field| short(field.name())).collect();
    let fields = schema.fields().iter().zip(&names).map(|(field, name)| {
        let alone = names.iter().filter(|other| *other == name).count() == 1;
        let name = redacted::title(if alone { name } else { field.name() });
        field.as_ref().clone().with_name(name)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema of a plan's rows as they are written.
pub(super) fn short_schema(plan: &LogicalPlan) -> SchemaRef {
    let schema = Arc::new(Schema::clone(plan.schema().as_arrow()));
    with_short_names(&schema, &scanned_tables(plan))
}

/// The names of all tables that a plan scans.
fn scanned_tables(plan: &LogicalPlan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // The visitor is infallible.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.table().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    names
}
