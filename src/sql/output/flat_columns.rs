//! The columns of a batch with those of structs in their place: `s.a` and `s.b` of a struct `s`.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use datafusion::arrow::compute::is_null;
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

/// Names and arrays of the columns; where there is but one, a struct, its fields have their own names.
pub(super) fn flat_columns(batch: &RecordBatch) -> Result<Vec<(String, ArrayRef)>, ArrowError> {
    let schema = batch.schema();
    let is_alone = batch.num_columns() == 1;
    let mut flat = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        match field.data_type() {
            DataType::Struct(_) => {
                let prefix = if is_alone { String::new() } else { format!("{}.", field.name()) };
                add_fields(&prefix, column, &mut flat)?;
            }
            _ => flat.push((field.name().clone(), column.clone())),
        }
    }
    Ok(flat)
}

fn add_fields(prefix: &str, column: &ArrayRef, flat: &mut Vec<(String, ArrayRef)>) -> Result<(), ArrowError> {
    let structs = column.as_struct();
    let absent = is_null(structs)?;
    for (field, values) in structs.fields().iter().zip(structs.columns()) {
        let name = format!("{prefix}{}", field.name());
        // Of a struct that is null, no field has a value.
        let values = match structs.null_count() {
            0 => values.clone(),
            all if all == values.len() => new_null_array(values.data_type(), all),
            _ => nullif(values, &absent)?,
        };
        match field.data_type() {
            DataType::Struct(_) => add_fields(&format!("{name}."), &values, flat)?,
            _ => flat.push((name, values)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, StructArray};
    use datafusion::arrow::buffer::NullBuffer;
    use datafusion::arrow::datatypes::{Field, Fields};

    use super::*;

    #[test]
    fn fields_stand_in_the_place_of_their_struct() {
        let fields = Fields::from(vec![
            Field::new("a", DataType::Float64, true),
            Field::new("b", DataType::Int64, true),
        ]);
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(vec![0.5, 1.5])), Arc::new(Int64Array::from(vec![1, 2]))];
        let nulls = NullBuffer::from(vec![true, false]);
        let structs: ArrayRef = Arc::new(StructArray::new(fields, arrays, Some(nulls)));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
        let batch =
            RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("s", structs.clone(), true)]);
        let flat = flat_columns(&batch.unwrap()).unwrap();
        assert_eq!(flat.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["id", "s.a", "s.b"]);
        assert!(flat[1].1.is_valid(0) && flat[1].1.is_null(1) && flat[2].1.is_null(1));
        let alone = RecordBatch::try_from_iter_with_nullable([("s", structs, true)]).unwrap();
        assert_eq!(flat_columns(&alone).unwrap()[1].0, "b");
    }
}
