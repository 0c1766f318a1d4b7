//! Functions that make long strings and lists out of short ones, within the memory limit. Their results
//! are not among the memory that DataFusion accounts for. What other functions and operators make is
//! limited by the [allocator](crate::memory::LimitedAllocator) only, which ends the process.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::prelude::SessionContext;

/// The functions that have a limit.
const BOUNDED: [&str; 10] = [
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "concat",
    "concat_ws",
    "array_repeat",
    "array_resize",
    "range",
    "generate_series",
];

/// Bytes of a value of a list.
const VALUE_BYTES: f64 = 8.0;

/// Replaces [`BOUNDED`] functions by those whose results for one batch of rows take at most `limit`
/// bytes.
pub(super) fn bound_functions(context: &SessionContext, limit: usize) {
    for name in BOUNDED {
        if let Some(inner) = context.state().scalar_functions().get(name) {
            let bounded = BoundedFunction { inner: inner.as_ref().clone(), limit };
            context.register_udf(ScalarUDF::new_from_impl(bounded));
        }
    }
}

/// A function with a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BoundedFunction {
    inner: ScalarUDF,
    limit: usize,
}

/// A number for each row: an argument, or the length of one that is a text.
enum Numbers {
    OfAll(f64),
    OfEach(Vec<f64>),
}

impl Numbers {
    /// `None` of what is neither text nor number.
    fn of(value: &ColumnarValue) -> Option<Self> {
        // A long text is not repeated for each row.
        let array = match value {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array().ok()?,
        };
        let array = match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => length(&array).ok()?,
            kind if kind.is_numeric() || kind.is_null() => array,
            _ => return None,
        };
        let array = cast(&array, &DataType::Int64).ok()?;
        let numbers = array.as_primitive::<Int64Type>();
        let numbers: Vec<f64> = numbers.iter().map(|number| number.unwrap_or(0) as f64).collect();
        Some(match (value, &numbers[..]) {
            (ColumnarValue::Scalar(_), &[number]) => Self::OfAll(number),
            _ => Self::OfEach(numbers),
        })
    }

    fn get(&self, row: usize) -> f64 {
        match self {
            Self::OfAll(number) => *number,
            Self::OfEach(numbers) => numbers.get(row).copied().unwrap_or(0.0),
        }
    }
}

impl BoundedFunction {
    /// A function that takes the place of a call, with this one's limit: a simplified call is one of
    /// DataFusion's own.
    fn bounded(&self, function: &ScalarUDF) -> ScalarUDF {
        match function.inner().is::<Self>() {
            true => function.clone(),
            false => ScalarUDF::new_from_impl(Self { inner: function.clone(), limit: self.limit }),
        }
    }

    /// About so many bytes the result takes; 0 where the arguments are others than expected.
    fn result_bytes(&self, args: &ScalarFunctionArgs) -> f64 {
        let numbers: Vec<Option<Numbers>> = args.args.iter().map(Numbers::of).collect();
        let number = |argument: usize, row: usize, default: f64| match numbers.get(argument) {
            Some(Some(numbers)) => numbers.get(row),
            Some(None) | None => default,
        };
        let length = |argument: usize, row: usize| number(argument, row, 0.0).max(0.0);
        let of_row = |row: usize| match self.name() {
            "repeat" => length(0, row) * length(1, row),
            "replace" => length(0, row) * (length(2, row) / length(1, row).max(1.0)).max(1.0),
            // The length to pad to, in characters.
            "lpad" | "rpad" => length(1, row),
            "concat" => (0..numbers.len()).map(|argument| length(argument, row)).sum(),
            "concat_ws" => {
                let texts = numbers.len().saturating_sub(1);
                let between = texts.saturating_sub(1) as f64 * length(0, row);
                (1..=texts).map(|argument| length(argument, row)).sum::<f64>() + between
            }
            "array_repeat" => value_bytes(&args.args) * length(1, row),
            "array_resize" => VALUE_BYTES * length(1, row),
            _ => {
                let (start, end) = match numbers.len() {
                    1 => (0.0, number(0, row, 0.0)),
                    _ => (number(0, row, 0.0), number(1, row, 0.0)),
                };
                let step = number(2, row, 1.0);
                let steps = if step == 0.0 { 0.0 } else { (end - start) / step };
                VALUE_BYTES * steps.max(0.0)
            }
        };
        // Constants give one row, which is made once.
        let rows = match args.args.iter().any(|value| matches!(value, ColumnarValue::Array(_))) {
            true => args.number_rows,
            false => 1,
        };
        (0..rows).map(of_row).sum()
    }
}

/// The bytes of the first argument for one row.
fn value_bytes(args: &[ColumnarValue]) -> f64 {
    match args.first() {
        Some(ColumnarValue::Scalar(value)) => value.size() as f64,
        Some(ColumnarValue::Array(array)) => {
            let bytes = array.to_data().get_slice_memory_size().unwrap_or_default();
            bytes as f64 / array.len().max(1) as f64
        }
        None => 0.0,
    }
}

impl ScalarUDFImpl for BoundedFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
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
                    call.func = Arc::new(self.bounded(&call.func));
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
        let bytes = self.result_bytes(&args);
        if bytes > self.limit as f64 {
            let kind = match self.name() {
                "array_repeat" | "array_resize" | "range" | "generate_series" => "values",
                _ => "text",
            };
            let what = format!("{} makes {:.1} MB of {kind} in one batch", self.name(), bytes / 1e6);
            return Err(DataFusionError::ResourcesExhausted(what));
        }
        // Numbers that they do not take are no fault of the program.
        self.inner.invoke_with_args(args).map_err(|error| match error {
            DataFusionError::Internal(what) => DataFusionError::Execution(what),
            error => error,
        })
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
            assert!(error.exit_code() == 64 && is_named, "{sql}: {error}");
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
