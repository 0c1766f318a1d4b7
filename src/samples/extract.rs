//! The conversion of an Arrow array of embeddings to one `[rows, d]` block of f32 and a list
//! of invalid rows. Zero-copy where Arrow already holds such a block.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, FixedSizeBinaryArray, GenericListArray, OffsetSizeTrait,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{Float16Type, Float32Type, Float64Type};

use crate::error::{Error, Result};
use crate::vectors::vectorised;

use super::embedding_type::{EmbeddingLayout, EmbeddingType, Float};
use super::spark_vector;

/// The reason why the embedding of a row is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidEmbedding {
    /// It is null.
    Null,
    /// It is a list of this length.
    WrongLength(usize),
    /// It holds NaN, an infinity (in f32) or a null element.
    NonFinite,
}

/// A batch of embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// `[rows, d]`, row-major. The values of invalid rows are undefined.
    pub values: ScalarBuffer<f32>,
    /// Invalid rows, ascending.
    pub invalid: Vec<(usize, InvalidEmbedding)>,
}

impl Embeddings {
    /// A dense block, in which only rows with non-finite values are invalid.
    pub(super) fn dense(values: ScalarBuffer<f32>, dim: usize) -> Self {
        let mut invalid = Vec::new();
        mark_non_finite(&values, dim, &mut invalid);
        Self { values, invalid }
    }
}

/// Reads embeddings of dimension `dim` (at least 1) from an array of type `kind`.
///
/// # Errors
/// [`Error::Internal`] where the array is not of that type.
pub fn extract(array: &ArrayRef, kind: EmbeddingType, dim: usize) -> Result<Embeddings> {
    match kind.layout {
        EmbeddingLayout::List => lists::<i32>(downcast(array.as_list_opt::<i32>())?, kind.item, dim),
        EmbeddingLayout::LargeList => lists::<i64>(downcast(array.as_list_opt::<i64>())?, kind.item, dim),
        EmbeddingLayout::FixedSizeList(length) => {
            let lists = downcast(array.as_fixed_size_list_opt())?;
            let rows = lists.len();
            let items = ListItems::read(lists.values(), 0..rows * length, kind.item)?;
            gather(&items, rows, dim, lists.nulls(), fixed_ranges(rows, length))
        }
        EmbeddingLayout::FixedSizeBinary(length) => {
            let binary: &FixedSizeBinaryArray = downcast(array.as_fixed_size_binary_opt())?;
            let rows = binary.len();
            let bytes = binary.value_data().get(..rows * length * 4);
            let bytes =
                bytes.ok_or_else(|| Error::Internal("an array is shorter than its rows".to_owned()))?;
            let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let items = ListItems { values, nulls: None };
            gather(&items, rows, dim, binary.nulls(), fixed_ranges(rows, length))
        }
        EmbeddingLayout::SparkVector => {
            let vectors = spark_vector::to_lists(downcast(array.as_struct_opt())?, dim)?;
            let kind = EmbeddingType::of(vectors.data_type());
            extract(&vectors, *downcast(kind.as_ref())?, dim)
        }
        EmbeddingLayout::Nulls => {
            let invalid = (0..array.len()).map(|row| (row, InvalidEmbedding::Null));
            Ok(Embeddings { values: vec![0.0; array.len() * dim].into(), invalid: invalid.collect() })
        }
    }
}

fn lists<O: OffsetSizeTrait>(array: &GenericListArray<O>, item: Float, dim: usize) -> Result<Embeddings> {
    let offsets: Vec<usize> = array.value_offsets().iter().map(|offset| offset.as_usize()).collect();
    let first = offsets.first().copied().unwrap_or(0);
    let last = offsets.last().copied().unwrap_or(0);
    let items = ListItems::read(array.values(), first..last, item)?;
    let ends = offsets.iter().skip(1);
    let ranges = offsets.iter().zip(ends).map(|(start, end)| start - first..end - first);
    gather(&items, array.len(), dim, array.nulls(), ranges)
}

fn fixed_ranges(rows: usize, length: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..rows).map(move |row| row * length..(row + 1) * length)
}

/// The elements of all lists of a batch, end to end.
struct ListItems {
    values: ScalarBuffer<f32>,
    nulls: Option<NullBuffer>,
}

