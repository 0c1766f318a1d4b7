//! Operators that repeat or make numbers: their outputs may be larger than all inputs.

use tract_onnx::pb::tensor_proto::DataType;

use super::tensors;
use super::value::{Call, Inferred, Shape, Unknown, Value, asked, axis, broadcast, dims, size_of};

pub(super) fn infer(call: &Call<'_>) -> Inferred {
    let input = call.input(0);
    let value = match call.op() {
        "Constant" => constant(call),
        "Expand" => {
            let shape = match (&input.shape, asked(&call.input(1))?) {
                (Some(shape), Some(to)) => Some(broadcast(shape, &to)?),
                _ => None,
            };
            Value::new(input.element, shape)
        }
        "Tile" => Value::new(input.element, tile(call, &input)?),
        "ConstantOfShape" => {
            let value = call.attribute("value").and_then(|value| value.t.as_ref()).map(tensors::value);
            let fill = value.as_ref().map_or(Some(0.0), Value::scalar);
            let element = value.map_or(Some(DataType::Float), |value| value.element);
            filled(Value::new(element, asked(&input)?), fill)
        }
        "Range" => range(call)?,
        "Pad" => Value::new(input.element, pad(call, &input)?),
        "OneHot" => Value::new(call.input(2).element, one_hot(call, &input)?),
        "EyeLike" => Value::new(input.element, input.shape),
        "Resize" | "Upsample" => Value::new(input.element, resize(call, &input)?),
        "RandomNormal" | "RandomUniform" => {
            let shape = call.attribute("shape").map(|shape| dims(&shape.ints)).transpose()?;
            Value::new(Some(DataType::Float), shape)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}

fn constant(call: &Call<'_>) -> Value {
    let Some(attribute) = call.node.attribute.first() else { return Value::default() };
    match (attribute.name.as_str(), &attribute.t) {
        ("value", Some(tensor)) => tensors::value(tensor),
        ("value_int", _) => scalar(DataType::Int64, attribute.i as f64),
        ("value_float", _) => scalar(DataType::Float, f64::from(attribute.f)),
        ("value_ints", _) => Value::integers(attribute.ints.iter().map(|number| *number as f64).collect()),
        _ => Value::default(),
    }
}

fn scalar(element: DataType, number: f64) -> Value {
    Value::new(Some(element), Some(Shape::new())).with_numbers(Some(vec![number]))
}

fn filled(value: Value, fill: Option<f64>) -> Value {
    let count = value.count().filter(|count| *count <= super::value::MOST_FOLLOWED as u64);
    let numbers = count.zip(fill).map(|(count, fill)| vec![fill; count as usize]);
    value.with_numbers(numbers)
}

fn tile(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let (Some(shape), Some(repeats)) = (&input.shape, asked(&call.input(1))?) else { return Ok(None) };
    if repeats.len() != shape.len() {
        return Err(format!("it repeats {} dimensions of {}", repeats.len(), shape.len()));
    }
    let repeated = shape.iter().zip(repeats).map(|(dim, times)| Some((*dim)?.saturating_mul(times?)));
    Ok(Some(repeated.collect()))
}

fn range(call: &Call<'_>) -> Result<Value, String> {
    let element = call.input(0).element;
    let [start, limit, step] = [0, 1, 2].map(|place| call.input(place).scalar());
    if step == Some(0.0) {
        return Err("its step is 0; export the model again".to_owned());
    }
    let count =
        start.zip(limit).zip(step).map(|((start, limit), step)| ((limit - start) / step).ceil().max(0.0));
    let value = Value::new(element, Some(vec![count.map(|count| count as u64)]));
    let few = count.filter(|count| *count <= super::value::MOST_FOLLOWED as f64);
    let numbers = few
        .zip(start)
        .zip(step)
        .map(|((count, start), step)| (0..count as u64).map(|place| start + place as f64 * step).collect());
    Ok(value.with_numbers(numbers))
}

fn pad(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let (Some(shape), Ok(Some(pads))) = (&input.shape, call.integers("pads", 1)) else { return Ok(None) };
    let axes = match call.integers("axes", 3) {
        Ok(axes) => axes.unwrap_or_else(|| (0..shape.len() as i64).collect()),
        Err(Unknown) => return Ok(None),
    };
    let mut padded = shape.clone();
    for (place, at) in axes.iter().enumerate() {
        let at = axis(*at, shape.len())?;
        let (Some(before), Some(after)) = (pads.get(place), pads.get(place + axes.len())) else {
            return Err(format!("it has {} pads for {} dimensions", pads.len(), axes.len()));
        };
        if let Some(dim) = padded.get_mut(at) {
            *dim = dim.map(|dim| (dim as i64).saturating_add(*before).saturating_add(*after).max(0) as u64);
        }
    }
    Ok(Some(padded))
}

fn one_hot(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let Some(shape) = &input.shape else { return Ok(None) };
    let depth = call.input(1).scalar().map(size_of).transpose()?.flatten();
    let at = axis(call.integer("axis").unwrap_or(-1), shape.len() + 1)?;
    let mut hot = shape.clone();
    hot.insert(at, depth);
    Ok(Some(hot))
}

fn resize(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let Some(shape) = &input.shape else { return Ok(None) };
    // Resize has scales and sizes behind the region of interest, Upsample the scales alone.
    let (scales, sizes) = match call.op() {
        "Resize" => (call.input(2), call.input(3)),
        _ => (call.input(1), Value::default()),
    };
    if sizes.numbers.is_some() && call.attribute("axes").is_none() {
        return asked(&sizes);
    }
    let scales = scales.numbers.filter(|scales| scales.len() == shape.len());
    let scaled = |(dim, scale): (&Option<u64>, f64)| dim.map(|dim| (dim as f64 * scale).max(0.0) as u64);
    Ok(scales.map(|scales| shape.iter().zip(scales).map(scaled).collect()))
}
