//! Selection of the one output that a role needs: class scores out of label and scores, of a
//! ZipMap, or of one column per class, in the order of the bundle's classes.

use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto, tensor_proto::DataType};

use crate::bundle::onnx::{declared, int_attribute, integers_tensor, producer, type_name, value_info};
use crate::bundle::{Class, OutputKind, ProgramInput, Role, check};

use super::class_labels::{self, ClassLabels};

/// Sorts the inputs of a model of several modalities that names them x1, x2, … in another order.
pub(super) fn order_inputs(role: Role, graph: &mut GraphProto, changes: &mut Vec<String>) {
    let inputs = check::inputs(graph);
    let wanted: Vec<_> = role.modalities().members().map(|m| ProgramInput::Embedding(m).name()).collect();
    let names: Vec<String> = inputs.iter().map(|input| input.name.to_ascii_lowercase()).collect();
    let is_all = names.len() == wanted.len() && wanted.iter().all(|name| names.iter().any(|it| it == name));
    if !is_all || names == wanted {
        return;
    }
    changes.push(format!("its inputs {} are taken by their names", names.join(", ")));
    // The modality's place; inputs that are constants stay behind.
    let place = |input: &ValueInfoProto| wanted.iter().position(|name| input.name.eq_ignore_ascii_case(name));
    graph.input.sort_by_key(|input| place(input).unwrap_or(usize::MAX));
}

/// What to say of the inputs of a model of several of so many modalities that are taken by their order although
/// one of them has the name of another modality.
pub(super) fn misnamed_inputs(role: Role, modalities: usize, graph: &GraphProto) -> Option<String> {
    let names: Vec<String> = check::inputs(graph).iter().map(|it| it.name.to_ascii_lowercase()).collect();
    let wanted: Vec<_> = role.modalities().members().map(|m| ProgramInput::Embedding(m).name()).collect();
    if wanted.len() < 2
        || names.len() != wanted.len()
        || wanted.iter().all(|name| names.iter().any(|it| it == name))
    {
        return None;
    }
    let is_modality = |name: &str| (0..modalities).any(|m| ProgramInput::Embedding(m).name() == name);
    let misnamed = names.iter().zip(&wanted).find(|(name, wanted)| name != *wanted && is_modality(name));
    let (name, of) = misnamed?;
    Some(format!(
        "its inputs {} are taken in this order for {}: the one that is called {name} gets {of}; if that is wrong, export \
         the model with inputs of these names",
        names.join(", "),
        wanted.join(", ")
    ))
}

/// Reduces a graph to one output. `Err` names the outputs, if none or several can be meant,
/// or the classes, if they are not the bundle's.
pub(super) fn select(
    role: Role,
    graph: &mut GraphProto,
    kind: Option<OutputKind>,
    classes: &[Class],
    changes: &mut Vec<String>,
) -> Result<(), String> {
    let all = graph.output.clone();
    let (output, labels) = match kind {
        None => (density(role, &all)?, None),
        Some(kind) => scores(role, graph, kind, classes.len())?,
    };
    if all.len() > 1 || all.iter().all(|before| before.name != output.name) {
        let names: Vec<&str> = all.iter().map(|output| output.name.as_str()).collect();
        changes.push(format!("of its outputs {}, {:?} is taken", names.join(", "), output.name));
    }
    graph.output = vec![output];
    if let Some(order) = labels.map(|labels| labels.order(classes, changes)).transpose()?.flatten() {
        reorder(graph, &order);
    }
    Ok(())
}

/// The only output with one number a row.
fn density(role: Role, all: &[ValueInfoProto]) -> Result<ValueInfoProto, String> {
    if let [only] = all {
        return Ok(only.clone());
    }
    let one_number = |output: &&ValueInfoProto| match declared(output) {
        Some((element, Some(shape))) => is_float(element) && matches!(shape[..], [_] | [_, Some(1)]),
        _ => false,
    };
    only(role, "-ln p(x), one number a row", all, all.iter().filter(one_number).collect())
}

