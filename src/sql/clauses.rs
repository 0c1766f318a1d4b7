//! Clauses that DataFusion plans as something else than they say, or passes over: `FROM 'file'` without SELECT and GROUP BY
//! ALL are written out, as DuckDB has them, and the others refused, since they would change which rows there are.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    ColumnOption, CreateTable, Expr, GroupByExpr, GroupByWithModifier, Ident, Join, JoinConstraint,
    JoinOperator, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Statement as SqlStatement, TableConstraint, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::error::{Error, Result};

/// The way to take rows out of a table, or to change them.
const DELETE: &str = "DELETE is not possible; write the rows to keep into a table or a file: CREATE OR REPLACE TABLE t AS \
                      SELECT * FROM t WHERE r > 0, or COPY (SELECT …) TO 'b.parquet'";
const UPDATE: &str = "UPDATE is not possible; write the changed rows into a table or a file: CREATE OR REPLACE TABLE t AS \
                      SELECT * REPLACE (2 * r AS r) FROM t, or COPY (SELECT …) TO 'b.parquet'";
const MERGE: &str = "MERGE is not possible; write the joined rows into a table or a file: CREATE OR REPLACE TABLE t AS \
                     SELECT …, or COPY (SELECT …) TO 'b.parquet'";
const SAMPLE: &str = "TABLESAMPLE is not possible; WHERE random() < 0.1 takes about a tenth of the rows, ORDER BY random() \
                      LIMIT 100 so many";
const PIVOT: &str = "PIVOT is not possible; avg(r) FILTER (WHERE label = 'cat') AS cat, once for each, makes columns of values";
const JOIN: &str = "JOIN needs ON or USING; CROSS JOIN gives all pairs of rows";
const KEY: &str = "PRIMARY KEY, UNIQUE and FOREIGN KEY are not checked, and queries would rely on them; leave them out, and \
                   take SELECT DISTINCT";

/// Writes out the clauses that a statement leaves to the reader.
///
/// # Errors
/// [`Error::Usage`] for a clause that would not have its effect. It begins with the clause.
pub(super) fn settle_clauses(statement: &mut Statement) -> Result<()> {
    let refused = match statement {
        Statement::Statement(statement) => statement.visit(&mut Clauses),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut Clauses),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::CreateExternalTable(table) if !table.constraints.is_empty() => ControlFlow::Break(KEY),
        Statement::Explain(explain) => return settle_clauses(&mut explain.statement),
        _ => ControlFlow::Continue(()),
    };
    match refused {
        ControlFlow::Break(what) => Err(Error::Usage(format!("SQL: {what}"))),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Clauses;

impl VisitorMut for Clauses {
    type Break = &'static str;

    fn pre_visit_statement(&mut self, statement: &mut SqlStatement) -> ControlFlow<&'static str> {
        refuse(match statement {
            SqlStatement::Delete(_) => Some(DELETE),
            SqlStatement::Update(_) => Some(UPDATE),
            SqlStatement::Merge(_) => Some(MERGE),
            SqlStatement::CreateTable(table) if has_keys(table) => Some(KEY),
            _ => None,
        })
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<&'static str> {
        let fills = query.order_by.as_ref().is_some_and(|order| match &order.kind {
            OrderByKind::Expressions(keys) => keys.iter().any(|key| key.with_fill.is_some()),
            OrderByKind::All(_) => false,
        });
        refuse(match query {
            Query { for_clause: Some(_), .. } => {
                Some("FOR is not possible; --format says how rows are written")
            }
            Query { format_clause: Some(_), .. } => {
                Some("FORMAT is not possible; --format and the name of --output say how rows are written")
            }
            Query { settings: Some(_), .. } => {
                Some("SETTINGS are not possible in a query; SET NAME = VALUE is a statement")
            }
            Query { fetch: Some(_), .. } => {
                Some("FETCH is not possible; LIMIT 10 at the end takes so many rows")
            }
            _ if fills => Some("FILL is not possible; generate_series makes rows that a LEFT JOIN may lack"),
            Query { body, .. } => counted_copies(body),
        })
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<&'static str> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        if let GroupByExpr::Expressions(keys, modifiers) = &mut select.group_by
            && let [Expr::Identifier(Ident { value, quote_style: None, .. })] = &keys[..]
            && value.eq_ignore_ascii_case("all")
        {
            select.group_by = GroupByExpr::All(std::mem::take(modifiers));
        }
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        refuse(match select {
            Select { top: Some(_), .. } => {
                Some("TOP is not possible; LIMIT 10 at the end takes so many rows")
            }
            Select { prewhere: Some(_), .. } => Some("PREWHERE is not possible; write WHERE"),
            _ if !select.connect_by.is_empty() => Some("CONNECT BY is not possible; write WITH RECURSIVE"),
            _ if !select.sort_by.is_empty() => Some("SORT BY is not possible; write ORDER BY"),
            _ if !select.cluster_by.is_empty() => Some("CLUSTER BY is not possible; write ORDER BY"),
            _ if !select.lateral_views.is_empty() => {
                Some("LATERAL VIEW is not possible; write CROSS JOIN unnest(…)")
            }
            _ if !modifiers.is_empty() => modifiers.first().map(of_modifier),
            _ => select.from.iter().find_map(of_joins),
        })
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<&'static str> {
        refuse(match table {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                Some(SAMPLE)
            }
            TableFactor::Table { version: Some(_), .. } => {
                Some("VERSION is not possible; files have one, which is read")
            }
            TableFactor::Table { with_ordinality: true, .. } => {
                Some("ORDINALITY is not possible; row_number() OVER () numbers rows")
            }
            TableFactor::Table { partitions, .. } if !partitions.is_empty() => {
                Some("PARTITION is not possible; a column of the path in WHERE takes the files of one")
            }
            TableFactor::Pivot { .. } => Some(PIVOT),
            TableFactor::Unpivot { .. } => {
                Some("UNPIVOT is not possible; write a SELECT for each column with UNION ALL")
            }
            TableFactor::NestedJoin { table_with_joins, .. } => of_joins(table_with_joins),
            _ => None,
        })
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<&'static str> {
        refuse(match expr {
            Expr::Collate { .. } => {
                Some("COLLATE is not possible; ORDER BY lower(x) takes no account of capitals")
            }
            _ => None,
        })
    }
}

