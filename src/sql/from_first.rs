//! `FROM 'file'` without SELECT, as DuckDB has it: all columns. DataFusion plans it without any.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Select, SelectFlavor, SelectItem, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

/// Writes the SELECT that a statement leaves out.
pub(super) fn select_all(statement: &mut Statement) {
    let _: ControlFlow<()> = match statement {
        Statement::Statement(statement) => statement.visit(&mut SelectAll),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut SelectAll),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::Explain(explain) => {
            select_all(&mut explain.statement);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
}

struct SelectAll;

impl VisitorMut for SelectAll {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        ControlFlow::Continue(())
    }
}
