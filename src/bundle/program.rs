//! A program: the graphs that evaluate the five models of a bundle, and the names of their
//! inputs.

use tract_onnx::pb::ModelProto;

use super::onnx;
use super::role::Role;

/// Names of a program's inputs: two `[n, d_m]` f32 and y `[n, 1]` i64.
pub const INPUTS: [&str; 3] = ["x1", "x2", "y"];

/// The graphs that together evaluate all five models.
#[derive(Debug, Clone)]
pub struct Program {
    /// One graph where all models can be fused, else several.
    pub graphs: Vec<Graph>,
    /// The reason for several graphs: one message per model that was not fused.
    pub unfused: Vec<String>,
    /// Dimensions of x1 and x2.
    pub dims: [usize; 2],
    /// Number of classes.
    pub classes: usize,
}

/// One graph of a program. Its outputs are named by role and hold one f32 per row:
/// h of a density, ln p(y|x) at the row's y of a classifier.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The model to load.
    pub model: ModelProto,
    /// Which of [`INPUTS`] it reads.
    pub inputs: Vec<usize>,
    /// The roles it evaluates, in the order of its outputs.
    pub roles: Vec<Role>,
}

impl Program {
    /// The program without its models, for a session that has loaded them.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { graphs: self.graphs.iter().map(Graph::clone_shape).collect(), unfused: Vec::new(), ..*self }
    }
}

impl Graph {
    /// The graph as an ONNX file.
    pub fn to_bytes(&self) -> Vec<u8> {
        onnx::encode(&self.model)
    }

    /// The graph without its model.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { model: ModelProto::default(), inputs: self.inputs.clone(), roles: self.roles.clone() }
    }
}
