//! An analyzer rule by which a decimal is compared with the number that is written. DataFusion parses
//! -99999.99 as a double and converts that to a decimal, which may come out another number.

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// Turns double literals that are compared with decimals into decimals. Runs before the rule that
/// finds a common type. Doubles compared with doubles stay doubles.
#[derive(Debug)]
pub(super) struct DecimalLiterals;

impl AnalyzerRule for DecimalLiterals {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let named = |expr: Expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| Ok(rewrite(expr, &schema)))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            };
            let plan = plan.map_expressions(|expr| match expr {
                // Its expressions have names, not the set.
                set @ Expr::GroupingSet(_) => set.map_children(named),
                expr => named(expr),
            })?;
            if plan.transformed { plan.map_data(LogicalPlan::recompute_schema) } else { Ok(plan) }
        })
        .data()
    }

    fn name(&self) -> &str {
        "decimal_literals"
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let found = match (decimal(&left, schema), decimal(&right, schema)) {
                (Some(kind), None) => exact(&right, kind)
                    .map(|right| (left.clone(), Box::new(right)))
                    .or_else(|| is_float(&right, schema).then(|| (as_double(&left), right.clone()))),
                (None, Some(kind)) => exact(&left, kind)
                    .map(|left| (Box::new(left), right.clone()))
                    .or_else(|| is_float(&left, schema).then(|| (left.clone(), as_double(&right)))),
                _ => None,
            };
            match found {
                Some((left, right)) => Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            }
        }
        Expr::Between(between) => {
            let kind = decimal(&between.expr, schema);
            let bounds = kind.and_then(|kind| exact(&between.low, kind).zip(exact(&between.high, kind)));
            match bounds {
                Some((low, high)) => {
                    let (low, high) = (Box::new(low), Box::new(high));
                    Transformed::yes(Expr::Between(Between { low, high, ..between }))
                }
                None => Transformed::no(Expr::Between(between)),
            }
        }
        // All or none, since the list has one type.
        Expr::InList(list) => {
            let kind = decimal(&list.expr, schema);
            let values =
                kind.and_then(|kind| list.list.iter().map(|value| exact(value, kind)).collect::<Option<_>>());
            match values {
                Some(values) => Transformed::yes(Expr::InList(InList { list: values, ..list })),
                None => Transformed::no(Expr::InList(list)),
            }
        }
        expr => Transformed::no(expr),
    }
}

pub(super) fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn is_float(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type.is_floating())
}

/// A decimal beside a column of doubles, as in PostgreSQL: DataFusion would take these for decimals of 15 digits.
fn as_double(expr: &Expr) -> Box<Expr> {
    Box::new(cast(expr.clone(), DataType::Float64))
}

/// Precision and scale of an expression that is a decimal.
fn decimal(expr: &Expr, schema: &DFSchema) -> Option<(u8, i8)> {
    match expr.get_type(schema).ok()? {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some((precision, scale)),
        _ => None,
    }
}

/// A literal as a decimal that has a common type with decimals of this kind. Integers stay as they
/// are.
fn exact(expr: &Expr, kind: (u8, i8)) -> Option<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), metadata) => {
            Some(Expr::Literal(decimal_literal(*value, kind)?, metadata.clone()))
        }
        Expr::Literal(ScalarValue::Int64(_), _) => Some(expr.clone()),
        _ => None,
    }
}

