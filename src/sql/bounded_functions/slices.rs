//! Evaluation of a batch in slices of rows, where only a bound of the result's size is known beforehand.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::BoundedFunction;
use super::result_bytes::{ResultBytes, array_bytes};

/// A slice is expected to take less than this part of the limit.
const SLICE_SHARE: f64 = 1.0 / 8.0;
/// What all slices may take of it: at the end there are the slices and the result.
const RESULT_SHARE: f64 = 0.5;

impl BoundedFunction {
    /// Evaluates slice by slice, until the results so far and what is expected of the next take more than the
    /// limit.
    pub(super) fn invoke_in_slices(
        &self,
        expected: &ResultBytes<'_>,
        args: &ScalarFunctionArgs,
    ) -> Result<ColumnarValue> {
        let limit = self.limit as f64;
        let rows = args.number_rows;
        let (mut results, mut made, mut start): (Vec<ArrayRef>, f64, usize) = (Vec::new(), 0.0, 0);
        while start < rows {
            let (mut end, mut next) = (start + 1, expected.of_row(start));
            while end < rows && next + expected.of_row(end) <= limit * SLICE_SHARE {
                next += expected.of_row(end);
                end += 1;
            }
            if made > limit * RESULT_SHARE || made + next > limit {
                return Err(self.refuse(made + next));
            }
            let result = self.invoke_inner(slice(args, start, end - start))?.into_array(end - start)?;
            made += array_bytes(&result);
            results.push(result);
            start = end;
        }
        if made > limit * RESULT_SHARE {
            return Err(self.refuse(made));
        }
        let results: Vec<&dyn Array> = results.iter().map(Arc::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&results)?))
    }
}

fn slice(args: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let values = args.args.iter().map(|value| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
    });
    ScalarFunctionArgs {
        args: values.collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: rows,
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    }
}
