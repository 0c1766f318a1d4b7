//! The schema of a synthetic file, and its record batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::interaction::truth::Generator;
use crate::interaction::{Interaction, Pointwise, decompose};

use super::rows::SyntheticRows;

/// The exact columns of a file, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Truth {
    /// None: x1, x2 and y only, for benches.
    None,
    /// true_r, true_u1, true_u2, true_s.
    #[default]
    Columns,
    /// These, and true_i1, true_i2, true_i12, true_h1, true_h2.
    Full,
}

const PARTS: [(&str, fn(&Interaction) -> f64); 4] =
    [("true_r", |t| t.r), ("true_u1", |t| t.u1), ("true_u2", |t| t.u2), ("true_s", |t| t.s)];

const POINTWISE: [(&str, fn(&Pointwise) -> f64); 5] = [
    ("true_i1", |p| p.i1),
    ("true_i2", |p| p.i2),
    ("true_i12", |p| p.i12),
    ("true_h1", |p| p.h1),
    ("true_h2", |p| p.h2),
];

/// The schema, without nullable columns.
pub(super) fn schema(generator: &Generator, truth: Truth) -> SchemaRef {
    let [d1, d2] = generator.dims();
    let list = |d: usize| DataType::FixedSizeList(element(), d as i32);
    let mut fields = vec![
        Field::new("x1", list(d1), false),
        Field::new("x2", list(d2), false),
        Field::new("y", DataType::Int64, false),
    ];
    let exact = |name: &str| Field::new(name, DataType::Float64, false);
    if truth != Truth::None {
        fields.extend(PARTS.iter().map(|(name, _)| exact(name)));
    }
    if truth == Truth::Full {
        fields.extend(POINTWISE.iter().map(|(name, _)| exact(name)));
    }
    Arc::new(Schema::new(fields))
}

/// A record batch of [`schema`] with these rows.
pub(super) fn batch(
    schema: &SchemaRef,
    generator: &Generator,
    truth: Truth,
    rows: SyntheticRows,
) -> Result<RecordBatch, ArrowError> {
    let [d1, d2] = generator.dims();
    let SyntheticRows { x1, x2, y, exact } = rows;
    let mut columns: Vec<ArrayRef> = vec![list(x1, d1)?, list(x2, d2)?, Arc::new(Int64Array::from(y))];
    if truth != Truth::None {
        let parts: Vec<Interaction> = exact.iter().map(|p| decompose(*p)).collect();
        columns.extend(PARTS.iter().map(|(_, value)| column(&parts, *value)));
    }
    if truth == Truth::Full {
        columns.extend(POINTWISE.iter().map(|(_, value)| column(&exact, *value)));
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn element() -> FieldRef {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn list(values: Vec<f32>, d: usize) -> Result<ArrayRef, ArrowError> {
    let values = Arc::new(Float32Array::from(values));
    Ok(Arc::new(FixedSizeListArray::try_new(element(), d as i32, values, None)?))
}

fn column<T>(rows: &[T], value: fn(&T) -> f64) -> ArrayRef {
    Arc::new(rows.iter().map(value).map(Some).collect::<Float64Array>())
}
