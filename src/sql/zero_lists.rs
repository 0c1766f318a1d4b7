//! An optimizer rule by which -0.0 and 0.0 are one value to IN, as they are to `=`. From four values
//! on, lists become sets of bits, in which the two are apart; other rules make such lists of
//! comparisons that are joined by OR.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::scan_functions::positive_zero;

/// Looks floating-point values up without the sign of their zeros.
#[derive(Debug)]
pub(super) struct ZeroLists;

impl OptimizerRule for ZeroLists {
    fn name(&self) -> &str {
        "zero_lists"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let has_list = |expr: &Expr| expr.exists(|expr| Ok(matches!(expr, Expr::InList(_)))).unwrap_or(true);
        // A scan only skips rows by its filters, and none by those of floating-point columns.
        if plan.inputs().is_empty() || !plan.expressions().iter().any(has_list) {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| match expr {
                Expr::InList(list) if is_open(&list) && is_float(&list.expr.get_type(&schema)?) => {
                    Ok(Transformed::yes(Expr::InList(without_signs(list))))
                }
                expr => Ok(Transformed::no(expr)),
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }
}

fn is_float(kind: &DataType) -> bool {
    matches!(kind, DataType::Float32 | DataType::Float64)
}

/// Whether the rule has not seen the list before.
fn is_open(list: &InList) -> bool {
    !matches!(list.expr.as_ref(), Expr::ScalarFunction(call) if call.func == positive_zero())
}

fn without_signs(InList { expr, list, negated }: InList) -> InList {
    let list = list.into_iter().map(|value| match value {
        Expr::Literal(ScalarValue::Float32(Some(v)), metadata) => {
            Expr::Literal(ScalarValue::Float32(Some(v + 0.0)), metadata)
        }
        Expr::Literal(ScalarValue::Float64(Some(v)), metadata) => {
            Expr::Literal(ScalarValue::Float64(Some(v + 0.0)), metadata)
        }
        null @ Expr::Literal(..) => null,
        value => positive_zero().call(vec![value]),
    });
    let list = list.collect();
    InList { expr: Box::new(positive_zero().call(vec![*expr])), list, negated }
}
