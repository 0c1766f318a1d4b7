//! Functions that make long strings and lists out of short ones, within the memory limit. Their results
//! are not among the memory that DataFusion accounts for. What other functions and expressions make is
//! limited by the [allocator](crate::memory::LimitedAllocator) only, which ends the process.

mod concat_operator;
mod result_bytes;
mod slices;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::prelude::SessionContext;

use self::result_bytes::ResultBytes;

pub(super) use self::concat_operator::BoundedOperators;
#[cfg(feature = "cluster")]
pub(super) use self::concat_operator::bounded_named;

/// The functions that have a limit.
const BOUNDED: [&str; 17] = [
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "regexp_replace",
    "translate",
    "overlay",
    "concat",
    "concat_ws",
    "array_to_string",
    "array_repeat",
    "array_resize",
    "array_append",
    "array_prepend",
    "array_concat",
    "range",
    "generate_series",
];

/// How the message of a result that is too large ends.
pub(super) const IN_ONE_BATCH: &str = "in one batch";

/// Replaces [`BOUNDED`] functions by those whose results for one batch of rows take at most `limit`
/// bytes.
pub(super) fn bound_functions(context: &SessionContext, limit: usize) {
    for name in BOUNDED {
        if let Some(inner) = context.state().scalar_functions().get(name) {
            context.register_udf(bounded(inner, limit));
        }
    }
}

/// The function with a limit.
fn bounded(function: &ScalarUDF, limit: usize) -> ScalarUDF {
    match function.inner().is::<BoundedFunction>() {
        true => function.clone(),
        false => ScalarUDF::new_from_impl(BoundedFunction { inner: function.clone(), limit }),
    }
}

/// A function with a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BoundedFunction {
    inner: ScalarUDF,
    limit: usize,
}

impl BoundedFunction {
    /// Its limit in bytes.
    #[cfg(feature = "cluster")]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn invoke_inner(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Numbers that they do not take are no fault of the program.
        self.inner.invoke_with_args(args).map_err(|error| match error {
            DataFusionError::Internal(what) => DataFusionError::Execution(what),
            error => error,
        })
    }

    /// The error of a result that is too large.
    fn refuse(&self, bytes: f64) -> DataFusionError {
        let kind = match self.name() {
            "array_repeat" | "array_resize" | "array_append" | "array_prepend" | "array_concat" | "range"
            | "generate_series" => "values",
            _ => "text",
        };
        let what = format!("{} makes {:.1} MB of {kind} {IN_ONE_BATCH}", self.name(), bytes / 1e6);
        DataFusionError::ResourcesExhausted(what)
    }
}

