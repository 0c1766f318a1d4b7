//! What is kept of a group's samples, and the columns that it is read from and becomes.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type};
use datafusion::error::{DataFusionError, Result};

use crate::interaction::{Moments, Quantity};

use super::super::dominant::{largest, part_names};

/// Numbers of the moments of a part.
const MOMENTS: usize = 5;

/// Numbers in a partial state of so many parts: the moments of each, rows by dominant part, the nulls.
pub(super) fn state_numbers(parts: usize) -> usize {
    (MOMENTS + 1) * parts + 1
}

/// The aggregation state of N parts, r, u1 … uM and s: moments of each, rows by dominant part, and nulls.
#[derive(Debug, Clone, Copy)]
pub(super) struct SummaryState<const N: usize> {
    parts: [Moments; N],
    dominant: [u64; N],
    nulls: u64,
}

impl<const N: usize> Default for SummaryState<N> {
    fn default() -> Self {
        Self { parts: [Moments::default(); N], dominant: [0; N], nulls: 0 }
    }
}

impl<const N: usize> SummaryState<N> {
    /// Adds one sample with the parts that it has. One without any counts as a null, as does one with NaN or
    /// infinity.
    pub(super) fn push(&mut self, row: [Option<f64>; N]) {
        match largest(&row) {
            Some(place) if row.iter().flatten().all(|part| part.is_finite()) => {
                let parts = self.parts.iter_mut().zip(row);
                parts.for_each(|(moments, part)| part.into_iter().for_each(|part| moments.push(part)));
                self.count(place);
            }
            _ => self.nulls += 1,
        }
    }

    fn count(&mut self, place: usize) {
        if let Some(rows) = self.dominant.get_mut(place) {
            *rows += 1;
        }
    }

    /// Samples with parts, one of which dominates each.
    fn rows(&self) -> u64 {
        self.dominant.iter().sum()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.parts.iter_mut().zip(&other.parts).for_each(|(own, more)| own.merge(more));
        self.dominant.iter_mut().zip(other.dominant).for_each(|(own, more)| *own += more);
        self.nulls += other.nulls;
    }

    /// As many as [`state_numbers`].
    pub(super) fn to_numbers(self) -> Vec<f64> {
        let counts = self.dominant.into_iter().chain([self.nulls]).map(|count| count as f64);
        self.parts.iter().flat_map(Moments::to_state).chain(counts).collect()
    }

    /// The state of [`Self::to_numbers`].
    pub(super) fn from_numbers(numbers: &[f64]) -> Self {
        let mut state = Self::default();
        let (moments, counts) = numbers.split_at(numbers.len().min(MOMENTS * N));
        let (moments, _) = moments.as_chunks::<MOMENTS>();
        state.parts.iter_mut().zip(moments).for_each(|(part, state)| *part = Moments::from_state(*state));
        state.dominant.iter_mut().zip(counts).for_each(|(rows, count)| *rows = *count as u64);
        state.nulls = counts.get(N).map_or(0, |nulls| *nulls as u64);
        state
    }
}

/// The fields of the result of so many parts.
pub(super) fn fields(parts: usize) -> Fields {
    let modalities = parts.saturating_sub(2);
    let names = || Quantity::defaults(modalities).into_iter().map(move |part| part.name(modalities));
    let number = |name: String| Field::new(name, DataType::Float64, true);
    let counts = ["rows", "nulls"].map(|name| Field::new(name, DataType::UInt64, false));
    let means = names().map(|name| number(name.into_owned()));
    let errors = names().map(|name| number(format!("{name}_std_error")));
    let shares = part_names(parts).into_iter().map(|name| number(format!("{name}_share")));
    counts.into_iter().chain(means).chain(errors).chain(shares).collect()
}

