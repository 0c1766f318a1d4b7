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
use super::top_k::{RowDescription, RowLocation, RowValues};

/// The context with plans in which no exchange of rows stands between a scan and its projection: only the
/// scan knows the file and the position of a row.
fn without_exchanges(context: &SessionContext) -> SessionContext {
    let mut state = context.state();
    state.config_mut().options_mut().optimizer.enable_round_robin_repartition = false;
    SessionContext::new_with_state(state)
}

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
    let context = without_exchanges(context);
    let information = files.values.information_of_all();
    let empty = || RowAccumulator::new(scales, information.is_some(), limit);
    let mut all = empty();
    for ((table, input), path) in tables.iter().zip(&files.inputs).zip(&files.path_columns) {
        let name = input.display().to_string();
        let failed = |e| convert_error(e, &name);
        let frame =
            context.sql(&rows_query(table, files, path, information.as_deref())).await.map_err(failed)?;
        let streams = frame.execute_stream_partitioned().await.map_err(failed)?;
        let modalities = files.values.modalities;
        let run = |stream| tokio::spawn(scan_partition(stream, empty(), modalities, name.clone()));
        let running: Vec<_> = streams.into_iter().map(run).collect();
        for task in running {
            all.merge(&task.await.map_err(|e| Error::Internal(e.to_string()))??);
        }
    }
    Ok(all)
}

/// SQL for the parts, the information of each modality and of all, whether the row counts, whether the
/// models were trained on it, the file, the position, the class and the key columns.
fn rows_query(table: &str, files: &AnnotatedFiles, path: &PathColumns, information: Option<&str>) -> String {
    let unknown = || "CAST(NULL AS DOUBLE)".to_owned();
    let singles = files.values.information_of_singles().into_iter().enumerate();
    let singles = singles.map(|(index, sql)| format!(", {} AS single_{index}", sql.unwrap_or_else(unknown)));
    let columns = files.values.read().into_iter().map(|name| files.value(&name));
    let parts = part_names(files.values.modalities).join(", ");
    let key = (0..files.key.len()).map(|i| format!(", key_{i}"));
    let read_key =
        files.key.iter().enumerate().map(|(i, column)| format!(", {} AS key_{i}", path.sql(column)));
    format!(
        "SELECT {parts}{}, {} AS information, {} AS is_computed, is_trained, file, at, class{} FROM (SELECT {}, \
         {} AS is_trained, input_file_name() AS file, file_row_index() AS at, {} AS class{} FROM {table}) AS t",
        singles.collect::<String>(),
        information.map_or_else(unknown, str::to_owned),
        files.values.is_computed(),
        key.collect::<String>(),
        columns.collect::<Vec<_>>().join(", "),
        files.values.is_trained(&files.prefix),
        path.label_sql(&files.label),
        read_key.collect::<String>()
    )
}

async fn scan_partition(
    mut stream: SendableRecordBatchStream,
    mut accumulator: RowAccumulator,
    modalities: usize,
    input: String,
) -> Result<RowAccumulator> {
    while let Some(batch) = stream.next().await {
        accumulate_batch(&mut accumulator, modalities, &batch.map_err(|e| convert_error(e, &input))?)?;
    }
    Ok(accumulator)
}

fn accumulate_batch(accumulator: &mut RowAccumulator, modalities: usize, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let mismatch = || Error::Internal("the rows have other columns than requested".to_owned());
    let (parts, others) = batch.columns().split_at_checked(modalities + 2).ok_or_else(mismatch)?;
    let (singles, others) = others.split_at_checked(modalities).ok_or_else(mismatch)?;
    let [information, is_computed, is_trained, file, at, class, key @ ..] = others else {
        return Err(mismatch());
    };
    let numbers =
        |array: &Arc<dyn Array>| array.as_primitive_opt::<Float64Type>().cloned().ok_or_else(mismatch);
    let parts = parts.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let singles = singles.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let information = numbers(information)?;
    let is_computed = is_computed.as_boolean_opt().ok_or_else(mismatch)?;
    let is_trained = is_trained.as_boolean_opt().ok_or_else(mismatch)?;
    let at = at.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?;
    // All rows of a batch come from one file.
    let mut location = RowLocation { file: text(file, 0)?.into(), row: 0 };
    let known = |array: &Float64Array, row: usize| array.is_valid(row).then(|| array.value(row));
    let finite = |array: &Float64Array, row: usize| known(array, row).filter(|value| value.is_finite());
    let mut values = RowValues::default();
    for row in 0..batch.num_rows() {
        values.parts.clear();
        values.parts.extend(parts.iter().map(|part| known(part, row)));
        if is_computed.is_valid(row) && is_computed.value(row) {
            values.singles.clear();
            values.singles.extend(singles.iter().map(|single| finite(single, row)));
            values.information = finite(&information, row);
            location.row = at.value(row).unsigned_abs();
            accumulator.push(&values, &location, || -> Result<_> {
                let key = key.iter().map(|column| cell(column, row)).collect::<Result<_>>()?;
                let is_trained = is_trained.is_valid(row).then(|| is_trained.value(row));
                Ok(RowDescription { class: class_name(class, row)?, key, is_trained })
            })?;
        }
    }
    Ok(())
}

fn cell(array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) { Ok("null".to_owned()) } else { text(array, row) }
}
