//! The class prior p(y) of a generator, validated on construction.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};

/// A distribution over the classes 0 .. C.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    probabilities: Vec<f64>,
    log: Vec<f64>,
    cumulative: Vec<f64>,
}

impl Prior {
    /// The uniform distribution over C classes.
    ///
    /// # Errors
    /// [`Error::Usage`] where there are fewer than two.
    pub fn uniform(classes: usize) -> Result<Self> {
        Self::new(vec![1.0 / classes as f64; classes])
    }

    /// One probability per class.
    ///
    /// # Errors
    /// [`Error::Usage`] where there are fewer than two, one is not positive, or their
    /// sum is off one by more than 1e-9.
    pub fn new(probabilities: Vec<f64>) -> Result<Self> {
        if probabilities.len() < 2 {
            return Err(Error::Usage(format!(
                "{} classes are too few: give at least two (--classes)",
                probabilities.len()
            )));
        }
        if let Some(p) = probabilities.iter().find(|p| !(**p > 0.0 && p.is_finite())) {
            return Err(Error::Usage(format!("the prior has a probability of {p}: each must be positive")));
        }
        let sum: f64 = probabilities.iter().sum();
        if (sum - 1.0).abs() > 1e-9 {
            return Err(Error::Usage(format!("the prior's probabilities sum to {sum}: they must sum to 1")));
        }
        let cumulative = probabilities
            .iter()
            .scan(0.0, |total, p| {
                *total += p;
                Some(*total)
            })
            .collect();
        let log = probabilities.iter().map(|p| p.ln()).collect();
        Ok(Self { probabilities, log, cumulative })
    }

    /// C.
    pub fn classes(&self) -> usize {
        self.probabilities.len()
    }

    /// p(y) for each class.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// ln p(y) for each class, in nats.
    pub fn log(&self) -> &[f64] {
        &self.log
    }

    /// Draws a class.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> usize {
        let at: f64 = rng.random();
        // The last cumulative sum may round to just below one.
        self.cumulative.partition_point(|&c| c <= at).min(self.classes() - 1)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn draws_follow_the_probabilities() {
        let prior = Prior::new(vec![0.5, 0.25, 0.25]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0u32; 3];
        (0..40_000).for_each(|_| counts[prior.sample(&mut rng)] += 1);
        for (count, p) in counts.iter().zip(prior.probabilities()) {
            let expected = 40_000.0 * p;
            assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for bad in [vec![1.0], vec![], vec![0.5, 0.4], vec![1.5, -0.5], vec![1.0, 0.0], vec![f64::NAN, 1.0]] {
            let error = Prior::new(bad).unwrap_err();
            assert_eq!(error.exit_code(), 64);
        }
    }
}
