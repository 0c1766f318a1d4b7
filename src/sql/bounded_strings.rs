//! Functions that make long strings out of short ones, within the memory limit. Their results are not
//! among the memory that DataFusion accounts for, and where memory ends, the process does.

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

/// Replaces `repeat`, `lpad`, `rpad` and `replace` by functions whose results for one batch of rows take at
/// most `limit` bytes.
pub(super) fn bound_strings(context: &SessionContext, limit: usize) {
    for name in ["repeat", "lpad", "rpad", "replace"] {
        if let Some(inner) = context.state().scalar_functions().get(name) {
            let bounded = BoundedString { inner: inner.as_ref().clone(), limit };
            context.register_udf(ScalarUDF::new_from_impl(bounded));
        }
    }
}

/// A function of strings with a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BoundedString {
    inner: ScalarUDF,
    limit: usize,
}

impl BoundedString {
    /// At least so many bytes the result takes; of `replace`, at most.
    fn result_bytes(&self, args: &ScalarFunctionArgs) -> Result<f64> {
        let numbers = |argument: usize| -> Result<Vec<f64>> {
            let Some(value) = args.args.get(argument) else { return Ok(vec![1.0; args.number_rows]) };
            let array = value.to_array(args.number_rows)?;
            let array = match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => length(&array)?,
                _ => array,
            };
            let array = cast(&array, &DataType::Int64)?;
            let array = array.as_primitive::<Int64Type>();
            Ok(array.iter().map(|value| value.unwrap_or(0).max(0) as f64).collect())
        };
        let (first, second) = (numbers(0)?, numbers(1)?);
        let pairs = first.iter().zip(&second);
        Ok(match self.name() {
            "repeat" => pairs.map(|(length, times)| length * times).sum(),
            "replace" => pairs
                .zip(numbers(2)?)
                .map(|((length, from), to)| length * (to / from.max(1.0)).max(1.0))
                .sum(),
            // The length to pad to, in characters.
            _ => second.iter().sum(),
        })
    }
}

impl ScalarUDFImpl for BoundedString {
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
        self.inner.simplify(arguments, context)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = self.result_bytes(&args)?;
        if bytes > self.limit as f64 {
            let what = format!("{} makes {:.1} MB of text in one batch", self.name(), bytes / 1e6);
            return Err(DataFusionError::ResourcesExhausted(what));
        }
        self.inner.invoke_with_args(args)
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
    fn long_strings_are_refused_and_short_ones_made() {
        for sql in [
            "SELECT length(repeat('x', 1000000000))",
            "SELECT length(lpad('x', 1000000000, 'y'))",
            "SELECT length(rpad('x', 1000000000))",
            "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
            "SELECT max(length(repeat('x', value * 100000))) FROM generate_series(1, 1000)",
        ] {
            let error = run(sql).unwrap_err();
            assert!(error.exit_code() == 64 && error.to_string().contains("MB of text"), "{sql}: {error}");
        }
        for (sql, shown) in [
            ("SELECT repeat('ab', 3) AS a", "ababab"),
            ("SELECT lpad('x', 3, 'ä') AS a", "ääx"),
            ("SELECT rpad(repeat('x', 2), 4) || '|' AS a", "xx  |"),
            ("SELECT replace('abcabc', 'b', NULL) IS NULL AS a", "true"),
            ("SELECT replace('abc', '', 'z') AS a", "abc"),
            ("SELECT repeat('x', -1) || 'e' AS a", "e"),
            ("SELECT length(repeat('x', 1000000)) AS a", "1000000"),
        ] {
            assert!(run(sql).unwrap().contains(shown), "{sql}: {}", run(sql).unwrap());
        }
    }
}
