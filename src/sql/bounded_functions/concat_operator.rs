//! The operator `||` with a limit: an analyzer rule makes it a function. What it makes of lists is functions
//! already, which get their limits here.

use std::sync::Arc;

use datafusion::arrow::compute::kernels::concat_elements::concat_elements_dyn;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::{BOUNDED, bounded};

/// Gives `||` a limit in bytes. Runs after the rule that finds a common type.
#[derive(Debug)]
pub(in crate::sql) struct BoundedOperators(pub(in crate::sql) usize);

impl AnalyzerRule for BoundedOperators {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let function = bounded(&function(), self.0);
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| self.rewrite(expr, &function, &schema))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "bounded_operators"
    }
}

impl BoundedOperators {
    fn rewrite(&self, expr: Expr, function: &ScalarUDF, schema: &DFSchema) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right })
                if is_text(&left.get_type(schema)?)
                    && left.get_type(schema)? == right.get_type(schema)? =>
            {
                Transformed::yes(function.call(vec![*left, *right]))
            }
            Expr::ScalarFunction(mut call) if BOUNDED.contains(&call.name()) => {
                call.func = Arc::new(bounded(&call.func, self.0));
                Transformed::yes(Expr::ScalarFunction(call))
            }
            expr => Transformed::no(expr),
        })
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The name of the function.
const NAME: &str = "||";

/// The operator as a function.
fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(ConcatOperator::new())
}

/// The function of this name with a limit, which may be the operator.
#[cfg(feature = "cluster")]
pub(in crate::sql) fn bounded_named(name: &str, limit: usize) -> Option<ScalarUDF> {
    if name == NAME {
        return Some(bounded(&function(), limit));
    }
    let all = datafusion::functions::all_default_functions();
    let all = all.into_iter().chain(datafusion::functions_nested::all_default_nested_functions());
    all.into_iter().find(|function| function.name() == name).map(|function| bounded(&function, limit))
}

/// `a || b` of two texts of one type: null where one of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ConcatOperator(Signature);

impl ConcatOperator {
    fn new() -> Self {
        Self(Signature::any(2, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for ConcatOperator {
    fn name(&self) -> &str {
        NAME
    }

    /// As the operator names its column, so that no alias is needed, which grouping sets do not take.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let names: Vec<String> = arguments.iter().map(|expr| expr.schema_name().to_string()).collect();
        Ok(names.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] if left == right => Ok(left.clone()),
            _ => internal_err!("|| of {arguments:?}"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let fields = arguments.arg_fields;
        let kinds: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&kinds)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays: Vec<_> =
            args.args.into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let [left, right] = &arrays[..] else { return internal_err!("|| of {} texts", arrays.len()) };
        Ok(ColumnarValue::Array(concat_elements_dyn(left, right)?))
    }
}
