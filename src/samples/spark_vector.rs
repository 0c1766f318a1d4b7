//! The vectors of Spark ML: a struct of type (0 sparse, 1 dense), size, indices and values. Sparse
//! vectors are expanded.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Builder, GenericListArray, LargeListBuilder, OffsetSizeTrait,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type};

use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

/// The value of the field `type` of a sparse vector.
const SPARSE: i64 = 0;

/// The type of the values of a struct that is such a vector.
pub(super) fn values_of(fields: &Fields) -> Option<&DataType> {
    let field = |name: &str| fields.find(name).map(|(_, field)| field.data_type());
    let is_vector = fields.len() == 4
        && field("type")?.is_integer()
        && field("size")?.is_integer()
        && item_of(field("indices")?)?.is_integer();
    if is_vector { item_of(field("values")?) } else { None }
}

fn item_of(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) => Some(item.data_type()),
        _ => None,
    }
}

/// Vectors as an array of lists: their own values where all vectors are dense, else lists of f64.
/// A sparse vector of another length than `dim`, or whose indices are no indices, becomes an
/// empty list.
pub(super) fn to_lists(vectors: &StructArray, dim: usize) -> Result<ArrayRef> {
    let vectors = Vectors::new(vectors)?;
    if (0..vectors.rows()).any(|row| vectors.is_sparse(row)) {
        return vectors.expanded(dim);
    }
    let lists = vectors.array.column_by_name("values").ok_or_else(other_type)?;
    match lists.data_type() {
        DataType::LargeList(_) => with_nulls::<i64>(lists, vectors.array.nulls()),
        _ => with_nulls::<i32>(lists, vectors.array.nulls()),
    }
}

/// The length of the vector of each row; `None` where it is null.
pub(super) fn lengths(vectors: &StructArray) -> Result<Vec<Option<usize>>> {
    let vectors = Vectors::new(vectors)?;
    let length =
        |row| if vectors.is_sparse(row) { vectors.size(row) } else { Some(vectors.values(row)?.len()) };
    Ok((0..vectors.rows()).map(|row| vectors.array.is_valid(row).then(|| length(row)).flatten()).collect())
}

/// The fields of vectors, in types of one width.
struct Vectors<'a> {
    array: &'a StructArray,
    kinds: ArrayRef,
    sizes: ArrayRef,
    /// Large lists of i64.
    indices: ArrayRef,
    /// Large lists of f64.
    values: ArrayRef,
}

impl<'a> Vectors<'a> {
    fn new(array: &'a StructArray) -> Result<Self> {
        let field = |name: &str, to: DataType| {
            let unlikely = |error| io_errors::arrow(Place::default(), "cast", error);
            cast(array.column_by_name(name).ok_or_else(other_type)?, &to).map_err(unlikely)
        };
        let list = |item| DataType::LargeList(Arc::new(Field::new_list_field(item, true)));
        Ok(Self {
            array,
            kinds: field("type", DataType::Int64)?,
            sizes: field("size", DataType::Int64)?,
            indices: field("indices", list(DataType::Int64))?,
            values: field("values", list(DataType::Float64))?,
        })
    }

    fn rows(&self) -> usize {
        self.array.len()
    }

    fn is_sparse(&self, row: usize) -> bool {
        let kinds = self.kinds.as_primitive::<Int64Type>();
        self.array.is_valid(row) && kinds.is_valid(row) && kinds.value(row) == SPARSE
    }

    fn size(&self, row: usize) -> Option<usize> {
        let sizes = self.sizes.as_primitive::<Int64Type>();
        if sizes.is_valid(row) { usize::try_from(sizes.value(row)).ok() } else { None }
    }

    fn values(&self, row: usize) -> Option<ArrayRef> {
        let lists = self.values.as_list::<i64>();
        lists.is_valid(row).then(|| lists.value(row))
    }

    /// All vectors as lists of f64.
    fn expanded(&self, dim: usize) -> Result<ArrayRef> {
        let mut lists = LargeListBuilder::new(Float64Builder::new());
        for row in 0..self.rows() {
            let values = self.values(row).filter(|_| self.array.is_valid(row));
            let Some(values) = values else {
                lists.append_null();
                continue;
            };
            let values = values.as_primitive::<Float64Type>();
            if self.is_sparse(row) {
                let dense = self.dense(row, values.iter(), dim);
                lists.values().extend(dense.into_iter().flatten());
            } else {
                lists.values().extend(values.iter());
            }
            lists.append(true);
        }
        Ok(Arc::new(lists.finish()))
    }

    /// The elements of a sparse vector; a null among its values stays one.
    fn dense(
        &self,
        row: usize,
        values: impl ExactSizeIterator<Item = Option<f64>>,
        dim: usize,
    ) -> Option<Vec<Option<f64>>> {
        let lists = self.indices.as_list::<i64>();
        let indices = lists.is_valid(row).then(|| lists.value(row))?;
        let indices = indices.as_primitive::<Int64Type>();
        if self.size(row) != Some(dim) || indices.len() != values.len() {
            return None;
        }
        let mut dense = vec![Some(0.0); dim];
        for (index, value) in indices.iter().zip(values) {
            *dense.get_mut(usize::try_from(index?).ok()?)? = value;
        }
        Some(dense)
    }
}

