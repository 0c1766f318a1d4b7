//! Operators that move numbers: into another shape, apart, together, or to other places.

use tract_onnx::pb::tensor_proto::DataType;

use super::value::{Call, Inferred, Shape, Unknown, Value, axis, dims, size_of};

pub(super) fn infer(call: &Call<'_>) -> Inferred {
    let input = call.input(0);
    let value = match call.op() {
        "Shape" => shape_of(call, &input),
        "Size" => Value::new(Some(DataType::Int64), Some(Shape::new()))
            .with_numbers(input.count().map(|count| vec![count as f64])),
        "Reshape" => reshaped(&input, reshape(call, &input)?),
        "Flatten" => reshaped(&input, flatten(call, &input)?),
        "Squeeze" => reshaped(&input, squeeze(call, &input)?),
        "Unsqueeze" => reshaped(&input, unsqueeze(call, &input)?),
        "Transpose" => Value::new(input.element, transpose(call, &input)?),
        "Concat" => concat(call)?,
        "Split" => return split(call, &input).map(Some),
        "Slice" => slice(call, &input)?,
        "Gather" => gather(call, &input)?,
        "GatherElements" => {
            let shape = call.input(1).shape;
            input.rank().map_or(Ok(0), |rank| axis(call.integer("axis").unwrap_or(0), rank))?;
            Value::new(input.element, shape)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}

/// The same numbers in another shape.
fn reshaped(input: &Value, shape: Option<Shape>) -> Value {
    Value::new(input.element, shape).with_numbers(input.numbers.clone())
}

fn shape_of(call: &Call<'_>, input: &Value) -> Value {
    let Some(shape) = &input.shape else { return Value::new(Some(DataType::Int64), Some(vec![None])) };
    let place = |name: &str, default: usize| match call.integer(name) {
        Some(from_end) if from_end < 0 => (shape.len() as i64 + from_end).max(0) as usize,
        Some(place) => (place as usize).min(shape.len()),
        None => default,
    };
    let (start, end) = (place("start", 0), place("end", shape.len()));
    let part = shape.get(start..end.max(start)).unwrap_or_default();
    let numbers: Option<Vec<f64>> = part.iter().map(|dim| dim.map(|dim| dim as f64)).collect();
    Value::new(Some(DataType::Int64), Some(vec![Some(part.len() as u64)])).with_numbers(numbers)
}

fn reshape(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let to = call.input(1);
    let sizes = call.attribute("shape").map(|shape| shape.ints.iter().map(|size| *size as f64).collect());
    let Some(sizes) = sizes.or(to.numbers) else {
        // Only the number of dimensions is known.
        let rank = to.shape.as_ref().and_then(|shape| shape.first().copied().flatten());
        return Ok(rank.filter(|rank| *rank <= 64).map(|rank| vec![None; rank as usize]));
    };
    let keeps_zero = call.integer("allowzero").unwrap_or(0) != 0;
    let mut shape = Shape::new();
    for (place, size) in sizes.iter().enumerate() {
        shape.push(match *size {
            -1.0 => None,
            0.0 if !keeps_zero => input.shape.as_ref().and_then(|shape| shape.get(place).copied().flatten()),
            size => size_of(size)?,
        });
    }
    let free: Vec<usize> = (0..sizes.len()).filter(|place| sizes.get(*place) == Some(&-1.0)).collect();
    let known = shape.iter().enumerate().filter(|(place, _)| !free.contains(place));
    let known = known.map(|(_, dim)| *dim).try_fold(1_u64, |all, dim| Some(all.saturating_mul(dim?)));
    if let (Some(count), Some(known)) = (input.count(), known) {
        let fits = match free[..] {
            [] => count == known,
            _ => known == 0 || count.is_multiple_of(known),
        };
        if !fits {
            return Err(format!(
                "{count} values do not fit into the shape {sizes:?}; export the model with a dynamic batch dimension"
            ));
        }
        if let ([place], true) = (&free[..], known > 0)
            && let Some(dim) = shape.get_mut(*place)
        {
            *dim = Some(count / known);
        }
    }
    Ok(Some(shape))
}

fn flatten(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let Some(shape) = &input.shape else { return Ok(None) };
    let at = call.integer("axis").unwrap_or(1);
    let at = if at == shape.len() as i64 { shape.len() } else { axis(at, shape.len())? };
    let product = |part: Option<&[Option<u64>]>| {
        part.unwrap_or_default().iter().try_fold(1_u64, |all, dim| Some(all.saturating_mul((*dim)?)))
    };
    Ok(Some(vec![product(shape.get(..at)), product(shape.get(at..))]))
}

fn squeeze(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let (Some(shape), Ok(axes)) = (&input.shape, call.integers("axes", 1)) else { return Ok(None) };
    let Some(axes) = axes else {
        let known = shape.iter().all(Option::is_some);
        return Ok(known.then(|| shape.iter().copied().filter(|dim| *dim != Some(1)).collect()));
    };
    let places = axes.iter().map(|at| axis(*at, shape.len())).collect::<Result<Vec<_>, _>>()?;
    let kept = shape.iter().enumerate().filter(|(place, _)| !places.contains(place));
    Ok(Some(kept.map(|(_, dim)| *dim).collect()))
}

fn unsqueeze(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let (Some(shape), Ok(Some(axes))) = (&input.shape, call.integers("axes", 1)) else { return Ok(None) };
    let rank = shape.len() + axes.len();
    let places = axes.iter().map(|at| axis(*at, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = shape.iter().copied();
    Ok(Some(
        (0..rank).map(|place| if places.contains(&place) { Some(1) } else { old.next().flatten() }).collect(),
    ))
}

fn transpose(call: &Call<'_>, input: &Value) -> Result<Option<Shape>, String> {
    let Some(shape) = &input.shape else { return Ok(None) };
    let Some(order) = call.attribute("perm").map(|perm| &perm.ints) else {
        return Ok(Some(shape.iter().rev().copied().collect()));
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..shape.len() as i64) {
        return Err(format!(
            "it puts {} dimensions into the order {order:?}; export the model again",
            shape.len()
        ));
    }
    Ok(Some(order.iter().map(|place| shape.get(*place as usize).copied().flatten()).collect()))
}

fn concat(call: &Call<'_>) -> Result<Value, String> {
    let element = call.input(0).element;
    let shapes: Option<Vec<&Shape>> = call.inputs.iter().map(|input| input.shape.as_ref()).collect();
    let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else {
        return Ok(Value::new(element, None));
    };
    let rank = shapes.first().map_or(0, |shape| shape.len());
    let at = axis(call.integer("axis").unwrap_or(0), rank)?;
    if let Some(other) = shapes.iter().find(|shape| shape.len() != rank) {
        return Err(format!("it joins inputs of {rank} and {} dimensions", other.len()));
    }
    let mut along = shapes.iter().map(|shape| shape.get(at).copied().flatten());
    let along = along.try_fold(0_u64, |all, dim| Some(all.saturating_add(dim?)));
    let mut shape = Shape::new();
    for place in 0..rank {
        let mut known = shapes.iter().filter_map(|shape| shape.get(place).copied().flatten());
        let first = known.next();
        if place != at && known.any(|dim| Some(dim) != first) {
            return Err(
                "its inputs differ in another dimension than the one along which it joins them".to_owned()
            );
        }
        shape.push(if place == at { along } else { first });
    }
    let numbers: Option<Vec<_>> = call.inputs.iter().map(|input| input.numbers.clone()).collect();
    Ok(Value::new(element, Some(shape)).with_numbers(numbers.filter(|_| rank == 1).map(|all| all.concat())))
}

fn split(call: &Call<'_>, input: &Value) -> Result<Vec<Value>, String> {
    let Some(shape) = &input.shape else { return Ok(Vec::new()) };
    let at = axis(call.integer("axis").unwrap_or(0), shape.len())?;
    let outputs = call.node.output.len().max(1) as u64;
    let sizes = match call.integers("split", 1) {
        Ok(Some(sizes)) => dims(&sizes)?,
        Ok(None) => {
            let all = shape.get(at).copied().flatten();
            let each = all.map(|all| all.div_ceil(outputs));
            let part = |index: u64| Some(all?.saturating_sub(index * each?).min(each?));
            (0..outputs).map(part).collect()
        }
        Err(Unknown) => vec![None; outputs as usize],
    };
    let part = |size: &Option<u64>| {
        let mut shape = shape.clone();
        if let Some(dim) = shape.get_mut(at) {
            *dim = *size;
        }
        Value::new(input.element, Some(shape))
    };
    Ok(sizes.iter().map(part).collect())
}

fn slice(call: &Call<'_>, input: &Value) -> Result<Value, String> {
    let steps = call.integers("steps", 4);
    if matches!(&steps, Ok(Some(steps)) if steps.contains(&0)) {
        return Err("its step is 0; export the model again".to_owned());
    }
    let Some(shape) = &input.shape else { return Ok(Value::new(input.element, None)) };
    let unknown = || Ok(Value::new(input.element, Some(vec![None; shape.len()])));
    let (starts, ends) = (call.integers("starts", 1), call.integers("ends", 2));
    let (Ok(Some(starts)), Ok(Some(ends)), Ok(steps)) = (starts, ends, steps) else { return unknown() };
    let Ok(axes) = call.integers("axes", 3) else { return unknown() };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let mut sliced = shape.clone();
    let mut picked = None;
    for (place, at) in axes.iter().enumerate() {
        let at = axis(*at, shape.len())?;
        let (Some(start), Some(end)) = (starts.get(place), ends.get(place)) else { return unknown() };
        let step = steps.as_ref().and_then(|steps| steps.get(place)).copied().unwrap_or(1);
        let (Some(size), Some(dim)) = (shape.get(at).copied().flatten(), sliced.get_mut(at)) else {
            continue;
        };
        let places = places(size as i64, *start, *end, step);
        *dim = Some(places.0);
        picked = Some((places.1, step));
    }
    let numbers = input.numbers.as_ref().filter(|_| shape.len() == 1).and_then(|numbers| {
        let (Some((start, step)), Some(Some(count))) = (picked, sliced.first()) else { return None };
        let at = |index: u64| usize::try_from(start + index as i64 * step).ok();
        (0..*count).map(|index| numbers.get(at(index)?).copied()).collect()
    });
    Ok(Value::new(input.element, Some(sliced)).with_numbers(numbers))
}

/// How many places of so many a slice takes, and the first of them.
fn places(size: i64, start: i64, end: i64, step: i64) -> (u64, i64) {
    let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (start, end) = match step > 0 {
        true => (from_end(start).clamp(0, size), from_end(end).clamp(0, size)),
        false => (from_end(start).clamp(0, (size - 1).max(0)), from_end(end).clamp(-1, size - 1)),
    };
    let distance = if step > 0 { end - start } else { start - end };
    let count = if distance > 0 { (distance as u64).div_ceil(step.unsigned_abs()) } else { 0 };
    (count, start)
}

fn gather(call: &Call<'_>, input: &Value) -> Result<Value, String> {
    let indices = call.input(1);
    let (Some(shape), Some(taken)) = (&input.shape, &indices.shape) else {
        return Ok(Value::new(input.element, None));
    };
    let at = axis(call.integer("axis").unwrap_or(0), shape.len())?;
    if let (Some(indices), Some(Some(size))) = (&indices.numbers, shape.get(at))
        && let Some(index) = indices.iter().find(|index| **index >= *size as f64 || **index < -(*size as f64))
    {
        return Err(format!("it takes place {index} of {size}; export the model again"));
    }
    let (before, after) = (shape.get(..at).unwrap_or_default(), shape.get(at + 1..).unwrap_or_default());
    let shape_out: Shape = before.iter().chain(taken).chain(after).copied().collect();
    let numbers = match (&input.numbers, &indices.numbers) {
        (Some(numbers), Some(indices)) if shape.len() == 1 => {
            let at = |index: &f64| if *index < 0.0 { *index + numbers.len() as f64 } else { *index };
            indices.iter().map(|index| numbers.get(at(index) as usize).copied()).collect()
        }
        _ => None,
    };
    Ok(Value::new(input.element, Some(shape_out)).with_numbers(numbers))
}
