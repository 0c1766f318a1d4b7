//! Parameters of the models that `fit` trains, as plain data before their export to ONNX:
//! mixtures, and ensembles of stacked classifiers.

use serde::{Deserialize, Serialize};

/// A KNIFE density (Pichler et al. 2022): a mixture of K Gaussians over d
/// dimensions, each given by a lower-triangular factor A_k of its precision,
///
/// ```text
/// z_k = A_k (x − μ_k),   p(x) = Σ_k w_k |det A_k| (2π)^(−d/2) exp(−|z_k|²/2)
/// ```
///
/// in the units of x itself: standardisation is folded into A_k and μ_k. With [`Scales`], each
/// component is a scale mixture of Gaussians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// d, the length of x.
    pub dim: usize,
    /// ln w_k, length K; the weights sum to one.
    pub log_weights: Vec<f64>,
    /// μ_k, `[K, d]` row-major.
    pub means: Vec<f64>,
    /// A_k, `[K, d, d]` row-major, lower triangular with a positive diagonal.
    pub factors: Vec<f64>,
    /// The training mean of x, length d: subtracted before any product, so that
    /// f32 products keep their digits.
    pub center: Vec<f64>,
    /// The scales at which every component is repeated.
    pub scales: Scales,
}

/// The scales of a mixture's components. A scale mixture of normals (Andrews and Mallows 1974) has
/// heavier tails than a Gaussian: with weights π_j and scales s_j
///
/// ```text
/// Σ_j π_j s_j^(−d') exp(−|z_k|² / 2 s_j²)   takes the place of   exp(−|z_k|²/2)
/// ```
///
/// where d' is the number of columns of x that vary. All components have the same scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scales {
    /// ln π_j − d' ln s_j, length J.
    pub log_amplitudes: Vec<f64>,
    /// 1/s_j², length J.
    pub precisions: Vec<f64>,
}

impl Default for Scales {
    /// One scale of 1: plain Gaussians.
    fn default() -> Self {
        Self { log_amplitudes: vec![0.0], precisions: vec![1.0] }
    }
}

impl Scales {
    /// ln π_j − d' ln s_j and 1/s_j² of each scale.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.log_amplitudes.iter().copied().zip(self.precisions.iter().copied())
    }
}

/// An affine map y = W x + b.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Length of x.
    pub inputs: usize,
    /// Length of y.
    pub outputs: usize,
    /// W, `[outputs, inputs]` row-major.
    pub weight: Vec<f32>,
    /// b, length `outputs`.
    pub bias: Vec<f32>,
}

/// Mixture discriminant analysis (Hastie and Tibshirani, *Discriminant analysis by Gaussian
/// mixtures*, 1996): R centres a class and one covariance for all, so that
///
/// ```text
/// z_c = ln Σ_r exp(w_cr·x + b_cr) = ln p(x, y = c) + a term that is the same for all classes
/// ```
///
/// where b_cr holds the logarithms of the class's prior and of the centre's weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discriminant {
    /// Length of x.
    pub inputs: usize,
    /// C, the number of classes.
    pub classes: usize,
    /// R, the number of centres of each class. A class that needs fewer repeats one.
    pub centres: usize,
    /// w_cr, `[C·R, inputs]` row-major: the R rows of a class are adjacent.
    pub weight: Vec<f32>,
    /// b_cr, length C·R.
    pub bias: Vec<f32>,
}

/// A classifier: standardise, then up to three parts, a multinomial logistic regression, a ReLU
/// network and a discriminant analysis, stacked:
/// ln p(y|x) = log_softmax(β_lin·z_lin + β_mlp·z_mlp + β_mda·z_mda).
/// The stack weights include the temperature. At least one part is present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The dimension of each input: one entry for each modality that it reads, whose values are
    /// concatenated.
    pub dims: Vec<usize>,
    /// Training mean of the concatenated inputs.
    pub mean: Vec<f32>,
    /// Training standard deviation of the concatenated inputs, all positive.
    pub scale: Vec<f32>,
    /// z_lin = linear(standardised x): `[C]`.
    pub linear: Option<Affine>,
    /// z_mlp: affine maps with ReLU between them, the last one to `[C]`; empty where absent.
    pub mlp: Vec<Affine>,
    /// z_mda of the standardised x: `[C]`.
    pub discriminant: Option<Discriminant>,
    /// (β_lin, β_mlp, β_mda), all ≥ 0; that of an absent part has no meaning.
    pub betas: [f32; 3],
}

impl Stack {
    /// C, the number of classes; 0 where all parts are absent.
    pub fn classes(&self) -> usize {
        let linear = self.linear.iter().chain(self.mlp.last()).map(|map| map.outputs);
        linear.chain(self.discriminant.iter().map(|part| part.classes)).next().unwrap_or(0)
    }
}

/// A classifier as the mean of its members' probabilities: one stack of each fold, or a single one
/// that stands for all folds where their logits are linear in x.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// The members, at least one, of equal inputs and classes.
    pub members: Vec<Stack>,
}

impl From<Stack> for Ensemble {
    fn from(stack: Stack) -> Self {
        Self { members: vec![stack] }
    }
}

/// The models of all roles: of all rows, or of the rows outside one fold. Five for two modalities.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSet {
    /// p(x_A) of every set A among [`Subset::proper`](crate::interaction::Subset::proper).
    pub densities: Vec<Mixture>,
    /// p(y|x_A) of every set A among [`Subset::all`](crate::interaction::Subset::all).
    pub classifiers: Vec<Ensemble>,
}

impl ModelSet {
    /// M: M modalities have 2^M − 1 classifiers.
    pub fn modalities(&self) -> usize {
        self.classifiers.len().count_ones() as usize
    }
}

/// What cross-fitting adds to a bundle: for each fold the models that have not seen its rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FittedFolds {
    /// The models fitted without fold f.
    pub models: Vec<ModelSet>,
    /// The hashes of the rows in fold f.
    pub rows: Vec<Vec<u64>>,
    /// The columns whose values the hashes are of; empty where they are of the embeddings.
    pub key: Vec<String>,
}
