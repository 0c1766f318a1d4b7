//! The second pass: rows are streamed and accumulated by partition, and the accumulators merged.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::sql::convert_error;

use super::annotated_files::AnnotatedFiles;
use super::class_moments::{class_name, text};
use super::parts::part_names;
use super::path_columns::PathColumns;
use super::row_accumulator::{RowAccumulator, RowScales};
use super::top_k::{RowLocation, RowValues};

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
    let information = files.values.information_of_all();
    let empty = || RowAccumulator::new(scales, information.is_some(), limit);
    let mut all = empty();
    for ((table, input), path) in tables.iter().zip(&files.inputs).zip(&files.path_columns) {
        let name = input.display().to_string();
        let failed = |e| convert_error(e, &name);
        let frame =
            context.sql(&rows_query(table, files, path, information.as_deref())).await.map_err(failed)?;
        let streams = frame.execute_stream_partitioned().await.map_err(failed)?;
        let parts = scales.parts.len();
        let run = |stream| tokio::spawn(scan_partition(stream, empty(), parts, name.clone()));
        let running: Vec<_> = streams.into_iter().map(run).collect();
        for task in running {
            all.merge(&task.await.map_err(|e| Error::Internal(e.to_string()))??);
        }
    }
    Ok(all)
}

/// SQL for the parts, the information of all modalities, whether the row counts, the file, the position, the
/// class and the key columns.
fn rows_query(table: &str, files: &AnnotatedFiles, path: &PathColumns, information: Option<&str>) -> String {
    let columns = files.values.read().into_iter().map(|name| files.value(&name));
    let parts = part_names(files.values.modalities).join(", ");
    let key = (0..files.key.len()).map(|i| format!(", key_{i}"));
    let read_key =
        files.key.iter().enumerate().map(|(i, column)| format!(", {} AS key_{i}", path.sql(column)));
    format!(
        "SELECT {parts}, {} AS information, {} AS is_computed, file, at, class{} FROM (SELECT {}, \
         input_file_name() AS file, file_row_index() AS at, {} AS class{} FROM {table}) AS t",
        information.unwrap_or("CAST(NULL AS DOUBLE)"),
        files.values.is_computed(),
        key.collect::<String>(),
        columns.collect::<Vec<_>>().join(", "),
        path.sql(&files.label),
        read_key.collect::<String>()
    )
}

async fn scan_partition(
    mut stream: SendableRecordBatchStream,
    mut accumulator: RowAccumulator,
    parts: usize,
    input: String,
) -> Result<RowAccumulator> {
    while let Some(batch) = stream.next().await {
        accumulate_batch(&mut accumulator, parts, &batch.map_err(|e| convert_error(e, &input))?)?;
    }
    Ok(accumulator)
}

fn accumulate_batch(accumulator: &mut RowAccumulator, parts: usize, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let mismatch = || Error::Internal("the rows have other columns than requested".to_owned());
    let (parts, others) = batch.columns().split_at_checked(parts).ok_or_else(mismatch)?;
    let [information, is_computed, file, at, class, key @ ..] = others else { return Err(mismatch()) };
    let numbers =
        |array: &Arc<dyn Array>| array.as_primitive_opt::<Float64Type>().cloned().ok_or_else(mismatch);
    let parts = parts.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let information = numbers(information)?;
    let is_computed = is_computed.as_boolean_opt().ok_or_else(mismatch)?;
    let at = at.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?;
    // All rows of a batch come from one file.
    let mut location = RowLocation { file: text(file, 0)?.into(), row: 0 };
    let known = |array: &Float64Array, row: usize| array.is_valid(row).then(|| array.value(row));
    let mut values = RowValues::default();
    for row in 0..batch.num_rows() {
        values.parts.clear();
        values.parts.extend(parts.iter().map(|part| known(part, row)));
        if is_computed.is_valid(row) && is_computed.value(row) {
            values.information = known(&information, row).filter(|value| value.is_finite());
            location.row = at.value(row).unsigned_abs();
            accumulator.push(&values, &location, || -> Result<_> {
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
