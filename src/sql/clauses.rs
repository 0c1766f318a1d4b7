//! Clauses that DataFusion plans as something else than they say, or passes over: `FROM 'file'` without SELECT and GROUP BY
//! ALL are written out, as DuckDB has them, and the others refused, since they would change which rows there are.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ColumnOption, CreateTable, DataType, Expr, Function, GroupByExpr, GroupByWithModifier,
    Ident, Join, JoinConstraint, JoinOperator, OrderByExpr, OrderByKind, Query, Select, SelectFlavor,
    SelectItem, SetExpr, SetOperator, SetQuantifier, Statement as SqlStatement, TableConstraint, TableFactor,
    TableWithJoins, TimezoneInfo, TypedString, VisitorMut, WildcardAdditionalOptions, WindowSpec, WindowType,
};

use crate::error::{Error, Result};

use super::conditions::keep_null_of_in;
use super::visits::{Refused, visit};

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
const NAMED_WINDOW: &str =
    "OVER (name …) is not possible; write the whole window, or OVER name in the list of SELECT";
const USING: &str = "USING and NATURAL are not possible in a RIGHT or FULL JOIN, where the column would be that of the left rows; write ON \
                     a.k = b.k, and coalesce(a.k, b.k) for the key";
const DISTINCT_FROM: &str = "IS DISTINCT FROM takes all that follows for its operand; put it into brackets: (a IS DISTINCT FROM b) AND …";
const ZONE: &str = "TIMESTAMPTZ and TIMESTAMP WITH TIME ZONE are not possible; arrow_cast('2024-07-01 12:00:00Z', \
                    'Timestamp(Microsecond, Some(\"UTC\"))') is such a time, and a text is compared with a column of them";
const KEY: &str = "PRIMARY KEY, UNIQUE and FOREIGN KEY are not checked, and queries would rely on them; leave them out, and \
                   take SELECT DISTINCT";

/// Writes out the clauses that a statement leaves to the reader.
///
/// # Errors
/// [`Error::Usage`] for a clause that would not have its effect. It begins with the clause.
pub(super) fn normalize_clauses(statement: &mut Statement) -> Result<()> {
    let refused = match statement {
        Statement::CreateExternalTable(table) if !table.constraints.is_empty() => ControlFlow::Break(KEY),
        statement => visit(statement, &mut Clauses),
    };
    match refused {
        ControlFlow::Break(what) => Err(Error::Usage(format!("SQL: {what}"))),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Clauses;

impl VisitorMut for Clauses {
    type Break = &'static str;

    fn pre_visit_statement(&mut self, statement: &mut SqlStatement) -> Refused {
        refuse(match statement {
            SqlStatement::Delete(_) => Some(DELETE),
            SqlStatement::Update(_) => Some(UPDATE),
            SqlStatement::Merge(_) => Some(MERGE),
            SqlStatement::CreateTable(table) if has_keys(table) => Some(KEY),
            SqlStatement::CreateTable(table) if table.query.is_some() && refuses_null(table) => Some(
                "NOT NULL is not checked by CREATE TABLE … AS; leave it out, and take the rows WHERE a IS NOT NULL",
            ),
            SqlStatement::CreateTable(table) if has_unused_options(table) => Some(
                "CREATE TABLE takes types, NULL, NOT NULL and DEFAULT of a column; leave out what else is said of it",
            ),
            _ => None,
        })
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> Refused {
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
            _ if limits_recursion(query) => Some(
                "RECURSIVE queries have no ORDER BY and LIMIT of their own; write them behind the SELECT that reads them",
            ),
            _ if sort_keys(query).iter().any(|key| has_named_window(&key.expr)) => Some(NAMED_WINDOW),
            _ if sort_keys(query).iter().any(|key| key.with_fill.is_some()) => {
                Some("FILL is not possible; generate_series makes rows that a LEFT JOIN may lack")
            }
            Query { body, .. } => counted_copies(body),
        })
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Refused {
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
        select.selection.iter_mut().chain(&mut select.having).for_each(keep_null_of_in);
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
            _ if select.qualify.as_ref().is_some_and(has_named_window) => Some(NAMED_WINDOW),
            _ if select.projection.iter().any(is_filtered_wildcard) => {
                Some("ILIKE of columns is not possible; name them, or leave some out with EXCLUDE")
            }
            _ => select.from.iter().find_map(of_joins),
        })
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> Refused {
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
            TableFactor::Table { with_hints, .. } if !with_hints.is_empty() => {
                Some("WITH (…) of a table is not possible; leave it out")
            }
            TableFactor::Pivot { .. } => Some(PIVOT),
            TableFactor::Unpivot { .. } => {
                Some("UNPIVOT is not possible; write a SELECT for each column with UNION ALL")
            }
            TableFactor::NestedJoin { table_with_joins, .. } => of_joins(table_with_joins),
            _ => None,
        })
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Refused {
        refuse(match expr {
            Expr::Collate { .. } => {
                Some("COLLATE is not possible; ORDER BY lower(x) takes no account of capitals")
            }
            Expr::SimilarTo { .. } => {
                Some("SIMILAR TO is not possible; x ~ '^(a|b).*$' is a regular expression, LIKE has % and _")
            }
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_logical(right) => {
                Some(DISTINCT_FROM)
            }
            Expr::TypedString(TypedString { data_type, .. }) | Expr::Cast { data_type, .. }
                if matches!(
                    data_type,
                    DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone)
                ) =>
            {
                Some(ZONE)
            }
            Expr::Function(function) if refers_to_window(function) => Some(NAMED_WINDOW),
            _ => None,
        })
    }
}

