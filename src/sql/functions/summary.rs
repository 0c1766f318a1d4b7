//! `lsmi_summary(r, u1, u2, s)`: what a group of samples is like, in one pass and in
//! parts that merge.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::aggregate_doc_sections::DOC_SECTION_STATISTICAL;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use crate::interaction::Moments;

use super::dominant::{PARTS, largest};

/// Numbers of a partial state: five of each part's moments, four counts, the nulls.
const STATE: usize = 5 * 4 + 4 + 1;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LsmiSummary {
    signature: Signature,
    documentation: Documentation,
}

impl LsmiSummary {
    pub(super) fn new() -> Self {
        let documentation = Documentation::builder(
            DOC_SECTION_STATISTICAL,
            "What the samples of a group are like: a struct of rows (those that have values), nulls (those that have \
             none), the means r, u1, u2, s and their standard errors (…_std_error) in nats, and the shares of rows by \
             what dominates them (redundancy_share, unique_1_share, unique_2_share, synergy_share)",
            "lsmi_summary(r, u1, u2, s)",
        )
        .with_argument("r", "Redundancy")
        .with_argument("u1", "Uniqueness of x1")
        .with_argument("u2", "Uniqueness of x2")
        .with_argument("s", "Synergy")
        .build();
        Self { signature: Signature::exact(vec![DataType::Float64; 4], Volatility::Immutable), documentation }
    }
}

impl AggregateUDFImpl for LsmiSummary {
    fn name(&self) -> &str {
        "lsmi_summary"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |number: usize| {
            let name = format_state_name(args.name, &number.to_string());
            Arc::new(Field::new(name, DataType::Float64, true))
        };
        Ok((0..STATE).map(field).collect())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Whole::default()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::default()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// What is known of some samples.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    parts: [Moments; 4],
    dominant: [u64; 4],
    nulls: u64,
}

impl Seen {
    /// Takes in one sample; a null or a number that is none makes it one without values.
    fn push(&mut self, row: Option<[f64; 4]>) {
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

    fn merge(&mut self, other: &Self) {
        self.parts.iter_mut().zip(&other.parts).for_each(|(own, more)| own.merge(more));
        self.dominant.iter_mut().zip(other.dominant).for_each(|(own, more)| *own += more);
        self.nulls += other.nulls;
    }

    fn to_numbers(self) -> [f64; STATE] {
        let mut numbers = [0.0; STATE];
        let moments = self.parts.iter().flat_map(Moments::to_state);
        let counts = self.dominant.into_iter().chain([self.nulls]).map(|count| count as f64);
        numbers.iter_mut().zip(moments.chain(counts)).for_each(|(slot, number)| *slot = number);
        numbers
    }

    fn from_numbers(numbers: [f64; STATE]) -> Self {
        let (moments, _) = numbers.as_chunks::<5>();
        let mut seen = Self::default();
        seen.parts.iter_mut().zip(moments).for_each(|(part, state)| *part = Moments::from_state(*state));
        let [.., redundancy, unique_1, unique_2, synergy, nulls] = numbers.map(|number| number as u64);
        Self { dominant: [redundancy, unique_1, unique_2, synergy], nulls, ..seen }
    }
}

/// The fields of the result.
fn fields() -> Fields {
    let number = |name: String| Field::new(name, DataType::Float64, true);
    let counts = ["rows", "nulls"].map(|name| Field::new(name, DataType::UInt64, false));
    let means = ["r", "u1", "u2", "s"].map(|name| number(name.to_owned()));
    let errors = ["r", "u1", "u2", "s"].map(|name| number(format!("{name}_std_error")));
    let shares = PARTS.map(|name| number(format!("{name}_share")));
    counts.into_iter().chain(means).chain(errors).chain(shares).collect()
}

fn results(groups: &[Seen]) -> Result<StructArray> {
    let rows = |seen: &Seen| seen.parts[0].count();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(rows))),
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(|seen| seen.nulls))),
    ];
    let mut add = |number: &dyn Fn(&Seen) -> Option<f64>| {
        columns.push(Arc::new(groups.iter().map(number).collect::<Float64Array>()));
    };
    for part in 0..4 {
        add(&|seen| seen.parts.get(part).and_then(Moments::mean));
    }
    for part in 0..4 {
        add(&|seen| seen.parts.get(part).and_then(Moments::std_error));
    }
    for part in 0..4 {
        add(&|seen| {
            let dominated = seen.dominant.get(part).filter(|_| rows(seen) > 0)?;
            Some(*dominated as f64 / rows(seen) as f64)
        });
    }
    Ok(StructArray::try_new_with_length(fields(), columns, None, groups.len())?)
}

/// The columns of partial states.
fn states(groups: &[Seen]) -> Vec<ArrayRef> {
    let numbers: Vec<[f64; STATE]> = groups.iter().map(|seen| seen.to_numbers()).collect();
    let column = |place: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(numbers.iter().filter_map(|row| row.get(place).copied())))
    };
    (0..STATE).map(column).collect()
}

/// Columns of doubles read row by row.
struct Doubles<'a, const N: usize>([&'a Float64Array; N]);

