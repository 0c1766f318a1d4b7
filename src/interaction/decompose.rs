//! Decomposition of one sample: pointwise information and specificity to r, u1, u2 and s.

use serde::{Deserialize, Serialize};

/// Pointwise information and specificity of one sample (x1, x2, y), in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pointwise {
    /// i(x1; y) = ln p(y|x1) − ln p(y).
    pub i1: f64,
    /// i(x2; y) = ln p(y|x2) − ln p(y).
    pub i2: f64,
    /// i(x1, x2; y) = ln p(y|x1,x2) − ln p(y).
    pub i12: f64,
    /// h(x1) = −ln p(x1), the specificity of x1.
    pub h1: f64,
    /// h(x2) = −ln p(x2), the specificity of x2.
    pub h2: f64,
}

/// Decomposition of the information that one sample has about its label, in nats. The means
/// over samples are R, U1, U2, S.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Redundancy: information that both modalities hold.
    pub r: f64,
    /// Uniqueness of x1: i1 − r.
    pub u1: f64,
    /// Uniqueness of x2: i2 − r.
    pub u2: f64,
    /// Synergy: information that only the pair holds, i12 − r − u1 − u2.
    pub s: f64,
}

/// Decomposes one sample.
///
/// The paper's r = min(h1, h2) − min(h1 − i1, h2 − i2) is a difference of about a nat
/// between numbers that grow with the dimension. With `hi` the modality of the larger i and
/// `lo` the other, the same value without that cancellation is
///
/// ```text
/// r = i_hi − clamp(h_hi − h_lo, 0, i_hi − i_lo)
/// ```
///
/// which also shows that r lies between i1 and i2 on every sample, and that u1·u2 ≤ 0.
/// r + u_m = i_m and r + u1 + u2 + s = i12 hold to rounding. A NaN in i1, i2, h1 or h2
/// makes r, u1, u2 and s NaN; a NaN in i12 makes s NaN.
///
/// ```
/// use lsmi_etl::interaction::{Pointwise, decompose};
///
/// // The same evidence twice, and a quarter of a nat that only the pair holds.
/// let sample = Pointwise { i1: 1.0, i2: 1.0, i12: 1.25, h1: 7.0, h2: 9.0 };
/// let parts = decompose(sample);
/// assert_eq!((parts.r, parts.u1, parts.u2, parts.s), (1.0, 0.0, 0.0, 0.25));
/// ```
#[inline]
pub fn decompose(p: Pointwise) -> Interaction {
    let i_hi = larger(p.i1, p.i2);
    let i_lo = -larger(-p.i1, -p.i2);
    // h_hi − h_lo, branch-free: a branch would mispredict on half the samples. A NaN in any
    // of the four propagates to here and through both bounds below.
    let excess = (p.h1 - p.h2) * (p.i1 - p.i2).signum();
    // The clamp's lower bound, then its upper one as i_lo: i_hi − (i_hi − i_lo) would round.
    let r = larger(i_lo, i_hi - larger(0.0, excess));
    let u1 = p.i1 - r;
    let u2 = p.i2 - r;
    Interaction { r, u1, u2, s: p.i12 - (r + (u1 + u2)) }
}

/// The larger of two; b where either is NaN, unlike `f64::max`, which would hide the NaN of
/// a model that fails on a row.
#[inline]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Pointwise> {
        let i = || prop_oneof![-10.0..3.0f64, Just(0.0), Just(1.0)];
        let h = || prop_oneof![-50.0..50.0f64, -5000.0..5000.0f64, Just(0.0)];
        (i(), i(), i(), h(), -4.0..4.0f64, any::<bool>(), h()).prop_map(
            |(i1, i2, i12, h1, near, close, h2)| {
                // Half the samples have the h close together, where the densities matter.
                Pointwise { i1, i2, i12, h1, h2: if close { h1 + near } else { h2 } }
            },
        )
    }

    proptest! {
        #[test]
        fn parts_add_up(p in sample()) {
            let t = decompose(p);
            prop_assert!((t.r + t.u1 - p.i1).abs() < 1e-14);
            prop_assert!((t.r + t.u2 - p.i2).abs() < 1e-14);
            prop_assert!((t.r + t.u1 + t.u2 + t.s - p.i12).abs() < 2e-14);
        }

        #[test]
        fn redundancy_lies_between(p in sample()) {
            let t = decompose(p);
            prop_assert!(p.i1.min(p.i2) <= t.r && t.r <= p.i1.max(p.i2));
            prop_assert!(t.u1 * t.u2 <= 0.0);
        }

        #[test]
        fn clamp_is_the_papers_form(p in sample()) {
            let paper = p.h1.min(p.h2) - (p.h1 - p.i1).min(p.h2 - p.i2);
            let scale = p.h1.abs().max(p.h2.abs()).max(10.0);
            prop_assert!((decompose(p).r - paper).abs() <= 4.0 * f64::EPSILON * scale);
        }

        #[test]
        fn swapping_modalities_swaps_uniqueness(p in sample()) {
            let swapped = Pointwise { i1: p.i2, i2: p.i1, h1: p.h2, h2: p.h1, ..p };
            let (t, m) = (decompose(p), decompose(swapped));
            prop_assert_eq!((t.r, t.u1, t.u2, t.s), (m.r, m.u2, m.u1, m.s));
        }

        #[test]
        fn density_errors_move_r_by_no_more_than_the_gap(p in sample(), error in -100.0..100.0f64) {
            let moved = Pointwise { h1: p.h1 + error, ..p };
            prop_assert!((decompose(p).r - decompose(moved).r).abs() <= (p.i1 - p.i2).abs() + 1e-14);
        }
    }

    #[test]
    fn nan_stays_nan() {
        let p = Pointwise { i1: 1.0, i2: 0.5, i12: 1.2, h1: 3.0, h2: 4.0 };
        let nan = f64::NAN;
        let broken = [
            Pointwise { i1: nan, ..p },
            Pointwise { i2: nan, ..p },
            Pointwise { h1: nan, ..p },
            Pointwise { h2: nan, ..p },
        ];
        for t in broken.map(decompose) {
            assert!(t.r.is_nan() && t.u1.is_nan() && t.u2.is_nan() && t.s.is_nan(), "{t:?}");
        }
        let t = decompose(Pointwise { i12: nan, ..p });
        assert!(t.s.is_nan() && t.r == 1.0, "{t:?}");
    }
}
