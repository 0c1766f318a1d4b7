//! A program: the graphs that evaluate the five models of a bundle, and the names of their
//! inputs.

use std::path::PathBuf;

use tract_onnx::pb::ModelProto;

use crate::error::Error;

use super::onnx;
use super::role::Role;

/// Names of a program's inputs: two `[n, d_m]` f32 and y `[n, 1]` i64.
pub const INPUTS: [&str; 3] = ["x1", "x2", "y"];

/// Where models come from: what an error about them names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOrigin {
    /// The bundle's folder or URL.
    pub bundle: PathBuf,
    /// The fold whose rows they have not seen; `None` for the main models.
    pub fold: Option<usize>,
}

impl ModelOrigin {
    /// The error of a model whose graph is at fault; of all of them, where it is not known which.
    pub fn fault(&self, role: Option<Role>, what: impl Into<String>) -> Error {
        let file = role.map_or_else(|| "the models".to_owned(), |role| role.file_name(self.fold));
        Error::Bundle { bundle: self.bundle.clone(), file, field: None, what: what.into() }
    }
}

/// The graphs that together evaluate all five models.
#[derive(Debug, Clone)]
pub struct Program {
    /// The bundle that they are of; `None` for a program that only measures.
    pub origin: Option<ModelOrigin>,
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
        let graphs = self.graphs.iter().map(Graph::clone_shape).collect();
        Self { origin: self.origin.clone(), graphs, unfused: Vec::new(), ..*self }
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
