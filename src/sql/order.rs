//! Rows in the order of the files they come from, where nothing in the query needs
//! another: `SELECT * FROM 'out.parquet'` starts with the file's first row.
//! DataFusion alone gives the partitions' rows as they arrive.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{StreamExt, stream};

/// Batches that a partition may be ahead of its turn.
const AHEAD: usize = 4;

/// Starts a plan of rows that only pass by: see [`passes_by`].
///
/// Partitions are stretches of the files in order. All run at once, so that a
/// selective filter uses every core, and each waits for its turn once it is
/// [`AHEAD`]. A limit runs as one partition, or it would take any partition's rows; so does
/// `COPY`, whose writer takes them as they arrive.
pub(super) async fn stream(context: &SessionContext, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
    let mut state = context.state();
    let options = state.config_mut().options_mut();
    options.optimizer.enable_round_robin_repartition = false;
    options.execution.enable_file_stream_work_stealing = false;
    if limited(&plan) {
        options.execution.target_partitions = 1;
    }
    let frame = DataFrame::new(state, plan);
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let schema = plan.schema();
    let mut partitions = Vec::new();
    for mut source in execute_stream_partitioned(plan, task)? {
        let mut rows = RecordBatchReceiverStream::builder(schema.clone(), AHEAD);
        let turn = rows.tx();
        rows.spawn(async move {
            while let Some(batch) = source.next().await {
                if turn.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        partitions.push(rows.build());
    }
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(partitions).flatten())))
}

/// Whether a plan's rows are those of one table, filtered, computed or cut; or are
/// copied so to a file.
pub(super) fn passes_by(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Copy(copy) => passes_by(&copy.input),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_) => plan.inputs().into_iter().all(passes_by),
        _ => false,
    }
}

fn limited(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit(_) | LogicalPlan::Copy(_)) || plan.inputs().into_iter().any(limited)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::parquet::arrow::ArrowWriter;
    use tempfile::TempDir;

    use super::super::{Format, Layout, Options, Request, run};

    /// The values of the first column that a query gives, with four partitions.
    fn column(sql: &str) -> Vec<i64> {
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        let options = Options { threads: NonZeroUsize::new(4), ..Options::default() };
        let mut out = Vec::new();
        run(&Request { layout, options, ..Request::new(sql) }, &mut out).unwrap();
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
