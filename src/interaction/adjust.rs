//! The reference implementation's adjustment of a dataset: one constant shift that makes
//! the four means non-negative.

use super::Interaction;

/// The shift c to add to every r and s and take from every u1 and u2
/// ([`Interaction::shifted`]), given the means R, U1, U2, S over the dataset. In nats.
///
/// A negative R or S is lifted to zero: c = −min(R, S). Otherwise a negative U1 or U2
/// is: c = min(U1, U2). Otherwise c is 0. The identities hold before and after.
///
/// Where R, S ≥ 0 and a mean uniqueness is negative, the means become exactly
/// R = min(I1, I2), the smaller U = 0 and S = I12 − max(I1, I2): the density models then
/// no longer affect the means, only the spread over samples. Where R or S is negative,
/// lifting them may leave a negative U1 or U2, as in the reference.
pub fn dataset_shift(mean: &Interaction) -> f64 {
    let shared = mean.r.min(mean.s);
    let unique = mean.u1.min(mean.u2);
    if shared < 0.0 {
        -shared
    } else if unique < 0.0 {
        unique
    } else {
        0.0
    }
}

impl Interaction {
    /// Moves `shift` nats from uniqueness to redundancy and synergy.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        Self { r: self.r + shift, u1: self.u1 - shift, u2: self.u2 - shift, s: self.s + shift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adjusted(mean: Interaction) -> Interaction {
        mean.shifted(dataset_shift(&mean))
    }

    #[test]
    fn negative_uniqueness_gives_the_smaller_information() {
        // The reference implementation's Gaussian data: R, U1, U2, S at 10 classes.
        let mean = Interaction { r: 1.4346, u1: -0.0938, u2: -0.0939, s: 0.3528 };
        let (i1, i2) = (mean.r + mean.u1, mean.r + mean.u2);
        let i12 = i1 + mean.u2 + mean.s;
        let result = adjusted(mean);
        assert!((result.r - i1.min(i2)).abs() < 1e-15);
        assert!((result.s - (i12 - i1.max(i2))).abs() < 1e-15);
        assert_eq!(result.u1.min(result.u2), 0.0);
        assert!((result.r + result.u1 - i1).abs() < 1e-15);
        assert!((result.r + result.u1 + result.u2 + result.s - i12).abs() < 1e-15);
    }

    #[test]
    fn negative_redundancy_or_synergy_is_lifted_to_zero() {
        let result = adjusted(Interaction { r: -0.25, u1: 1.0, u2: 0.5, s: 0.5 });
        assert_eq!(result, Interaction { r: 0.0, u1: 0.75, u2: 0.25, s: 0.75 });

        let result = adjusted(Interaction { r: 0.5, u1: 1.0, u2: -0.5, s: -0.25 });
        assert_eq!(result, Interaction { r: 0.75, u1: 0.75, u2: -0.75, s: 0.0 });
    }

    #[test]
    fn means_that_are_not_negative_stay() {
        let mean = Interaction { r: 0.5, u1: 0.0, u2: 0.25, s: 0.0 };
        assert_eq!(dataset_shift(&mean), 0.0);
        assert_eq!(adjusted(mean), mean);
    }
}
