//! How far the densities decide R: which i the rows' r equals, and R as a function of shifts of h.
//!
//! Of a row, with A the modality of the least h − i and B that of the least h,
//!
//! ```text
//! r = min h − min (h − i) = i_A − (h_A − h_B) = i_B + (h_B − i_B) − (h_A − i_A)
//! ```
//!
//! so that i_B ≤ r ≤ i_A: whatever is added to the h, r lies between the least and the largest i of the row, and
//! R between the means of these. A shift of h of one modality to minus infinity makes it both A and B, and r
//! its i; one to plus infinity makes it neither, and r that of the other modalities. As one modality after
//! another is shifted away, R goes through that of each set of them to the mean of a single i. Between these
//! R may be larger and smaller than at all of them.

use std::iter::successors;

use rayon::prelude::*;

use crate::bundle::{RedundancyByShift, RedundancyCurve, RedundancyShares, ShiftedRedundancy};

/// The shifts, in nats.
const SHIFTS: [f64; 7] = [-10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0];

/// i and h of each modality of a row.
#[derive(Debug, Clone, Default)]
pub(super) struct SinglePoint {
    i: Vec<f64>,
    h: Vec<f64>,
}

impl SinglePoint {
    /// Of the values of sets of so many modalities, of which the single ones are the first.
    pub(super) fn of(modalities: usize, i: &[f64], h: &[f64]) -> Self {
        let singles = |values: &[f64]| values.iter().copied().take(modalities).collect();
        Self { i: singles(i), h: singles(h) }
    }

