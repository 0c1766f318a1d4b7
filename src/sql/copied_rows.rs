//! The rows of a query as the input of COPY, where they come from elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

/// The same copy, of these rows.
///
/// # Errors
/// Of columns of one name.
pub(super) fn copy_of(copy: CopyTo, rows: SendableRecordBatchStream) -> Result<LogicalPlan> {
    let schema = rows.schema();
    let rows = CopiedRows { schema: Arc::clone(&schema), rows: Mutex::new(Some(rows)) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(rows)])?;
    let input = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None)?.build()?;
    Ok(LogicalPlan::Copy(CopyTo { input: Arc::new(input), ..copy }))
}

/// Rows that are read once.
struct CopiedRows {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for CopiedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CopiedRows")
    }
}

impl PartitionStream for CopiedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| {
            let again = DataFusionError::Internal("the rows of a copy were read before".to_owned());
            let again = futures::stream::iter([Err(again)]);
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), again))
        })
    }
}