fn refuse(what: Option<&'static str>) -> Refused {
    what.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Whether an operand is two conditions without brackets.
fn is_logical(expr: &Expr) -> bool {
    use BinaryOperator::{And, Or, Xor};
    matches!(expr, Expr::BinaryOp { op: And | Or | Xor, .. })
}

/// Whether an expression is a window function of a named window, in part or as a whole.
fn has_named_window(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => matches!(function.over, Some(WindowType::NamedWindow(_))),
        Expr::BinaryOp { left, right, .. } => has_named_window(left) || has_named_window(right),
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => has_named_window(inner),
        _ => false,
    }
}

/// Whether a window is another with more clauses.
fn refers_to_window(function: &Function) -> bool {
    matches!(&function.over, Some(WindowType::WindowSpec(WindowSpec { window_name: Some(_), .. })))
}

/// The keys of ORDER BY; none of ORDER BY ALL.
fn sort_keys(query: &Query) -> &[OrderByExpr] {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys,
        Some(OrderByKind::All(_)) | None => &[],
    }
}

/// Whether a query of WITH RECURSIVE has an order or a limit.
fn limits_recursion(query: &Query) -> bool {
    let has_end = |query: &Query| query.order_by.is_some() || query.limit_clause.is_some();
    query.with.iter().any(|with| with.recursive && with.cte_tables.iter().any(|table| has_end(&table.query)))
}

fn is_filtered_wildcard(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            options.opt_ilike.is_some()
        }
        _ => false,
    }
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
        JoinOperator::Right(JoinConstraint::Using(_) | JoinConstraint::Natural)
        | JoinOperator::RightOuter(JoinConstraint::Using(_) | JoinConstraint::Natural)
        | JoinOperator::FullOuter(JoinConstraint::Using(_) | JoinConstraint::Natural) => Some(USING),
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

fn refuses_null(table: &CreateTable) -> bool {
    let mut options = table.columns.iter().flat_map(|column| &column.options);
    options.any(|option| matches!(option.option, ColumnOption::NotNull))
}

/// Whether a column is to have something that it would not get.
fn has_unused_options(table: &CreateTable) -> bool {
    let is_used = |option: &ColumnOption| {
        matches!(option, ColumnOption::Null | ColumnOption::NotNull | ColumnOption::Default(_))
    };
    table.columns.iter().flat_map(|column| &column.options).any(|option| !is_used(&option.option))
}