impl ListItems {
    fn read(array: &ArrayRef, range: Range<usize>, item: Float) -> Result<Self> {
        if range.end > array.len() {
            return Err(Error::Internal(format!("{} list items, {} expected", array.len(), range.end)));
        }
        let array = array.slice(range.start, range.len());
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        let values = match item {
            Float::F32 => downcast(array.as_primitive_opt::<Float32Type>())?.values().clone(),
            Float::F16 => convert::<Float16Type>(&array, |value| value.to_f32())?,
            #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is documented")]
            Float::F64 => convert::<Float64Type>(&array, |value| value as f32)?,
        };
        Ok(Self { values, nulls })
    }

    fn has_null(&self, range: Range<usize>) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.slice(range.start, range.len()).null_count() > 0)
    }
}

fn convert<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    to_f32: fn(T::Native) -> f32,
) -> Result<ScalarBuffer<f32>> {
    Ok(downcast(array.as_primitive_opt::<T>())?.values().iter().map(|value| to_f32(*value)).collect())
}

/// One block from the rows' ranges of `items`: the items themselves where they are dense.
fn gather(
    items: &ListItems,
    rows: usize,
    dim: usize,
    nulls: Option<&NullBuffer>,
    ranges: impl Iterator<Item = Range<usize>> + Clone,
) -> Result<Embeddings> {
    let is_dense = nulls.is_none_or(|nulls| nulls.null_count() == 0)
        && items.nulls.is_none()
        && items.values.len() == rows * dim
        && ranges.clone().eq(fixed_ranges(rows, dim));
    if is_dense {
        return Ok(Embeddings::dense(items.values.clone(), dim));
    }
    let mut values = vec![0.0; rows * dim];
    let mut invalid = Vec::new();
    for ((row, slot), range) in values.chunks_exact_mut(dim).enumerate().zip(ranges) {
        let reason = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            Some(InvalidEmbedding::Null)
        } else if range.len() != dim {
            Some(InvalidEmbedding::WrongLength(range.len()))
        } else if items.has_null(range.clone()) {
            Some(InvalidEmbedding::NonFinite)
        } else {
            let items = items.values.get(range);
            let items = items.ok_or_else(|| Error::Internal("a list is beyond its items".to_owned()))?;
            slot.copy_from_slice(items);
            (!is_finite(slot)).then_some(InvalidEmbedding::NonFinite)
        };
        invalid.extend(reason.map(|reason| (row, reason)));
    }
    Ok(Embeddings { values: values.into(), invalid })
}

/// Adds the rows with NaN or infinity.
pub(super) fn mark_non_finite(values: &[f32], dim: usize, invalid: &mut Vec<(usize, InvalidEmbedding)>) {
    if !is_finite(values) {
        let rows = values.chunks_exact(dim).enumerate();
        invalid.extend(
            rows.filter(|(_, row)| !is_finite(row)).map(|(row, _)| (row, InvalidEmbedding::NonFinite)),
        );
    }
}

/// Whether all values are finite. Adding one to an exponent of all ones carries
/// into the sign bit; and, add and or vectorise on any processor, where a
/// comparison that may leave the loop does not.
pub(super) fn is_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    const ONE: u32 = 0x0080_0000;
    let all = vectorised(
        #[inline(always)]
        || values.iter().fold(0, |all, value| all | ((value.to_bits() & EXPONENT) + ONE)),
    );
    all >> 31 == 0
}

