//! The arithmetic of shapes: small constants, followed from `Shape` to the `Reshape`, `Expand` or
//! `Tile` that they decide.

use super::value::{Call, Value};

/// The numbers of a unary operator's output.
pub(super) fn unary(op: &str, input: &Value) -> Option<Vec<f64>> {
    let of: fn(f64) -> f64 = match op {
        "Identity" | "Dropout" | "Cast" => |number| number,
        "Neg" => |number| -number,
        "Abs" => f64::abs,
        "Floor" => f64::floor,
        "Ceil" => f64::ceil,
        "Sqrt" => f64::sqrt,
        "Not" => |number| f64::from(u8::from(number == 0.0)),
        _ => return None,
    };
    input.numbers.as_ref().map(|numbers| numbers.iter().map(|number| of(*number)).collect())
}

/// The numbers of an elementwise operator's output: of inputs that are equally long, or one number.
pub(super) fn many(call: &Call<'_>) -> Option<Vec<f64>> {
    let inputs: Option<Vec<&Vec<f64>>> = call.inputs.iter().map(|input| input.numbers.as_ref()).collect();
    let inputs = inputs?;
    let length = inputs.iter().map(|numbers| numbers.len()).max()?;
    if inputs.iter().any(|numbers| numbers.len() != 1 && numbers.len() != length) {
        return None;
    }
    let at = |input: usize, place: usize| {
        let numbers = inputs.get(input)?;
        numbers.get(if numbers.len() == 1 { 0 } else { place }).copied()
    };
    let truth = |is: bool| f64::from(u8::from(is));
    let is_integer = call.inputs.iter().all(Value::is_integer);
    (0..length)
        .map(|place| {
            let (a, b) = (at(0, place)?, at(1, place).unwrap_or(0.0));
            Some(match call.op() {
                "Add" | "Sum" if inputs.len() == 2 => a + b,
                "Sub" => a - b,
                "Mul" => a * b,
                "Div" if is_integer => (a / b).trunc(),
                "Div" => a / b,
                "Mod" if is_integer => a - b * (a / b).floor(),
                "Max" if inputs.len() == 2 => a.max(b),
                "Min" if inputs.len() == 2 => a.min(b),
                "Pow" => a.powf(b),
                "Equal" => truth(a == b),
                "Greater" => truth(a > b),
                "GreaterOrEqual" => truth(a >= b),
                "Less" => truth(a < b),
                "LessOrEqual" => truth(a <= b),
                "And" => truth(a != 0.0 && b != 0.0),
                "Or" => truth(a != 0.0 || b != 0.0),
                "Where" => match a != 0.0 {
                    true => b,
                    false => at(2, place)?,
                },
                _ => return None,
            })
        })
        .collect()
}
