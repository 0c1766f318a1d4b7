//! Functions with clauses of others, which DataFusion passes over: of aggregates, where they are computed row by row, and
//! DISTINCT of window functions.

use std::ops::ControlFlow;

use datafusion::execution::context::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, ObjectNamePart,
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
        let found = match clause(function) {
            found if is_of_rows => found,
            Some(DISTINCT) if state.window_functions().contains_key(&name) => Some(DISTINCT_ROWS),
            Some(OVER) if RANKS.contains(&&*name) && function.null_treatment.is_some() => Some(RANKED_NULLS),
            _ => None,
        };
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

/// A clause that only aggregates and window functions have.
fn clause(function: &Function) -> Option<&'static str> {
    let (distinct, clauses) = match &function.args {
        FunctionArguments::List(list) => {
            (list.duplicate_treatment == Some(DuplicateTreatment::Distinct), &list.clauses[..])
        }
        FunctionArguments::None | FunctionArguments::Subquery(_) => (false, &[][..]),
    };
    let has = |is_it: fn(&FunctionArgumentClause) -> bool| clauses.iter().any(is_it);
    match function {
        Function { filter: Some(_), .. } => Some(FILTER),
        _ if distinct => Some(DISTINCT),
        Function { over: Some(_), .. } => Some(OVER),
        Function { null_treatment: Some(_), .. } => Some(NULLS),
        Function { within_group, .. } if !within_group.is_empty() => Some(ORDER),
        _ if has(|it| matches!(it, FunctionArgumentClause::IgnoreOrRespectNulls(_))) => Some(NULLS),
        _ if has(|it| matches!(it, FunctionArgumentClause::OrderBy(_))) => Some(ORDER),
        _ => None,
    }
}
