//! How far the densities decide R, the mean redundancy of all modalities: which i the rows' r equals, and what
//! R would be in other units. Part of a fit's estimates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction::{Quantity, Subset};

/// How far the densities decide R.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Redundancy {
    /// Which i r equals.
    #[serde(rename = "redundancy_shares")]
    pub shares: RedundancyShares,
    /// What R would be in other units.
    #[serde(rename = "redundancy_by_shift")]
    pub by_shift: RedundancyByShift,
}

/// Shares of the rows by the value of r. They add up to one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "SharesDocument", into = "SharesDocument")]
pub struct RedundancyShares {
    /// r = i of this modality and of no other, for each modality.
    pub at: Vec<f64>,
    /// r = i of several modalities.
    pub several: f64,
    /// r equals no i: only here a small error of a density moves it.
    pub between: f64,
}

/// R where constants are added to the h of single modalities. Scaling x1 by c adds d1·ln c to h1 and changes
/// no i, so such a shift is all that other units change. Adding one constant to all changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ByShiftDocument", into = "ByShiftDocument")]
pub struct RedundancyByShift {
    /// A shift of h of one modality alone, for each modality. Of two only of the first: a shift of h2 is
    /// the opposite one of h1.
    pub curves: Vec<RedundancyCurve>,
    /// The least and the largest R of all shifts that were tried: of each curve, and of more than two
    /// modalities of several at once.
    pub range_nats: [f64; 2],
    /// The least and the largest R that any densities may give: the means of the least and of the largest i
    /// of a single modality.
    pub bounds_nats: [f64; 2],
}

/// R where a constant is added to h of one modality, of every row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedundancyCurve {
    /// R at some shifts, ascending; at 0 that of the bundle's convention.
    pub shifts: Vec<ShiftedRedundancy>,
    /// R for ever smaller h: the mean of the modality's i.
    pub at_minus_infinity_nats: f64,
    /// R for ever larger h: that of the other modalities.
    pub at_plus_infinity_nats: f64,
}

/// R at one shift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftedRedundancy {
    /// The constant, in nats.
    pub shift_nats: f64,
    /// R.
    pub r_nats: f64,
}

impl RedundancyByShift {
    /// Of these curves, of R at shifts of several modalities at once, and of the bounds.
    pub fn new(curves: Vec<RedundancyCurve>, joint: &[f64], bounds_nats: [f64; 2]) -> Self {
        let of_curve = |curve: &RedundancyCurve| {
            let ends = [curve.at_minus_infinity_nats, curve.at_plus_infinity_nats];
            curve.shifts.iter().map(|shift| shift.r_nats).chain(ends).collect::<Vec<_>>()
        };
        let all: Vec<f64> = curves.iter().flat_map(of_curve).chain(joint.iter().copied()).collect();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { curves, range_nats: [least, most], bounds_nats }
    }
}

/// [`RedundancyShares`] in JSON.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum SharesDocument {
    /// Of two modalities.
    OfTwo {
        /// r = i1, and i2 is another.
        i1: f64,
        /// r = i2, and i1 is another.
        i2: f64,
        /// r = i1 = i2.
        both: f64,
        /// r strictly between i1 and i2: only here a small error of a density moves it.
        between: f64,
    },
    /// Of more than two modalities.
    OfMore {
        /// i_1, i_2, …: r = i of this modality and of no other.
        #[serde(flatten)]
        at: BTreeMap<String, f64>,
        /// r = i of several modalities.
        several: f64,
        /// r equals no i: only here a small error of a density moves it.
        between: f64,
    },
}

impl From<SharesDocument> for RedundancyShares {
    fn from(document: SharesDocument) -> Self {
        match document {
            SharesDocument::OfTwo { i1, i2, both, between } => {
                Self { at: vec![i1, i2], several: both, between }
            }
            SharesDocument::OfMore { at, several, between } => {
                Self { at: at.into_values().collect(), several, between }
            }
        }
    }
}

impl From<RedundancyShares> for SharesDocument {
    fn from(RedundancyShares { at, several, between }: RedundancyShares) -> Self {
        match at[..] {
            [i1, i2] => Self::OfTwo { i1, i2, both: several, between },
            _ => Self::OfMore { at: by_name(at, Quantity::I), several, between },
        }
    }
}

