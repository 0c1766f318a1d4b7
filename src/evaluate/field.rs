//! The Arrow field of a computed column.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};

use crate::interaction::Quantity;

/// The field of a quantity's column: nullable f32, with its description and unit as
/// metadata.
pub fn field(quantity: Quantity) -> Field {
    let unit = if quantity == Quantity::PY { "probability" } else { "nats" };
    let metadata = HashMap::from([
        ("description".to_owned(), quantity.description().to_owned()),
        ("unit".to_owned(), unit.to_owned()),
    ]);
    Field::new(quantity.name(), DataType::Float32, true).with_metadata(metadata)
}
