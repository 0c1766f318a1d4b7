//! exp, sums, maxima and products over slices, for [`vectorised`](crate::vectors::vectorised) kernels.
//!
//! The functions are written over a fixed number of lanes, without fused multiply-add, so that the
//! compiler vectorises them and their results are the same bits on every processor.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// Lanes of a sum or a maximum: a vector of f32, or two of f64, of 512 bits.
const LANES: usize = 16;

/// f32 or f64.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
{
    /// 0.
    const ZERO: Self;
    /// −∞.
    const LEAST: Self;

    /// exp(x), to a relative error of 1.2e-7 (f32) and 5e-16 (f64): within an ulp and a half.
    /// Results below 4e-38 and 8e-308, near the least normal numbers, are zero.
    fn exp(self) -> Self;
    /// ln(x), of the C library.
    fn ln(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const LEAST: Self = f32::NEG_INFINITY;

    /// 2ⁿ·exp(r) with |r| ≤ ½ ln 2, by the Taylor series of degree 7 (relative error 5e-9).
    #[inline(always)]
    fn exp(self) -> Self {
        // The nearest integer, in the low bits of the mantissa.
        const ROUND: f32 = 12_582_912.0;
        const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
        const FACTORS: [f32; 5] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0];
        let rounded = self * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = (self - n * LN2[0]) - n * LN2[1];
        let mut tail = FACTORS[0];
        for factor in &FACTORS[1..] {
            tail = tail * r + factor;
        }
        let series = 1.0 + (r + r * r * (0.5 + r * tail));
        // Half of 2ⁿ, since 2¹²⁸ is no f32.
        let half = f32::from_bits(rounded.to_bits().wrapping_add(126) << 23);
        let value = series * half * 2.0;
        let value = if self < -86.6 { 0.0 } else { value };
        if self > 88.722_84 { f32::INFINITY } else { value }
    }

    #[inline(always)]
    fn ln(self) -> Self {
        self.ln()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const LEAST: Self = f64::NEG_INFINITY;

    /// As for f32, by the series of degree 13 (relative error 4e-18).
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f64 = 6_755_399_441_055_744.0;
        const LN2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
        const FACTORS: [f64; 11] = [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
        ];
        let rounded = self * std::f64::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = (self - n * LN2[0]) - n * LN2[1];
        let mut tail = FACTORS[0];
        for factor in &FACTORS[1..] {
            tail = tail * r + factor;
        }
        let series = 1.0 + (r + r * r * (0.5 + r * tail));
        let half = f64::from_bits(rounded.to_bits().wrapping_add(1022) << 52);
        let value = series * half * 2.0;
        let value = if self < -707.0 { 0.0 } else { value };
        if self > 709.782_712_893_384 { f64::INFINITY } else { value }
    }

    #[inline(always)]
    fn ln(self) -> Self {
        self.ln()
    }
}

/// The largest value; −∞ of nothing. NaN is passed over.
#[inline(always)]
pub(crate) fn maximum<T: Real>(values: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let groups = values.chunks_exact(LANES);
    let rest = groups.remainder();
    let mut top = T::LEAST;
    if values.len() >= LANES {
        let mut lanes = [T::LEAST; LANES];
        for group in groups {
            for (lane, &value) in lanes.iter_mut().zip(group) {
                *lane = larger(*lane, value);
            }
        }
        top = lanes.into_iter().fold(top, larger);
    }
    rest.iter().copied().fold(top, larger)
}

/// The sum, lane by lane.
#[inline(always)]
pub(crate) fn sum<T: Real>(values: &[T]) -> T {
    let groups = values.chunks_exact(LANES);
    let rest = groups.remainder();
    let mut total = T::ZERO;
    if values.len() >= LANES {
        let mut lanes = [T::ZERO; LANES];
        for group in groups {
            for (lane, &value) in lanes.iter_mut().zip(group) {
                *lane += value;
            }
        }
        total = fold_lanes(lanes);
    }
    rest.iter().fold(total, |total, &value| total + value)
}

