//! What is kept of a group's samples, and the columns that it is read from and becomes.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type};
use datafusion::error::{DataFusionError, Result};

use crate::interaction::Moments;

use super::super::dominant::{PARTS, largest};

/// Numbers in a partial state: five moments of each part, four counts, the nulls.
pub(super) const STATE: usize = 5 * 4 + 4 + 1;

/// The aggregation state: moments of each part, rows by dominant part, and nulls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SummaryState {
    parts: [Moments; 4],
    dominant: [u64; 4],
    nulls: u64,
}

impl SummaryState {
    /// Adds one sample. A null, NaN or infinity counts as a null.
    pub(super) fn push(&mut self, row: Option<[f64; 4]>) {
        match row.and_then(|row| largest(row).map(|place| (row, place))) {
            Some((row, place)) if row.iter().all(|part| part.is_finite()) => {
                self.parts.iter_mut().zip(row).for_each(|(moments, part)| moments.push(part));
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

    pub(super) fn merge(&mut self, other: &Self) {
        self.parts.iter_mut().zip(&other.parts).for_each(|(own, more)| own.merge(more));
        self.dominant.iter_mut().zip(other.dominant).for_each(|(own, more)| *own += more);
        self.nulls += other.nulls;
    }

    pub(super) fn to_numbers(self) -> [f64; STATE] {
        let mut numbers = [0.0; STATE];
        let moments = self.parts.iter().flat_map(Moments::to_state);
        let counts = self.dominant.into_iter().chain([self.nulls]).map(|count| count as f64);
        numbers.iter_mut().zip(moments.chain(counts)).for_each(|(slot, number)| *slot = number);
        numbers
    }

    pub(super) fn from_numbers(numbers: [f64; STATE]) -> Self {
        let (moments, _) = numbers.as_chunks::<5>();
        let mut state = Self::default();
        state.parts.iter_mut().zip(moments).for_each(|(part, state)| *part = Moments::from_state(*state));
        let [.., redundancy, unique_1, unique_2, synergy, nulls] = numbers.map(|number| number as u64);
        Self { dominant: [redundancy, unique_1, unique_2, synergy], nulls, ..state }
    }
}

/// The fields of the result.
pub(super) fn fields() -> Fields {
    let number = |name: String| Field::new(name, DataType::Float64, true);
    let counts = ["rows", "nulls"].map(|name| Field::new(name, DataType::UInt64, false));
    let means = ["r", "u1", "u2", "s"].map(|name| number(name.to_owned()));
    let errors = ["r", "u1", "u2", "s"].map(|name| number(format!("{name}_std_error")));
    let shares = PARTS.map(|name| number(format!("{name}_share")));
    counts.into_iter().chain(means).chain(errors).chain(shares).collect()
}

pub(super) fn results(groups: &[SummaryState]) -> Result<StructArray> {
    let rows = |state: &SummaryState| state.parts[0].count();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(rows))),
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(|state| state.nulls))),
    ];
    let mut add = |number: &dyn Fn(&SummaryState) -> Option<f64>| {
        columns.push(Arc::new(groups.iter().map(number).collect::<Float64Array>()));
    };
    for part in 0..4 {
        add(&|state| state.parts.get(part).and_then(Moments::mean));
    }
    for part in 0..4 {
        add(&|state| state.parts.get(part).and_then(Moments::std_error));
    }
    for part in 0..4 {
        add(&|state| {
            let dominated = state.dominant.get(part).filter(|_| rows(state) > 0)?;
            Some(*dominated as f64 / rows(state) as f64)
        });
    }
    Ok(StructArray::try_new_with_length(fields(), columns, None, groups.len())?)
}

/// Partial states as columns.
pub(super) fn states(groups: &[SummaryState]) -> Vec<ArrayRef> {
    let numbers: Vec<[f64; STATE]> = groups.iter().map(|state| state.to_numbers()).collect();
    let column = |place: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(numbers.iter().filter_map(|row| row.get(place).copied())))
    };
    (0..STATE).map(column).collect()
}

/// Float64 columns that are read row by row.
pub(super) struct Float64Columns<'a, const N: usize>([&'a Float64Array; N]);

impl<'a, const N: usize> Float64Columns<'a, N> {
    pub(super) fn of(arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns: Vec<_> = arrays.iter().filter_map(|a| a.as_primitive_opt::<Float64Type>()).collect();
        let found = columns.len();
        let columns = columns.try_into().map_err(|_| {
            DataFusionError::Internal(format!("lsmi_summary was given {found} columns of doubles, not {N}"))
        })?;
        Ok(Self(columns))
    }

    pub(super) fn len(&self) -> usize {
        self.0.first().map_or(0, |column| column.len())
    }

    /// The values of a row; `None` if one is null.
    pub(super) fn row(&self, row: usize) -> Option<[f64; N]> {
        self.0.iter().all(|column| column.is_valid(row)).then(|| self.0.map(|column| column.value(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_way_between_phases() {
        let mut state = SummaryState::default();
        state.push(Some([0.5, -1.0, 2.0, 0.25]));
        state.push(Some([1.5, -2.0, 1.0, 0.25]));
        state.push(None);
        state.push(Some([f64::NAN, 0.0, 0.0, 0.0]));
        state.push(Some([f64::INFINITY, 0.0, 0.0, 0.0]));
        let back = SummaryState::from_numbers(state.to_numbers());
        assert_eq!((back.parts, back.dominant, back.nulls), (state.parts, [1, 0, 1, 0], 3));
    }
}
