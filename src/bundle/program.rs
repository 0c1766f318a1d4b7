//! A program: the graphs that evaluate the models of a bundle, and the names of their inputs.

use std::path::PathBuf;

use tract_onnx::pb::ModelProto;

use crate::error::Error;
use crate::interaction::lattice::Lattice;

use super::onnx;
use super::role::Role;

/// Names of a program's embeddings.
const EMBEDDINGS: [&str; Lattice::MODALITIES] = ["x1", "x2", "x3", "x4"];

/// An input of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramInput {
    /// The embedding of a modality by its index: `[n, d_m]` f32.
    Embedding(usize),
    /// The class of each row: `[n, 1]` i64.
    Class,
}

impl ProgramInput {
    /// Its name in every graph.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding(modality) => EMBEDDINGS.get(modality).copied().unwrap_or_default(),
            Self::Class => "y",
        }
    }

    /// The input of this name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let embedding = EMBEDDINGS.iter().position(|known| *known == name);
        let class = (name == Self::Class.name()).then_some(Self::Class);
        embedding.map(Self::Embedding).or(class)
    }

    /// Its values per row, with embeddings of these dimensions.
    pub fn width(self, dims: &[usize]) -> usize {
        match self {
            Self::Embedding(modality) => dims.get(modality).copied().unwrap_or(0),
            Self::Class => 1,
        }
    }
}

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

/// The graphs that together evaluate all models.
#[derive(Debug, Clone)]
pub struct Program {
    /// The bundle that they are of; `None` for a program that only measures.
    pub origin: Option<ModelOrigin>,
    /// One graph where all models can be fused, else several.
    pub graphs: Vec<Graph>,
    /// The reason for several graphs: one message per model that was not fused.
    pub unfused: Vec<String>,
    /// Dimensions of the modalities.
    pub dims: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

/// One graph of a program. Its outputs hold one f32 per row: h of a density, ln p(y|x) at the row's y of a classifier,
/// and where that is asked for the place and the ln p of the classifier's most probable class.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The model to load.
    pub model: ModelProto,
    /// What it reads.
    pub inputs: Vec<ProgramInput>,
    /// The roles whose outputs they are, in their order.
    pub roles: Vec<Role>,
    /// The place of each output among all of the program's: those of [`Role::all`], then two for each classifier.
    pub places: Vec<usize>,
}

impl Program {
    /// The program without its models, for a session that has loaded them.
    pub(crate) fn clone_shape(&self) -> Self {
        let graphs = self.graphs.iter().map(Graph::clone_shape).collect();
        let (origin, dims) = (self.origin.clone(), self.dims.clone());
        Self { origin, graphs, unfused: Vec::new(), dims, classes: self.classes }
    }
}

impl Graph {
    /// A graph of so many modalities.
    pub(super) fn new(
        model: ModelProto,
        inputs: Vec<ProgramInput>,
        roles: Vec<Role>,
        modalities: usize,
    ) -> Self {
        let places = roles.iter().map(|role| role.index(modalities)).collect();
        Self { model, inputs, roles, places }
    }

    /// The graph with two more outputs for each of these classifiers: the place of the most probable class as a
    /// number, and its ln p. Their places follow those of all roles.
    pub(super) fn with_top_classes(
        mut self,
        classifiers: impl Iterator<Item = Role>,
        modalities: usize,
    ) -> Self {
        let first = Role::all(modalities).len();
        for role in classifiers {
            let place = first + 2 * role.modalities().index(modalities);
            self.roles.extend([role; 2]);
            self.places.extend([place, place + 1]);
        }
        self
    }

    /// The graph as an ONNX file.
    pub fn to_bytes(&self) -> Vec<u8> {
        onnx::encode(&self.model)
    }

    /// The graph without its model.
    pub(crate) fn clone_shape(&self) -> Self {
        Self {
            model: ModelProto::default(),
            inputs: self.inputs.clone(),
            roles: self.roles.clone(),
            places: self.places.clone(),
        }
    }
}