/// The scalar product, lane by lane.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder());
    let mut lanes = [T::ZERO; LANES];
    for (a, b) in left.zip(right) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    rest.fold(fold_lanes(lanes), |total, (&a, &b)| total + a * b)
}

/// |a − b|², lane by lane.
#[inline(always)]
pub(crate) fn squared_distance<T: Real>(a: &[T], b: &[T]) -> T {
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder());
    let mut lanes = [T::ZERO; LANES];
    for (a, b) in left.zip(right) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += (a - b) * (a - b);
        }
    }
    rest.fold(fold_lanes(lanes), |total, (&a, &b)| total + (a - b) * (a - b))
}

/// The sum of the lanes, by halves.
#[inline(always)]
fn fold_lanes<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use crate::vectors::vectorised;

    use super::*;

    #[test]
    fn exp_of_f32_is_within_its_bound_over_the_whole_range() {
        let mut worst = 0f64;
        for bits in (0..0x42b1_7218u32).step_by(97) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let (found, truth) = (f64::from(Real::exp(x)), f64::from(x).exp());
                if truth > 3e-38 && truth < f64::from(f32::MAX) && x >= -86.6 {
                    worst = worst.max((found / truth - 1.0).abs());
                }
            }
        }
        assert!(worst <= 1.2e-7, "{worst:e}");
    }

    #[test]
    fn exp_of_f64_is_within_its_bound_over_the_whole_range() {
        let mut worst = 0f64;
        for i in -7_069_999..=7_097_000 {
            let x = f64::from(i) * 1e-4 + 1e-6 * f64::from(i % 89);
            let (found, truth): (f64, f64) = (Real::exp(x), x.exp());
            worst = worst.max((found / truth - 1.0).abs());
        }
        for i in -1000..1000 {
            let x = f64::from(i) * 1e-7;
            worst = worst.max((Real::exp(x) / x.exp() - 1.0).abs());
        }
        assert!(worst <= 5e-16, "{worst:e}");
    }

    #[test]
    fn extremes_follow_the_c_library() {
        assert_eq!((Real::exp(0f32), Real::exp(-0f32), Real::exp(0f64)), (1.0, 1.0, 1.0));
        for x in [f32::NEG_INFINITY, f32::MIN, -1e4, -200.0, -104.0, -88.0] {
            assert_eq!(Real::exp(x), 0.0, "{x}");
            assert_eq!(Real::exp(10.0 * f64::from(x)), 0.0, "{x}");
        }
        for x in [f32::INFINITY, f32::MAX, 1e4, 88.73] {
            assert_eq!(Real::exp(x), f32::INFINITY, "{x}");
            assert_eq!(Real::exp(10.0 * f64::from(x)), f64::INFINITY, "{x}");
        }
        assert!(Real::exp(88.72f32).is_finite() && Real::exp(709.78f64).is_finite());
        assert!(Real::exp(f32::NAN).is_nan() && Real::exp(f64::NAN).is_nan());
        assert_eq!(Real::exp(f32::MIN_POSITIVE), 1.0);
    }

    #[test]
    fn vectors_and_scalars_give_the_same_bits() {
        let x: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin() * 40.0).collect();
        let mut found = x.clone();
        vectorised(
            #[inline(always)]
            || found.iter_mut().for_each(|value| *value = Real::exp(*value)),
        );
        for (found, &x) in found.iter().zip(&x) {
            assert_eq!(found.to_bits(), Real::exp(std::hint::black_box(x)).to_bits(), "{x}");
        }
    }

    #[test]
    fn sums_and_maxima_of_any_length() {
        for n in [0, 1, 15, 16, 17, 100] {
            let x: Vec<f64> = (0..n).map(|i| f64::from((i * 37) % 101) - 50.0).collect();
            assert_eq!(sum(&x), x.iter().sum::<f64>());
            assert_eq!(maximum(&x), x.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            let squares = x.iter().map(|x| x * x).sum::<f64>();
            assert_eq!((dot(&x, &x), squared_distance(&x, &vec![0.0; x.len()])), (squares, squares));
        }
        assert_eq!(maximum(&[f64::NAN, 1.0, f64::NAN]), 1.0);
    }
}
