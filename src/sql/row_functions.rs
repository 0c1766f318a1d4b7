//! Functions that are computed row by row, with the clauses of aggregates, which DataFusion passes over.

use std::ops::ControlFlow;

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
const ORDER: &str = "ORDER BY is of aggregates, and this function is computed row by row; leave it out here";

/// Refuses clauses of aggregates around the functions of which `is_of_rows` says that they are computed row by row.
///
/// # Errors
/// [`Error::Usage`] for the first. It begins with the clause.
pub(super) fn refuse_aggregate_clauses(
    statement: &mut Statement,
    is_of_rows: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut check = |expr: &mut Expr| match expr {
        Expr::Function(function) => match clause(function) {
            Some(clause) if is_of_rows(&name(function)) => ControlFlow::Break(clause),
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
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
        Function { over: Some(_), .. } => Some(OVER),
        Function { null_treatment: Some(_), .. } => Some(NULLS),
        Function { within_group, .. } if !within_group.is_empty() => Some(ORDER),
        _ if distinct => Some(DISTINCT),
        _ if has(|it| matches!(it, FunctionArgumentClause::IgnoreOrRespectNulls(_))) => Some(NULLS),
        _ if has(|it| matches!(it, FunctionArgumentClause::OrderBy(_))) => Some(ORDER),
        _ => None,
    }
}
