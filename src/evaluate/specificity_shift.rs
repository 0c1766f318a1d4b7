//! The comparison of the mean h of a modality with that of the validation rows. Embeddings on another scale
//! keep their classes apart, so that i may look sound where h, and r with it, is not.

use crate::bundle::DensityFigures;

/// Standard errors that a mean must be away.
pub(super) const STANDARD_ERRORS: f64 = 5.0;
/// Standard deviations of h over single validation rows that a mean must be away: a share f of rows, such
/// as those of one class, has a mean at most √((1 − f) / f) of these from that of all, 2.5 for a seventh.
const DEVIATIONS: f64 = 2.5;
/// Nats that a mean must be away for each dimension: the classes of smaller shares differ by their spreads.
/// A scale c adds (c² − 1) / 2 nats a dimension to −ln p of a Gaussian, so that this is a scale of 1.22 or
/// 0.71, and ln c to that of a density which gives each row a scale of its own.
const NATS_A_DIMENSION: f64 = 0.25;

/// Whether a mean of −ln p(x) and its standard error are those of rows other than the validation rows of a
/// density of so many dimensions. Rows that the density was trained on have a lower mean than these, which
/// is known of in-sample rows only where the figures have it.
pub(super) fn is_of_other_rows(
    (mean, error): (f64, f64),
    figures: &DensityFigures,
    validation_rows: usize,
    dim: usize,
) -> bool {
    let Some(validation_error) = figures.standard_error_nats else { return false };
    let below = |in_sample: f64| in_sample.min(figures.mean_nats) - mean;
    let above = mean - figures.mean_nats;
    let away = figures.in_sample_nats.map_or(above, |in_sample| above.max(below(in_sample)));
    let deviation = validation_error * (validation_rows as f64).sqrt();
    let least = [
        STANDARD_ERRORS * error.hypot(validation_error),
        DEVIATIONS * deviation,
        NATS_A_DIMENSION * dim as f64,
    ];
    least.into_iter().all(|least| away > least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 10_000;

    /// The figures of a Gaussian of d dimensions: h of a row has the variance d / 2.
    fn gaussian(dim: usize) -> DensityFigures {
        let d = dim as f64;
        let entropy = d * (0.5 + std::f64::consts::TAU.sqrt().ln());
        DensityFigures {
            mean_nats: entropy,
            standard_error_nats: Some((d / 2.0 / ROWS as f64).sqrt()),
            in_sample_nats: Some(entropy - 0.01 * d),
            ..DensityFigures::default()
        }
    }

    /// Whether rows of a Gaussian times a scale are found to be others.
    fn scaled(scale: f64, dim: usize) -> bool {
        let d = dim as f64;
        let mean = gaussian(dim).mean_nats + (scale * scale - 1.0) / 2.0 * d;
        let error = scale * scale * (d / 2.0 / 1000.0).sqrt();
        is_of_other_rows((mean, error), &gaussian(dim), ROWS, dim)
    }

    #[test]
    fn another_scale_is_found_in_both_directions() {
        assert_eq!([2, 32, 512].map(|dim| scaled(2.0, dim)), [true; 3]);
        // Few dimensions: half of it is as dense as the centre of the whole.
        assert_eq!([2, 16, 32, 512].map(|dim| scaled(0.5, dim)), [false, false, true, true]);
        assert_eq!([2, 16, 512].map(|dim| scaled(3.0, dim)), [true; 3]);
        assert_eq!([2, 16, 512].map(|dim| scaled(1.0, dim)), [false; 3]);
        assert_eq!([2, 16, 512].map(|dim| scaled(1.1, dim)), [false; 3]);
    }

    #[test]
    fn rows_that_the_density_was_trained_on_pass() {
        let figures = gaussian(512);
        let in_sample = figures.in_sample_nats.unwrap();
        assert!(!is_of_other_rows((in_sample - 60.0, 0.1), &figures, ROWS, 512));
        assert!(is_of_other_rows((in_sample - 150.0, 0.1), &figures, ROWS, 512));
        // How far below they are is unknown.
        let unknown = DensityFigures { in_sample_nats: None, ..gaussian(512) };
        assert!(!is_of_other_rows((in_sample - 150.0, 0.1), &unknown, ROWS, 512));
        assert!(is_of_other_rows((unknown.mean_nats + 150.0, 0.1), &unknown, ROWS, 512));
    }

    #[test]
    fn one_class_and_heavy_tails_pass() {
        // A class may differ by 0.39 nats a dimension where single rows deviate by as much.
        let figures = DensityFigures {
            mean_nats: 100.0,
            standard_error_nats: Some(10.0 / (ROWS as f64).sqrt()),
            in_sample_nats: Some(99.0),
            ..DensityFigures::default()
        };
        assert!(!is_of_other_rows((75.0, 0.1), &figures, ROWS, 64));
        assert!(is_of_other_rows((73.0, 0.1), &figures, ROWS, 64));
        assert!(is_of_other_rows((126.0, 0.1), &figures, ROWS, 64));
        // Rows that are far out decide the mean, and its error says so.
        assert!(!is_of_other_rows((126.0, 7.0), &figures, ROWS, 64));
        // Without an error of the figures there is nothing to compare with.
        let bare = DensityFigures { mean_nats: 100.0, ..DensityFigures::default() };
        assert!(!is_of_other_rows((900.0, 0.1), &bare, ROWS, 64));
    }
}
