//! An optimizer rule that removes `lsmi` columns without a reader: `SELECT id FROM v`, where the
//! view v has columns of `lsmi`, evaluates no models.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::node::LsmiNode;

/// The optimizer rule. It runs after projection pushdown, which removes the unread columns above.
#[derive(Debug)]
pub(super) struct DropUnread;

impl OptimizerRule for DropUnread {
    fn name(&self) -> &str {
        "drop_unread_lsmi"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // Only these two select columns; other nodes pass all of them through.
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let expressions = plan.expressions();
        let unread = match plan.inputs()[..] {
            [input] => LsmiNode::of(input).filter(|node| {
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
