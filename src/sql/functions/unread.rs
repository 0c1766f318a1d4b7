//! What nobody reads is not computed: `SELECT id FROM v`, where the view v has columns
//! of `lsmi`, runs no models.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::node::Evaluate;

/// The rule. It comes after those that leave out unread columns.
#[derive(Debug)]
pub(super) struct DeferredSamples;

impl OptimizerRule for DeferredSamples {
    fn name(&self) -> &str {
        "drop_unread_lsmi"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // These two choose their columns; others pass all of them on.
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let expressions = plan.expressions();
        let unread = match plan.inputs()[..] {
            [input] => Evaluate::of(input).filter(|node| {
                let column = node.column();
                !expressions.iter().any(|expr| expr.column_refs().contains(&column))
            }),
            _ => None,
        };
        match unread.map(|node| node.input().clone()) {
            Some(input) => plan.with_new_exprs(expressions, vec![input]).map(Transformed::yes),
            None => Ok(Transformed::no(plan)),
        }
    }
}
