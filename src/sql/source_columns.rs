//! An analyzer rule that makes columns of `input_file_name()` and `file_row_index()` where their table is scanned. The
//! optimizer moves expressions without columns to either side of a join, and so into another file.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, plan_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::file_row_index::FileRowIndexFunc;
use datafusion::functions::core::input_file_name::InputFileNameFunc;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::AnalyzerRule;

/// The rule. It has to be the first: later ones put operators of their own between.
#[derive(Debug)]
pub(super) struct SourceColumns;

impl AnalyzerRule for SourceColumns {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(with_columns).data()
    }

    fn name(&self) -> &str {
        "source_columns"
    }
}

/// The name of the column of a function; `None` of another expression.
fn column_of(expr: &Expr) -> Option<&'static str> {
    let Expr::ScalarFunction(call) = expr else { return None };
    match call.func.inner() {
        function if function.is::<InputFileNameFunc>() => Some("__input_file_name"),
        function if function.is::<FileRowIndexFunc>() => Some("__file_row_index"),
        _ => None,
    }
}

/// An operator that reads the columns in place of calling the functions.
fn with_columns(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut calls: Vec<Expr> = Vec::new();
    for expr in plan.expressions() {
        expr.apply(|expr| {
            if column_of(expr).is_some() && !calls.contains(expr) {
                calls.push(expr.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let Some(call) = calls.first() else { return Ok(Transformed::no(plan)) };
    let input = match (&plan, &plan.inputs()[..]) {
        // The scan itself takes the calls of this projection, where no other function's operator may come between.
        (LogicalPlan::Projection(_), [LogicalPlan::TableScan(_)]) if !calls_others(&plan)? => {
            return Ok(Transformed::no(plan));
        }
        (_, [input]) => calls.iter().try_fold((*input).clone(), exposing)?,
        _ => return Err(not_of_one_file(call)),
    };
    let names = NamePreserver::new(&plan);
    let expressions = plan.expressions().into_iter().map(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| match column_of(&expr) {
            Some(name) => Ok(Transformed::yes(Expr::Column(column(&input, name)?))),
            None => Ok(Transformed::no(expr)),
        })?;
        Ok(name.restore(replaced.data))
    });
    let expressions = expressions.collect::<Result<Vec<_>>>()?;
    let columns = plan.schema().columns();
    let bound = plan.with_new_exprs(expressions, vec![input])?;
    // Operators that pass all columns on pass these on, too.
    if bound.schema().fields().len() == columns.len() {
        return Ok(Transformed::yes(bound));
    }
    let columns = columns.into_iter().map(Expr::Column).collect();
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, bound.into())?)))
}

/// Whether an operator calls further functions.
fn calls_others(plan: &LogicalPlan) -> Result<bool> {
    let is_other = |expr: &Expr| Ok(matches!(expr, Expr::ScalarFunction(_)) && column_of(expr).is_none());
    plan.expressions().iter().map(|expr| expr.exists(is_other)).try_fold(false, |any, it| Ok(any | it?))
}

/// A plan with the column of a call, from the scan of its only table.
fn exposing(plan: LogicalPlan, call: &Expr) -> Result<LogicalPlan> {
    let name = column_of(call).ok_or_else(|| not_of_one_file(call))?;
    if column(&plan, name).is_ok() {
        return Ok(plan);
    }
    let columns =
        |plan: &LogicalPlan| plan.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    match &plan {
        LogicalPlan::TableScan(_) => {
            let mut read = columns(&plan);
            read.push(call.clone().alias(name));
            Ok(LogicalPlan::Projection(Projection::try_new(read, plan.into())?))
        }
        LogicalPlan::Projection(projection) => {
            let input = exposing(projection.input.as_ref().clone(), call)?;
            let mut read = projection.expr.clone();
            read.push(Expr::Column(column(&input, name)?));
            Ok(LogicalPlan::Projection(Projection::try_new(read, input.into())?))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::SubqueryAlias(_) => match &plan.inputs()[..] {
            [input] => plan.with_new_exprs(plan.expressions(), vec![exposing((*input).clone(), call)?]),
            _ => Err(not_of_one_file(call)),
        },
        _ => Err(not_of_one_file(call)),
    }
}

/// The column of this name that a plan has.
fn column(plan: &LogicalPlan, name: &str) -> Result<Column> {
    let (qualifier, field) = plan.schema().qualified_field_with_unqualified_name(name)?;
    Ok(Column::from((qualifier, field)))
}

fn not_of_one_file(call: &Expr) -> DataFusionError {
    plan_datafusion_err!("{call} is source dependent and cannot be evaluated directly")
}