/// The same lists, null also where the vector is.
fn with_nulls<O: OffsetSizeTrait>(lists: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    let lists = lists.as_list_opt::<O>().ok_or_else(other_type)?;
    let (DataType::List(field) | DataType::LargeList(field)) = lists.data_type() else {
        return Err(other_type());
    };
    let (field, offsets, values) = (Arc::clone(field), lists.offsets().clone(), Arc::clone(lists.values()));
    let nulls = NullBuffer::union(lists.nulls(), nulls);
    let lists = GenericListArray::<O>::try_new(field, offsets, values, nulls);
    Ok(Arc::new(lists.map_err(|e| Error::Internal(e.to_string()))?))
}

fn other_type() -> Error {
    Error::Internal("a column of vectors changed its type between batches".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use arrow::array::{Int8Array, Int32Array, ListArray};
    use arrow::datatypes::Int32Type;

    /// A vector: size and indices of a sparse one, and the values.
    pub(in crate::samples) type Vector = (Option<(i32, Vec<i32>)>, Vec<f64>);

    /// Vectors as Spark writes them.
    pub(in crate::samples) fn vectors(rows: &[Option<Vector>]) -> StructArray {
        let sparse = |row: &Option<Vector>| row.as_ref().and_then(|(sparse, _)| sparse.clone());
        let kinds = rows.iter().map(|row| row.as_ref().map(|(sparse, _)| i8::from(sparse.is_none())));
        let sizes = rows.iter().map(|row| sparse(row).map(|(size, _)| size));
        let indices = rows
            .iter()
            .map(|row| sparse(row).map(|(_, indices)| indices.into_iter().map(Some).collect::<Vec<_>>()));
        let values = rows
            .iter()
            .map(|row| row.as_ref().map(|(_, values)| values.iter().copied().map(Some).collect::<Vec<_>>()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from_iter(kinds)),
            Arc::new(Int32Array::from_iter(sizes)),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(indices)),
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(values)),
        ];
        let names = ["type", "size", "indices", "values"];
        let fields: Fields = names
            .iter()
            .zip(&columns)
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
            .collect();
        let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
        StructArray::new(fields, columns, Some(nulls))
    }

    #[test]
    fn dense_vectors_are_their_own_values() {
        let rows = [Some((None, vec![1.0, 2.0])), None, Some((None, vec![3.0]))];
        let vectors = vectors(&rows);
        let lists = to_lists(&vectors, 2).unwrap();
        let of = vectors.column_by_name("values").unwrap().as_list::<i32>().values();
        assert!(Arc::ptr_eq(lists.as_list::<i32>().values(), of));
        assert_eq!((lists.null_count(), lists.is_null(1)), (1, true));
        assert_eq!(lengths(&vectors).unwrap(), [Some(2), None, Some(1)]);
        let part = to_lists(&vectors.slice(1, 2), 2).unwrap();
        assert_eq!((part.is_null(0), part.as_list::<i32>().value_length(1)), (true, 1));
    }

    #[test]
    fn sparse_vectors_are_expanded() {
        let sparse =
            |size, indices: &[i32], values: &[f64]| Some((Some((size, indices.to_vec())), values.to_vec()));
        let rows = [
            Some((None, vec![1.0, 2.0, 3.0])),
            sparse(3, &[2], &[7.0]),
            sparse(3, &[], &[]),
            None,
            // Full, but in another order.
            sparse(3, &[2, 0, 1], &[1.0, 2.0, 3.0]),
            // Of another length, beyond the length, and of more indices than values.
            sparse(4, &[0], &[1.0]),
            sparse(3, &[3], &[1.0]),
            sparse(3, &[-1], &[1.0]),
            sparse(3, &[0, 1], &[1.0]),
        ];
        let vectors = vectors(&rows);
        let lists = to_lists(&vectors, 3).unwrap();
        let lists = lists.as_list::<i64>();
        let row = |row: usize| lists.value(row).as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(row(0), [1.0, 2.0, 3.0]);
        assert_eq!(row(1), [0.0, 0.0, 7.0]);
        assert_eq!(row(2), [0.0; 3]);
        assert!(lists.is_null(3));
        assert_eq!(row(4), [2.0, 3.0, 1.0]);
        assert!((5..9).all(|row| lists.is_valid(row) && lists.value_length(row) == 0));
        assert_eq!(lengths(&vectors).unwrap()[..6], [Some(3), Some(3), Some(3), None, Some(3), Some(4)]);
        assert_eq!(values_of(vectors.fields()), Some(&DataType::Float64));
    }
}
