//! What a session gives back, copied out of ONNX Runtime's memory.

use ort::session::SessionOutputs;

use crate::bundle::Graph;
use crate::engine::backend::Evaluated;

/// Copies a graph's outputs, which are in the order of its roles.
pub(super) fn take_outputs(
    outputs: &SessionOutputs<'_>,
    graph: &Graph,
    rows: usize,
    out: &mut Evaluated,
) -> ort::Result<()> {
    for (index, role) in graph.roles.iter().enumerate() {
        let (_, values) = outputs[index].try_extract_tensor::<f32>()?;
        if values.len() != rows {
            return Err(ort::Error::new(format!("{role} gave {} values for {rows} rows", values.len())));
        }
        let kept = out.values_mut(*role as usize);
        kept.clear();
        kept.extend_from_slice(values);
    }
    Ok(())
}
