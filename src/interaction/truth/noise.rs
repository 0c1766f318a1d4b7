//! Noise that is correlated across the modalities, axis by axis: any two of them by the same ρ.

use crate::error::{Error, Result};

/// On each axis the noise of the M modalities is N(0, σ²((1−ρ)I + ρ11ᵀ)). Of a set of k modalities it
/// is of the same form, with eigenvalue σ²(1 + (k−1)ρ) along 1 and σ²(1−ρ) across it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Noise {
    rho: f64,
    sigma: f64,
    /// Rows of the lower Cholesky factor of the correlation, `[M]`, row m of length m + 1.
    factor: Vec<Vec<f64>>,
}

impl Noise {
    /// # Errors
    /// [`Error::Usage`] where `sigma` is not positive, or M modalities cannot be correlated by `rho`,
    /// which has to be inside (−1/(M−1), 1).
    pub fn new(modalities: usize, rho: f64, sigma: f64) -> Result<Self> {
        let others = modalities.saturating_sub(1).max(1);
        if !(rho * others as f64 > -1.0 && rho < 1.0) {
            let (least, of) = match others {
                1 => ("-1".to_owned(), String::new()),
                _ => (format!("-1/{others}"), format!(" for {modalities} modalities")),
            };
            let message = format!("--rho {rho}: a correlation strictly between {least} and 1 is needed{of}");
            return Err(Error::Usage(message));
        }
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::Usage(format!("--sigma {sigma}: a positive standard deviation is needed")));
        }
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(modalities);
        for m in 0..modalities {
            let mut row: Vec<f64> = Vec::with_capacity(m + 1);
            for (j, earlier) in factor.iter().enumerate() {
                let known: f64 = row.iter().zip(earlier).map(|(a, b)| a * b).sum();
                row.push((rho - known) / earlier[j]);
            }
            let known: f64 = row.iter().map(|a| a * a).sum();
            row.push((1.0 - known).sqrt());
            factor.push(row);
        }
        Ok(Self { rho, sigma, factor })
    }

    /// M.
    pub fn modalities(&self) -> usize {
        self.factor.len()
    }

    /// σ.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// σ².
    pub fn variance(&self) -> f64 {
        self.sigma * self.sigma
    }

    /// What M independent normal numbers are multiplied by to be correlated: rows of lengths 1 … M.
    pub fn factor(&self) -> &[Vec<f64>] {
        &self.factor
    }

    /// The variance, in units of σ², of the sum of k modalities' noise divided by √k.
    pub fn along(&self, k: usize) -> f64 {
        1.0 + (k - 1) as f64 * self.rho
    }

    /// ln det of one axis' correlation of k modalities.
    pub fn log_det(&self, k: usize) -> f64 {
        (k - 1) as f64 * (1.0 - self.rho).ln() + self.along(k).ln()
    }

    /// The squared length of one axis' values of k modalities, each direction in units of its variance,
    /// in units of σ².
    pub fn square(&self, values: impl Iterator<Item = f64> + Clone) -> f64 {
        let k = values.clone().count();
        let mean = values.clone().sum::<f64>() / k as f64;
        let across: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
        k as f64 * mean * mean / self.along(k) + across / (1.0 - self.rho)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_noise_is_refused() {
        for (modalities, rho, sigma, message) in [
            (2, 1.0, 0.5, "--rho 1: a correlation strictly between -1 and 1 is needed"),
            (2, -1.0, 0.5, "between -1 and 1"),
            (2, f64::NAN, 0.5, "--rho NaN"),
            (3, -0.5, 0.5, "between -1/2 and 1 is needed for 3 modalities"),
            (4, -0.34, 0.5, "between -1/3 and 1 is needed for 4 modalities"),
            (2, 0.5, 0.0, "--sigma 0"),
            (2, 0.5, f64::INFINITY, "--sigma inf"),
        ] {
            let error = Noise::new(modalities, rho, sigma).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn the_factor_is_that_of_the_correlation() {
        for (modalities, rho) in [(1, 0.5), (2, 0.5), (3, -0.4), (4, 0.9)] {
            let noise = Noise::new(modalities, rho, 0.3).unwrap();
            for (m, a) in noise.factor().iter().enumerate() {
                for (n, b) in noise.factor().iter().enumerate() {
                    let entry: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((entry - if m == n { 1.0 } else { rho }).abs() < 1e-14, "{rho}: {m} {n} {entry}");
                }
            }
            let diagonal: f64 = noise.factor().iter().flat_map(|row| row.last()).map(|l| 2.0 * l.ln()).sum();
            assert!((diagonal - noise.log_det(modalities)).abs() < 1e-13);

            // |L⁻¹v|² by forward substitution.
            let values = &[0.7, -1.1, 0.4, 2.0][..modalities];
            let mut solved: Vec<f64> = Vec::new();
            for (row, value) in noise.factor().iter().zip(values) {
                let known: f64 = row.iter().zip(&solved).map(|(l, z)| l * z).sum();
                solved.push((value - known) / row[row.len() - 1]);
            }
            let square: f64 = solved.iter().map(|z| z * z).sum();
            assert!((square - noise.square(values.iter().copied())).abs() < 1e-12, "{rho}: {square}");
        }
    }
}