impl<'a, const N: usize> Doubles<'a, N> {
    fn of(arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns: Vec<_> = arrays.iter().filter_map(|a| a.as_primitive_opt::<Float64Type>()).collect();
        let found = columns.len();
        let columns = columns.try_into().map_err(|_| {
            DataFusionError::Internal(format!("lsmi_summary was given {found} columns of doubles for {N}"))
        })?;
        Ok(Self(columns))
    }

    /// The numbers of a row, unless one is null.
    fn row(&self, row: usize) -> Option<[f64; N]> {
        self.0.iter().all(|column| column.is_valid(row)).then(|| self.0.map(|column| column.value(row)))
    }
}

/// All rows as one group.
#[derive(Debug, Default)]
struct Whole(Seen);

impl Accumulator for Whole {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = Doubles::<4>::of(values)?;
        // A batch's moments by themselves first: adding rows to what millions have
        // summed up to would lose digits.
        let mut batch = Seen::default();
        (0..rows.0[0].len()).for_each(|row| batch.push(rows.row(row)));
        self.0.merge(&batch);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = Doubles::<STATE>::of(states)?;
        for numbers in (0..rows.0[0].len()).filter_map(|row| rows.row(row)) {
            self.0.merge(&Seen::from_numbers(numbers));
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

/// Many groups at once.
#[derive(Debug, Default)]
struct Groups(Vec<Seen>);

impl Groups {
    fn each(
        &mut self,
        group_indices: &[usize],
        total_num_groups: usize,
        mut each: impl FnMut(usize, &mut Seen),
    ) {
        self.0.resize(total_num_groups, Seen::default());
        for (row, group) in group_indices.iter().enumerate() {
            if let Some(seen) = self.0.get_mut(*group) {
                each(row, seen);
            }
        }
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let rows = Doubles::<4>::of(values)?;
        self.each(group_indices, total_num_groups, |row, seen| {
            if passes(opt_filter, row) {
                seen.push(rows.row(row));
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
        let rows = Doubles::<STATE>::of(values)?;
        self.each(group_indices, total_num_groups, |row, seen| {
            if let Some(numbers) = rows.row(row) {
                seen.merge(&Seen::from_numbers(numbers));
            }
        });
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = Doubles::<4>::of(values)?;
        let alone = |row: usize| {
            let mut seen = Seen::default();
            if passes(opt_filter, row) {
                seen.push(rows.row(row));
            }
            seen
        };
        Ok(states(&(0..rows.0[0].len()).map(alone).collect::<Vec<_>>()))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(results(&emit_to.take_needed(&mut self.0))?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(states(&emit_to.take_needed(&mut self.0)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.capacity() * size_of::<Seen>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubles(columns: [Vec<Option<f64>>; 4]) -> Vec<ArrayRef> {
        columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect()
    }

    #[test]
    fn states_survive_their_way_between_phases() {
        let mut seen = Seen::default();
        seen.push(Some([0.5, -1.0, 2.0, 0.25]));
        seen.push(Some([1.5, -2.0, 1.0, 0.25]));
        seen.push(None);
        seen.push(Some([f64::NAN, 0.0, 0.0, 0.0]));
        seen.push(Some([f64::INFINITY, 0.0, 0.0, 0.0]));
        let back = Seen::from_numbers(seen.to_numbers());
        assert_eq!((back.parts, back.dominant, back.nulls), (seen.parts, [1, 0, 1, 0], 3));
    }

    #[test]
    fn groups_in_two_phases_are_what_each_is_alone() {
        let columns = [1.0, 2.0, 3.0, 4.0].map(|factor| {
            (0..20).map(|row| (row % 7 != 0).then(|| factor * f64::from(row * row % 11))).collect::<Vec<_>>()
        });
        let values = doubles(columns);
        let groups: Vec<usize> = (0..20).map(|row| row % 3).collect();
        let mut partial = Groups::default();
        partial.update_batch(&values, &groups, None, 3).unwrap();
        let mut merged = Groups::default();
        let states = GroupsAccumulator::state(&mut partial, EmitTo::All).unwrap();
        merged.merge_batch(&states, &[0, 1, 2], 3).unwrap();
        let converted = merged.convert_to_state(&values, None).unwrap();
        merged.merge_batch(&converted, &groups, 3).unwrap();
        let all = GroupsAccumulator::evaluate(&mut merged, EmitTo::First(3)).unwrap();
        for group in 0..3 {
            let mut alone = Whole::default();
            let rows: Vec<u64> = (group..20).step_by(3).map(|row| row as u64).collect();
            let rows = UInt64Array::from(rows);
            let some: Vec<ArrayRef> = values
                .iter()
                .map(|column| datafusion::arrow::compute::take(column, &rows, None).unwrap())
                .collect();
            // What goes through both phases is counted twice.
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
        let ScalarValue::Struct(none) = Accumulator::evaluate(&mut Whole::default()).unwrap() else {
            panic!()
        };
        assert_eq!(none.columns()[0].as_ref(), &UInt64Array::from(vec![0]));
        assert!(none.columns()[2..].iter().all(|column| column.is_null(0)));
    }
}
