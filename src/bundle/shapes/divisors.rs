//! Division of integers by what depends on the data: where that is zero, or -1 under the least integer,
//! the processor ends the process, and no engine can make an error of it. Follows through a graph, its
//! branches, loops and functions which values are integers, which depend on the data, and which are
//! at least one whatever the data.

use std::collections::HashMap;

use tract_onnx::pb::{FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::super::onnx::declared;
use super::super::opset;
use super::inference::describe;
use super::tensors;

/// The most nodes that are looked at, with those of functions for each of their calls.
const MOST_NODES: usize = 1_000_000;
/// How deep functions and graphs may nest.
const MOST_LEVELS: usize = 32;

/// Operators whose output has the values of the first input, or some of them.
const PASSING: [&str; 14] = [
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Tile",
    "Transpose",
    "Flatten",
    "Gather",
    "Slice",
    "GatherElements",
    "GatherND",
    "Dropout",
    "Split",
];
/// Operators that give integers, whatever their inputs.
const INTEGERS: [&str; 9] = [
    "Shape",
    "Size",
    "ArgMax",
    "ArgMin",
    "NonZero",
    "QuantizeLinear",
    "MatMulInteger",
    "ConvInteger",
    "QLinearMatMul",
];
/// Operators whose inputs and output are of one type, so that one that is known tells the others.
const SAME_TYPES: [&str; 9] = ["Add", "Sub", "Mul", "Div", "Mod", "Min", "Sum", "Einsum", "MatMul"];
/// Operators that give no integers.
const OTHERS: [&str; 13] = [
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Not",
    "Xor",
    "IsNaN",
    "IsInf",
    "DequantizeLinear",
    "ConstantOfShape",
];

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    is_integer: bool,
    is_of_data: bool,
    /// All of its numbers are 1 or more.
    is_positive: bool,
    /// A constant that holds a zero, and one that holds -1.
    has_zero: bool,
    has_minus_one: bool,
}

impl Known {
    fn constant(tensor: &TensorProto) -> Self {
        let element = DataType::try_from(tensor.data_type).ok();
        let is_integer = element.is_some_and(is_integer);
        // Of floats only bounds matter, which are short.
        let numbers = match is_integer {
            true => tensors::numbers(tensor, element),
            false => tensors::value(tensor).numbers,
        };
        let is_known = !is_integer || numbers.is_some();
        let numbers = numbers.unwrap_or_default();
        Self {
            is_integer,
            is_of_data: !is_known,
            is_positive: !numbers.is_empty() && numbers.iter().all(|number| *number >= 1.0),
            has_zero: numbers.contains(&0.0),
            has_minus_one: numbers.contains(&-1.0),
        }
    }

    fn number(number: i64) -> Self {
        Self {
            is_integer: true,
            is_positive: number >= 1,
            has_zero: number == 0,
            has_minus_one: number == -1,
            ..Self::default()
        }
    }

    /// What is known of a value that is one or the other.
    fn or(self, other: Self) -> Self {
        Self {
            is_integer: self.is_integer || other.is_integer,
            is_of_data: self.is_of_data || other.is_of_data,
            is_positive: self.is_positive && other.is_positive,
            has_zero: self.has_zero || other.has_zero,
            has_minus_one: self.has_minus_one || other.has_minus_one,
        }
    }
}

fn is_integer(element: DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    [Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64].contains(&element)
}

/// The values by name, and those of the graph around.
struct Scope<'a> {
    own: HashMap<&'a str, Known>,
    outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Known {
        match (self.own.get(name), self.outer) {
            (Some(known), _) => *known,
            (None, Some(outer)) => outer.get(name),
            (None, None) => Known { is_of_data: true, ..Known::default() },
        }
    }
}

/// Checks the divisions of a model; `Err` names the node.
pub(super) fn check(model: &ModelProto) -> Result<(), String> {
    let Some(graph) = &model.graph else { return Ok(()) };
    let mut walk = Walk { functions: &model.functions, nodes: 0 };
    walk.graph(graph, &[], None, 0).map(drop)
}

struct Walk<'m> {
    functions: &'m [FunctionProto],
    nodes: usize,
}

