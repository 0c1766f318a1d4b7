//! How far the densities decide R: the cases of r, and R as a function of a shift of h1 − h2.

use crate::bundle::{RedundancyByShift, RedundancyShares, ShiftedRedundancy};
use crate::interaction::{Cases, Pointwise, decompose};

/// The shifts, in nats.
const SHIFTS: [f64; 7] = [-10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0];

/// R at every shift of h1 − h2, its limits and its bounds.
pub(super) fn by_shift(points: &[Pointwise]) -> RedundancyByShift {
    let n = points.len().max(1) as f64;
    let mean = |value: &dyn Fn(&Pointwise) -> f64| points.iter().map(value).sum::<f64>() / n;
    // h1 alone may be infinite, as no infinities are subtracted.
    let r = |shift: f64| mean(&|point| decompose(Pointwise { h1: point.h1 + shift, ..*point }).r);
    RedundancyByShift {
        shifts: SHIFTS.map(|shift| ShiftedRedundancy { shift_nats: shift, r_nats: r(shift) }).to_vec(),
        at_minus_infinity_nats: r(f64::NEG_INFINITY),
        at_plus_infinity_nats: r(f64::INFINITY),
        bounds_nats: [mean(&|point| point.i1.min(point.i2)), mean(&|point| point.i1.max(point.i2))],
    }
}

/// The shares of the cases.
pub(super) fn shares(points: &[Pointwise]) -> RedundancyShares {
    let mut cases = Cases::default();
    points.iter().for_each(|point| cases.push(point, &decompose(*point)));
    let share = |rows: u64| rows as f64 / cases.total().max(1) as f64;
    RedundancyShares {
        i1: share(cases.first),
        i2: share(cases.second),
        both: share(cases.both),
        between: share(cases.between),
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    #[test]
    fn infinite_shifts_give_the_modalities_information() {
        let mut rng = random_stream(2, RandomStream::Split);
        let points: Vec<Pointwise> = (0..1000)
            .map(|_| {
                let [i1, i2, i12] = [2.0, 1.0, 2.5].map(|top| rng.random_range(-3.0..top));
                Pointwise { i1, i2, i12, h1: rng.random_range(0.0..8.0), h2: rng.random_range(0.0..8.0) }
            })
            .collect();
        let mean = |value: &dyn Fn(&Pointwise) -> f64| points.iter().map(value).sum::<f64>() / 1000.0;
        let found = by_shift(&points);
        assert!((found.at_minus_infinity_nats - mean(&|point| point.i1)).abs() < 1e-12, "{found:?}");
        assert!((found.at_plus_infinity_nats - mean(&|point| point.i2)).abs() < 1e-12, "{found:?}");
        let unshifted = found.shifts[3];
        assert_eq!(unshifted.shift_nats, 0.0);
        assert!((unshifted.r_nats - mean(&|point| decompose(*point).r)).abs() < 1e-12, "{found:?}");
        // h1 − h2 lies between −8 and 8.
        let [low, high] = found.bounds_nats;
        assert!((found.shifts[0].r_nats - found.at_minus_infinity_nats).abs() < 0.05, "{found:?}");
        assert!(found.range_nats()[0] >= low && found.range_nats()[1] <= high, "{found:?}");
        let found = shares(&points);
        assert!((found.i1 + found.i2 + found.both + found.between - 1.0).abs() < 1e-12, "{found:?}");
        assert!(found.i1 > 0.3 && found.i2 > 0.3 && found.between > 0.1 && found.both == 0.0, "{found:?}");
    }
}
