//! A density of several inputs as a density of one: a mixture is recognised in a graph of one x.

use std::borrow::Cow;

use tract_onnx::pb::{ModelProto, NodeProto, tensor_proto::DataType};

use super::super::onnx::{integers_tensor, value_info};
use super::super::{check, opset};

/// The oldest opset whose Slice reads its bounds as inputs.
const SLICE_OPSET: i64 = 10;
/// Name of the input that holds all of the model's own, one after another.
const JOINED: &str = "lsmi_etl:x";

/// The model with one input, the concatenation of its own of these widths. `Err` for a model that
/// has neither one input nor one for each width.
pub(super) fn joined<'a>(model: &'a ModelProto, dims: &[usize]) -> Result<Cow<'a, ModelProto>, String> {
    let inputs = model.graph.as_ref().map(check::inputs).unwrap_or_default();
    if inputs.len() == 1 {
        return Ok(Cow::Borrowed(model));
    }
    if inputs.len() != dims.len() {
        return Err(format!("it has {} inputs", inputs.len()));
    }
    if opset::of(model) < SLICE_OPSET {
        return Err(format!(
            "it has {} inputs in opset {}; export it with opset 17",
            inputs.len(),
            opset::of(model)
        ));
    }
    let mut model = model.clone();
    let Some(graph) = &mut model.graph else { return Err("the file holds no graph".into()) };
    graph.input.retain(|input| !inputs.iter().any(|own| own.name == input.name));
    let width = dims.iter().sum();
    graph.input.insert(0, value_info(JOINED, DataType::Float, &[None, Some(width)]));
    let axis = format!("{JOINED}:axis");
    graph.initializer.push(integers_tensor(&axis, &[1]));
    let mut start = 0;
    let mut slices = Vec::with_capacity(dims.len());
    for (input, dim) in inputs.into_iter().zip(dims) {
        let bounds = [("start", start), ("end", start + dim)].map(|(bound, column)| {
            let name = format!("{JOINED}:{bound}_of_{}", input.name);
            graph.initializer.push(integers_tensor(&name, &[column as i64]));
            name
        });
        let [from, to] = bounds;
        slices.push(NodeProto {
            name: format!("{JOINED}:{}", input.name),
            op_type: "Slice".into(),
            input: vec![JOINED.into(), from, to, axis.clone()],
            output: vec![input.name],
            ..NodeProto::default()
        });
        start += dim;
    }
    graph.node.splice(0..0, slices);
    Ok(Cow::Owned(model))
}
