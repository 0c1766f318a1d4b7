//! The columns of a scan that are lists of floats, and the others.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;

use crate::samples::ListReader;

/// The split of a projection.
#[derive(Debug, Clone)]
pub(super) struct ScannedColumns {
    /// In order: a list, or the next one of the others.
    columns: Vec<Option<FieldRef>>,
    schema: SchemaRef,
}

impl ScannedColumns {
    /// Splits a projection; none where it has no list of floats.
    pub(super) fn split(projection: &ProjectionExprs, table: &TableSchema) -> Option<Self> {
        let files = table.file_schema();
        let list = |expr: &Column| {
            let field = files.fields().get(expr.index())?;
            ListReader::reads(field.data_type()).then(|| Arc::clone(field))
        };
        let columns: Vec<_> =
            projection.iter().map(|column| column.expr.downcast_ref::<Column>().and_then(list)).collect();
        let schema = projection.project_schema(table.table_schema()).ok()?;
        columns.iter().any(Option::is_some).then(|| Self { columns, schema: Arc::new(schema) })
    }

    /// The lists, as the table has them.
    pub(super) fn lists(&self) -> impl Iterator<Item = &FieldRef> {
        self.columns.iter().flatten()
    }

    /// The places of the others.
    pub(super) fn others(&self) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, list)| list.is_none()).map(|(place, _)| place).collect()
    }

    /// The columns together, in the projection's order; more of the others are left out.
    pub(super) fn join(&self, others: &RecordBatch, lists: Vec<ArrayRef>) -> Result<RecordBatch> {
        let (mut lists, mut others_left) = (lists.into_iter(), others.columns().iter().cloned());
        let columns = self.columns.iter().filter_map(|list| match list {
            Some(_) => lists.next(),
            None => others_left.next(),
        });
        let rows = RecordBatchOptions::new().with_row_count(Some(others.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect(), &rows)?)
    }
}