pub(super) fn results<const N: usize>(groups: &[SummaryState<N>]) -> Result<StructArray> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(SummaryState::rows))),
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(|state| state.nulls))),
    ];
    let mut add = |number: &dyn Fn(&SummaryState<N>) -> Option<f64>| {
        columns.push(Arc::new(groups.iter().map(number).collect::<Float64Array>()));
    };
    for part in 0..N {
        add(&|state| state.parts.get(part).and_then(Moments::mean));
    }
    for part in 0..N {
        add(&|state| state.parts.get(part).and_then(Moments::std_error));
    }
    for part in 0..N {
        add(&|state| {
            let dominated = state.dominant.get(part).filter(|_| state.rows() > 0)?;
            Some(*dominated as f64 / state.rows() as f64)
        });
    }
    Ok(StructArray::try_new_with_length(fields(N), columns, None, groups.len())?)
}

/// Partial states as columns.
pub(super) fn states<const N: usize>(groups: &[SummaryState<N>]) -> Vec<ArrayRef> {
    let mut columns = vec![Vec::with_capacity(groups.len()); state_numbers(N)];
    for state in groups {
        columns.iter_mut().zip(state.to_numbers()).for_each(|(column, number)| column.push(number));
    }
    columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect()
}

/// Float64 columns that are read row by row.
pub(super) struct Float64Columns<'a>(Vec<&'a Float64Array>);

impl<'a> Float64Columns<'a> {
    /// So many columns.
    pub(super) fn of(arrays: &'a [ArrayRef], expected: usize) -> Result<Self> {
        let columns: Vec<_> = arrays.iter().filter_map(|a| a.as_primitive_opt::<Float64Type>()).collect();
        let found = columns.len();
        match found == expected {
            true => Ok(Self(columns)),
            false => Err(DataFusionError::Internal(format!(
                "lsmi_summary was given {found} columns of doubles, not {expected}"
            ))),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.first().map_or(0, |column| column.len())
    }

    fn is_valid(&self, row: usize) -> bool {
        self.0.iter().all(|column| column.is_valid(row))
    }

    /// The parts of a row, of which some may be null.
    pub(super) fn parts<const N: usize>(&self, row: usize) -> [Option<f64>; N] {
        let mut parts = [None; N];
        let columns = parts.iter_mut().zip(&self.0);
        columns.for_each(|(part, column)| *part = column.is_valid(row).then(|| column.value(row)));
        parts
    }

    /// The state of a row; `None` if a number is null. `numbers` is room for them.
    pub(super) fn state<const N: usize>(
        &self,
        row: usize,
        numbers: &mut Vec<f64>,
    ) -> Option<SummaryState<N>> {
        numbers.clear();
        numbers.extend(self.0.iter().map(|column| column.value(row)));
        self.is_valid(row).then(|| SummaryState::from_numbers(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_way_between_phases() {
        let mut state = SummaryState::default();
        state.push([0.5, -1.0, 2.0, 0.25].map(Some));
        state.push([1.5, -2.0, 1.0, 0.25].map(Some));
        state.push([None; 4]);
        state.push([f64::NAN, 0.0, 0.0, 0.0].map(Some));
        state.push([None, Some(f64::INFINITY), None, None]);
        assert_eq!(state.to_numbers().len(), state_numbers(4));
        let back = SummaryState::from_numbers(&state.to_numbers());
        assert_eq!((back.parts, back.dominant, back.nulls), (state.parts, [1, 0, 1, 0], 3));
    }

    #[test]
    fn a_row_counts_for_the_parts_that_it_has() {
        let mut state = SummaryState::default();
        state.push([0.5, -1.0, 2.0, 0.25].map(Some));
        state.push([None, Some(3.0), None, None]);
        state.push([None; 4]);
        let means: Vec<Option<f64>> = state.parts.iter().map(Moments::mean).collect();
        assert_eq!(means, [Some(0.5), Some(1.0), Some(2.0), Some(0.25)]);
        assert_eq!((state.rows(), state.dominant, state.nulls), (2, [0, 1, 1, 0], 1));
    }

    #[test]
    fn fields_are_those_of_the_parts() {
        let names =
            |parts| fields(parts).iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(
            names(4),
            "rows nulls r u1 u2 s r_std_error u1_std_error u2_std_error s_std_error redundancy_share unique_1_share \
             unique_2_share synergy_share"
        );
        assert!(names(5).contains(" u3 s ") && names(5).contains(" unique_3_share synergy_share"));
    }
}
