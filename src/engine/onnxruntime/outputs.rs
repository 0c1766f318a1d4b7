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
    for (index, (role, &place)) in graph.roles.iter().zip(&graph.places).enumerate() {
        let (_, values) = outputs[index].try_extract_tensor::<f32>()?;
        if values.len() != rows {
            return Err(ort::Error::new(format!("{role} gave {} values for {rows} rows", values.len())));
        }
        if let Some(target) = out.all_mut().get_mut(place) {
            target.clear();
            target.extend_from_slice(values);
        }
    }
    Ok(())
}
