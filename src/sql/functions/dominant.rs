//! The scalar function `dominant(r, u1, …, uM, s)`: the name of a sample's largest part.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::interaction::lattice::Lattice;

/// The signature of a function of r, u1 … uM and s, of two to four modalities.
pub(super) fn signature_of_parts() -> Signature {
    let of = |modalities: usize| TypeSignature::Exact(vec![DataType::Float64; modalities + 2]);
    Signature::one_of((2..=Lattice::MODALITIES).map(of).collect(), Volatility::Immutable)
}

/// Names of so many parts, r, u1 … uM and s, in tie-breaking order.
pub(super) fn part_names(parts: usize) -> Vec<String> {
    let unique = (1..parts.saturating_sub(1)).map(|m| format!("unique_{m}"));
    ["redundancy".to_owned()].into_iter().chain(unique).chain(["synergy".to_owned()]).collect()
}

/// The place of the largest of the parts that a row has, the first of equal ones; `None` where it has none, or
/// one is NaN.
pub(super) fn largest(parts: &[Option<f64>]) -> Option<usize> {
    if parts.iter().flatten().any(|part| part.is_nan()) {
        return None;
    }
    let mut best: Option<(usize, f64)> = None;
    for (place, part) in parts.iter().enumerate() {
        if let Some(part) = part.filter(|part| best.is_none_or(|(_, most)| *part > most)) {
            best = Some((place, part));
        }
    }
    best.map(|(place, _)| place)
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
            "The largest of a sample's parts: redundancy, unique_1, unique_2 (… as many as there are modalities) or \
             synergy, the first of those that are equal. Parts that are null, which rows without some modality do not \
             have, are left out; null where all are",
            "dominant(r, u1, u2, s)",
        )
        .with_argument("r", "Redundancy")
        .with_argument("u1", "Uniqueness of x1")
        .with_argument("u2", "Uniqueness of x2; those of x3 and x4 follow it")
        .with_argument("s", "Synergy")
        .build();
        Self { signature: signature_of_parts(), documentation }
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

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|value| value.to_array(args.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let columns = arrays.iter().map(|array| as_float64_array(array)).collect::<Result<Vec<_>>>()?;
        let part_names = part_names(columns.len());
        let mut names = StringViewBuilder::with_capacity(args.number_rows);
        let mut parts = vec![None; columns.len()];
        for row in 0..args.number_rows {
            for (part, column) in parts.iter_mut().zip(&columns) {
                *part = column.is_valid(row).then(|| column.value(row));
            }
            names.append_option(largest(&parts).and_then(|place| part_names.get(place)));
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
        let of = |parts: &[f64]| largest(&parts.iter().copied().map(Some).collect::<Vec<_>>());
        assert_eq!(of(&[0.1, 0.2, 0.3, 0.4]), Some(3));
        assert_eq!(of(&[0.0, -0.0, 0.0, 0.0]), Some(0));
        assert_eq!(of(&[-2.0, -1.0, -1.0, -3.0]), Some(1));
        assert_eq!(of(&[f64::NEG_INFINITY; 4]), Some(0));
        assert_eq!(of(&[0.0, f64::NAN, 1.0, 0.0]), None);
        assert_eq!(of(&[0.0, 0.1, 0.2, 0.5, 0.4, 0.3]), Some(3));
        assert_eq!(largest(&[None, Some(-0.5), None, Some(-0.25), None]), Some(3));
        assert_eq!(largest(&[None, Some(f64::NAN), None, Some(-0.25), None]), None);
        assert_eq!(largest(&[None; 4]), None);
    }

    #[test]
    fn parts_are_named_by_their_number() {
        assert_eq!(part_names(4), ["redundancy", "unique_1", "unique_2", "synergy"]);
        assert_eq!(part_names(5)[1..], ["unique_1", "unique_2", "unique_3", "synergy"]);
    }
}
