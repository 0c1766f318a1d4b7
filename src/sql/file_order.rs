//! Streaming execution in file order: `SELECT * FROM 'out.parquet'` starts with the file's first
//! row. DataFusion alone interleaves the partitions' rows as they arrive.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{StreamExt, stream};

/// Capacity of each partition's bounded channel, in batches.
const BUFFERED_BATCHES: usize = 4;

/// Executes a plan for which [`is_streamed_scan`] holds.
///
/// Partitions are consecutive ranges of the files. All run concurrently, so that a selective filter
/// uses every core; a bounded channel holds each back until its rows are due. A limit runs as
/// one partition, because it would otherwise take rows of any partition.
pub(super) async fn stream_in_file_order(
    context: &SessionContext,
    plan: LogicalPlan,
) -> Result<SendableRecordBatchStream> {
    let state = planning_state(context, &plan);
    let frame = DataFrame::new(state, plan);
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let schema = plan.schema();
    let mut partitions = Vec::new();
    for mut source in execute_stream_partitioned(plan, task)? {
        let mut rows = RecordBatchReceiverStream::builder(schema.clone(), BUFFERED_BATCHES);
        let sender = rows.tx();
        rows.spawn(async move {
            while let Some(batch) = source.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        partitions.push(rows.build());
    }
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(partitions).flatten())))
}

/// The state in which a plan for which [`is_streamed_scan`] holds is planned, so that the rows of its
/// partitions follow each other.
pub(super) fn planning_state(context: &SessionContext, plan: &LogicalPlan) -> SessionState {
    let mut state = context.state();
    let options = state.config_mut().options_mut();
    options.optimizer.enable_round_robin_repartition = false;
    options.execution.enable_file_stream_work_stealing = false;
    if needs_one_partition(plan) {
        options.execution.target_partitions = 1;
    }
    state
}

/// Whether a plan is a table scan with projections, filters and limits only.
pub(super) fn is_streamed_scan(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_) => plan.inputs().into_iter().all(is_streamed_scan),
        _ => false,
    }
}

fn needs_one_partition(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit(_)) || plan.inputs().into_iter().any(needs_one_partition)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::parquet::arrow::ArrowWriter;
    use tempfile::TempDir;

    use super::super::{Format, Layout, SqlOptions, SqlRequest, run};

    /// The values of the first column that a query gives, with four partitions.
    fn column(sql: &str) -> Vec<i64> {
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        let options = SqlOptions { threads: NonZeroUsize::new(4), ..SqlOptions::default() };
        let mut out = Vec::new();
        run(&SqlRequest { layout, options, ..SqlRequest::new(sql) }, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().skip(1).map(|line| line.parse().unwrap()).collect()
    }

    #[test]
    fn rows_come_in_the_order_of_their_file() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("ordered.parquet");
        let rows = 2_000_000;
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("v", values)]).unwrap();
        // Twenty row groups of 16 MB in all: past the size at which one file is
        // read in several partitions.
        let properties = datafusion::parquet::file::properties::WriterProperties::builder()
            .set_max_row_group_row_count(Some(100_000))
            .build();
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert!(path.metadata().unwrap().len() > 10 << 20);

        let table = path.display();
        assert!(column(&format!("SELECT v FROM '{table}'")).into_iter().eq(0..rows));
        let sparse = column(&format!("SELECT v + 1 FROM '{table}' WHERE v % 1000 = 0"));
        assert!(sparse.into_iter().eq((0..rows).step_by(1000).map(|v| v + 1)));
        let middle = column(&format!("SELECT v FROM (SELECT v FROM '{table}' LIMIT 5 OFFSET 1000) AS t"));
        assert!(middle.into_iter().eq(1000..1005));
        assert_eq!(column(&format!("SELECT count(*) FROM '{table}'")), [rows]);

        let copy = dir.path().join("copy.parquet");
        assert_eq!(column(&format!("COPY (SELECT v FROM '{table}') TO '{}'", copy.display())), [rows]);
        assert!(column(&format!("SELECT v FROM '{}'", copy.display())).into_iter().eq(0..rows));
    }
}