/// [`RedundancyByShift`] in JSON.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ByShiftDocument {
    /// Of two modalities: where a constant is added to h1 − h2.
    OfTwo {
        /// R at some shifts, ascending; at 0 that of the bundle's convention.
        shifts: Vec<ShiftedRedundancy>,
        /// R for ever smaller h1: the mean of i1.
        at_minus_infinity_nats: f64,
        /// R for ever larger h1: the mean of i2.
        at_plus_infinity_nats: f64,
        /// The least and the largest R that any densities may give: the means of min(i1, i2) and
        /// max(i1, i2).
        bounds_nats: [f64; 2],
    },
    /// Of more than two modalities.
    OfMore {
        /// h_1, h_2, …: where a constant is added to h of this modality alone.
        #[serde(flatten)]
        curves: BTreeMap<String, RedundancyCurve>,
        /// The least and the largest R of all shifts that were tried, also of several modalities at once.
        range_nats: [f64; 2],
        /// The least and the largest R that any densities may give: the means of the least and of the
        /// largest i of a single modality.
        bounds_nats: [f64; 2],
    },
}

impl From<ByShiftDocument> for RedundancyByShift {
    fn from(document: ByShiftDocument) -> Self {
        match document {
            ByShiftDocument::OfTwo { shifts, at_minus_infinity_nats, at_plus_infinity_nats, bounds_nats } => {
                let curve = RedundancyCurve { shifts, at_minus_infinity_nats, at_plus_infinity_nats };
                Self::new(vec![curve], &[], bounds_nats)
            }
            ByShiftDocument::OfMore { curves, range_nats, bounds_nats } => {
                Self { curves: curves.into_values().collect(), range_nats, bounds_nats }
            }
        }
    }
}

impl From<RedundancyByShift> for ByShiftDocument {
    fn from(RedundancyByShift { mut curves, range_nats, bounds_nats }: RedundancyByShift) -> Self {
        match (curves.pop(), curves.is_empty()) {
            (Some(RedundancyCurve { shifts, at_minus_infinity_nats, at_plus_infinity_nats }), true) => {
                Self::OfTwo { shifts, at_minus_infinity_nats, at_plus_infinity_nats, bounds_nats }
            }
            (last, _) => {
                curves.extend(last);
                Self::OfMore { curves: by_name(curves, Quantity::H), range_nats, bounds_nats }
            }
        }
    }
}

/// Values of single modalities, under the names of their columns.
fn by_name<T>(values: Vec<T>, quantity: fn(Subset) -> Quantity) -> BTreeMap<String, T> {
    Quantity::single_names(quantity, values.len()).into_iter().zip(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(ends: [f64; 2]) -> RedundancyCurve {
        let shifts = vec![ShiftedRedundancy { shift_nats: 0.0, r_nats: 0.75 }];
        RedundancyCurve { shifts, at_minus_infinity_nats: ends[0], at_plus_infinity_nats: ends[1] }
    }

    #[test]
    fn documents_are_read_back() {
        let two = Redundancy {
            shares: RedundancyShares { at: vec![0.5, 0.25], several: 0.125, between: 0.125 },
            by_shift: RedundancyByShift::new(vec![curve([0.5, 1.0])], &[], [0.25, 1.25]),
        };
        assert_eq!(two.by_shift.range_nats, [0.5, 1.0]);
        let json = r#"{"redundancy_shares":{"i1":0.5,"i2":0.25,"both":0.125,"between":0.125},"redundancy_by_shift":{"shifts":[{"shift_nats":0.0,"r_nats":0.75}],"at_minus_infinity_nats":0.5,"at_plus_infinity_nats":1.0,"bounds_nats":[0.25,1.25]}}"#;
        assert_eq!(serde_json::to_string(&two).unwrap(), json);
        assert_eq!(serde_json::from_str::<Redundancy>(json).unwrap(), two);

        let curves = vec![curve([0.5, 1.0]), curve([0.25, 0.5]), curve([1.0, 0.5])];
        let three = Redundancy {
            shares: RedundancyShares { at: vec![0.5, 0.25, 0.0], several: 0.0, between: 0.25 },
            by_shift: RedundancyByShift::new(curves, &[0.125, 1.5], [0.0, 2.0]),
        };
        assert_eq!(three.by_shift.range_nats, [0.125, 1.5]);
        let json = serde_json::to_value(&three).unwrap();
        assert_eq!(
            json["redundancy_shares"],
            serde_json::json!({"i_1": 0.5, "i_2": 0.25, "i_3": 0.0, "several": 0.0, "between": 0.25})
        );
        assert_eq!(json["redundancy_by_shift"]["h_3"]["at_minus_infinity_nats"], 1.0);
        assert_eq!(json["redundancy_by_shift"]["range_nats"], serde_json::json!([0.125, 1.5]));
        assert_eq!(serde_json::from_value::<Redundancy>(json).unwrap(), three);
    }
}
