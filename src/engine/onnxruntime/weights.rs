//! Weights of a graph, shared by all its sessions. ONNX Runtime shares prepacked weights
//! only between sessions that share the initializers themselves; otherwise eight workers
//! hold eight copies.

use std::sync::Arc;

use ort::session::builder::{PrepackedWeights, SessionBuilder};
use ort::value::{DynValue, Tensor};
use prost::Message;
use tract_onnx::pb::{TensorProto, tensor_proto::DataType};

use crate::bundle::Graph;

/// Smaller tensors are not shared: the gain is negligible.
const SMALLEST_BYTES: usize = 1 << 12;

/// A graph's encoded model and its shared and prepacked weights.
pub(super) struct SharedWeights {
    model: Vec<u8>,
    shared: Vec<(String, Arc<DynValue>)>,
    packed: PrepackedWeights,
}

impl SharedWeights {
    /// Encodes the model and, for sessions on the CPU, extracts its large f32 weights.
    pub(super) fn new(graph: &Graph, on_cpu: bool) -> ort::Result<Self> {
        let mut shared = Vec::new();
        let tensors = graph.model.graph.as_ref().filter(|_| on_cpu).map(|graph| graph.initializer.as_slice());
        for tensor in tensors.unwrap_or_default() {
            if let Some(values) = floats(tensor) {
                let value = Tensor::from_array((tensor.dims.clone(), values))?;
                shared.push((tensor.name.clone(), Arc::new(value.into_dyn())));
            }
        }
        Ok(Self { model: graph.model.encode_to_vec(), shared, packed: PrepackedWeights::new() })
    }

    /// The encoded ONNX model.
    pub(super) fn model(&self) -> &[u8] {
        &self.model
    }

    /// Adds the shared weights to a session builder.
    pub(super) fn share(&self, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        let mut builder = builder.with_prepacked_weights(&self.packed)?;
        for (name, value) in &self.shared {
            builder = builder.with_initializer(name, Arc::clone(value))?;
        }
        Ok(builder)
    }
}

/// The values of a large f32 tensor that is stored in the model itself.
fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let count =
        tensor.dims.iter().try_fold(1, |count: usize, &dim| count.checked_mul(dim.try_into().ok()?))?;
    let is_large = count.checked_mul(4)? >= SMALLEST_BYTES;
    if tensor.data_type != DataType::Float as i32 || !is_large {
        return None;
    }
    let values: Vec<f32> = if tensor.raw_data.is_empty() {
        tensor.float_data.clone()
    } else {
        let numbers = tensor.raw_data.as_chunks().0.iter();
        numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    (values.len() == count).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_whole_floats_are_shared() {
        let tensor = |count: usize, data_type: DataType| TensorProto {
            dims: vec![2, count as i64 / 2],
            data_type: data_type as i32,
            raw_data: (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect(),
            ..TensorProto::default()
        };
        let large = floats(&tensor(2048, DataType::Float)).unwrap();
        assert_eq!((large.len(), large[2047]), (2048, 2047.0));
        let listed =
            TensorProto { raw_data: Vec::new(), float_data: large.clone(), ..tensor(2048, DataType::Float) };
        assert_eq!(floats(&listed), Some(large));
        assert_eq!(floats(&tensor(8, DataType::Float)), None);
        assert_eq!(floats(&tensor(2048, DataType::Int32)), None);
        let elsewhere = TensorProto { raw_data: Vec::new(), ..tensor(2048, DataType::Float) };
        assert_eq!(floats(&elsewhere), None);
        let negative = TensorProto { dims: vec![-1, -2048], ..tensor(2048, DataType::Float) };
        assert_eq!(floats(&negative), None);
    }
}
