//! An analyzer rule that evaluates `lsmi` once a row. It replaces the calls of `lsmi` and its
//! accessors by a column of one [`LsmiNode`] below the plan node that uses them, for any number
//! of fields in SELECT, WHERE, GROUP BY and ORDER BY.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, ScalarUDF, Sort};
use datafusion::optimizer::AnalyzerRule;

use super::node::{LsmiNode, shape_of};
use super::scalar::LsmiFunction;

/// The analyzer rule. It runs before all optimizer rules, so that filter and projection pushdown
/// see the final places of the calls.
#[derive(Debug)]
pub(super) struct EvaluateOnce;

impl EvaluateOnce {
    pub(super) const NAME: &str = "evaluate_lsmi_once";
}

impl AnalyzerRule for EvaluateOnce {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).data()
    }
}

/// Moves the calls in a plan node's own expressions into an [`LsmiNode`] below it. The node's
/// schema does not change.
fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let is_supported = match &plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Window(_) => true,
        LogicalPlan::Aggregate(aggregate) => {
            !aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
        }
        _ => false,
    };
    let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
    let calls = if is_supported { collect_calls(&plan, input.schema())? } else { Vec::new() };
    // DataFusion decorrelates a subquery only if it supports every node above the references to the
    // outer query.
    if calls.is_empty() || has_outer_reference(input)? {
        return Ok(Transformed::no(plan));
    }
    let own = input.schema().fields().len();
    let read = Arc::clone(input.schema());
    let mut input = input.clone();
    let mut columns = Vec::new();
    for call in calls {
        let (with, column) = match existing_column(&input, &call)? {
            Some(found) => found,
            None => {
                let node = LsmiNode::new(input, Arc::clone(&call.function), call.args.clone())?;
                let column = node.column();
                (node.into_plan(), column)
            }
        };
        input = with;
        columns.push((call, column));
    }
    let added = input.schema().fields().len() - own;
    let schema = Arc::clone(plan.schema());
    let expressions = plan.expressions().into_iter().map(|expr| replace_calls(expr, &columns, &read));
    let expressions = expressions.collect::<Result<Vec<_>>>()?;
    let plan = match plan {
        LogicalPlan::Projection(projection) => {
            // Rewritten expressions keep the query's column names.
            let named = expressions.into_iter().zip(projection.schema.iter());
            let named = named.map(|(expr, (table, field))| with_name(expr, table.cloned(), field.name()));
            LogicalPlan::Projection(Projection::try_new(named.collect(), Arc::new(input))?)
        }
        // The fetch is not among the expressions.
        LogicalPlan::Sort(Sort { expr, fetch, .. }) => {
            let expr = expr.into_iter().zip(expressions).map(|(sort, expr)| sort.with_expr(expr)).collect();
            project_to_schema(
                LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch }),
                &schema,
                own,
                added,
            )?
        }
        LogicalPlan::Aggregate(_) => {
            project_to_schema(plan.with_new_exprs(expressions, vec![input])?, &schema, usize::MAX, 0)?
        }
        plan => project_to_schema(plan.with_new_exprs(expressions, vec![input])?, &schema, own, added)?,
    };
    Ok(Transformed::yes(plan))
}

fn has_outer_reference(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(node.contains_outer_reference()))
}

/// One call of `lsmi`.
#[derive(Clone, PartialEq)]
struct Call {
    function: Arc<ScalarUDF>,
    args: Vec<Expr>,
}

/// The distinct calls in a plan node's own expressions that depend only on the input's columns.
fn collect_calls(plan: &LogicalPlan, read: &DFSchema) -> Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    plan.apply_expressions(|expr| {
        expand_accessors(expr.clone(), read)?.apply(|expr| {
            if let Some(call) = as_call(expr)
                && !calls.contains(&call)
            {
                calls.push(call);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(calls)
}

/// Rewrites every accessor as a field access on a call of `lsmi`; the arguments are columns of `read`.
fn expand_accessors(expr: Expr, read: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| {
        let field = match &expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                match func.inner().downcast_ref::<LsmiFunction>() {
                    Some(lsmi) => lsmi.field_of_call(args, shape_of(args, read)?),
                    None => None,
                }
            }
            _ => None,
        };
        Ok(field.map_or_else(|| Transformed::no(expr), Transformed::yes))
    })
    .data()
}

fn as_call(expr: &Expr) -> Option<Call> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    func.inner().downcast_ref::<LsmiFunction>()?;
    args.iter().all(is_column_expression).then(|| Call { function: Arc::clone(func), args: args.clone() })
}

