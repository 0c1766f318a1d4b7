//! The schema of a synthetic file, and its record batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::interaction::Quantity;
use crate::interaction::lattice::{AtomPlan, Lattice};
use crate::interaction::truth::{Generator, SubsetValues};

use super::rows::SyntheticRows;

/// The exact columns of a file, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Truth {
    /// None: x1 … xM and y only, for benches.
    None,
    /// true_r, true_u1 … true_uM, true_s.
    #[default]
    Columns,
    /// These, and i and h of all sets of modalities: true_i1, true_i2, true_i12, true_h1, true_h2 of
    /// two. Of more, true_i_1 … and true_h_1 …, and all atoms of the lattice, true_a_1_2_3 ….
    Full,
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct FileColumns {
    dims: Vec<usize>,
    /// r, u1 … uM, s; then i and h of the sets; then atoms. Without truth none of them.
    exact: Vec<Quantity>,
    /// Of those among them that are atoms, in their order.
    atoms: AtomPlan,
}

impl FileColumns {
    /// The columns of a generator's files.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) for a truth of more modalities than have a lattice.
    pub fn new(generator: &Generator, truth: Truth) -> Result<Self> {
        let dims = generator.dims();
        let modalities = dims.len();
        let mut exact = Vec::new();
        if truth != Truth::None {
            exact.extend(Quantity::defaults(modalities));
        }
        if truth == Truth::Full {
            let of_sets = |quantity: &Quantity| matches!(quantity, Quantity::I(_) | Quantity::H(_));
            exact.extend(Quantity::extras(modalities).into_iter().filter(of_sets));
            if modalities > 2 {
                exact.extend(Quantity::atoms(modalities));
            }
        }
        let nodes: Vec<_> = exact.iter().filter_map(|quantity| quantity.node(modalities)).cloned().collect();
        let atoms = AtomPlan::new(Lattice::of(modalities)?, &nodes)?;
        Ok(Self { dims, exact, atoms })
    }

    /// The schema, without nullable columns: x1 … xM, y, and the exact values.
    pub fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.dims.iter().enumerate().map(|(m, &d)| embedding(m, d)).collect();
        fields.push(Field::new("y", DataType::Int64, false));
        let name = |quantity: &Quantity| format!("true_{}", quantity.name(self.dims.len()));
        fields.extend(self.exact.iter().map(|quantity| Field::new(name(quantity), DataType::Float64, false)));
        Arc::new(Schema::new(fields))
    }

    /// A record batch of [`FileColumns::schema`] with these rows.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) where the rows are of another generator.
    pub fn batch(&self, schema: &SchemaRef, rows: SyntheticRows) -> Result<RecordBatch> {
        let SyntheticRows { x, y, exact } = rows;
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (x, &d) in x.into_iter().zip(&self.dims) {
            columns.push(list(x, d).map_err(internal)?);
        }
        columns.push(Arc::new(Int64Array::from(y)));
        columns.extend(self.exact_columns(&exact)?);
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(internal)
    }

    fn exact_columns(&self, rows: &[SubsetValues]) -> Result<Vec<ArrayRef>> {
        let atoms: Vec<Vec<f64>> =
            rows.iter().map(|row| self.atoms.decompose(&row.i, &row.h)).collect::<Result<_>>()?;
        let modalities = self.dims.len();
        let mut position = 0..;
        let column = |quantity: &Quantity| match quantity {
            Quantity::I(set) => column(rows, set.index(modalities), |row| &row.i),
            Quantity::H(set) => column(rows, set.index(modalities), |row| &row.h),
            _ => column(&atoms, position.next().unwrap_or(0), |row| row),
        };
        Ok(self.exact.iter().map(column).collect())
    }
}

fn embedding(m: usize, d: usize) -> Field {
    Field::new(format!("x{}", m + 1), DataType::FixedSizeList(element(), d as i32), false)
}

fn element() -> FieldRef {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn list(values: Vec<f32>, d: usize) -> std::result::Result<ArrayRef, ArrowError> {
    let values = Arc::new(Float32Array::from(values));
    Ok(Arc::new(FixedSizeListArray::try_new(element(), d as i32, values, None)?))
}

fn internal(error: ArrowError) -> Error {
    Error::Internal(error.to_string())
}

/// One of several values of each row.
fn column<T>(rows: &[T], at: usize, values: fn(&T) -> &Vec<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| values(row)[at]).map(Some).collect::<Float64Array>())
}