fn downcast<T: ?Sized>(array: Option<&T>) -> Result<&T> {
    array.ok_or_else(|| Error::Internal("an embedding column changed its type between batches".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{FixedSizeListBuilder, Float32Builder, LargeListArray, ListArray};
    use arrow::datatypes::{DataType, Field};
    use std::sync::Arc;

    fn read(array: ArrayRef, dim: usize) -> Embeddings {
        let kind = EmbeddingType::of(array.data_type()).unwrap();
        extract(&array, kind, dim).unwrap()
    }

    #[test]
    fn regular_lists_are_not_copied() {
        let rows = (0..6).map(|row| Some((0..4).map(|i| Some((row * 4 + i) as f32)).collect::<Vec<_>>()));
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(rows);
        let source = list.values().as_primitive::<Float32Type>().values().clone();
        let out = read(Arc::new(list.slice(2, 3)), 4);
        assert_eq!(out.values.as_ptr(), source.slice(8, 12).as_ptr());
        assert_eq!(&out.values[..], &source[8..20]);
        assert!(out.invalid.is_empty());
    }

    #[test]
    fn every_flaw_is_found_in_every_layout() {
        let rows = vec![
            Some(vec![Some(1.0), Some(2.0)]),
            None,
            Some(vec![Some(1.0)]),
            Some(vec![]),
            Some(vec![Some(f64::NAN), Some(0.0)]),
            Some(vec![Some(1e300), Some(0.0)]),
            Some(vec![None, Some(0.0)]),
            Some(vec![Some(-3.0), Some(4.5)]),
        ];
        let invalid = vec![
            (1, InvalidEmbedding::Null),
            (2, InvalidEmbedding::WrongLength(1)),
            (3, InvalidEmbedding::WrongLength(0)),
            (4, InvalidEmbedding::NonFinite),
            (5, InvalidEmbedding::NonFinite),
            (6, InvalidEmbedding::NonFinite),
        ];
        let large = LargeListArray::from_iter_primitive::<Float64Type, _, _>(rows.clone());
        let out = read(Arc::new(large), 2);
        assert_eq!(
            (&out.values[..2], &out.values[14..], &out.invalid),
            (&[1.0, 2.0][..], &[-3.0, 4.5][..], &invalid)
        );

        let halves = rows.iter().map(|row| {
            row.as_ref().map(|row| row.iter().map(|v| v.map(half::f16::from_f64)).collect::<Vec<_>>())
        });
        let list = ListArray::from_iter_primitive::<Float16Type, _, _>(halves);
        assert_eq!(read(Arc::new(list), 2).invalid, invalid);
    }

    #[test]
    fn fixed_size_lists_and_bytes() {
        let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), 2);
        for row in 0..5 {
            builder.values().append_value(row as f32);
            builder.values().append_value(f32::NEG_INFINITY.max(-1.0));
            builder.append(row != 3);
        }
        let out = read(Arc::new(builder.finish().slice(1, 4)), 2);
        assert_eq!(&out.values[..4], &[1.0, -1.0, 2.0, -1.0]);
        assert_eq!(out.invalid, vec![(2, InvalidEmbedding::Null)]);

        let bytes = |a: f32, b: f32| [a.to_le_bytes(), b.to_le_bytes()].concat();
        let rows = [Some(bytes(1.0, 2.0)), None, Some(bytes(f32::INFINITY, 0.0)), Some(bytes(5.0, 6.0))];
        let binary = FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows.into_iter(), 8).unwrap();
        let out = read(Arc::new(binary.slice(1, 3)), 2);
        assert_eq!(&out.values[4..], &[5.0, 6.0]);
        assert_eq!(out.invalid, vec![(0, InvalidEmbedding::Null), (1, InvalidEmbedding::NonFinite)]);
    }

    #[test]
    fn vectors_of_spark_dense_and_sparse() {
        use crate::samples::spark_vector::tests::vectors;
        let dense = |values: &[f64]| Some((None, values.to_vec()));
        let sparse = Some((Some((2, vec![1])), vec![5.0]));
        let rows = [dense(&[1.0, 2.0]), None, dense(&[1.0]), dense(&[f64::NAN, 0.0])];
        let of_dense = [
            (1, InvalidEmbedding::Null),
            (2, InvalidEmbedding::WrongLength(1)),
            (3, InvalidEmbedding::NonFinite),
        ];
        let out = read(Arc::new(vectors(&rows)), 2);
        assert_eq!((&out.values[..2], &out.invalid[..]), (&[1.0, 2.0][..], &of_dense[..]));
        let rows = [&rows[..], &[sparse.clone(), Some((Some((3, vec![1])), vec![5.0]))]].concat();
        let out = read(Arc::new(vectors(&rows)), 2);
        assert_eq!((&out.values[..2], &out.values[8..10]), (&[1.0, 2.0][..], &[0.0, 5.0][..]));
        assert_eq!(out.invalid[..3], of_dense);
        assert_eq!(out.invalid[3..], [(5, InvalidEmbedding::WrongLength(0))]);
    }

    #[test]
    fn no_rows_at_all() {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let empty = arrow::array::new_empty_array(&DataType::List(item));
        assert_eq!(read(empty, 3), Embeddings { values: Vec::<f32>::new().into(), invalid: vec![] });
    }

    #[test]
    fn finite_means_what_the_standard_library_says() {
        for value in [0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, f32::NAN, -f32::NAN]
            .into_iter()
            .chain([
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::from_bits(0x7f80_0001),
                f32::from_bits(0xffff_ffff),
            ])
        {
            assert_eq!(is_finite(&[1.0, value, 2.0]), value.is_finite(), "{value}");
        }
    }
}
