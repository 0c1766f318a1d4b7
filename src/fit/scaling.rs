//! Standardisation: mean and standard deviation of every column of a modality, and its
//! constant columns; and the units of a mixture with and without it.

use crate::bundle::{Mixture, Scales};

use super::training_set::EmbeddingMatrix;

/// Mean and scale of d columns over some rows.
///
/// A column with a single value is *constant*: its scale is 1, its weight in the classifiers
/// is 0, and the density omits it and restores it with a factor that contributes exactly 0
/// nats at the constant. So a constant column affects no h, no i and no r.
#[derive(Debug, Clone)]
pub(crate) struct Scaling {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Standard deviation of each column, 1 for a constant one.
    pub scale: Vec<f64>,
    /// Whether each column is constant.
    pub constant: Vec<bool>,
}

impl Scaling {
    /// Measures `rows` of a modality: two passes in f64, so that columns far from zero
    /// keep their digits.
    pub fn measure(x: &EmbeddingMatrix<'_>, rows: &[usize]) -> Self {
        let d = x.dim;
        let n = rows.len().max(1) as f64;
        let (mut mean, mut square) = (vec![0.0; d], vec![0.0; d]);
        let mut low = vec![f32::INFINITY; d];
        let mut high = vec![f32::NEG_INFINITY; d];
        for &row in rows {
            for (j, &value) in x.row(row).iter().enumerate() {
                mean[j] += f64::from(value);
                low[j] = low[j].min(value);
                high[j] = high[j].max(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= n);
        for &row in rows {
            for (j, &value) in x.row(row).iter().enumerate() {
                square[j] += (f64::from(value) - mean[j]).powi(2);
            }
        }
        let mut scaling = Self { mean, scale: vec![1.0; d], constant: vec![true; d] };
        for j in 0..d {
            let deviation = (square[j] / n).sqrt();
            // The graphs store the scale as f32, where subnormal values lose their precision.
            if low[j] < high[j] && deviation > f64::from(f32::MIN_POSITIVE) * 1e3 {
                scaling.scale[j] = deviation;
                scaling.constant[j] = false;
            } else if low[j] == high[j] {
                scaling.mean[j] = f64::from(low[j]);
            }
        }
        scaling
    }

    /// The columns that are not constant, ascending.
    pub fn varying(&self) -> Vec<usize> {
        (0..self.mean.len()).filter(|&j| !self.constant[j]).collect()
    }

    /// `rows` of x standardised, varying columns only: `[rows, varying]` row-major.
    pub fn standardise(&self, x: &EmbeddingMatrix<'_>, rows: &[usize]) -> Vec<f64> {
        let varying = self.varying();
        let mut out = Vec::with_capacity(rows.len() * varying.len());
        for &row in rows {
            let values = x.row(row);
            out.extend(varying.iter().map(|&j| (f64::from(values[j]) - self.mean[j]) / self.scale[j]));
        }
        out
    }

    /// Folds the standardisation into a mixture over the varying columns: z is unchanged, A_k
    /// and μ_k are in the units of x, and constant columns are restored.
    pub fn to_raw_units(&self, mixture: &Mixture) -> Mixture {
        let dim = self.mean.len();
        let varying = self.varying();
        // |z|²/2 is 0 on the constant, so this diagonal adds ln √(2π) − ½ ln 2π = 0 nats.
        let neutral = (2.0 * std::f64::consts::PI).sqrt();
        let mut raw = Mixture {
            dim,
            log_weights: mixture.log_weights.clone(),
            means: Vec::with_capacity(mixture.components() * dim),
            factors: vec![0.0; mixture.components() * dim * dim],
            center: self.mean.clone(),
            scales: mixture.scales.clone(),
        };
        for component in 0..mixture.components() {
            let mut mean = self.mean.clone();
            for (i, &column) in varying.iter().enumerate() {
                mean[column] += self.scale[column] * mixture.means[component * mixture.dim + i];
            }
            raw.means.extend(mean);
            let factor = mixture.factor(component);
            let out = &mut raw.factors[component * dim * dim..][..dim * dim];
            for column in (0..dim).filter(|&column| self.constant[column]) {
                out[column * dim + column] = neutral;
            }
            for (i, &row) in varying.iter().enumerate() {
                for (j, &column) in varying.iter().enumerate().take(i + 1) {
                    out[row * dim + column] = factor[(i, j)] / self.scale[column];
                }
            }
        }
        raw
    }

    /// The inverse of [`Scaling::to_raw_units`], at a scale of 1.
    pub fn to_standard_units(&self, raw: &Mixture) -> Mixture {
        let varying = self.varying();
        let mut mixture = Mixture {
            dim: varying.len(),
            log_weights: raw.log_weights.clone(),
            means: Vec::with_capacity(raw.components() * varying.len()),
            factors: Vec::with_capacity(raw.components() * varying.len().pow(2)),
            center: vec![0.0; varying.len()],
            scales: Scales::default(),
        };
        for component in 0..raw.components() {
            let mean = &raw.means[component * raw.dim..][..raw.dim];
            mixture.means.extend(varying.iter().map(|&j| (mean[j] - self.mean[j]) / self.scale[j]));
            let factor = raw.factor(component);
            for &row in &varying {
                mixture
                    .factors
                    .extend(varying.iter().map(|&column| factor[(row, column)] * self.scale[column]));
            }
        }
        mixture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_columns_are_told_from_columns_far_from_zero() {
        let values: Vec<f32> =
            (0..40).flat_map(|i| [5.0, 1e6 + (i % 2) as f32, 1e-6 * (i % 4) as f32]).collect();
        let x = EmbeddingMatrix { column: "x1", dim: 3, values: &values };
        let rows: Vec<usize> = (0..40).collect();
        let scaling = Scaling::measure(&x, &rows);
        assert_eq!(scaling.constant, [true, false, false]);
        assert_eq!((scaling.mean[0], scaling.scale[0]), (5.0, 1.0));
        assert!((scaling.scale[1] - 0.5).abs() < 1e-9);
        let standard = scaling.standardise(&x, &rows);
        assert_eq!(standard.len(), 80);
        let square: f64 = standard.iter().map(|z| z * z).sum();
        assert!((square - 80.0).abs() < 1e-6, "{square}");
    }
}