/// The scores of a classifier, and the classes that the graph states for them.
fn scores(
    role: Role,
    graph: &mut GraphProto,
    kind: OutputKind,
    classes: usize,
) -> Result<(ValueInfoProto, Option<ClassLabels>), String> {
    let all = graph.output.clone();
    let zipped =
        all.iter().find_map(|output| producer(graph, &output.name).filter(|n| n.op_type == "ZipMap"));
    if let Some(zip) = zipped {
        let labels = ClassLabels::of_node(zip).ok_or_else(|| {
            format!("{:?} is a ZipMap without classes; export it with zipmap=False", zip.name)
        })?;
        let name = zip.input.first().cloned().unwrap_or_default();
        let output = value_info(&name, DataType::Undefined, &[None, Some(labels.len())]);
        return Ok((output, Some(labels)));
    }
    let by_label = all.iter().find_map(|output| class_labels::of_label(graph, &output.name));
    let of_floats = |output: &&ValueInfoProto| declared(output).is_some_and(|(element, _)| is_float(element));
    let floats: Vec<&ValueInfoProto> = all.iter().filter(of_floats).collect();
    let one_column = |output: &&&ValueInfoProto| {
        declared(output).is_some_and(|(_, shape)| matches!(shape.as_deref(), Some([_] | [_, Some(1)])))
    };
    let output = match &floats[..] {
        [] if all.len() == 1 => return Ok((all.into_iter().next().unwrap_or_default(), None)),
        [only] => (*only).clone(),
        columns if columns.len() == classes && columns.iter().all(|column| one_column(&column)) => {
            let columns: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            let (output, labels) = concatenate(graph, &columns);
            return Ok((output, labels.or(by_label)));
        }
        several => {
            let fits = |output: &&&ValueInfoProto| match declared(output) {
                Some((_, Some(shape))) => {
                    matches!(shape[..], [_, None]) || shape.last() == Some(&Some(classes))
                }
                _ => true,
            };
            let fitting: Vec<&ValueInfoProto> = several.iter().filter(fits).copied().collect();
            let of = |wanted: Option<OutputKind>| -> Vec<&ValueInfoProto> {
                let of_wanted = fitting.iter().filter(|output| kind_of(graph, &output.name) == wanted);
                of_wanted.copied().collect()
            };
            let candidates = match fitting.len() {
                1 => fitting,
                // Where none shows to be of the kind, it is among those that show nothing.
                _ => Some(of(Some(kind))).filter(|of_kind| !of_kind.is_empty()).unwrap_or_else(|| of(None)),
            };
            only(role, &format!("{kind} of {classes} classes"), &all, candidates)?
        }
    };
    let labels = class_labels::of_scores(graph, &output.name).or(by_label);
    Ok((output, labels))
}

/// The only candidate; `Err` lists all outputs.
fn only(
    role: Role,
    needed: &str,
    all: &[ValueInfoProto],
    candidates: Vec<&ValueInfoProto>,
) -> Result<ValueInfoProto, String> {
    if let [output] = candidates[..] {
        return Ok(output.clone());
    }
    let describe = |output: &ValueInfoProto| match declared(output) {
        Some((element, _)) => format!("{} ({})", output.name, type_name(element)),
        None => format!("{} (no tensor)", output.name),
    };
    let described: Vec<String> = all.iter().map(describe).collect();
    Err(format!(
        "of the outputs {} {} can be what {role} needs, {needed}; export the model with that one only",
        described.join(", "),
        if candidates.is_empty() { "none" } else { "several" }
    ))
}

/// The kind that an output shows to be, by the operator that computes it, else by its name.
fn kind_of(graph: &GraphProto, output: &str) -> Option<OutputKind> {
    let name = output.to_ascii_lowercase().replace(['_', '-'], "");
    let by_name = if name.contains("logprob") || name.contains("logsoftmax") {
        Some(OutputKind::LogProb)
    } else if name.contains("prob") || name.contains("softmax") {
        Some(OutputKind::Prob)
    } else {
        name.contains("logit").then_some(OutputKind::Logits)
    };
    match producer(graph, output).map(|node| node.op_type.as_str()) {
        Some("Softmax") => Some(OutputKind::Prob),
        Some("LogSoftmax") => Some(OutputKind::LogProb),
        _ => by_name,
    }
}

/// Concatenates one column per class, and finds the classes in their names: scikit-learn's
/// converter calls them i0, i1 or sblue, sred.
fn concatenate(graph: &mut GraphProto, columns: &[String]) -> (ValueInfoProto, Option<ClassLabels>) {
    let mut flat = Vec::new();
    for column in columns {
        let name = format!("{column}:column");
        let shape = format!("{column}:shape");
        graph.initializer.push(integers_tensor(&shape, &[-1, 1]));
        graph.node.push(node("Reshape", &[column, &shape], &name, None));
        flat.push(name);
    }
    let name = "lsmi:class_columns";
    let inputs: Vec<&str> = flat.iter().map(String::as_str).collect();
    graph.node.push(node("Concat", &inputs, name, Some(("axis", 1))));
    let output = value_info(name, DataType::Undefined, &[None, Some(columns.len())]);
    (output, ClassLabels::of_columns(columns))
}

/// Puts the columns into the order of the bundle's classes.
fn reorder(graph: &mut GraphProto, order: &[i64]) {
    let Some(output) = graph.output.first_mut() else { return };
    let (from, to, indices) = (output.name.clone(), "lsmi:scores", "lsmi:class_order");
    output.name = to.into();
    graph.initializer.push(integers_tensor(indices, order));
    graph.node.push(node("Gather", &[&from, indices], to, Some(("axis", 1))));
}

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<(&str, i64)>) -> NodeProto {
    NodeProto {
        name: format!("{output}:{operator}"),
        op_type: operator.into(),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![output.into()],
        attribute: attribute.map(|(key, value)| int_attribute(key, value)).into_iter().collect(),
        ..Default::default()
    }
}

fn is_float(element: i32) -> bool {
    [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16]
        .into_iter()
        .any(|float| element == float as i32)
}
