//! The Arrow field of a computed column, and its array.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array};
use arrow::datatypes::{DataType, Field};

use crate::interaction::Quantity;

/// The field of a quantity's column of so many modalities: nullable f32, with its description and unit as
/// metadata; the fold is nullable i32, without a unit.
pub fn field(quantity: Quantity, modalities: usize) -> Field {
    let (data_type, unit) = match quantity {
        Quantity::Fold => (DataType::Int32, None),
        Quantity::Prior | Quantity::Posterior(_) => (DataType::Float32, Some("probability")),
        _ => (DataType::Float32, Some("nats")),
    };
    let description = Some(("description", quantity.description(modalities)));
    let metadata = description.into_iter().chain(unit.map(|unit| ("unit", unit.into())));
    let metadata: HashMap<_, _> = metadata.map(|(key, text)| (key.to_owned(), text.into_owned())).collect();
    Field::new(quantity.name(modalities), data_type, true).with_metadata(metadata)
}

/// The array of a quantity's column, of the type of its [`field`], from its values as they are
/// computed: a fold is a whole number, NaN where the main models evaluated the row. Others are NaN where
/// the modalities that a row has make no such value.
pub fn output_array(quantity: Quantity, values: Float32Array) -> ArrayRef {
    match quantity {
        Quantity::Fold => {
            #[expect(clippy::cast_possible_truncation, reason = "folds are whole numbers below 100")]
            let folds = values.iter().map(|fold| fold.filter(|fold| !fold.is_nan()).map(|fold| fold as i32));
            Arc::new(folds.collect::<Int32Array>())
        }
        _ if values.values().iter().any(|value| value.is_nan()) => Arc::new(
            values.iter().map(|value| value.filter(|value| !value.is_nan())).collect::<Float32Array>(),
        ),
        _ => Arc::new(values),
    }
}
