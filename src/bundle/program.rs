//! A program: the graphs that together evaluate the five models of a bundle, and the names
//! of what they read.

use tract_onnx::pb::ModelProto;

use super::onnx;
use super::role::Role;

/// Names of a program's inputs: two `[n, d_m]` f32 and y `[n, 1]` i64.
pub const INPUTS: [&str; 3] = ["x1", "x2", "y"];

/// The graphs that together evaluate all five models.
#[derive(Debug, Clone)]
pub struct Program {
    /// One graph where the models can be joined, else several.
    pub graphs: Vec<Graph>,
    /// Why there are several: a sentence for each model that runs apart.
    pub apart: Vec<String>,
    /// Dimensions of x1 and x2.
    pub dims: [usize; 2],
    /// Number of classes.
    pub classes: usize,
}

/// One graph of a program. Its outputs are named by role and hold one f32 a row:
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
    /// The program without its models: what a session keeps once they are loaded.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { graphs: self.graphs.iter().map(Graph::clone_shape).collect(), apart: Vec::new(), ..*self }
    }
}

impl Graph {
    /// The ONNX file of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        onnx::encode(&self.model)
    }

    /// The graph without its model.
    pub(crate) fn clone_shape(&self) -> Self {
        Self { model: ModelProto::default(), inputs: self.inputs.clone(), roles: self.roles.clone() }
    }
}
