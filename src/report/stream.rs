//! The second pass: the rows of every file stream by, each partition folded by itself,
//! and what was kept is put together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::sql::explain;

use super::classes::{quoted, text};
use super::fold::{Fold, Furthest, Met, Scales};
use super::inputs::Opened;
use super::links::Template;
use super::numbers::{Parts, Sample};

/// Folds the rows of all tables, `most` of them kept at each end.
///
/// # Errors
/// As [`explain`] says.
pub(super) async fn fold(
    context: &SessionContext,
    tables: &[String],
    opened: &Opened,
    scales: &Scales,
    most: usize,
) -> Result<Fold> {
    let mut all = Fold::new(scales, most);
    for (table, input) in tables.iter().zip(&opened.inputs) {
        let name = input.display().to_string();
        let failed = |e| explain(e, &name);
        let frame = context.sql(&statement(table, opened)).await.map_err(failed)?;
        let streams = frame.execute_stream_partitioned().await.map_err(failed)?;
        let run = |stream| tokio::spawn(partition(stream, Fold::new(scales, most), name.clone()));
        let running: Vec<_> = streams.into_iter().map(run).collect();
        for task in running {
            all.merge(&task.await.map_err(|e| Error::Internal(e.to_string()))??);
        }
    }
    Ok(all)
}

/// The four parts, the file and the row in it, the class, and the key's columns.
fn statement(table: &str, opened: &Opened) -> String {
    let key = opened.key.iter().enumerate().map(|(i, column)| format!(", {} AS key_{i}", quoted(column)));
    format!(
        "SELECT CAST(r AS DOUBLE) AS r, CAST(u1 AS DOUBLE) AS u1, CAST(u2 AS DOUBLE) AS u2, \
         CAST(s AS DOUBLE) AS s, input_file_name() AS file, file_row_index() AS at, {} AS class{} FROM {table}",
        quoted(&opened.label),
        key.collect::<String>()
    )
}

async fn partition(mut stream: SendableRecordBatchStream, mut fold: Fold, input: String) -> Result<Fold> {
    while let Some(batch) = stream.next().await {
        take(&mut fold, &batch.map_err(|e| explain(e, &input))?)?;
    }
    Ok(fold)
}

fn take(fold: &mut Fold, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let lost = || Error::Internal("the rows have other columns than asked for".to_owned());
    let [r, u1, u2, s, file, at, class, key @ ..] = batch.columns() else { return Err(lost()) };
    let numbers = |array: &Arc<dyn Array>| array.as_primitive_opt::<Float64Type>().cloned().ok_or_else(lost);
    let parts = [numbers(r)?, numbers(u1)?, numbers(u2)?, numbers(s)?];
    let at = at.as_primitive_opt::<Int64Type>().ok_or_else(lost)?;
    // A batch is of one file.
    let mut met = Met { file: text(file, 0)?.into(), row: 0 };
    for row in 0..batch.num_rows() {
        let values = parts.each_ref().map(|part| if part.is_valid(row) { part.value(row) } else { f64::NAN });
        if values.iter().all(|value| value.is_finite()) {
            met.row = at.value(row).unsigned_abs();
            fold.push(values, &met, || -> Result<_> {
                let key = key.iter().map(|column| cell(column, row)).collect::<Result<_>>()?;
                Ok((cell(class, row)?, key))
            })?;
        }
    }
    Ok(())
}

fn cell(array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) { Ok("null".to_owned()) } else { text(array, row) }
}

/// The rows at one end, with their files as the user would write them.
pub(super) fn samples(
    end: &Furthest,
    opened: &Opened,
    names: &Names,
    link: Option<&Template>,
) -> Vec<Sample> {
    let sample = |kept: &super::fold::Kept| {
        let [r, u1, u2, s] = kept.parts;
        let value = |name: &str| {
            let column = opened.key.iter().position(|column| column == name)?;
            kept.key.get(column).map(String::as_str)
        };
        Sample {
            key: kept.key.iter().take(opened.key_columns).cloned().collect(),
            file: names.of(&kept.met.file),
            row: kept.met.row,
            link: link.map(|template| template.fill(value)),
            class: kept.class.clone(),
            parts: Parts { r, u1, u2, s },
            i12: r + u1 + u2 + s,
        }
    };
    end.rows.iter().map(sample).collect()
}

/// Files' names as they were found, by the paths that DataFusion knows them by.
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let known = |path: &Path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            absolute.display().to_string().trim_start_matches('/').to_owned()
        };
        let both = files.iter().flat_map(|file| {
            let real = file.canonicalize().ok().map(|real| known(&real));
            std::iter::once(known(file)).chain(real).map(|known| (known, file.display().to_string()))
        });
        Self(both.collect())
    }

    fn of(&self, known: &str) -> String {
        let known = known.strip_prefix("file://").unwrap_or(known);
        self.0.get(known.trim_start_matches('/')).cloned().unwrap_or_else(|| known.to_owned())
    }
}