impl ScalarUDFImpl for BoundedFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.inner.inner().schema_name(arguments)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match self.inner.simplify(arguments, context)? {
            ExprSimplifyResult::Simplified(Expr::ScalarFunction(mut call)) => {
                if BOUNDED.contains(&call.func.name()) {
                    call.func = Arc::new(bounded(&call.func, self.limit));
                }
                ExprSimplifyResult::Simplified(Expr::ScalarFunction(call))
            }
            other => other,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let expected = ResultBytes::new(self.name(), &args.args);
        let bytes = expected.of_rows(args.number_rows);
        if bytes <= self.limit as f64 {
            return self.invoke_inner(args);
        }
        match expected.is_bound() {
            true => self.invoke_in_slices(&expected, &args),
            false => Err(self.refuse(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Layout, Session, SqlOptions, SqlRequest};
    use crate::error::Result;

    fn run(sql: &str) -> Result<String> {
        let options = SqlOptions { memory_limit_bytes: Some(50 << 20), ..SqlOptions::default() };
        let session = Session::open(&SqlRequest { options, ..SqlRequest::new("") }).unwrap();
        let mut out = Vec::new();
        session.run(sql, &Layout::default(), &mut out, &AtomicBool::new(false))?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn long_results_are_refused_and_short_ones_made() {
        for sql in [
            "SELECT length(repeat('x', 1000000000))",
            "SELECT length(lpad('x', 1000000000, 'y'))",
            "SELECT length(rpad('x', 1000000000))",
            "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
            "SELECT max(length(repeat('x', value * 100000))) FROM generate_series(1, 1000)",
            "SELECT max(length(concat(repeat('x', 1000000), value))) FROM generate_series(1, 1000)",
            "SELECT max(length(concat_ws(repeat('x', 1000000), value, value))) FROM generate_series(1, 1000)",
            "SELECT max(length(repeat('x', 1000000) || value)) FROM generate_series(1, 1000)",
            "SELECT count(*) FROM generate_series(1, 1000) WHERE value || repeat('x', 1000000) = 'x'",
            "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g'))",
            "SELECT length(regexp_replace(repeat('x', 1000000), '(x+)', repeat('\\1', 1000)))",
            "SELECT max(length(regexp_replace(repeat('x', 100000), 'x', value || 'y', 'g'))) FROM generate_series(1, 1000)",
            "SELECT length(array_to_string(range(1, 100000), repeat('x', 10000)))",
            "SELECT max(length(array_to_string(range(1, 100), repeat('x', 10000 + value)))) FROM generate_series(1, 1000)",
            "SELECT max(length(translate(repeat('x', 1000000), 'x', value))) FROM generate_series(1, 1000)",
            "SELECT max(length(overlay(repeat('x', 1000000) PLACING value::text FROM 2))) FROM generate_series(1, 1000)",
            "SELECT max(array_length(array_append(range(1, 100000), value))) FROM generate_series(1, 1000)",
            "SELECT max(array_length(range(1, 100000) || value)) FROM generate_series(1, 1000)",
            "SELECT max(array_length(array_concat(range(1, 100000), [value]))) FROM generate_series(1, 1000)",
            "SELECT array_length(array_repeat(1, 1000000000))",
            "SELECT array_length(array_repeat(repeat('x', 100000), 10000))",
            "SELECT array_length(array_resize([1], 1000000000, 0))",
            "SELECT array_length(range(1000000000))",
            "SELECT array_length(generate_series(0, -1000000000, -1))",
            "SELECT sum(array_length(range(1, value))) FROM generate_series(1, 100000)",
        ] {
            let error = run(sql).unwrap_err();
            let is_named =
                error.to_string().contains("MB of text") || error.to_string().contains("MB of values");
            let has_way = error.to_string().contains("SET datafusion.execution.batch_size");
            assert!(error.exit_code() == 64 && is_named && has_way, "{sql}: {error}");
        }
        assert_eq!(run("SELECT array_resize([1], -1)").unwrap_err().exit_code(), 64);
        for (sql, shown) in [
            ("SELECT repeat('ab', 3) AS a", "ababab"),
            ("SELECT lpad('x', 3, 'ä') AS a", "ääx"),
            ("SELECT rpad(repeat('x', 2), 4) || '|' AS a", "xx  |"),
            ("SELECT replace('abcabc', 'b', NULL) IS NULL AS a", "true"),
            ("SELECT replace('abc', '', 'z') AS a", "abc"),
            ("SELECT repeat('x', -1) || 'e' AS a", "e"),
            ("SELECT length(repeat('x', 1000000)) AS a", "1000000"),
            ("SELECT concat('a', NULL, 1, 'b') AS a", "a1b"),
            ("SELECT concat_ws('-', 'a', NULL, 'b') AS a", "a-b"),
            ("SELECT ('a' || NULL) IS NULL AS a", "true"),
            ("SELECT 'a' || 1 AS a", "a1"),
            ("SELECT max(value || 'b' || value) AS a FROM generate_series(1, 3)", "3b3"),
            (
                "SELECT value || 'b' AS a, count(*) FROM generate_series(1, 1) GROUP BY value || 'b' ORDER BY value || 'b'",
                "1b",
            ),
            (
                "SELECT a || 1 AS a, grouping(a || 1) AS g, count(*) AS n FROM (VALUES ('x'), ('y'), ('y')) AS t(a) GROUP BY \
                 ROLLUP(a || 1) ORDER BY a",
                "| x1 | 0 | 1 |\n| y1 | 0 | 2 |\n|    | 1 | 3 |",
            ),
            ("SELECT 'a' || arrow_cast('b', 'LargeUtf8') || arrow_cast('c', 'Utf8View') AS a", "abc"),
            ("SELECT [1] || 2 || [3] AS a", "[1, 2, 3]"),
            ("SELECT array_prepend(1, [2]) AS a", "[1, 2]"),
            ("SELECT arrow_cast('a', 'Binary') || arrow_cast('b', 'Binary') AS a", "6162"),
            ("SELECT regexp_replace('abcb', 'b', 'xy') AS a", "axycb"),
            ("SELECT regexp_replace('abcb', '(b)', '[\\1]', 'g') AS a", "a[b]c[b]"),
            ("SELECT translate('abc', 'b', 'z') AS a", "azc"),
            ("SELECT overlay('abc' PLACING 'xy' FROM 2) AS a", "axy"),
            ("SELECT array_to_string([1, NULL, 3], '-', '*') AS a", "1-*-3"),
            ("SELECT array_to_string([[1, 2], [3]], '-') AS a", "1-2-3"),
            // The bound is beyond the limit, but not what is made; in slices, all rows in order.
            (
                "SELECT sum(length(t)) AS a, max(t) = repeat('z', 1000) || '5000' AS b FROM (SELECT \
                 regexp_replace(repeat('z', 1000) || value, '[ab]', repeat('y', 1000), 'g') AS t, value \
                 FROM generate_series(1000, 5000)) WHERE t = repeat('z', 1000) || value",
                "4017004",
            ),
            (
                "SELECT count(*) AS a FROM (SELECT array_to_string(range(0, value % 3), repeat('y', 100000)) AS t, \
                 value FROM generate_series(1, 300)) WHERE length(t) = CASE value % 3 WHEN 2 THEN 100002 WHEN 1 THEN 1 \
                 ELSE 0 END",
                "300",
            ),
            ("SELECT array_repeat('ab', 2) AS a", "[ab, ab]"),
            ("SELECT array_resize([1], 2, 7) AS a", "[1, 7]"),
            ("SELECT range(3) AS a", "[0, 1, 2]"),
            ("SELECT generate_series(3, 1, -1) AS a", "[3, 2, 1]"),
            ("SELECT range(DATE '2026-01-01', DATE '2026-01-03', INTERVAL '1' DAY) AS a", "2026-01-02"),
        ] {
            assert!(run(sql).unwrap().contains(shown), "{sql}: {}", run(sql).unwrap());
        }
    }
}
