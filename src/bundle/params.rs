//! Parameters of the models that `fit` trains, as plain data before their export to ONNX: a
//! mixture and a stacked classifier.

/// A KNIFE density (Pichler et al. 2022): a mixture of K Gaussians over d
/// dimensions, each given by a lower-triangular factor A_k of its precision,
///
/// ```text
/// z_k = A_k (x − μ_k),   p(x) = Σ_k w_k |det A_k| (2π)^(−d/2) exp(−|z_k|²/2)
/// ```
///
/// in the units of x itself: standardisation is folded into A_k and μ_k.
#[derive(Debug, Clone, PartialEq)]
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
}

/// An affine map y = W x + b.
#[derive(Debug, Clone, PartialEq)]
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

/// A classifier: standardise, then a multinomial logistic regression and a ReLU
/// network, stacked: ln p(y|x) = log_softmax(β_lin·z_lin + β_mlp·z_mlp).
/// The stack weights include the temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The dimension of each input: one entry for p(y|x_m), two for p(y|x1,x2),
    /// whose inputs are concatenated.
    pub dims: Vec<usize>,
    /// Training mean of the concatenated inputs.
    pub mean: Vec<f32>,
    /// Training standard deviation of the concatenated inputs, all positive.
    pub scale: Vec<f32>,
    /// z_lin = linear(standardised x): `[C]`.
    pub linear: Affine,
    /// z_mlp: affine maps with ReLU between them, the last one to `[C]`.
    pub mlp: Vec<Affine>,
    /// (β_lin, β_mlp), both ≥ 0.
    pub betas: [f32; 2],
}
