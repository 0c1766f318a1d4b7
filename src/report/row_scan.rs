//! The second pass: rows are streamed and accumulated by partition, and the accumulators merged.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::sql::convert_error;

use super::annotated_files::AnnotatedFiles;
use super::class_moments::{class_name, text};
use super::path_columns::PathColumns;
use super::row_accumulator::{RowAccumulator, RowScales};
use super::top_k::RowLocation;

/// Accumulates the rows of all tables, with `limit` rows in each ranking.
///
/// # Errors
/// See [`convert_error`].
pub(super) async fn scan_rows(
    context: &SessionContext,
    tables: &[String],
    files: &AnnotatedFiles,
    scales: &RowScales,
    limit: usize,
) -> Result<RowAccumulator> {
    let mut all = RowAccumulator::new(scales, limit);
    for ((table, input), path) in tables.iter().zip(&files.inputs).zip(&files.path_columns) {
        let name = input.display().to_string();
        let failed = |e| convert_error(e, &name);
        let frame = context.sql(&rows_query(table, files, path)).await.map_err(failed)?;
        let streams = frame.execute_stream_partitioned().await.map_err(failed)?;
        let run =
            |stream| tokio::spawn(scan_partition(stream, RowAccumulator::new(scales, limit), name.clone()));
        let running: Vec<_> = streams.into_iter().map(run).collect();
        for task in running {
            all.merge(&task.await.map_err(|e| Error::Internal(e.to_string()))??);
        }
    }
    Ok(all)
}

/// SQL for the four parts, the file, the position, the class and the key columns.
fn rows_query(table: &str, files: &AnnotatedFiles, path: &PathColumns) -> String {
    let key = files.key.iter().enumerate().map(|(i, column)| format!(", {} AS key_{i}", path.sql(column)));
    format!(
        "SELECT CAST(r AS DOUBLE) AS r, CAST(u1 AS DOUBLE) AS u1, CAST(u2 AS DOUBLE) AS u2, \
         CAST(s AS DOUBLE) AS s, input_file_name() AS file, file_row_index() AS at, {} AS class{} FROM {table}",
        path.sql(&files.label),
        key.collect::<String>()
    )
}

async fn scan_partition(
    mut stream: SendableRecordBatchStream,
    mut accumulator: RowAccumulator,
    input: String,
) -> Result<RowAccumulator> {
    while let Some(batch) = stream.next().await {
        accumulate_batch(&mut accumulator, &batch.map_err(|e| convert_error(e, &input))?)?;
    }
    Ok(accumulator)
}

fn accumulate_batch(accumulator: &mut RowAccumulator, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let mismatch = || Error::Internal("the rows have other columns than requested".to_owned());
    let [r, u1, u2, s, file, at, class, key @ ..] = batch.columns() else { return Err(mismatch()) };
    let numbers =
        |array: &Arc<dyn Array>| array.as_primitive_opt::<Float64Type>().cloned().ok_or_else(mismatch);
    let parts = [numbers(r)?, numbers(u1)?, numbers(u2)?, numbers(s)?];
    let at = at.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?;
    // All rows of a batch come from one file.
    let mut location = RowLocation { file: text(file, 0)?.into(), row: 0 };
    for row in 0..batch.num_rows() {
        let values = parts.each_ref().map(|part| if part.is_valid(row) { part.value(row) } else { f64::NAN });
        if values.iter().all(|value| value.is_finite()) {
            location.row = at.value(row).unsigned_abs();
            accumulator.push(values, &location, || -> Result<_> {
                let key = key.iter().map(|column| cell(column, row)).collect::<Result<_>>()?;
                Ok((class_name(class, row)?, key))
            })?;
        }
    }
    Ok(())
}

fn cell(array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) { Ok("null".to_owned()) } else { text(array, row) }
}