    /// r where constants are added to h. What is infinite is a modality that is left out.
    fn redundancy(&self, shifts: &[f64]) -> f64 {
        let h = || self.h.iter().zip(shifts).map(|(h, shift)| h + shift);
        let least = h().fold(f64::INFINITY, f64::min);
        let parts = self.i.iter().zip(h()).map(|(i, h)| i - (h - least));
        parts.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// R at the shifts of every modality alone, the range with those of several at once, and the bounds.
pub(super) fn by_shift(points: &[&SinglePoint]) -> RedundancyByShift {
    let modalities = points.first().map_or(0, |point| point.i.len());
    let n = points.len().max(1) as f64;
    let mean = |value: &dyn Fn(&SinglePoint) -> f64| points.iter().map(|point| value(point)).sum::<f64>() / n;
    let r = |shifts: &[f64]| mean(&|point| point.redundancy(shifts));
    let curve = |index: usize| {
        let with = |own: f64, other: f64| -> Vec<f64> {
            (0..modalities).map(|modality| if modality == index { own } else { other }).collect()
        };
        let at = |shift: f64| ShiftedRedundancy { shift_nats: shift, r_nats: r(&with(shift, 0.0)) };
        RedundancyCurve {
            shifts: SHIFTS.map(at).to_vec(),
            at_minus_infinity_nats: r(&with(0.0, f64::INFINITY)),
            at_plus_infinity_nats: r(&with(f64::INFINITY, 0.0)),
        }
    };
    // Of two modalities only h1 − h2 matters, and its curve is all there is.
    let (curves, joint) = match modalities {
        2 => (1, Vec::new()),
        _ => (modalities, joint_shifts(modalities)),
    };
    let least = |point: &SinglePoint| point.i.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |point: &SinglePoint| point.i.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    RedundancyByShift::new(
        (0..curves).into_par_iter().map(curve).collect(),
        &joint.par_iter().map(|shifts| r(shifts)).collect::<Vec<_>>(),
        [mean(&least), mean(&most)],
    )
}

/// Shifts of all modalities, each by one of [`SHIFTS`] or left out. As one constant added to all changes
/// nothing, the first that is not left out stays.
fn joint_shifts(modalities: usize) -> Vec<Vec<f64>> {
    let choices = || SHIFTS.into_iter().chain([f64::INFINITY]);
    let longer = |shorter: &Vec<Vec<f64>>| -> Option<Vec<Vec<f64>>> {
        let with =
            |shifts: &Vec<f64>| choices().map(|shift| [&shifts[..], &[shift]].concat()).collect::<Vec<_>>();
        Some(shorter.iter().flat_map(with).collect())
    };
    let all = successors(Some(vec![Vec::new()]), longer).nth(modalities).unwrap_or_default();
    let is_anchored = |shifts: &Vec<f64>| shifts.iter().find(|shift| shift.is_finite()) == Some(&0.0);
    all.into_iter().filter(is_anchored).collect()
}

/// The shares of the rows by the i that r equals.
pub(super) fn shares(points: &[&SinglePoint]) -> RedundancyShares {
    let modalities = points.first().map_or(0, |point| point.i.len());
    let unshifted = vec![0.0; modalities];
    let mut at = vec![0_u64; modalities];
    let (mut several, mut between) = (0_u64, 0_u64);
    for point in points {
        let r = point.redundancy(&unshifted);
        let mut equal = (0..modalities).filter(|index| point.i[*index] == r);
        match (equal.next(), equal.next()) {
            (None, _) => between += 1,
            (Some(index), None) => at[index] += 1,
            (Some(_), Some(_)) => several += 1,
        }
    }
    let share = |rows: u64| rows as f64 / points.len().max(1) as f64;
    RedundancyShares {
        at: at.into_iter().map(share).collect(),
        several: share(several),
        between: share(between),
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};
    use crate::interaction::lattice::{AtomPlan, Lattice};
    use crate::interaction::{Cases, Pointwise, decompose};

    fn points(modalities: usize) -> Vec<SinglePoint> {
        let mut rng = random_stream(2, RandomStream::Split);
        let mut draw = |low: f64, high: f64| rng.random_range(low..high);
        let point = |_| SinglePoint {
            i: (0..modalities).map(|index| draw(-3.0, 2.0 - index as f64 / 2.0)).collect(),
            h: (0..modalities).map(|_| draw(0.0, 8.0)).collect(),
        };
        (0..1000).map(point).collect()
    }

    fn mean(points: &[SinglePoint], value: impl Fn(&SinglePoint) -> f64) -> f64 {
        points.iter().map(value).sum::<f64>() / points.len() as f64
    }

    /// Of two modalities the numbers are those of the closed form, to the last bit.
    #[test]
    fn of_two_r_is_the_clamp() {
        let points = points(2);
        let pointwise = |point: &SinglePoint, shift: f64| Pointwise {
            i1: point.i[0],
            i2: point.i[1],
            i12: 0.0,
            h1: point.h[0] + shift,
            h2: point.h[1],
        };
        let found = by_shift(&points.iter().collect::<Vec<_>>());
        let [curve] = &found.curves[..] else { panic!("{found:?}") };
        let clamp = |shift: f64| mean(&points, |point| decompose(pointwise(point, shift)).r);
        for at in &curve.shifts {
            assert_eq!(at.r_nats, clamp(at.shift_nats), "{at:?}");
        }
        assert_eq!(curve.at_minus_infinity_nats, clamp(f64::NEG_INFINITY));
        assert_eq!(curve.at_plus_infinity_nats, clamp(f64::INFINITY));
        let found = shares(&points.iter().collect::<Vec<_>>());
        let mut cases = Cases::default();
        let unshifted = points.iter().map(|point| pointwise(point, 0.0));
        unshifted.for_each(|point| cases.push(&point, &decompose(point)));
        let rows = [cases.first, cases.second, cases.both, cases.between].map(|rows| rows as f64 / 1000.0);
        assert_eq!([found.at[0], found.at[1], found.several, found.between], rows);
    }

    #[test]
    fn shifts_lead_from_the_lattices_redundancy_to_that_of_fewer_modalities() {
        for modalities in 2..=4 {
            let points = points(modalities);
            let found = by_shift(&points.iter().collect::<Vec<_>>());
            let lattice = Lattice::of(modalities).unwrap();
            let plan = AtomPlan::new(lattice, &lattice.nodes()[..1]).unwrap();
            let redundancy = |point: &SinglePoint| {
                let sets = (1 << modalities) - 1;
                let of_all = |values: &[f64], count: usize| {
                    values.iter().copied().chain(std::iter::repeat(0.0)).take(count).collect::<Vec<_>>()
                };
                plan.decompose(&of_all(&point.i, sets), &of_all(&point.h, sets - 1)).unwrap()[0]
            };
            for (index, curve) in found.curves.iter().enumerate() {
                let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{index}: {a} {b}, {found:?}");
                assert_eq!(curve.shifts[3].shift_nats, 0.0);
                near(curve.shifts[3].r_nats, mean(&points, redundancy));
                near(curve.at_minus_infinity_nats, mean(&points, |point| point.i[index]));
                let others = points.iter().map(|point| {
                    let without = |values: &[f64]| [&values[..index], &values[index + 1..]].concat();
                    SinglePoint { i: without(&point.i), h: without(&point.h) }
                });
                let others: Vec<SinglePoint> = others.collect();
                near(curve.at_plus_infinity_nats, mean(&others, |other| other.redundancy(&[0.0; 3])));
                // No two h are more than 8 nats apart.
                assert!((curve.shifts[0].r_nats - curve.at_minus_infinity_nats).abs() < 0.1, "{found:?}");
            }
            let ([low, high], [least, most]) = (found.range_nats, found.bounds_nats);
            assert!(least <= low && low < high && high <= most, "{found:?}");
            let found = shares(&points.iter().collect::<Vec<_>>());
            let sum = found.at.iter().sum::<f64>() + found.several + found.between;
            assert!((sum - 1.0).abs() < 1e-12 && found.several == 0.0, "{found:?}");
            assert!(found.at.iter().all(|share| *share > 0.1) && found.between > 0.1, "{found:?}");
        }
    }

    #[test]
    fn joint_shifts_are_those_of_every_set() {
        for (modalities, count) in [(2, 7 + 2), (3, 49 + 3 * 7 + 3), (4, 343 + 4 * 49 + 6 * 7 + 4)] {
            let shifts = joint_shifts(modalities);
            assert!(shifts.len() == count && shifts.iter().all(|shifts| shifts.len() == modalities));
        }
        // Without x3, and with x2 shifted as well, r is the larger i of each row. No shift of one does that.
        let point = |i: [f64; 3], h: [f64; 3]| SinglePoint { i: i.into(), h: h.into() };
        let points = [point([1.0, 0.0, 0.0], [5.0, 9.0, 0.0]), point([0.0, 1.0, 0.0], [6.0, 8.0, 0.0])];
        let found = by_shift(&points.iter().collect::<Vec<_>>());
        assert_eq!((found.range_nats, found.bounds_nats), ([0.0, 1.0], [0.0, 1.0]));
        let alone = RedundancyByShift::new(found.curves, &[], [0.0, 1.0]);
        assert_eq!(alone.range_nats, [0.0, 0.5]);
    }
}
