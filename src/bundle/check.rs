//! Validation of an ONNX graph against its role: inputs, output, element types and shapes, and of what
//! it would compute.
//! Messages state the requirement of the role.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto, tensor_proto::DataType};

use super::onnx::{declared, type_name};
use super::{Role, opset, shapes};

/// The inputs without initializers: older graphs list their constants as inputs too.
pub(super) fn inputs(graph: &GraphProto) -> Vec<ValueInfoProto> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).cloned().collect()
}

/// The declared length of each embedding that a model reads, `None` where it is dynamic; `Err`
/// for an input that is no matrix of floats.
pub(super) fn declared_dims(model: &ModelProto) -> std::result::Result<Vec<Option<usize>>, String> {
    let graph = model.graph.as_ref();
    graph.map(inputs).unwrap_or_default().iter().map(|input| last_dim("input", input)).collect()
}

/// Checks a model against its role; `Err` states the mismatch.
pub(super) fn check(
    role: Role,
    model: &ModelProto,
    dims: &[usize],
    classes: usize,
) -> std::result::Result<(), String> {
    let graph =
        model.graph.as_ref().ok_or("the file holds no ONNX graph; restore it or export the model again")?;
    let opset = opset::of(model);
    if opset < opset::OLDEST {
        return Err(format!("opset {opset} is too old; export the model again with opset 17"));
    }
    let inputs = inputs(graph);
    let needed = input_dims(role, inputs.len(), dims);
    if inputs.len() != needed.len() {
        return Err(format!(
            "the graph has {} inputs, {role} needs {} (float32 [n, d]); export the model with these only",
            inputs.len(),
            needed.len()
        ));
    }
    for (input, dim) in inputs.iter().zip(&needed) {
        match last_dim("input", input)? {
            Some(found) if found != *dim => {
                return Err(format!("input {:?} has dimension {found}, expected {dim}", input.name));
            }
            _ => {}
        }
    }
    check_graph(role, model, dims)?;
    let [output] = &graph.output[..] else {
        return Err(format!("the graph has {} outputs, {role} needs one", graph.output.len()));
    };
    if role.is_density() {
        // [n] or [n, 1]: one number per row either way.
        match declared(output) {
            Some((element, _)) if element != DataType::Float as i32 => Err(not_float(output, element)),
            Some((_, Some(shape))) if !matches!(shape[..], [_] | [_, Some(1) | None]) => Err(format!(
                "output {:?} must be h of shape [n] or [n, 1], it has {} dimensions; check that this is the model's file",
                output.name,
                shape.len()
            )),
            _ => Ok(()),
        }
    } else {
        match last_dim("output", output)? {
            Some(found) if found != classes => {
                Err(format!("output {:?} gives {found} classes, the label has {classes}", output.name))
            }
            _ => Ok(()),
        }
    }
}

/// Checks what a model of a role would compute; see [`shapes`].
pub(super) fn check_graph(role: Role, model: &ModelProto, dims: &[usize]) -> std::result::Result<(), String> {
    let inputs = model.graph.as_ref().map(inputs).unwrap_or_default();
    shapes::check(model, &inputs, &input_dims(role, inputs.len(), dims))
}

/// The length of each input of a model in a role: a model of several modalities has one input for each
/// of them, or one for all.
fn input_dims(role: Role, inputs: usize, dims: &[usize]) -> Vec<usize> {
    let each: Vec<usize> = role.modalities().members().filter_map(|m| dims.get(m).copied()).collect();
    if inputs == 1 { vec![each.iter().sum()] } else { each }
}

/// The declared size of the second of two dimensions; `Err` for another element type or rank.
fn last_dim(what: &str, value: &ValueInfoProto) -> std::result::Result<Option<usize>, String> {
    let Some((element, shape)) = declared(value) else {
        return Err(format!("{what} {:?} is not a tensor", value.name));
    };
    if element != DataType::Float as i32 {
        return Err(not_float(value, element));
    }
    match shape {
        None => Ok(None),
        Some(shape) if shape.len() == 2 => Ok(shape.last().copied().flatten()),
        Some(shape) => Err(format!(
            "{what} {:?} must have 2 dimensions (rows, then values), it has {}; check that this is the model's file",
            value.name,
            shape.len()
        )),
    }
}

fn not_float(value: &ValueInfoProto, element: i32) -> String {
    format!(
        "{:?} is {}, it must be float32; pack the model with `lsmi-etl bundle pack`, which casts it, or export it in \
         single precision",
        value.name,
        type_name(element)
    )
}