fn refuse(what: Option<&'static str>) -> ControlFlow<&'static str> {
    what.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// EXCEPT and INTERSECT of rows with their copies, which DataFusion takes for semi joins.
fn counted_copies(body: &SetExpr) -> Option<&'static str> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return None };
    let counts = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
    match op {
        SetOperator::Except | SetOperator::Minus if counts => Some(
            "EXCEPT ALL is not possible; EXCEPT compares distinct rows, and GROUP BY with count(*) counts copies",
        ),
        SetOperator::Intersect if counts => Some(
            "INTERSECT ALL is not possible; INTERSECT compares distinct rows, and GROUP BY with count(*) counts copies",
        ),
        _ => counted_copies(left).or_else(|| counted_copies(right)),
    }
}

fn of_modifier(modifier: &GroupByWithModifier) -> &'static str {
    match modifier {
        GroupByWithModifier::Rollup => "WITH ROLLUP is not possible; write GROUP BY ROLLUP (…)",
        GroupByWithModifier::Cube => "WITH CUBE is not possible; write GROUP BY CUBE (…)",
        GroupByWithModifier::Totals => "WITH TOTALS is not possible; write GROUP BY GROUPING SETS ((…), ())",
        GroupByWithModifier::GroupingSets(_) => "GROUPING SETS stand alone: write GROUP BY GROUPING SETS (…)",
    }
}

/// A join without the condition that it needs, or of another dialect.
fn of_joins(table: &TableWithJoins) -> Option<&'static str> {
    table.joins.iter().find_map(|Join { join_operator, .. }| match join_operator {
        JoinOperator::Join(JoinConstraint::None) | JoinOperator::Inner(JoinConstraint::None) => Some(JOIN),
        JoinOperator::Semi(_) => Some("SEMI JOIN is LEFT SEMI JOIN here"),
        JoinOperator::Anti(_) => Some("ANTI JOIN is LEFT ANTI JOIN here"),
        _ => None,
    })
}

fn has_keys(table: &CreateTable) -> bool {
    let is_key = |constraint: &TableConstraint| !matches!(constraint, TableConstraint::Check(_));
    let is_key_of = |option: &ColumnOption| {
        matches!(option, ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_) | ColumnOption::ForeignKey(_))
    };
    let mut options = table.columns.iter().flat_map(|column| &column.options);
    table.constraints.iter().any(is_key) || options.any(|option| is_key_of(&option.option))
}
