//! An analyzer rule that refuses comparisons of intervals by their parts: to DataFusion a day is no 24 hours, and a difference
//! of times never equals days or months.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::decimal_literals::is_comparison;

/// Refuses comparisons with intervals that are not of hours and less.
#[derive(Debug)]
pub(super) struct IntervalComparisons;

impl AnalyzerRule for IntervalComparisons {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let is_of_days = |expr: &Expr| match expr {
                Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
                    interval.months != 0 || interval.days != 0
                }
                other => matches!(other.get_type(&schema), Ok(DataType::Interval(_))),
            };
            for expr in node.expressions() {
                expr.apply(|expr| match expr {
                    Expr::BinaryExpr(BinaryExpr { left, op, right })
                        if is_comparison(*op) && (is_of_days(left) || is_of_days(right)) =>
                    {
                        plan_err!(
                            "INTERVAL of days or months has no length to compare; write hours, as INTERVAL '48 hours', or \
                             compare times: t > u + INTERVAL '1 day'"
                        )
                    }
                    _ => Ok(TreeNodeRecursion::Continue),
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "interval_comparisons"
    }
}
