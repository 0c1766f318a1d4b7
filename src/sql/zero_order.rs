//! An analyzer rule by which -0.0 and 0.0 are one value to ORDER BY, as they are to comparisons and
//! GROUP BY. Sorts follow IEEE 754's total order, in which the one comes before the other, whatever
//! the next key says.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use super::scan_functions::positive_zero;

/// Sorts floating-point columns without the sign of their zeros.
#[derive(Debug)]
pub(super) struct ZeroOrder;

impl AnalyzerRule for ZeroOrder {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Sort(mut sort) = plan else { return Ok(Transformed::no(plan)) };
            let schema = Arc::clone(sort.input.schema());
            for key in &mut sort.expr {
                let kind = key.expr.get_type(&schema)?;
                if matches!(kind, DataType::Float32 | DataType::Float64) {
                    let expr = std::mem::take(&mut key.expr);
                    key.expr = positive_zero().call(vec![expr]);
                }
            }
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        })
        .data()
    }

    fn name(&self) -> &str {
        "zero_order"
    }
}
