//! Clauses of aggregates and window functions, around functions with which DataFusion passes them over.

use std::ops::ControlFlow;

use datafusion::execution::context::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, ObjectNamePart,
};

use crate::error::{Error, Result};

use super::visits::{Expressions, visit};

const FILTER: &str = "FILTER is of aggregates, and this function is computed row by row; CASE WHEN … THEN f(x) END takes some rows only";
const OVER: &str =
    "OVER is of aggregates and window functions, and this function is computed row by row; leave it out";
const DISTINCT: &str = "DISTINCT is of aggregates, and this function is computed row by row; leave it out";
const NULLS: &str = "NULLS is of aggregates and window functions, and this function is computed row by row; leave IGNORE NULLS out";
const DISTINCT_ROWS: &str =
    "DISTINCT is not possible here; select the distinct rows first: FROM (SELECT DISTINCT x, y FROM t)";
const RANKED_NULLS: &str = "NULLS is of values, and this function has none; leave IGNORE NULLS out";
/// Window functions that number rows.
const RANKS: [&str; 6] = ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"];
/// Beginnings of names of aggregates that take all rows for DISTINCT ones.
const OF_ALL_ROWS: [&str; 7] =
    ["corr", "covar", "regr_", "nth_value", "lsmi_summary", "approx_percentile", "approx_median"];
/// A function that DataFusion plans as an operator.
const UNNEST: &str = "unnest";
const ORDER: &str = "ORDER BY is of aggregates, and this function is computed row by row; leave it out here";

/// Refuses clauses that would have no effect, of the functions of a session.
///
/// # Errors
/// [`Error::Usage`] for the first. It begins with the clause.
pub(super) fn refuse_unused_clauses(statement: &mut Statement, state: &SessionState) -> Result<()> {
    let mut check = |expr: &mut Expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = name(function);
        let is_of_rows = name == UNNEST
            || state.scalar_functions().contains_key(&name)
            || state.higher_order_functions().contains_key(&name);
        let is_window = state.window_functions().contains_key(&name);
        let found = if is_of_rows { of_rows(function) } else { of_sets(function, &name, is_window) };
        found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    };
    match visit(statement, &mut Expressions(&mut check)) {
        ControlFlow::Break(clause) => Err(Error::Usage(format!("SQL: {clause}"))),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name of a function as DataFusion looks it up.
fn name(function: &Function) -> String {
    match &function.name.0[..] {
        [ObjectNamePart::Identifier(name)] if name.quote_style.is_some() => name.value.clone(),
        _ => function.name.to_string().to_ascii_lowercase(),
    }
}

/// The first clause of a function that is computed row by row.
fn of_rows(function: &Function) -> Option<&'static str> {
    match function {
        Function { filter: Some(_), .. } => Some(FILTER),
        Function { over: Some(_), .. } => Some(OVER),
        _ if is_distinct(function) => Some(DISTINCT),
        _ if treats_nulls(function) => Some(NULLS),
        _ if is_ordered(function) => Some(ORDER),
        _ => None,
    }
}

/// The first clause without effect of an aggregate or window function.
fn of_sets(function: &Function, name: &str, is_window: bool) -> Option<&'static str> {
    let is_of_all = matches!(arguments(function), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
    let takes_all = is_window || is_of_all || OF_ALL_ROWS.iter().any(|begins| name.starts_with(begins));
    match function {
        _ if is_distinct(function) && takes_all => Some(DISTINCT_ROWS),
        _ if treats_nulls(function) && RANKS.contains(&name) => Some(RANKED_NULLS),
        _ => None,
    }
}

fn list(function: &Function) -> Option<&FunctionArgumentList> {
    match &function.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

fn arguments(function: &Function) -> &[FunctionArg] {
    list(function).map_or(&[], |list| &list.args)
}

fn is_distinct(function: &Function) -> bool {
    list(function).is_some_and(|list| list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
}

fn treats_nulls(function: &Function) -> bool {
    let within = |clause: &_| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_));
    function.null_treatment.is_some() || list(function).is_some_and(|list| list.clauses.iter().any(within))
}

fn is_ordered(function: &Function) -> bool {
    let within = |clause: &_| matches!(clause, FunctionArgumentClause::OrderBy(_));
    !function.within_group.is_empty() || list(function).is_some_and(|list| list.clauses.iter().any(within))
}
