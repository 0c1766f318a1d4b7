//! Matrix products and reductions.

use std::collections::BTreeMap;

use tract_onnx::pb::tensor_proto::DataType;

use super::value::{Call, Inferred, Shape, Unknown, Value, axis, broadcast};

pub(super) fn infer(call: &Call<'_>) -> Inferred {
    let input = call.input(0);
    let shape = match call.op() {
        "MatMul" => matmul(&input, &call.input(1))?,
        "Gemm" => gemm(call, &input)?,
        "Einsum" => einsum(call)?,
        "ArgMax" | "ArgMin" => {
            let shape = reduced(&input, Some(vec![call.integer("axis").unwrap_or(0)]), keeps(call))?;
            return Ok(Some(vec![Value::new(Some(DataType::Int64), shape)]));
        }
        "TopK" => return top_k(call, &input).map(Some),
        op if op.starts_with("Reduce") => match call.integers("axes", 1) {
            Ok(None) if call.integer("noop_with_empty_axes").unwrap_or(0) != 0 => input.shape.clone(),
            Ok(axes) => reduced(&input, axes, keeps(call))?,
            Err(Unknown) => None,
        },
        _ => return Ok(None),
    };
    let numbers = match (call.op(), &input.numbers, &shape) {
        ("ReduceProd", Some(numbers), Some(shape)) if shape.iter().all(|dim| *dim == Some(1)) => {
            Some(vec![numbers.iter().product()])
        }
        ("ReduceSum", Some(numbers), Some(shape)) if shape.iter().all(|dim| *dim == Some(1)) => {
            Some(vec![numbers.iter().sum()])
        }
        _ => None,
    };
    Ok(Some(vec![Value::new(input.element, shape).with_numbers(numbers)]))
}

fn keeps(call: &Call<'_>) -> bool {
    call.integer("keepdims").unwrap_or(1) != 0
}

/// A shape without some of its axes; without any, if none is named.
fn reduced(input: &Value, axes: Option<Vec<i64>>, keeps: bool) -> Result<Option<Shape>, String> {
    let Some(shape) = &input.shape else { return Ok(None) };
    let axes = axes.filter(|axes| !axes.is_empty()).unwrap_or_else(|| (0..shape.len() as i64).collect());
    let places = axes.iter().map(|at| axis(*at, shape.len())).collect::<Result<Vec<_>, _>>()?;
    let dims = shape.iter().enumerate().filter_map(|(place, dim)| match places.contains(&place) {
        true => keeps.then_some(Some(1)),
        false => Some(*dim),
    });
    Ok(Some(dims.collect()))
}

fn differ(a: Option<u64>, b: Option<u64>) -> Result<(), String> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Err(format!(
            "it multiplies {a} columns with {b} rows; check that this is the model of this modality"
        )),
        _ => Ok(()),
    }
}

fn matmul(a: &Value, b: &Value) -> Result<Option<Shape>, String> {
    let (Some(a), Some(b)) = (&a.shape, &b.shape) else { return Ok(None) };
    let (Some((columns, a)), Some((last, b))) = (a.split_last(), b.split_last()) else {
        return Err("it multiplies a scalar; export the model again".to_owned());
    };
    // A vector in front is a row, one behind a column.
    let (rows, before_a) = a.split_last().map_or((None, a), |(rows, before)| (Some(*rows), before));
    let (inner, before_b, width) = match b.split_last() {
        Some((inner, before)) => (*inner, before, Some(*last)),
        None => (*last, b, None),
    };
    differ(*columns, inner)?;
    let mut shape = broadcast(&before_a.to_vec(), &before_b.to_vec())?;
    shape.extend(rows.into_iter().chain(width));
    Ok(Some(shape))
}

fn gemm(call: &Call<'_>, a: &Value) -> Result<Option<Shape>, String> {
    let b = call.input(1);
    let (Some(a), Some(b)) = (&a.shape, &b.shape) else { return Ok(None) };
    let ([a0, a1], [b0, b1]) = (&a[..], &b[..]) else {
        return Err("it multiplies what are no matrices; export the model again".to_owned());
    };
    let is_turned = |name: &str| call.integer(name).unwrap_or(0) != 0;
    let (rows, columns) = if is_turned("transA") { (a1, a0) } else { (a0, a1) };
    let (inner, width) = if is_turned("transB") { (b1, b0) } else { (b0, b1) };
    differ(*columns, *inner)?;
    Ok(Some(vec![*rows, *width]))
}

/// The shape of an Einsum whose equation names its output and has no ellipsis.
fn einsum(call: &Call<'_>) -> Result<Option<Shape>, String> {
    let equation =
        call.attribute("equation").map(|equation| String::from_utf8_lossy(&equation.s).replace(' ', ""));
    let Some(equation) = equation.filter(|equation| !equation.contains('.')) else { return Ok(None) };
    let Some((terms, output)) = equation.split_once("->") else { return Ok(None) };
    let mut sizes: BTreeMap<char, Option<u64>> = BTreeMap::new();
    for (term, input) in terms.split(',').zip(&call.inputs) {
        let Some(shape) = &input.shape else { continue };
        if term.chars().count() != shape.len() {
            return Err(format!("its equation {equation} does not fit the dimensions of its inputs"));
        }
        for (letter, dim) in term.chars().zip(shape) {
            let known = sizes.entry(letter).or_insert(*dim);
            match (*known, *dim) {
                (Some(1) | None, dim) => *known = dim.or(*known),
                (Some(known), Some(dim)) if known != dim && dim != 1 => {
                    return Err(format!(
                        "{known} and {dim} values along {letter} of its equation {equation}"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(Some(output.chars().map(|letter| sizes.get(&letter).copied().flatten()).collect()))
}

fn top_k(call: &Call<'_>, input: &Value) -> Result<Vec<Value>, String> {
    let Some(shape) = &input.shape else { return Ok(Vec::new()) };
    let at = axis(call.integer("axis").unwrap_or(-1), shape.len())?;
    let mut top = shape.clone();
    if let Some(dim) = top.get_mut(at) {
        let most = call.input(1).scalar().map(|most| most.max(0.0) as u64);
        *dim = most.zip(*dim).map(|(most, all)| most.min(all));
    }
    Ok([input.element, Some(DataType::Int64)].map(|element| Value::new(element, Some(top.clone()))).to_vec())
}
