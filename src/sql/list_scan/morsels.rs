//! The work of a scan: for each file one piece, in which the batches of DataFusion's reader get their
//! lists.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::{DataFusionError, Result};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::stream::{BoxStream, try_unfold};
use futures::{StreamExt, TryStreamExt};

use super::super::errors::to_datafusion_error;
use super::columns::ScannedColumns;
use super::file_lists::{FileLists, ListScan};

/// The work of a partition.
#[derive(Debug)]
pub(super) struct ListMorselizer {
    /// DataFusion's reader of all columns, for files that it has to read alone.
    pub(super) all: Box<dyn Morselizer>,
    /// That of the columns which are no lists, and of the numbers of rows.
    pub(super) others: Box<dyn Morselizer>,
    pub(super) columns: ScannedColumns,
    pub(super) scan: ListScan,
}

impl Morselizer for ListMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        match FileLists::open(&file, &self.columns, &self.scan) {
            None => self.all.plan_file(file),
            Some(lists) => {
                let others = self.others.plan_file(file)?;
                Ok(Box::new(JoinedFile { others, lists, columns: self.columns.clone() }))
            }
        }
    }
}

/// A file whose columns are read by two readers.
struct JoinedFile {
    others: Box<dyn MorselPlanner>,
    lists: FileLists,
    columns: ScannedColumns,
}

impl fmt::Debug for JoinedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinedFile").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl MorselPlanner for JoinedFile {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(Some(MorselPlan::new().with_morsels(vec![self])))
    }
}

impl Morsel for JoinedFile {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { others, lists, columns } = *self;
        let state = (batches(others), lists, Arc::new(columns));
        try_unfold(state, |(mut others, mut lists, columns)| async move {
            let Some(batch) = others.try_next().await? else { return Ok(None) };
            // The other reader opens the path again for what it reads: rows of two files must not be one.
            lists.verify_unchanged().map_err(to_datafusion_error)?;
            let read = lists.read(row_numbers(&batch)?).map_err(to_datafusion_error)?;
            Ok(Some((columns.join(&batch, read)?, (others, lists, columns))))
        })
        .boxed()
    }
}

/// The numbers of a batch's rows in the file: its last column.
fn row_numbers(batch: &RecordBatch) -> Result<&[i64]> {
    let numbers = batch.columns().last().and_then(|column| column.as_primitive_opt::<Int64Type>());
    let numbers = numbers.filter(|numbers| numbers.null_count() == 0);
    let numbers =
        numbers.ok_or_else(|| DataFusionError::Internal("a scan has no numbers of rows".to_owned()));
    Ok(numbers?.values())
}

/// The batches of a file, by the order of its plan.
fn batches(planner: Box<dyn MorselPlanner>) -> BoxStream<'static, Result<RecordBatch>> {
    let work = (VecDeque::from([planner]), VecDeque::<Box<dyn Morsel>>::new());
    let streams = try_unfold(work, |(mut planners, mut morsels)| async move {
        loop {
            if let Some(morsel) = morsels.pop_front() {
                return Ok::<_, DataFusionError>(Some((morsel.into_stream(), (planners, morsels))));
            }
            let Some(planner) = planners.pop_front() else { return Ok(None) };
            let Some(mut plan) = planner.plan()? else { continue };
            morsels.extend(plan.take_morsels());
            let pending = plan.take_pending_planner();
            for planner in plan.take_ready_planners().into_iter().rev() {
                planners.push_front(planner);
            }
            if let Some(pending) = pending {
                planners.push_front(pending.await?);
            }
        }
    });
    streams.try_flatten().boxed()
}
