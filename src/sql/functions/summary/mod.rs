//! The aggregate function `lsmi_summary(r, u1, …, uM, s)`: counts, means, standard errors and shares of
//! a group of samples, computed in one pass from mergeable partial states.

mod state;

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::aggregate_doc_sections::DOC_SECTION_STATISTICAL;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature,
};

use self::state::{Float64Columns, SummaryState, fields, results, state_numbers, states};
use super::dominant::signature_of_parts;

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LsmiSummary {
    signature: Signature,
    documentation: Documentation,
}

impl LsmiSummary {
    pub(super) fn new() -> Self {
        let documentation = Documentation::builder(
            DOC_SECTION_STATISTICAL,
            "Summary of a group's samples: a struct of rows (with values), nulls (without values), the means r, u1, \
             u2, s and their standard errors (…_std_error) in nats, each over the rows that have the part, and the \
             shares of rows by dominant part (redundancy_share, unique_1_share, unique_2_share, synergy_share); of \
             three modalities also of u3, of four of u3 and u4",
            "lsmi_summary(r, u1, u2, s)",
        )
        .with_argument("r", "Redundancy")
        .with_argument("u1", "Uniqueness of x1")
        .with_argument("u2", "Uniqueness of x2; those of x3 and x4 follow it")
        .with_argument("s", "Synergy")
        .build();
        Self { signature: signature_of_parts(), documentation }
    }
}

