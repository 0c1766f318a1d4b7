//! Evaluation of a graph and its intermediate values in f64, to verify a fold: the same
//! operators, with every f32 tensor converted.

use std::collections::HashSet;
use std::sync::Arc;

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto::AttributeType,
    tensor_proto::DataType,
};
use tract_onnx::prelude::*;

use super::super::onnx::{int_attribute, read_floats, value_info};
use super::super::{check, log_sum_exp};

/// A plan of a graph for batches of one size.
pub(super) struct EvaluationPlan {
    plan: Arc<TypedRunnableModel>,
    rows: usize,
    dim: usize,
}

/// A tensor of a graph on one batch.
#[derive(Debug, Clone)]
pub(super) struct TensorValue {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

/// A density's graph, in f64 or f32, before planning.
pub(super) struct DensityGraph {
    model: ModelProto,
    double: bool,
    dim: usize,
}

impl DensityGraph {
    /// Converts to f64 where `double`.
    pub(super) fn new(model: &ModelProto, dim: usize, double: bool) -> Result<Self, String> {
        let mut model = model.clone();
        let graph = model.graph.as_mut().ok_or("there is no graph")?;
        graph.input = check::inputs(graph);
        graph.value_info.clear();
        log_sum_exp::stabilise(graph);
        if double {
            convert_graph(graph)?;
        }
        Ok(Self { model, double, dim })
    }

    fn graph(&self) -> Option<&GraphProto> {
        self.model.graph.as_ref()
    }

    /// The name of the density's output.
    pub(super) fn output(&self) -> String {
        self.graph().and_then(|g| g.output.first()).map(|o| o.name.clone()).unwrap_or_default()
    }

    /// The names of all values that depend on x, in the order they are computed.
    pub(super) fn values(&self) -> Vec<String> {
        let Some(graph) = self.graph() else { return Vec::new() };
        let mut dependent: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        let mut found = Vec::new();
        for node in &graph.node {
            if node.input.iter().any(|input| dependent.contains(input.as_str())) {
                for output in node.output.iter().filter(|output| !output.is_empty()) {
                    dependent.insert(output);
                    found.push(output.clone());
                }
            }
        }
        found
    }

    /// Dimension sizes of the graph's constants.
    pub(super) fn sizes(&self) -> HashSet<usize> {
        let tensors = self.graph().into_iter().flat_map(|graph| {
            let inner = graph.node.iter().flat_map(|node| &node.attribute).filter_map(|a| a.t.as_ref());
            graph.initializer.iter().chain(inner)
        });
        tensors.flat_map(|tensor| &tensor.dims).filter_map(|&d| usize::try_from(d).ok()).collect()
    }

