//! The Arrow field of a computed column, and its array.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};

use crate::bundle::Class;
use crate::interaction::Quantity;

/// The field of a quantity's column of so many modalities: nullable f32, with its description and unit as
/// metadata. The fold is i32 and the most probable class has the type of `classes`, the bundle's; neither has a unit.
pub fn field(quantity: Quantity, modalities: usize, classes: &[Class]) -> Field {
    let (data_type, unit) = match quantity {
        Quantity::Fold => (DataType::Int32, None),
        Quantity::TopClass => (class_type(classes), None),
        Quantity::Prior | Quantity::Posterior(_) | Quantity::TopProbability => {
            (DataType::Float32, Some("probability"))
        }
        _ => (DataType::Float32, Some("nats")),
    };
    let description = Some(("description", quantity.description(modalities)));
    let metadata = description.into_iter().chain(unit.map(|unit| ("unit", unit.into())));
    let metadata: HashMap<_, _> = metadata.map(|(key, text)| (key.to_owned(), text.into_owned())).collect();
    Field::new(quantity.name(modalities), data_type, true).with_metadata(metadata)
}

/// The array of a quantity's column, of the type of its [`field`], from its values as they are
/// computed: a fold is a whole number, NaN where the main models evaluated the row, the most probable class its place
/// among `classes`. Others are NaN where the modalities that a row has make no such value.
pub fn output_array(quantity: Quantity, values: Float32Array, classes: &[Class]) -> ArrayRef {
    match quantity {
        Quantity::Fold => Arc::new(whole_numbers(&values).collect::<Int32Array>()),
        Quantity::TopClass => {
            let of_rows = whole_numbers(&values).map(|place| classes.get(usize::try_from(place?).ok()?));
            match class_type(classes) {
                DataType::Boolean => Arc::new(of_rows.map(boolean).collect::<BooleanArray>()),
                DataType::Int64 => Arc::new(of_rows.map(integer).collect::<Int64Array>()),
                _ => Arc::new(of_rows.map(|class| class.map(Class::to_string)).collect::<StringArray>()),
            }
        }
        _ if values.values().iter().any(|value| value.is_nan()) => Arc::new(
            values.iter().map(|value| value.filter(|value| !value.is_nan())).collect::<Float32Array>(),
        ),
        _ => Arc::new(values),
    }
}

/// Small whole numbers, which are exact in f32; none of a null or NaN.
fn whole_numbers(values: &Float32Array) -> impl Iterator<Item = Option<i32>> + '_ {
    #[expect(clippy::cast_possible_truncation, reason = "folds and classes are whole numbers below 2^24")]
    values.iter().map(|value| value.filter(|value| !value.is_nan()).map(|value| value as i32))
}

/// The type of a column of classes.
fn class_type(classes: &[Class]) -> DataType {
    match classes.first() {
        Some(Class::Boolean(_)) => DataType::Boolean,
        Some(Class::Integer(_)) => DataType::Int64,
        Some(Class::String(_)) | None => DataType::Utf8,
    }
}

fn boolean(class: Option<&Class>) -> Option<bool> {
    match class {
        Some(Class::Boolean(value)) => Some(*value),
        _ => None,
    }
}

fn integer(class: Option<&Class>) -> Option<i64> {
    match class {
        Some(Class::Integer(value)) => Some(*value),
        _ => None,
    }
}