impl AggregateUDFImpl for LsmiSummary {
    fn name(&self) -> &str {
        "lsmi_summary"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(types.len())))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |number: usize| {
            let name = format_state_name(args.name, &number.to_string());
            Arc::new(Field::new(name, DataType::Float64, true))
        };
        Ok((0..state_numbers(args.input_fields.len())).map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.exprs.len() {
            4 => Ok(Box::new(SummaryAccumulator::<4>::default())),
            5 => Ok(Box::new(SummaryAccumulator::<5>::default())),
            6 => Ok(Box::new(SummaryAccumulator::<6>::default())),
            parts => Err(not_of(parts)),
        }
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match args.exprs.len() {
            4 => Ok(Box::new(SummaryGroups::<4>::default())),
            5 => Ok(Box::new(SummaryGroups::<5>::default())),
            6 => Ok(Box::new(SummaryGroups::<6>::default())),
            parts => Err(not_of(parts)),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The signature allows no other number.
fn not_of(parts: usize) -> DataFusionError {
    DataFusionError::Internal(format!("lsmi_summary has no accumulator of {parts} parts"))
}

/// The accumulator of a query without groups, of N parts.
#[derive(Debug, Default)]
struct SummaryAccumulator<const N: usize>(SummaryState<N>);

impl<const N: usize> Accumulator for SummaryAccumulator<N> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = Float64Columns::of(values, N)?;
        // Moments are computed for the batch first, then merged: adding single rows to the sum of
        // millions would lose digits.
        let mut batch = SummaryState::<N>::default();
        (0..rows.len()).for_each(|row| batch.push(rows.parts(row)));
        self.0.merge(&batch);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = Float64Columns::of(states, state_numbers(N))?;
        let mut numbers = Vec::new();
        for row in 0..rows.len() {
            if let Some(state) = rows.state(row, &mut numbers) {
                self.0.merge(&state);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.0.to_numbers().into_iter().map(|number| ScalarValue::Float64(Some(number))).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Struct(Arc::new(results(&[self.0])?)))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The accumulator of all groups at once, of N parts.
#[derive(Debug, Default)]
struct SummaryGroups<const N: usize>(Vec<SummaryState<N>>);

impl<const N: usize> SummaryGroups<N> {
    fn for_each_row(
        &mut self,
        group_indices: &[usize],
        total_num_groups: usize,
        mut each: impl FnMut(usize, &mut SummaryState<N>),
    ) {
        self.0.resize(total_num_groups, SummaryState::default());
        for (row, group) in group_indices.iter().enumerate() {
            if let Some(state) = self.0.get_mut(*group) {
                each(row, state);
            }
        }
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl<const N: usize> GroupsAccumulator for SummaryGroups<N> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let rows = Float64Columns::of(values, N)?;
        self.for_each_row(group_indices, total_num_groups, |row, state| {
            if passes(opt_filter, row) {
                state.push(rows.parts(row));
            }
        });
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let rows = Float64Columns::of(values, state_numbers(N))?;
        let mut numbers = Vec::new();
        self.for_each_row(group_indices, total_num_groups, |row, state| {
            if let Some(of_row) = rows.state(row, &mut numbers) {
                state.merge(&of_row);
            }
        });
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = Float64Columns::of(values, N)?;
        let alone = |row: usize| {
            let mut state = SummaryState::<N>::default();
            if passes(opt_filter, row) {
                state.push(rows.parts(row));
            }
            state
        };
        Ok(states(&(0..rows.len()).map(alone).collect::<Vec<_>>()))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(results(&emit_to.take_needed(&mut self.0))?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(states(&emit_to.take_needed(&mut self.0)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.capacity() * size_of::<SummaryState<N>>()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Float64Array, UInt64Array};
    use datafusion::arrow::datatypes::Float64Type;

    use super::*;

    fn doubles(columns: [Vec<Option<f64>>; 4]) -> Vec<ArrayRef> {
        columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect()
    }

    #[test]
    fn groups_in_two_phases_are_what_each_is_alone() {
        let columns = [1.0, 2.0, 3.0, 4.0].map(|factor| {
            (0..20).map(|row| (row % 7 != 0).then(|| factor * f64::from(row * row % 11))).collect::<Vec<_>>()
        });
        let values = doubles(columns);
        let groups: Vec<usize> = (0..20).map(|row| row % 3).collect();
        let mut partial = SummaryGroups::<4>::default();
        partial.update_batch(&values, &groups, None, 3).unwrap();
        let mut merged = SummaryGroups::<4>::default();
        let states = GroupsAccumulator::state(&mut partial, EmitTo::All).unwrap();
        merged.merge_batch(&states, &[0, 1, 2], 3).unwrap();
        let converted = merged.convert_to_state(&values, None).unwrap();
        merged.merge_batch(&converted, &groups, 3).unwrap();
        let all = GroupsAccumulator::evaluate(&mut merged, EmitTo::First(3)).unwrap();
        for group in 0..3 {
            let mut alone = SummaryAccumulator::<4>::default();
            let rows: Vec<u64> = (group..20).step_by(3).map(|row| row as u64).collect();
            let rows = UInt64Array::from(rows);
            let some: Vec<ArrayRef> = values
                .iter()
                .map(|column| datafusion::arrow::compute::take(column, &rows, None).unwrap())
                .collect();
            // Rows that pass through both phases are counted twice.
            alone.update_batch(&some).unwrap();
            alone.update_batch(&some).unwrap();
            let ScalarValue::Struct(alone) = Accumulator::evaluate(&mut alone).unwrap() else { panic!() };
            let together = all.as_struct();
            for (field, (one, many)) in
                together.fields().iter().zip(alone.columns().iter().zip(together.columns()))
            {
                match one.as_primitive_opt::<Float64Type>() {
                    Some(one) => {
                        let many = many.as_primitive::<Float64Type>().value(group as usize);
                        assert!((one.value(0) - many).abs() < 1e-12, "{field}: {} and {many}", one.value(0));
                    }
                    None => assert_eq!(one, &many.slice(group as usize, 1), "{field}"),
                }
            }
        }
    }

    #[test]
    fn no_rows_are_counted_as_none() {
        let ScalarValue::Struct(none) =
            Accumulator::evaluate(&mut SummaryAccumulator::<4>::default()).unwrap()
        else {
            panic!()
        };
        assert_eq!(none.columns()[0].as_ref(), &UInt64Array::from(vec![0]));
        assert!(none.columns()[2..].iter().all(|column| column.is_null(0)));
    }
}
