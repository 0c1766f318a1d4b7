//! Operators whose output has the shape of an input, or of all inputs broadcast.

use tract_onnx::pb::tensor_proto::DataType;

use super::numbers;
use super::value::{Call, Inferred, Shape, Value, axis, broadcast};

/// One output in the shape of the first input.
const UNARY: [&str; 63] = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BatchNormalization",
    "BitwiseNot",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "CumSum",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MeanVarianceNormalization",
    "Mish",
    "Neg",
    "Not",
    "RMSNormalization",
    "Reciprocal",
    "Relu",
    "Round",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Trilu",
    "ReverseSequence",
];

/// One output in the shape of all inputs broadcast.
const BROADCAST: [&str; 26] = [
    "Add",
    "And",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "PRelu",
    "Pow",
    "Sub",
    "Sum",
    "Where",
    "Xor",
    "QuantizeLinear",
    "DequantizeLinear",
];

/// Of these the output holds truth values.
const BOOLEAN: [&str; 11] = [
    "And",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Not",
    "Or",
    "Xor",
];

/// Operators with an attribute `axis`, and what it is without one.
const WITH_AXIS: [(&str, i64); 6] = [
    ("Softmax", -1),
    ("LogSoftmax", -1),
    ("Hardmax", -1),
    ("LayerNormalization", -1),
    ("LpNormalization", -1),
    ("ScatterElements", 0),
];

pub(super) fn infer(call: &Call<'_>) -> Inferred {
    let op = call.op();
    if UNARY.contains(&op) {
        unary(call)
    } else if BROADCAST.contains(&op) {
        many(call)
    } else {
        Ok(None)
    }
}

fn unary(call: &Call<'_>) -> Inferred {
    let input = call.input(0);
    if let (Some((_, default)), Some(rank)) =
        (WITH_AXIS.iter().find(|(op, _)| *op == call.op()), input.rank())
    {
        // Older softmaxes flatten; their default is 1, which a vector has not.
        let given = call.integer("axis");
        given.or((call.opset >= 13).then_some(*default)).map_or(Ok(0), |given| axis(given, rank))?;
    }
    let element = match call.op() {
        "Cast" => call.integer("to").and_then(|to| DataType::try_from(to as i32).ok()),
        "CastLike" => call.input(1).element,
        op if BOOLEAN.contains(&op) => Some(DataType::Bool),
        _ => input.element,
    };
    let mut numbers = numbers::unary(call.op(), &input);
    let value = Value::new(element, input.shape);
    if value.is_integer() {
        numbers.iter_mut().flatten().for_each(|number| *number = number.trunc());
    }
    Ok(Some(vec![value.with_numbers(numbers)]))
}

fn many(call: &Call<'_>) -> Inferred {
    let shapes: Option<Vec<&Shape>> = call.inputs.iter().map(|input| input.shape.as_ref()).collect();
    let shape = match shapes {
        // Scales of a quantization have a shape of their own.
        Some(_) if call.op().ends_with("Linear") => call.input(0).shape,
        Some(shapes) => Some(shapes.into_iter().try_fold(Shape::new(), |all, shape| broadcast(&all, shape))?),
        None => None,
    };
    let (first, last) = (call.input(0), call.input(1));
    if matches!(call.op(), "Div" | "Mod") && (first.is_integer() || last.is_integer()) {
        let divisors = last.numbers.as_deref().unwrap_or_default();
        if divisors.contains(&0.0) {
            return Err("it divides integers by zero; export the model again".to_owned());
        }
    }
    let element = match call.op() {
        op if BOOLEAN.contains(&op) => Some(DataType::Bool),
        "Where" => last.element,
        op if op.ends_with("Linear") => None,
        _ => first.element,
    };
    let numbers = numbers::many(call);
    Ok(Some(vec![Value::new(element, shape).with_numbers(numbers)]))
}