/// The decimal number with the digits that a double is shown with: those that were written, up to 15
/// of them.
fn decimal_literal(value: f64, (precision, scale): (u8, i8)) -> Option<ScalarValue> {
    if !value.is_finite() {
        return None;
    }
    let text = value.abs().to_string();
    let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let integer = integer.trim_start_matches('0');
    let most = usize::from(DECIMAL128_MAX_PRECISION);
    let (column_scale, integers) = (usize::try_from(scale).ok()?, i16::from(precision) - i16::from(scale));
    let integers = usize::try_from(integers).unwrap_or(0).max(integer.len());
    if integers + column_scale.max(fraction.len()) > most {
        return None;
    }
    let digits = format!("0{integer}{fraction}").parse::<i128>().ok()?;
    let digits = if value < 0.0 { -digits } else { digits };
    let precision = u8::try_from((integer.len() + fraction.len()).max(1)).ok()?;
    Some(ScalarValue::Decimal128(Some(digits), precision, i8::try_from(fraction.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Layout, SqlRequest, run};

    fn csv(sql: &str) -> String {
        let mut out = Vec::new();
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        run(&SqlRequest { layout, ..SqlRequest::new(sql) }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What each expression gives over one row.
    fn values(row: &str, expressions: &[&str]) -> Vec<String> {
        let named = expressions.iter().enumerate().map(|(at, expression)| format!("{expression} AS e{at}"));
        let named: Vec<String> = named.collect();
        let text = csv(&format!("SELECT {} FROM (SELECT {row}) AS t", named.join(", ")));
        text.lines().nth(1).unwrap().split(',').map(str::to_owned).collect()
    }

    #[test]
    fn a_decimal_equals_what_is_written() {
        let row = "arrow_cast('-99999.99', 'Decimal128(7, 2)') AS c, \
                   arrow_cast('9007199254740993.01', 'Decimal128(38, 2)') AS wide";
        let holds = [
            "c = -99999.99",
            "-99999.99 = c",
            "c <= -99999.99",
            "NOT c < -99999.99",
            "c IN (1, -99999.99)",
            "c BETWEEN -99999.99 AND -99999.99",
            "c IS NOT DISTINCT FROM -99999.99",
            "c > -99999.991",
            "c <> -99999.989",
            "c = -99999.990",
            "wide > 0.5",
            "wide > 1.5e10",
            "wide + 1 > 0.001",
        ];
        assert_eq!(values(row, &holds), vec!["true"; holds.len()]);
        assert_eq!(csv(&format!("SELECT c FROM (SELECT {row}) AS t WHERE c = -99999.99")), "c\n-99999.99\n");
        assert_eq!(
            csv(
                "SELECT k, sum(c) AS s FROM (VALUES (1, arrow_cast('0.07', 'Decimal128(9, 2)'))) AS t(k, c) \
                 GROUP BY k HAVING sum(c) = 0.07"
            ),
            "k,s\n1,0.07\n"
        );
        assert_eq!(
            csv(
                "SELECT c > 0.5 AS k, count(*) AS n FROM (VALUES (0.1::decimal(3, 2)), (2.0::decimal(3, 2))) AS t(c) \
                 GROUP BY ROLLUP(c > 0.5) ORDER BY k"
            ),
            "k,n\nfalse,1\ntrue,1\n,2\n"
        );
    }

    #[test]
    fn every_cent_is_found() {
        let sql = "SELECT count(*) AS n FROM (SELECT arrow_cast(value, 'Decimal128(20, 0)') / 100 AS c \
                   FROM generate_series(-2000, 2000) AS s) AS t WHERE c = {}";
        for cents in [-1999, -57, 1, 7, 29, 58, 113, 1996] {
            let text = csv(&sql.replace("{}", &format!("{}", f64::from(cents) / 100.0)));
            assert_eq!(text, "n\n1\n", "{cents}");
        }
    }

    #[test]
    fn doubles_and_literals_alone_stay_doubles() {
        let row = "CAST(0.1 AS DOUBLE) AS d, CAST('NaN' AS DOUBLE) AS nan, CAST(7 AS BIGINT) AS i, \
                   arrow_cast('0.5', 'Decimal128(7, 2)') AS c";
        let expressions = [
            "d = 0.1",
            "d * 3 = 0.3",
            "nan > 1e300",
            "0.1 + 0.2",
            "i / 3.0",
            "arrow_typeof(0.1)",
            "arrow_typeof(c * 0.5)",
            "c + 0.1",
            "CASE WHEN c = 0.5 THEN 1e300 ELSE d END",
        ];
        let shown = values(row, &expressions);
        let expected = [
            "true",
            "false",
            "true",
            "0.30000000000000004",
            "2.3333333333333335",
            "Float64",
            "Float64",
            "0.6",
            "1e300",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn titles_stay_as_they_are() {
        let title = csv("SELECT c = 0.5 FROM (SELECT arrow_cast('0.5', 'Decimal128(7, 2)') AS c) AS t");
        assert_eq!(title, "t.c = Float64(0.5)\ntrue\n");
    }
}
