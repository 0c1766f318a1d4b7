//! Membership in the rows of a subquery as a part of a condition. DataFusion takes IN (SELECT …) for false where it is NULL,
//! which under NOT, OR, IS NULL and CASE is another answer; of = ANY and <> ALL it keeps the three values apart.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut};

use super::visits::{Expressions, Refused};

/// Writes IN (SELECT …) as = ANY (SELECT …), and NOT IN as <> ALL, where it is not one of several conditions that AND joins:
/// these are joins that are as they should be.
pub(super) fn keep_null_of_in(condition: &mut Expr) {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            keep_null_of_in(left);
            keep_null_of_in(right);
        }
        Expr::Nested(inner) => keep_null_of_in(inner),
        Expr::InSubquery { .. } | Expr::Exists { .. } => {}
        other => _ = other.visit(&mut Expressions(&mut quantified)),
    }
}

fn quantified(expr: &mut Expr) -> Refused {
    if let Expr::InSubquery { expr: left, subquery, negated } = expr {
        let left = std::mem::replace(left, Box::new(Expr::value(Value::Null)));
        let right = Box::new(Expr::Subquery(subquery.clone()));
        *expr = match negated {
            true => Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right },
            false => Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, is_some: false },
        };
    }
    ControlFlow::Continue(())
}
