//! Graphs within a graph: the branch of an `If` that is taken, and loops that have no end.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::tensors;
use super::value::Value;

/// The most iterations of a loop. What it computes is a row's, and no row takes so many.
const MOST_ITERATIONS: f64 = 1e7;

/// The branch of an `If` that its condition takes; `None` where the condition depends on the data. The
/// other branch may be one that could not run, as exporters leave it.
pub(super) fn taken_branch<'a>(node: &'a NodeProto, condition: Option<&Value>) -> Option<&'a GraphProto> {
    match condition?.scalar()? {
        0.0 => graph(node, "else_branch"),
        _ => graph(node, "then_branch"),
    }
}

/// Checks that a `Loop` has an end, by its most iterations and its first condition.
pub(super) fn check_loop(
    node: &NodeProto,
    iterations: Option<&Value>,
    condition: Option<&Value>,
) -> Result<(), String> {
    let is_given = |place: usize| node.input.get(place).is_some_and(|name| !name.is_empty());
    let iterations = iterations.and_then(Value::scalar);
    let begins = !is_given(1) || condition.and_then(Value::scalar).is_some_and(|is| is != 0.0);
    let goes_on = begins && graph(node, "body").is_some_and(is_always_true);
    if goes_on && (!is_given(0) || iterations.is_some_and(|most| most > MOST_ITERATIONS)) {
        let times = iterations.map_or("without end".to_owned(), |most| format!("{most} times"));
        return Err(format!("it runs {times}; export the model with a bound on the loop"));
    }
    Ok(())
}

fn graph<'a>(node: &'a NodeProto, name: &str) -> Option<&'a GraphProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)?.g.as_ref()
}

/// Whether the body of a loop always asks for another iteration.
fn is_always_true(body: &GraphProto) -> bool {
    let mut name = body.output.first().map_or("", |output| output.name.as_str());
    for _ in 0..=body.node.len() {
        let producer = body.node.iter().find(|node| node.output.iter().any(|output| output == name));
        let constant = producer.filter(|node| node.op_type == "Constant");
        let constant =
            constant.and_then(|node| node.attribute.iter().find_map(|attribute| attribute.t.as_ref()));
        if let Some(tensor) = constant.or(body.initializer.iter().find(|tensor| tensor.name == name)) {
            return tensors::value(tensor).scalar().is_some_and(|condition| condition != 0.0);
        }
        match producer {
            Some(node) if node.op_type == "Identity" => name = node.input.first().map_or("", String::as_str),
            Some(_) => return false,
            // The condition of the iteration before.
            None => return body.input.get(1).is_some_and(|condition| condition.name == name),
        }
    }
    false
}
