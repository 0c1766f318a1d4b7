//! An optimizer rule that computes `input_file_name()` and `file_row_index()` in scans, the only place that knows
//! them. DataFusion moves a projection into a scan as a whole or not at all: not where it reads a column twice
//! whose values the scan treats, nor into readers that take columns only.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::functions::core::file_row_index::FileRowIndexFunc;
use datafusion::functions::core::input_file_name::InputFileNameFunc;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// The rule. It has to be the first: later ones move operators between a projection and its scan.
#[derive(Debug)]
pub(super) struct SourceFunctions;

impl PhysicalOptimizerRule for SourceFunctions {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let split = |plan: Arc<dyn ExecutionPlan>| {
            Ok(match plan.downcast_ref::<ProjectionExec>().map(in_scan).transpose()?.flatten() {
                Some(split) => Transformed::yes(split),
                None => Transformed::no(plan),
            })
        };
        plan.transform_up(split).data()
    }

    fn name(&self) -> &str {
        "source_functions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether it is `input_file_name()`.
pub(super) fn is_file_name(expr: &dyn PhysicalExpr) -> bool {
    ScalarFunctionExpr::try_downcast_func::<InputFileNameFunc>(expr).is_some()
}

fn is_row_index(expr: &dyn PhysicalExpr) -> bool {
    ScalarFunctionExpr::try_downcast_func::<FileRowIndexFunc>(expr).is_some()
}

/// The projection over a scan that computes its functions of the source as further columns; `None` where it has none,
/// is not over a scan, or the scan does not take them.
fn in_scan(projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let scan = projection.input();
    if scan.downcast_ref::<DataSourceExec>().is_none() {
        return Ok(None);
    }
    let schema = scan.schema();
    let columns = schema.fields().iter().enumerate();
    let mut read: Vec<ProjectionExpr> = columns
        .map(|(at, field)| ProjectionExpr::new(Arc::new(Column::new(field.name(), at)), field.name()))
        .collect();
    let mut outer = Vec::new();
    for column in projection.expr() {
        let replaced = Arc::clone(&column.expr).transform_up(|expr| {
            if !is_file_name(expr.as_ref()) && !is_row_index(expr.as_ref()) {
                return Ok(Transformed::no(expr));
            }
            let known = read.iter().position(|read| read.expr.as_ref() == expr.as_ref());
            let at = known.unwrap_or_else(|| {
                read.push(ProjectionExpr::new(Arc::clone(&expr), format!("__source_{}", read.len())));
                read.len() - 1
            });
            let name = read.get(at).map_or("", |read| read.alias.as_str());
            Ok(Transformed::yes(Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>))
        })?;
        outer.push(ProjectionExpr::new(replaced.data, column.alias.clone()));
    }
    if read.len() == schema.fields().len() {
        return Ok(None);
    }
    let inner = ProjectionExec::try_new(read, Arc::clone(scan))?;
    let Some(scan) = scan.try_swapping_with_projection(&inner)? else { return Ok(None) };
    Ok(Some(Arc::new(ProjectionExec::try_new(outer, scan)?)))
}
