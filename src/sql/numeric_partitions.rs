//! An analyzer rule for comparisons of a partition column of text with a number. DataFusion casts the
//! column, which fails the query at the first folder that is no number.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::config::ConfigOptions;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, try_cast};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::decimal_literals::is_comparison;
use super::file_table::FileTable;

/// The largest integer up to which doubles hold all.
const EXACT: u64 = 1 << 53;

/// Casts partition columns of text that are compared with numbers so that a value that is no number
/// becomes null. Runs before the rule that finds a common type.
#[derive(Debug)]
pub(super) struct NumericPartitions;

impl AnalyzerRule for NumericPartitions {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !plan.inputs().into_iter().any(has_partitions) {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            // A plan owns its inputs, which its expressions are resolved in.
            let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| Ok(rewrite(expr, &schema, &inputs)))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })?;
            if plan.transformed { plan.map_data(LogicalPlan::recompute_schema) } else { Ok(plan) }
        })
        .data()
    }

    fn name(&self) -> &str {
        "numeric_partitions"
    }
}

fn rewrite(expr: Expr, schema: &DFSchema, inputs: &[LogicalPlan]) -> Transformed<Expr> {
    let is_partition = |expr: &Expr| match expr {
        Expr::Column(column) => inputs.iter().any(|input| is_partition_of(input, column)),
        _ => false,
    };
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let number = |expr: &Expr| number_type(expr, schema);
            let (left, right, changed) = match (number(&left), number(&right)) {
                (None, Some(kind)) if is_partition(&left) => (Box::new(try_cast(*left, kind)), right, true),
                (Some(kind), None) if is_partition(&right) => (left, Box::new(try_cast(*right, kind)), true),
                _ => (left, right, false),
            };
            let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
            if changed { Transformed::yes(expr) } else { Transformed::no(expr) }
        }
        Expr::Between(between) => {
            let kind = common_type([between.low.as_ref(), between.high.as_ref()], schema);
            match kind.filter(|_| is_partition(&between.expr)) {
                Some(kind) => {
                    let expr = Box::new(try_cast(*between.expr, kind));
                    Transformed::yes(Expr::Between(Between { expr, ..between }))
                }
                None => Transformed::no(Expr::Between(between)),
            }
        }
        Expr::InList(list) => {
            let kind = common_type(&list.list, schema);
            match kind.filter(|_| is_partition(&list.expr)) {
                Some(kind) => {
                    let expr = Box::new(try_cast(*list.expr, kind));
                    Transformed::yes(Expr::InList(InList { expr, ..list }))
                }
                None => Transformed::no(Expr::InList(list)),
            }
        }
        expr => Transformed::no(expr),
    }
}

/// The type that text is cast to for a comparison with a number: doubles, which hold fractions, too,
/// or where integers may be past 2⁵³, integers.
fn number_type(number: &Expr, schema: &DFSchema) -> Option<DataType> {
    let kind = number.get_type(schema).ok().filter(DataType::is_numeric)?;
    let is_exact = match number {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => value.unsigned_abs() <= EXACT,
        _ => !kind.is_integer(),
    };
    Some(if is_exact { DataType::Float64 } else { DataType::Int64 })
}

/// That for a comparison with several numbers; none where one is no number.
fn common_type<'a>(numbers: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Option<DataType> {
    let kinds = numbers.into_iter().map(|number| number_type(number, schema));
    let kinds = kinds.collect::<Option<Vec<DataType>>>()?;
    let first = kinds.first()?;
    Some(if kinds.iter().all(|kind| kind == first) { first.clone() } else { DataType::Float64 })
}

fn has_partitions(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|table| {
            let table = table.downcast_ref::<FileTable>();
            table.is_some_and(FileTable::has_text_partitions)
        }),
        plan => plan.inputs().into_iter().any(has_partitions),
    }
}

/// Whether a column of a plan is a partition column of text, be it renamed.
fn is_partition_of(plan: &LogicalPlan, column: &Column) -> bool {
    let Some(at) = plan.schema().maybe_index_of_column(column) else { return false };
    match plan {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|table| {
            let table = table.downcast_ref::<FileTable>();
            table.is_some_and(|table| table.is_text_partition(&column.name))
        }),
        LogicalPlan::Projection(projection) => {
            projection.expr.get(at).is_some_and(|expr| is_renamed_partition(&projection.input, expr))
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.get(at).is_some_and(|expr| is_renamed_partition(&aggregate.input, expr))
        }
        // Columns in the order of the input, of another table's name.
        LogicalPlan::SubqueryAlias(alias) => {
            let (table, field) = alias.input.schema().qualified_field(at);
            is_partition_of(&alias.input, &Column::new(table.cloned(), field.name()))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Join(_) => plan.inputs().into_iter().any(|input| is_partition_of(input, column)),
        _ => false,
    }
}

fn is_renamed_partition(input: &LogicalPlan, expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => is_partition_of(input, column),
        Expr::Alias(alias) => is_renamed_partition(input, &alias.expr),
        _ => false,
    }
}
