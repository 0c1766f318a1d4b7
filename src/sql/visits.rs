//! Visits of the parts of statements.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{Expr, VisitMut, VisitorMut};

/// What ends a visit: the clause that is refused, and what to write.
pub(super) type Refused = ControlFlow<&'static str>;

/// Visits all of a statement that is SQL.
pub(super) fn visit(
    statement: &mut Statement,
    visitor: &mut impl VisitorMut<Break = &'static str>,
) -> Refused {
    match statement {
        Statement::Statement(statement) => statement.visit(visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::Explain(explain) => visit(&mut explain.statement, visitor),
        _ => ControlFlow::Continue(()),
    }
}

/// A visitor of all expressions, the innermost first. One type serves all: each type of visitor is compiled with the whole
/// of SQL's grammar.
pub(super) struct Expressions<'a>(pub(super) &'a mut dyn FnMut(&mut Expr) -> Refused);

impl VisitorMut for Expressions<'_> {
    type Break = &'static str;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Refused {
        (self.0)(expr)
    }
}