impl Walk<'_> {
    /// The outputs of a graph, whose first inputs are these.
    fn graph(
        &mut self,
        graph: &GraphProto,
        inputs: &[Known],
        outer: Option<&Scope<'_>>,
        level: usize,
    ) -> Result<Vec<Known>, String> {
        let mut scope = Scope { own: HashMap::new(), outer };
        for (place, input) in graph.input.iter().enumerate() {
            let element = declared(input).and_then(|(element, _)| DataType::try_from(element).ok());
            let of_type = Known { is_integer: element.is_some_and(is_integer), ..Known::default() };
            let given = inputs.get(place).copied().unwrap_or_default();
            let known =
                Known { is_of_data: true, is_integer: given.is_integer || of_type.is_integer, ..of_type };
            scope.own.insert(&input.name, known);
        }
        // Of older models, the constants are inputs, too.
        for tensor in &graph.initializer {
            scope.own.insert(&tensor.name, Known::constant(tensor));
        }
        self.nodes(&graph.node, &mut scope, level)?;
        Ok(graph.output.iter().map(|output| scope.get(&output.name)).collect())
    }

    fn nodes<'n>(
        &mut self,
        nodes: &'n [NodeProto],
        scope: &mut Scope<'n>,
        level: usize,
    ) -> Result<(), String> {
        for node in nodes {
            self.nodes += 1;
            if self.nodes > MOST_NODES || level > MOST_LEVELS {
                return Err(format!(
                    "{}: functions or graphs nest too deep; export the model without",
                    describe(node)
                ));
            }
            let outputs = self.node(node, scope, level)?;
            let rest = outputs.last().copied().unwrap_or_default();
            for (place, name) in node.output.iter().enumerate() {
                scope.own.insert(name, outputs.get(place).copied().unwrap_or(rest));
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &NodeProto, scope: &Scope<'_>, level: usize) -> Result<Vec<Known>, String> {
        let inputs: Vec<Known> = node.input.iter().map(|name| scope.get(name)).collect();
        let own = self.functions.iter().find(|own| own.name() == node.op_type && own.domain() == node.domain);
        if let Some(function) = own {
            let names = function.input.iter().map(String::as_str);
            let mut inner = Scope { own: names.zip(inputs).collect(), outer: None };
            self.nodes(&function.node, &mut inner, level + 1)?;
            return Ok(function.output.iter().map(|name| inner.get(name)).collect());
        }
        let is_of_data = inputs.iter().any(|input| input.is_of_data);
        if !opset::is_standard(&node.domain) {
            return Ok(vec![Known { is_of_data, ..Known::default() }]);
        }
        if matches!(node.op_type.as_str(), "Div" | "Mod")
            && let [dividend, divisor] = inputs[..]
        {
            check_division(dividend, divisor).map_err(|what| format!("{}: {what}", describe(node)))?;
        }
        let bodies = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
        let mut of_bodies: Option<Vec<Known>> = None;
        for body in bodies {
            let outputs = self.graph(body, &inputs, Some(scope), level + 1)?;
            of_bodies = Some(match of_bodies {
                None => outputs,
                Some(others) => others.into_iter().zip(outputs).map(|(one, other)| one.or(other)).collect(),
            });
        }
        if let Some(outputs) = of_bodies {
            // The first output of a loop's body is its condition.
            let skipped = usize::from(node.op_type == "Loop");
            let of_data = |known: Known| Known { is_of_data: true, is_positive: false, ..known };
            return Ok(outputs.into_iter().skip(skipped).map(of_data).collect());
        }
        Ok(infer(node, &inputs, is_of_data))
    }
}

fn check_division(dividend: Known, divisor: Known) -> Result<(), String> {
    if !dividend.is_integer && !divisor.is_integer {
        return Ok(());
    }
    let what = if divisor.has_zero {
        "it divides integers by zero; export the model again"
    } else if divisor.is_of_data && !divisor.is_positive {
        "it divides integers by what depends on the data and may be zero; divide floats, or by Max(…, 1)"
    } else if dividend.is_of_data && divisor.has_minus_one {
        "it divides integers that depend on the data by -1, of which the least has no result; use Neg"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}

/// The outputs of an operator without graphs of its own; the last is of all further ones.
fn infer(node: &NodeProto, inputs: &[Known], is_of_data: bool) -> Vec<Known> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let element = |name: &str| attribute(name).and_then(|given| DataType::try_from(given.i as i32).ok());
    let first = inputs.first().copied().unwrap_or_default();
    let second = inputs.get(1).copied().unwrap_or_default();
    let third = inputs.get(2).copied().unwrap_or_default();
    let computed = |is_integer: bool| Known { is_integer, is_of_data, ..Known::default() };
    let one = match node.op_type.as_str() {
        "Constant" => match (attribute("value"), attribute("value_int"), attribute("value_ints")) {
            (Some(value), _, _) => value.t.as_ref().map(Known::constant).unwrap_or_default(),
            (_, Some(value), _) => Known::number(value.i),
            (_, _, Some(values)) => {
                let numbers = values.ints.iter().map(|number| Known::number(*number));
                numbers.reduce(Known::or).unwrap_or_default()
            }
            _ => Known::default(),
        },
        "Shape" | "Size" => Known { is_integer: true, ..Known::default() },
        "Cast" => {
            let to = element("to");
            // A narrower integer may wrap to zero.
            let keeps = to == Some(DataType::Int64) || !is_of_data;
            let is_integer = to.is_some_and(is_integer);
            Known { is_integer, is_of_data, is_positive: first.is_positive && keeps, ..first }
        }
        "CastLike" => computed(second.is_integer),
        "ConstantOfShape" if attribute("value").is_some() => {
            attribute("value").and_then(|value| value.t.as_ref()).map(Known::constant).unwrap_or_default()
        }
        "TopK" | "Unique" => return vec![computed(first.is_integer), computed(true)],
        "DynamicQuantizeLinear" => return vec![computed(true), computed(false), computed(true)],
        "Max" => {
            let is_positive = inputs.iter().any(|input| input.is_positive);
            Known { is_positive, ..computed(inputs.iter().any(|input| input.is_integer)) }
        }
        "Clip" => Known { is_positive: second.is_positive, ..computed(first.is_integer) },
        "Where" => Known { is_of_data, ..second.or(third) },
        "Concat" => Known { is_of_data, ..inputs.iter().copied().reduce(Known::or).unwrap_or_default() },
        "OneHot" => computed(third.is_integer),
        "Multinomial" | "EyeLike" | "RandomUniform" | "RandomNormal" | "Bernoulli" => {
            Known { is_of_data: true, ..computed(element("dtype").is_some_and(is_integer)) }
        }
        op if PASSING.contains(&op) => Known { is_of_data, ..first },
        op if INTEGERS.contains(&op) => computed(true),
        op if OTHERS.contains(&op) => computed(false),
        op if SAME_TYPES.contains(&op) => computed(inputs.iter().any(|input| input.is_integer)),
        // Further inputs are axes, sizes and other parameters.
        _ => computed(first.is_integer),
    };
    vec![one]
}
