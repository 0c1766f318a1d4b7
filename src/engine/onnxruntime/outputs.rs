//! Outputs of a session, copied from ONNX Runtime's memory.

use ort::session::SessionOutputs;

use crate::bundle::Graph;
use crate::engine::backend::BatchOutputs;

/// Copies the outputs of a graph, ordered by its roles, into `out`.
pub(super) fn take_outputs(
    outputs: &SessionOutputs<'_>,
    graph: &Graph,
    rows: usize,
    out: &mut BatchOutputs,
) -> ort::Result<()> {
    for (index, role) in graph.roles.iter().enumerate() {
        let (_, values) = outputs[index].try_extract_tensor::<f32>()?;
        if values.len() != rows {
            return Err(ort::Error::new(format!("{role} gave {} values for {rows} rows", values.len())));
        }
        let target = out.values_mut(*role as usize);
        target.clear();
        target.extend_from_slice(values);
    }
    Ok(())
}
