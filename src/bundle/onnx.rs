//! ONNX protobuf: a graph builder and readers of tensors and declared shapes, over the types
//! that tract publishes, so that the build needs no protoc.

use std::collections::HashSet;

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType,
    tensor_shape_proto::Dimension, tensor_shape_proto::dimension, type_proto,
};

/// The opset of generated graphs; supported by all engines in use.
pub(super) const OPSET: i64 = 17;
/// The IR version that corresponds to [`OPSET`].
pub(super) const IR_VERSION: i64 = 8;

/// Builder of one graph.
#[derive(Default)]
pub(super) struct GraphBuilder {
    graph: GraphProto,
}

impl GraphBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.into(), ..Default::default() } }
    }

    /// A float input of shape `[n, dim]`.
    pub(super) fn input(&mut self, name: &str, dim: usize) -> String {
        self.graph.input.push(value_info(name, DataType::Float, &[None, Some(dim)]));
        name.into()
    }

    /// A float output; `dims` follow the batch dimension.
    pub(super) fn output(&mut self, name: &str, dims: &[usize]) {
        let mut shape = vec![None];
        shape.extend(dims.iter().copied().map(Some));
        self.graph.output.push(value_info(name, DataType::Float, &shape));
    }

    /// A constant of f32.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.graph.initializer.push(floats_tensor(name, dims, values));
        name.into()
    }

    /// A constant vector of i64.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.graph.initializer.push(integers_tensor(name, values));
        name.into()
    }

    /// A node with one output, named after the node.
    pub(super) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
    ) -> String {
        self.push(
            name,
            op,
            inputs,
            attributes.iter().map(|&(key, value)| int_attribute(key, value)).collect(),
        )
    }

    /// A node with an attribute that is a list of integers.
    pub(super) fn node_ints(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        list: (&str, &[i64]),
        attributes: &[(&str, i64)],
    ) -> String {
        let mut all: Vec<_> = attributes.iter().map(|&(key, value)| int_attribute(key, value)).collect();
        all.push(ints_attribute(list.0, list.1));
        self.push(name, op, inputs, all)
    }

    fn push(&mut self, name: &str, op: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        self.graph.node.push(NodeProto {
            name: name.into(),
            op_type: op.into(),
            input: inputs.iter().map(|&i| i.into()).collect(),
            output: vec![name.into()],
            attribute,
            ..Default::default()
        });
        name.into()
    }

    pub(super) fn finish(self) -> ModelProto {
        model(self.graph, OPSET)
    }
}

/// A graph as a model of an opset.
pub(super) fn model(graph: GraphProto, opset: i64) -> ModelProto {
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        ..Default::default()
    }
}

/// The protobuf bytes of a model.
pub(super) fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// A tensor's name, element type and shape, `None` for a dynamic dimension.
pub(super) fn value_info(name: &str, element: DataType, shape: &[Option<usize>]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|d| Dimension {
            denotation: String::new(),
            value: Some(match d {
                Some(size) => dimension::Value::DimValue(*size as i64),
                None => dimension::Value::DimParam("n".into()),
            }),
        })
        .collect();
    let tensor = type_proto::Tensor { elem_type: element as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            denotation: String::new(),
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        doc_string: String::new(),
    }
}

/// A tensor of f32.
pub(super) fn floats_tensor(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    tensor(name, dims, DataType::Float, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A vector of i64.
pub(super) fn integers_tensor(name: &str, values: &[i64]) -> TensorProto {
    tensor(name, &[values.len()], DataType::Int64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn tensor(name: &str, dims: &[usize], data_type: DataType, raw_data: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: data_type as i32,
        raw_data,
        ..Default::default()
    }
}

/// The values of an f32 tensor, from either of its two encodings; `None` for other tensors.
pub(super) fn read_floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != DataType::Float as i32 || tensor.data_location.is_some_and(|l| l != 0) {
        return None;
    }
    let count: usize = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0)).product();
    let values: Vec<f32> = if tensor.raw_data.is_empty() {
        tensor.float_data.clone()
    } else {
        let (bytes, _) = tensor.raw_data.as_chunks::<4>();
        bytes.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    (values.len() == count).then_some(values)
}

/// The values of an i64 tensor; `None` for other tensors.
pub(super) fn read_integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    if tensor.data_type != DataType::Int64 as i32 || tensor.data_location.is_some_and(|l| l != 0) {
        return None;
    }
    let (bytes, _) = tensor.raw_data.as_chunks::<8>();
    let raw = bytes.iter().map(|b| i64::from_le_bytes(*b));
    Some(if bytes.is_empty() { tensor.int64_data.clone() } else { raw.collect() })
}

/// A list-of-integers attribute of a node.
pub(super) fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// An integer attribute of a node.
pub(super) fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i: value, ..Default::default() }
}

/// The declared element type and shape of a value, with `None` for dynamic dimensions.
/// `None` for a value without a declared tensor type.
pub(super) fn declared(value: &ValueInfoProto) -> Option<(i32, Option<Vec<Option<usize>>>)> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let shape = tensor.shape.as_ref().map(|shape| {
        shape
            .dim
            .iter()
            .map(|d| match &d.value {
                Some(dimension::Value::DimValue(size)) => usize::try_from(*size).ok(),
                _ => None,
            })
            .collect()
    });
    Some((tensor.elem_type, shape))
}

/// A float32 value of undeclared shape.
pub(super) fn any_shape(name: &str) -> ValueInfoProto {
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
    let value = Some(type_proto::Value::TensorType(tensor));
    let r#type = Some(TypeProto { denotation: String::new(), value });
    ValueInfoProto { name: name.into(), r#type, doc_string: String::new() }
}

/// The name of an element type, as numpy has it.
pub(super) fn type_name(element: i32) -> &'static str {
    match DataType::try_from(element) {
        Ok(DataType::Undefined) => "its own type",
        Ok(DataType::Float) => "float32",
        Ok(DataType::Float16) => "float16",
        Ok(DataType::Bfloat16) => "bfloat16",
        Ok(DataType::Double) => "float64",
        Ok(DataType::Int64) => "int64",
        Ok(DataType::Int32) => "int32",
        Ok(DataType::Int16) => "int16",
        Ok(DataType::Int8) => "int8",
        Ok(DataType::Uint8) => "uint8",
        Ok(DataType::Uint16) => "uint16",
        Ok(DataType::Uint32) => "uint32",
        Ok(DataType::Uint64) => "uint64",
        Ok(DataType::Bool) => "bool",
        Ok(DataType::String) => "strings",
        _ => "an unknown type",
    }
}

/// The integer attribute of a node, where it has it.
pub(super) fn integer_attribute(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i)
}

/// The node that computes a value; `None` for inputs and constants.
pub(super) fn producer<'a>(graph: &'a GraphProto, value: &str) -> Option<&'a NodeProto> {
    graph.node.iter().find(|node| node.output.iter().any(|output| output == value))
}

/// Dead-code elimination: removes unused nodes and constants.
pub(super) fn prune(graph: &mut GraphProto) {
    let mut read: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            add_inputs(&node, &mut read);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|tensor| read.contains(&tensor.name));
}

fn add_inputs(node: &NodeProto, read: &mut HashSet<String>) {
    read.extend(node.input.iter().cloned());
    for inner in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        add_reads(inner, read);
    }
}

/// Adds the names that a graph within a node reads, its own and those of the graph around it.
pub(super) fn add_reads(inner: &GraphProto, read: &mut HashSet<String>) {
    read.extend(inner.output.iter().map(|output| output.name.clone()));
    inner.node.iter().for_each(|node| add_inputs(node, read));
}
