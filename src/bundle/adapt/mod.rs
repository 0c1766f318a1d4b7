//! Adaptation of an external model to what programs need: one float32 output, float32 inputs,
//! columns in the order of the classes, an opset that fuses. A model of this form is not
//! changed.

mod class_labels;
mod edges;
mod operators;
mod outputs;
mod probabilities;

use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto};

use super::{Class, OutputKind, Role, check, onnx, opset};

pub(super) use probabilities::take_logarithm;

/// As [`outputs::misnamed_inputs`], before a model is adapted.
pub(super) fn misnamed_inputs(role: Role, modalities: usize, model: &ModelProto) -> Option<String> {
    outputs::misnamed_inputs(role, modalities, model.graph.as_ref()?)
}

/// Adapts a model; returns one message for each change. `kind` is what a classifier's output
/// is declared to be. `Err` says what is in the way, and names the operator, input or output.
pub(super) fn adapt(
    role: Role,
    model: &mut ModelProto,
    kind: Option<OutputKind>,
    classes: &[Class],
) -> Result<Vec<String>, String> {
    let mut changes = Vec::new();
    let graph = model.graph.as_mut().ok_or("the file holds no ONNX graph; export the model again")?;
    outputs::order_inputs(role, graph, &mut changes);
    outputs::select(role, graph, kind, classes, &mut changes)?;
    if !changes.is_empty() {
        prune(graph);
    }
    class_labels::number_unread(graph, &mut changes);
    operators::check(model)?;
    let own = opset::of(model);
    if own == 0 {
        // Only operators of other domains: what is added is of the standard one.
        model.opset_import.push(OperatorSetIdProto { domain: String::new(), version: onnx::OPSET });
    } else if own < opset::OLDEST {
        let raised = opset::raise(model, opset::OLDEST)
            .map_err(|what| format!("{what}; export the model again with opset 17"))?
            .into_owned();
        *model = raised;
        changes.push(format!("opset {own} is raised to {}", opset::OLDEST));
    }
    if let Some(graph) = &mut model.graph {
        edges::cast(graph, &mut changes)?;
        if !changes.is_empty() {
            prune(graph);
        }
    }
    // The IR version of an opset is enough, and older runtimes refuse newer ones. Below it,
    // constants would have to be inputs, too.
    if let Some(of_opset) = opset::ir_version(opset::of(model))
        && (!changes.is_empty() || of_opset < model.ir_version)
    {
        model.ir_version = of_opset;
    }
    Ok(changes)
}

/// Removes what the output does not need, constants among the inputs, and the shapes of values
/// that may be gone.
fn prune(graph: &mut GraphProto) {
    graph.input = check::inputs(graph);
    graph.value_info.clear();
    onnx::prune(graph);
}
