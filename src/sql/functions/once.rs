//! Once a row: the calls of `lsmi` and its accessors in a plan become columns of one
//! [`Evaluate`] below whatever reads them, however many fields are asked for and
//! whether in SELECT, WHERE, GROUP BY or ORDER BY.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, ScalarUDF, Sort};
use datafusion::optimizer::AnalyzerRule;

use super::node::Evaluate;
use super::scalar::Lsmi;

/// The rule. It runs before all optimizers, so that filters and projections find the
/// calls where they will stay.
#[derive(Debug)]
pub(super) struct Once;

impl Once {
    pub(super) const NAME: &str = "evaluate_lsmi_once";
}

impl AnalyzerRule for Once {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).data()
    }
}

/// A plan whose own expressions hold calls, with those computed below it. Its schema
/// stays what it is.
fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let takes = match &plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Window(_) => true,
        LogicalPlan::Aggregate(aggregate) => {
            !aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
        }
        _ => false,
    };
    let calls = if takes { calls(&plan)? } else { Vec::new() };
    let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
    // DataFusion turns a correlated subquery into a join only where it knows all nodes
    // above the outer query's columns.
    if calls.is_empty() || reads_outer(input)? {
        return Ok(Transformed::no(plan));
    }
    let own = input.schema().fields().len();
    let mut input = input.clone();
    let mut columns = Vec::new();
    for call in calls {
        let (with, column) = match provided(&input, &call)? {
            Some(found) => found,
            None => {
                let node = Evaluate::new(input, Arc::clone(&call.function), call.args.clone())?;
                let column = node.column();
                (node.into_plan(), column)
            }
        };
        input = with;
        columns.push((call, column));
    }
    let added = input.schema().fields().len() - own;
    let schema = Arc::clone(plan.schema());
    let expressions = plan.expressions().into_iter().map(|expr| replaced(expr, &columns));
    let expressions = expressions.collect::<Result<Vec<_>>>()?;
    let plan = match plan {
        LogicalPlan::Projection(projection) => {
            // Names are the query's, whatever an expression has become.
            let named = expressions.into_iter().zip(projection.schema.iter());
            let named = named.map(|(expr, (table, field))| titled(expr, table.cloned(), field.name()));
            LogicalPlan::Projection(Projection::try_new(named.collect(), Arc::new(input))?)
        }
        // Its fetch is no expression.
        LogicalPlan::Sort(Sort { expr, fetch, .. }) => {
            let expr = expr.into_iter().zip(expressions).map(|(sort, expr)| sort.with_expr(expr)).collect();
            restored(LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch }), &schema, own, added)?
        }
        LogicalPlan::Aggregate(_) => {
            restored(plan.with_new_exprs(expressions, vec![input])?, &schema, usize::MAX, 0)?
        }
        plan => restored(plan.with_new_exprs(expressions, vec![input])?, &schema, own, added)?,
    };
    Ok(Transformed::yes(plan))
}

fn reads_outer(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(node.contains_outer_reference()))
}

/// A call of `lsmi`.
#[derive(Clone, PartialEq)]
struct Call {
    function: Arc<ScalarUDF>,
    args: Vec<Expr>,
}

/// The different calls in a plan's own expressions that can be computed from its
/// input's columns.
fn calls(plan: &LogicalPlan) -> Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    plan.apply_expressions(|expr| {
        opened(expr.clone())?.apply(|expr| {
            if let Some(call) = call_of(expr)
                && !calls.contains(&call)
            {
                calls.push(call);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(calls)
}

/// An expression with every accessor as the field of a call of `lsmi` that it is.
fn opened(expr: Expr) -> Result<Expr> {
    expr.transform_up(|expr| {
        let field = match &expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                func.inner().downcast_ref::<Lsmi>().and_then(|lsmi| lsmi.field_of_call(args))
            }
            _ => None,
        };
        Ok(field.map_or_else(|| Transformed::no(expr), Transformed::yes))
    })
    .data()
}

fn call_of(expr: &Expr) -> Option<Call> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    func.inner().downcast_ref::<Lsmi>()?;
    args.iter().all(is_of_columns).then(|| Call { function: Arc::clone(func), args: args.clone() })
}

/// Whether an argument is made of columns and constants only: no aggregates, subqueries
/// or columns of an outer query.
fn is_of_columns(expr: &Expr) -> bool {
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

/// An expression with the columns in the calls' place.
fn replaced(expr: Expr, columns: &[(Call, Column)]) -> Result<Expr> {
    let replace = |expr: Expr| {
        let call = call_of(&expr);
        let column = columns.iter().find(|(known, _)| Some(known) == call.as_ref());
        Ok(match column {
            Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
            None => Transformed::no(expr),
        })
    };
    opened(expr)?.transform_up(replace).data()
}

fn titled(expr: Expr, table: Option<TableReference>, name: &str) -> Expr {
    let known = expr.qualified_name();
    match known == (table.clone(), name.to_owned()) {
        true => expr,
        false => expr.unalias().alias_qualified(table, name),
    }
}

/// A plan's columns under the names they had, without the `added` ones that stand at
/// `own`.
fn restored(plan: LogicalPlan, schema: &DFSchemaRef, own: usize, added: usize) -> Result<LogicalPlan> {
    let now = plan.schema();
    let columns = schema.iter().enumerate().map(|(place, (table, field))| {
        let place = if place < own { place } else { place + added };
        if place >= now.fields().len() {
            return Err(DataFusionError::Internal(format!("lsmi: {} has no column {place}", plan.display())));
        }
        let column = Expr::Column(Column::from(now.qualified_field(place)));
        Ok(titled(column, table.cloned(), field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// The plan with a call's column among its own, where it is computed below it already,
/// and the column. A column that is new stands last.
fn provided(plan: &LogicalPlan, call: &Call) -> Result<Option<(LogicalPlan, Column)>> {
    if let Some(node) = Evaluate::of(plan)
        && node.is(&call.function, &call.args)
    {
        return Ok(Some((plan.clone(), node.column())));
    }
    let inner = match plan {
        // Their columns are their input's; a window's own come on top.
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Extension(_) => call.clone(),
        LogicalPlan::Projection(projection) => match below(call, &projection.schema, &projection.expr)? {
            Some(call) => call,
            None => return Ok(None),
        },
        LogicalPlan::SubqueryAlias(alias) => {
            let columns: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
            match below(call, &alias.schema, &columns)? {
                Some(call) => call,
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let [input] = plan.inputs()[..] else { return Ok(None) };
    let Some((input, column)) = provided(input, &inner)? else { return Ok(None) };
    let mut expressions = plan.expressions();
    let plan = match plan {
        LogicalPlan::Projection(_) => {
            // Another reader of the same column may have been here.
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

/// A call on a plan's columns as one on those that the columns are made of.
fn below(call: &Call, schema: &DFSchemaRef, made_of: &[Expr]) -> Result<Option<Call>> {
    let mut known = true;
    let args = call.args.iter().map(|arg| {
        let arg = arg.clone().transform_up(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let inner = schema.maybe_index_of_column(column).and_then(|place| made_of.get(place));
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
