//! The scalar function `dominant(r, u1, u2, s)`: the name of a sample's largest part.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Names of the four parts, in tie-breaking order.
pub(super) const PARTS: [&str; 4] = ["redundancy", "unique_1", "unique_2", "synergy"];

/// The index in [`PARTS`] of the largest value, the first of equal ones; `None` where one is NaN.
pub(super) fn largest(parts: [f64; 4]) -> Option<usize> {
    if parts.iter().any(|part| part.is_nan()) {
        return None;
    }
    let mut best = (0, parts[0]);
    for (place, part) in parts.into_iter().enumerate() {
        if part > best.1 {
            best = (place, part);
        }
    }
    Some(best.0)
}

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Dominant {
    signature: Signature,
    documentation: Documentation,
}

impl Dominant {
    pub(super) fn new() -> Self {
        let documentation = Documentation::builder(
            DOC_SECTION_OTHER,
            "The largest of a sample's parts: redundancy, unique_1, unique_2 or synergy, the first of those that are \
             equal; null where one is null",
            "dominant(r, u1, u2, s)",
        )
        .with_argument("r", "Redundancy")
        .with_argument("u1", "Uniqueness of x1")
        .with_argument("u2", "Uniqueness of x2")
        .with_argument("s", "Synergy")
        .build();
        Self { signature: Signature::exact(vec![DataType::Float64; 4], Volatility::Immutable), documentation }
    }
}

impl ScalarUDFImpl for Dominant {
    fn name(&self) -> &str {
        "dominant"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|value| value.to_array(args.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let columns = arrays.iter().map(|array| as_float64_array(array)).collect::<Result<Vec<_>>>()?;
        let mut names = StringViewBuilder::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            let part = |place: usize| columns.get(place).filter(|c| c.is_valid(row)).map(|c| c.value(row));
            let parts = [0, 1, 2, 3].map(|place| part(place).unwrap_or(f64::NAN));
            names.append_option(largest(parts).and_then(|place| PARTS.get(place)));
        }
        let names: ArrayRef = Arc::new(names.finish());
        Ok(ColumnarValue::Array(names))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_and_of_equal_ones_the_first() {
        assert_eq!(largest([0.1, 0.2, 0.3, 0.4]), Some(3));
        assert_eq!(largest([0.0, -0.0, 0.0, 0.0]), Some(0));
        assert_eq!(largest([-2.0, -1.0, -1.0, -3.0]), Some(1));
        assert_eq!(largest([f64::NEG_INFINITY; 4]), Some(0));
        assert_eq!(largest([0.0, f64::NAN, 1.0, 0.0]), None);
    }
}