/// Whether an argument consists of columns and constants only: no aggregates, subqueries or
/// references to an outer query.
fn is_column_expression(expr: &Expr) -> bool {
    let mut plain = true;
    let walked = expr.apply(|expr| {
        plain &= matches!(
            expr,
            Expr::Column(_)
                | Expr::Literal(..)
                | Expr::Alias(_)
                | Expr::Cast(_)
                | Expr::TryCast(_)
                | Expr::Case(_)
                | Expr::BinaryExpr(_)
                | Expr::ScalarFunction(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && plain
}

/// Replaces the calls in an expression by their columns.
fn replace_calls(expr: Expr, columns: &[(Call, Column)], read: &DFSchema) -> Result<Expr> {
    let replace = |expr: Expr| {
        let call = as_call(&expr);
        let column = columns.iter().find(|(known, _)| Some(known) == call.as_ref());
        Ok(match column {
            Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
            None => Transformed::no(expr),
        })
    };
    expand_accessors(expr, read)?.transform_up(replace).data()
}

fn with_name(expr: Expr, table: Option<TableReference>, name: &str) -> Expr {
    let known = expr.qualified_name();
    match known == (table.clone(), name.to_owned()) {
        true => expr,
        false => expr.unalias().alias_qualified(table, name),
    }
}

/// Projects a plan to the names of `schema`, without the `added` columns that start at `own`.
fn project_to_schema(
    plan: LogicalPlan,
    schema: &DFSchemaRef,
    own: usize,
    added: usize,
) -> Result<LogicalPlan> {
    let now = plan.schema();
    let columns = schema.iter().enumerate().map(|(place, (table, field))| {
        let place = if place < own { place } else { place + added };
        if place >= now.fields().len() {
            return Err(DataFusionError::Internal(format!("lsmi: {} has no column {place}", plan.display())));
        }
        let column = Expr::Column(Column::from(now.qualified_field(place)));
        Ok(with_name(column, table.cloned(), field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// The column of a call that an [`LsmiNode`] further down already computes, and the plan extended
/// by projections that pass it through. A new column is the last one.
fn existing_column(plan: &LogicalPlan, call: &Call) -> Result<Option<(LogicalPlan, Column)>> {
    if let Some(node) = LsmiNode::of(plan)
        && node.computes(&call.function, &call.args)
    {
        return Ok(Some((plan.clone(), node.column())));
    }
    let inner = match plan {
        // These nodes pass their input's columns through; a window appends its own.
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Extension(_) => call.clone(),
        LogicalPlan::Projection(projection) => {
            match substitute_columns(call, &projection.schema, &projection.expr)? {
                Some(call) => call,
                None => return Ok(None),
            }
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let columns: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
            match substitute_columns(call, &alias.schema, &columns)? {
                Some(call) => call,
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let [input] = plan.inputs()[..] else { return Ok(None) };
    let Some((input, column)) = existing_column(input, &inner)? else { return Ok(None) };
    let mut expressions = plan.expressions();
    let plan = match plan {
        LogicalPlan::Projection(_) => {
            // An earlier use may have added the same column.
            let own = Expr::Column(column.clone());
            if !expressions.contains(&own) {
                expressions.push(own);
            }
            LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?)
        }
        LogicalPlan::Sort(sort) => LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort.clone() }),
        plan => plan.with_new_exprs(expressions, vec![input])?,
    };
    let column = match &plan {
        LogicalPlan::SubqueryAlias(alias) => Column::new(Some(alias.alias.clone()), column.name),
        _ => column,
    };
    Ok(Some((plan, column)))
}

/// Rewrites a call on a plan's columns in terms of the expressions that define them.
fn substitute_columns(call: &Call, schema: &DFSchemaRef, definitions: &[Expr]) -> Result<Option<Call>> {
    let mut known = true;
    let args = call.args.iter().map(|arg| {
        let arg = arg.clone().transform_up(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let inner = schema.maybe_index_of_column(column).and_then(|place| definitions.get(place));
            match inner.cloned().map(Expr::unalias) {
                Some(inner) => Ok(Transformed::yes(inner)),
                None => {
                    known = false;
                    Ok(Transformed::no(expr))
                }
            }
        });
        arg.data()
    });
    let args = args.collect::<Result<Vec<_>>>()?;
    Ok(known.then(|| Call { function: Arc::clone(&call.function), args }))
}
