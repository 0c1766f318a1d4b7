//! An adapter of a file's columns to the table's: DataFusion's, but that integers become doubles only
//! where the value stays what it is.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::PhysicalExpr;

use super::scan_functions::{exact_double, is_widened};

/// A factory of [`SchemaAdapter`].
#[derive(Debug)]
pub(super) struct SchemaAdapterFactory;

#[derive(Debug)]
struct SchemaAdapter {
    adapter: Arc<dyn PhysicalExprAdapter>,
    table: SchemaRef,
    file: SchemaRef,
}

impl PhysicalExprAdapterFactory for SchemaAdapterFactory {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let adapter = DefaultPhysicalExprAdapterFactory.create(Arc::clone(&table), Arc::clone(&file))?;
        Ok(Arc::new(SchemaAdapter { adapter, table, file }))
    }
}

impl PhysicalExprAdapter for SchemaAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapted = self.adapter.rewrite(expr)?;
        adapted.transform_down(|expr| self.exact(expr)).data()
    }
}

/// The arguments of `widened(CAST(column), file name)` without the cast, which is then done by the
/// function.
fn without_cast(expr: &Arc<dyn PhysicalExpr>) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
    let function = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| is_widened(call.fun()))?;
    let [column, file] = function.args() else { return None };
    let cast = column.downcast_ref::<CastExpr>()?;
    Some(vec![Arc::clone(cast.expr()), Arc::clone(file)])
}

impl SchemaAdapter {
    /// Replaces the cast of a whole column, which the adapter has put there. A cast in the query is
    /// left: the table's column is the integer then.
    fn exact(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
        if let Some(widened) = without_cast(&expr) {
            return Ok(Transformed::yes(expr.with_new_children(widened)?));
        }
        let cast = expr.downcast_ref::<CastExpr>();
        let Some(column) = cast.and_then(|cast| cast.expr().downcast_ref::<Column>()) else {
            return Ok(Transformed::no(expr));
        };
        let kind = |schema: &SchemaRef| {
            schema.field_with_name(column.name()).map(|field| field.data_type().clone()).ok()
        };
        let is_integer = matches!(kind(&self.file), Some(DataType::Int64 | DataType::UInt64));
        if !is_integer || kind(&self.table) != Some(DataType::Float64) {
            return Ok(Transformed::no(expr));
        }
        let (function, column) = (exact_double(column.name()), Arc::new(column.clone()));
        let exact = ScalarFunctionExpr::try_new(
            function,
            vec![column],
            &self.file,
            Arc::new(ConfigOptions::default()),
        )?;
        Ok(Transformed::yes(Arc::new(exact)))
    }
}