    /// Plans the graph up to the `wanted` values, for batches of `rows`.
    pub(super) fn plan(&self, wanted: &[String], rows: usize) -> Result<EvaluationPlan, String> {
        let mut model = self.model.clone();
        let Some(graph) = &mut model.graph else { return Err("there is no graph".into()) };
        let element = if self.double { DataType::Double } else { DataType::Float };
        for input in &mut graph.input {
            *input = value_info(&input.name, element, &[Some(rows), Some(self.dim)]);
        }
        graph.output = wanted.iter().map(|name| value_info(name, element, &[])).collect();
        let plan = || -> TractResult<_> {
            let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_output_types(true);
            onnx.model_for_proto_model(&model)?.into_optimized()?.into_runnable()
        };
        let plan = plan().map_err(|e| format!("it can't be evaluated: {e:#}"))?;
        Ok(EvaluationPlan { plan, rows, dim: self.dim })
    }
}

impl EvaluationPlan {
    /// Evaluates rows `[rows, d]`; `None` for a value that holds no floats.
    pub(super) fn run(&self, x: &[f64]) -> Result<Vec<Option<TensorValue>>, String> {
        let run = || -> TractResult<_> {
            let x = Tensor::from_shape(&[self.rows, self.dim], x)?;
            let element = self.plan.model().input_fact(0)?.datum_type;
            self.plan.run(tvec!(x.cast_to_dt(element)?.into_owned().into_tvalue()))
        };
        let outputs = run().map_err(|e| format!("it can't be evaluated: {e:#}"))?;
        let read = |value: &TValue| -> Option<TensorValue> {
            let float = [DatumType::F64, DatumType::F32].contains(&value.datum_type());
            let value = if float { value.cast_to::<f64>().ok()? } else { return None };
            let values = value.try_as_plain_ram().ok()?.as_slice::<f64>().ok()?.to_vec();
            Some(TensorValue { shape: value.shape().to_vec(), values })
        };
        Ok(outputs.iter().map(read).collect())
    }
}

/// Converts every f32 of a graph to f64.
fn convert_graph(graph: &mut GraphProto) -> Result<(), String> {
    for tensor in &mut graph.initializer {
        convert_tensor(tensor)?;
    }
    for node in std::mem::take(&mut graph.node) {
        match node.op_type.as_str() {
            "Gemm" => split_gemm(&node, graph),
            _ => graph.node.push(node),
        }
    }
    for node in &mut graph.node {
        convert_node(node)?;
    }
    Ok(())
}

/// Splits a Gemm, alpha·A·B + beta·C, into elementary operators: tract keeps alpha and beta
/// as f32 in f64 products too.
fn split_gemm(gemm: &NodeProto, graph: &mut GraphProto) {
    let attribute = |name: &str| gemm.attribute.iter().find(|a| a.name == name);
    let transposed = |name: &str| attribute(name).is_some_and(|a| a.i != 0);
    let factor = |name: &str| attribute(name).map_or(1.0, |a| a.f);
    let input = |place: usize| gemm.input.get(place).cloned().unwrap_or_default();
    let output = gemm.output.first().cloned().unwrap_or_default();
    let mut step = |op: &str, inputs: Vec<String>, name: &str| {
        let name = if name.is_empty() { output.clone() } else { format!("{output}.{name}") };
        graph.node.push(NodeProto {
            name: name.clone(),
            op_type: op.into(),
            input: inputs,
            output: vec![name.clone()],
            ..Default::default()
        });
        name
    };
    let a = if transposed("transA") { step("Transpose", vec![input(0)], "a") } else { input(0) };
    let b = if transposed("transB") { step("Transpose", vec![input(1)], "b") } else { input(1) };
    let (alpha, beta) = (factor("alpha"), factor("beta"));
    let has_c = !input(2).is_empty();
    // The last step gives the output its name.
    let last = |is_last: bool, name: &'static str| if is_last { "" } else { name };
    let mut sum = step("MatMul", vec![a, b], last(alpha == 1.0 && !has_c, "product"));
    if alpha != 1.0 {
        sum = step("Mul", vec![sum, format!("{output}.alpha")], last(!has_c, "scaled"));
    }
    if has_c {
        let c = match beta == 1.0 {
            true => input(2),
            false => step("Mul", vec![input(2), format!("{output}.beta")], "c"),
        };
        step("Add", vec![sum, c], "");
    }
    for (name, value) in [("alpha", alpha), ("beta", beta)] {
        let mut scalar = tensor_attribute(vec![], &[value]).t.unwrap_or_default();
        scalar.name = format!("{output}.{name}");
        graph.initializer.push(scalar);
    }
}

fn convert_node(node: &mut NodeProto) -> Result<(), String> {
    for attribute in &mut node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(format!("{} holds a graph of its own", node.op_type));
        }
        if let Some(tensor) = &mut attribute.t {
            convert_tensor(tensor)?;
        }
        let kind = attribute.name.as_str();
        if matches!(kind, "to" | "dtype") && attribute.i == DataType::Float as i64 {
            *attribute = int_attribute(kind.to_owned().as_str(), DataType::Double as i64);
        } else if matches!(kind, "value_float" | "value_floats") {
            let (dims, values) = if kind == "value_float" {
                (vec![], vec![attribute.f])
            } else {
                (vec![attribute.floats.len() as i64], attribute.floats.clone())
            };
            *attribute = tensor_attribute(dims, &values);
        }
    }
    // The default value is zero in f32.
    if node.op_type == "ConstantOfShape" && node.attribute.is_empty() {
        node.attribute.push(tensor_attribute(vec![1], &[0.0]));
    }
    Ok(())
}

fn tensor_attribute(dims: Vec<i64>, values: &[f32]) -> AttributeProto {
    let raw_data = values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    let tensor = TensorProto { dims, data_type: DataType::Double as i32, raw_data, ..Default::default() };
    AttributeProto {
        name: "value".into(),
        r#type: AttributeType::Tensor as i32,
        t: Some(tensor),
        ..Default::default()
    }
}

fn convert_tensor(tensor: &mut TensorProto) -> Result<(), String> {
    if tensor.data_type != DataType::Float as i32 {
        return Ok(());
    }
    let values = read_floats(tensor).ok_or("its weights can't be read")?;
    tensor.float_data.clear();
    tensor.raw_data = values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    tensor.data_type = DataType::Double as i32;
    Ok(())
}
