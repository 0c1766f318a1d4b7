//! Constants of a graph: their bytes against their shapes, which engines trust when they allocate.

use tract_onnx::pb::{
    GraphProto, NodeProto, TensorProto, tensor_proto::DataLocation, tensor_proto::DataType,
};

use super::value::{MOST_FOLLOWED, MOST_NUMBERS, Value};

/// Checks all constants of a graph and of those within it.
pub(super) fn check(graph: &GraphProto) -> Result<(), String> {
    graph.initializer.iter().try_for_each(check_tensor)?;
    for sparse in &graph.sparse_initializer {
        let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
        if count(&sparse.dims).is_none_or(|numbers| numbers > MOST_NUMBERS) {
            return Err(format!("the constant {name:?} has the shape {:?}; check the export", sparse.dims));
        }
        sparse.values.iter().chain(&sparse.indices).try_for_each(check_tensor)?;
    }
    graph.node.iter().try_for_each(check_node)
}

fn check_node(node: &NodeProto) -> Result<(), String> {
    for attribute in &node.attribute {
        attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(check)?;
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let name = &tensor.name;
    if tensor.data_location == Some(DataLocation::External as i32) {
        return Err(format!(
            "the constant {name:?} is in another file; pack the model with `lsmi-etl bundle pack`, which takes it in"
        ));
    }
    let (Some(count), Some(held)) = (count(&tensor.dims), held(tensor)) else {
        return Err(format!("the constant {name:?} has the shape {:?}; check the export", tensor.dims));
    };
    if held.is_some_and(|held| held != count) {
        return Err(format!(
            "the constant {name:?} has the shape {:?}, {count} numbers, and the file holds {}; restore it, or export \
             the model again",
            tensor.dims,
            held.unwrap_or_default()
        ));
    }
    Ok(())
}

/// The number of numbers of a shape; `None` where it is negative or beyond counting.
fn count(dims: &[i64]) -> Option<u64> {
    dims.iter().try_fold(1_u64, |count, dim| count.checked_mul(u64::try_from(*dim).ok()?))
}

/// How many numbers a tensor holds: `Some(None)` for element types that are packed otherwise, `None`
/// for one whose bytes are no whole numbers.
fn held(tensor: &TensorProto) -> Option<Option<u64>> {
    use DataType::{
        Bfloat16, Bool, Complex64, Complex128, Double, Float, Float16, Int8, Int16, Int32, Int64, String,
        Uint8, Uint16, Uint32, Uint64,
    };
    let Ok(element) = DataType::try_from(tensor.data_type) else { return Some(None) };
    let (bytes, listed) = match element {
        Float => (4, tensor.float_data.len()),
        Double => (8, tensor.double_data.len()),
        Int64 => (8, tensor.int64_data.len()),
        Uint64 => (8, tensor.uint64_data.len()),
        Uint32 => (4, tensor.uint64_data.len()),
        Int32 => (4, tensor.int32_data.len()),
        Int16 | Uint16 | Float16 | Bfloat16 => (2, tensor.int32_data.len()),
        Int8 | Uint8 | Bool => (1, tensor.int32_data.len()),
        Complex64 => (8, tensor.float_data.len() / 2),
        Complex128 => (16, tensor.double_data.len() / 2),
        String => return Some(Some(tensor.string_data.len() as u64)),
        _ => return Some(None),
    };
    match tensor.raw_data.len() {
        0 => Some(Some(listed as u64)),
        raw if raw % bytes == 0 => Some(Some((raw / bytes) as u64)),
        _ => None,
    }
}

/// A constant as a value.
pub(super) fn value(tensor: &TensorProto) -> Value {
    let element = DataType::try_from(tensor.data_type).ok();
    let shape = tensor.dims.iter().map(|dim| u64::try_from(*dim).ok()).collect();
    let is_short = count(&tensor.dims).is_some_and(|count| count <= MOST_FOLLOWED as u64);
    Value::new(element, Some(shape)).with_numbers(if is_short { numbers(tensor, element) } else { None })
}

/// The numbers of a constant, however long; `None` of an element type that is rare.
pub(super) fn numbers(tensor: &TensorProto, element: Option<DataType>) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data;
    let listed = raw.is_empty();
    Some(match element? {
        DataType::Float if listed => tensor.float_data.iter().map(|number| f64::from(*number)).collect(),
        DataType::Float => {
            raw.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        }
        DataType::Double if listed => tensor.double_data.clone(),
        DataType::Double => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        DataType::Int64 if listed => tensor.int64_data.iter().map(|number| *number as f64).collect(),
        DataType::Int64 => raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect(),
        DataType::Int32 if !listed => {
            raw.as_chunks().0.iter().map(|bytes| f64::from(i32::from_le_bytes(*bytes))).collect()
        }
        DataType::Int8 if !listed => raw.iter().map(|byte| f64::from(byte.cast_signed())).collect(),
        DataType::Bool | DataType::Uint8 if !listed => raw.iter().map(|byte| f64::from(*byte)).collect(),
        DataType::Int32
        | DataType::Int16
        | DataType::Int8
        | DataType::Uint8
        | DataType::Uint16
        | DataType::Bool
            if listed =>
        {
            tensor.int32_data.iter().map(|number| f64::from(*number)).collect()
        }
        _ => return None,
    })
}
