//! The column types that are accepted as embeddings, and their dimensions.

use std::fmt;
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::error::{Error, Place, Result};
use crate::printable::quoted_name;

use super::spark_vector;

/// The accepted types, for messages.
const ACCEPTED: &str = "FixedSizeList, List or LargeList of Float16, Float32 or Float64, \
    vectors of Spark ML (struct of type, size, indices, values), or FixedSizeBinary of little-endian f32";

/// The type of an embedding's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision, rounded to single when it is read.
    F64,
}

impl Float {
    /// Bytes of a value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// f64 as it is read: rounded to f32.
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is documented")]
#[inline(always)]
pub(super) fn to_f32(value: f64) -> f32 {
    value as f32
}

/// The layout of a column with one embedding in each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingLayout {
    /// Lists of this length.
    FixedSizeList(usize),
    /// Lists of any length.
    List,
    /// Lists of any length, with 64-bit offsets.
    LargeList,
    /// This number of f32 values as bytes, little endian.
    FixedSizeBinary(usize),
    /// Vectors of Spark ML, dense or sparse, of any length.
    SparkVector,
    /// A column without a type, all of whose rows are null.
    Nulls,
}

/// A column type that is an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingType {
    /// The type of the elements.
    pub item: Float,
    /// The layout of the rows.
    pub layout: EmbeddingLayout,
}

impl EmbeddingType {
    /// The type of a modality that no row has: of an Arrow column of type Null.
    pub const NULLS: Self = Self { item: Float::F32, layout: EmbeddingLayout::Nulls };

    /// The embedding type of an Arrow type, if it is one.
    pub fn of(data_type: &DataType) -> Option<Self> {
        let (item, layout) = match data_type {
            DataType::FixedSizeList(item, length) => {
                (item.data_type(), EmbeddingLayout::FixedSizeList(usize::try_from(*length).ok()?))
            }
            DataType::List(item) => (item.data_type(), EmbeddingLayout::List),
            DataType::LargeList(item) => (item.data_type(), EmbeddingLayout::LargeList),
            DataType::FixedSizeBinary(bytes) => {
                let bytes = usize::try_from(*bytes).ok()?;
                (&DataType::Float32, EmbeddingLayout::FixedSizeBinary((bytes % 4 == 0).then_some(bytes / 4)?))
            }
            DataType::Struct(fields) => (spark_vector::values_of(fields)?, EmbeddingLayout::SparkVector),
            _ => return None,
        };
        let item = match item {
            DataType::Float16 => Float::F16,
            DataType::Float32 => Float::F32,
            DataType::Float64 => Float::F64,
            _ => return None,
        };
        let embedding = Self { item, layout };
        (embedding.dimension() != Some(0)).then_some(embedding)
    }

    /// As [`Self::of`], for a column that must be an embedding.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the type, the accepted ones, and the expression that makes one
    /// of them where there is one.
    pub fn require(data_type: &DataType, place: Place) -> Result<Self> {
        Self::of(data_type).ok_or_else(|| {
            let expression = embedding_of(place.column.as_deref().unwrap_or_default(), data_type);
            let remedy =
                expression.map(|expression| format!("; {}", advice(&[expression]))).unwrap_or_default();
            let what =
                format!("has type {data_type}, which is no embedding; accepted are {ACCEPTED}{remedy}");
            Error::bad_data(place, what)
        })
    }

    /// The dimension, where the type alone determines it.
    pub fn dimension(&self) -> Option<usize> {
        match self.layout {
            EmbeddingLayout::FixedSizeList(length) | EmbeddingLayout::FixedSizeBinary(length) => Some(length),
            EmbeddingLayout::List
            | EmbeddingLayout::LargeList
            | EmbeddingLayout::SparkVector
            | EmbeddingLayout::Nulls => None,
        }
    }

    /// Whether a column of this type is an embedding beyond doubt: fixed-size
    /// binary columns are more often identifiers or hashes.
    pub fn is_obvious(&self) -> bool {
        !matches!(self.layout, EmbeddingLayout::FixedSizeBinary(_))
    }

    /// Fails where the type determines another dimension than the models'.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub fn check_dimension(&self, expected: usize, place: Place) -> Result<()> {
        match self.dimension() {
            Some(found) if found != expected => Err(wrong_dimension(expected, found, place)),
            _ => Ok(()),
        }
    }
}

/// The error of embeddings of another dimension than the models'.
pub(super) fn wrong_dimension(expected: usize, found: usize, place: Place) -> Error {
    let what = format!(
        "embeddings have dimension {found}, the bundle's models take {expected}; \
         choose the column they were fitted on or another bundle"
    );
    Error::bad_data(place, what)
}

impl fmt::Display for EmbeddingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            EmbeddingLayout::FixedSizeList(length) => write!(f, "FixedSizeList<{:?}>[{length}]", self.item),
            EmbeddingLayout::List => write!(f, "List<{:?}>", self.item),
            EmbeddingLayout::LargeList => write!(f, "LargeList<{:?}>", self.item),
            EmbeddingLayout::FixedSizeBinary(length) => write!(f, "FixedSizeBinary of {length} × F32"),
            EmbeddingLayout::SparkVector => write!(f, "Spark vector of {:?}", self.item),
            EmbeddingLayout::Nulls => f.write_str("Null"),
        }
    }
}

/// The expression that makes an embedding of a column by its type, where there is one.
pub(super) fn embedding_of(column: &str, data_type: &DataType) -> Option<String> {
    let column = quoted_name(column);
    match data_type {
        DataType::Struct(fields) => fields.iter().find_map(|field| embedding_of_field(&column, field)),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let float = Field::new_list_field(DataType::Float32, true);
            let can_cast = can_cast_types(data_type, &DataType::List(Arc::new(float)));
            can_cast.then(|| format!("arrow_cast({column}, 'List(Float32)')"))
        }
        DataType::Null => Some(format!("arrow_cast({column}, 'List(Float32)')")),
        // As JSON or Python writes lists, with commas or without.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(format!(
            "arrow_cast(string_to_array(btrim(regexp_replace({column}, '[\\[\\],\\s]+', ' ', 'g')), ' '), 'List(Float32)')"
        )),
        _ => None,
    }
}

/// The expression of a field of a struct that is an embedding.
pub(super) fn embedding_of_field(column: &str, field: &FieldRef) -> Option<String> {
    EmbeddingType::of(field.data_type()).map(|_| format!("{column}['{}']", field.name().replace('\'', "''")))
}

/// What to do with expressions that make embeddings.
pub(super) fn advice(expressions: &[String]) -> String {
    format!(
        "a query gives one with {}, and `lsmi-etl sql --output FILE` writes it to a file",
        expressions.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Fields;

    use super::*;

    #[test]
    fn types_that_are_embeddings() {
        let item = |t| Arc::new(Field::new("item", t, true));
        let dimension = |t: DataType| EmbeddingType::of(&t).map(|e| e.dimension());
        assert_eq!(dimension(DataType::FixedSizeList(item(DataType::Float16), 7)), Some(Some(7)));
        assert_eq!(dimension(DataType::List(item(DataType::Float32))), Some(None));
        assert_eq!(dimension(DataType::LargeList(item(DataType::Float64))), Some(None));
        assert_eq!(dimension(DataType::FixedSizeBinary(32)), Some(Some(8)));
        let vector = |values| {
            let fields = [
                ("type", DataType::Int8),
                ("size", DataType::Int32),
                ("indices", DataType::List(item(DataType::Int32))),
                ("values", values),
            ];
            DataType::Struct(fields.into_iter().map(|(name, of)| Field::new(name, of, true)).collect())
        };
        assert_eq!(dimension(vector(DataType::List(item(DataType::Float64)))), Some(None));
        for other in [
            DataType::FixedSizeBinary(6),
            DataType::FixedSizeList(item(DataType::Float32), 0),
            DataType::List(item(DataType::Int8)),
            DataType::Float32,
            vector(DataType::Utf8),
            vector(DataType::List(item(DataType::Int64))),
            DataType::Struct(
                vec![Field::new("values", DataType::List(item(DataType::Float64)), true)].into(),
            ),
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::List(item(DataType::Float32)))),
        ] {
            assert_eq!(dimension(other.clone()), None);
            let error = EmbeddingType::require(&other, Place::file("f").column("c")).unwrap_err().to_string();
            assert!(error.contains("f, column \"c\"") && error.contains("accepted are"), "{error}");
        }
    }
    #[test]
    fn what_is_nearly_an_embedding_is_named_with_the_way_to_one() {
        let item = |t| Arc::new(Field::new("item", t, true));
        let error =
            |t: &DataType| EmbeddingType::require(t, Place::file("f").column("X1")).unwrap_err().to_string();
        let fields = [("n", DataType::Int8), ("it's", DataType::List(item(DataType::Float32)))];
        let fields = fields.map(|(name, of)| Field::new(name, of, true)).to_vec();
        let of_struct = error(&DataType::Struct(fields.into()));
        assert!(of_struct.contains("a query gives one with \"X1\"['it''s'], and"), "{of_struct}");
        for numbers in [
            DataType::List(item(DataType::Int64)),
            DataType::FixedSizeList(item(DataType::Decimal128(5, 2)), 3),
            DataType::LargeList(item(DataType::Utf8)),
            DataType::Null,
        ] {
            let error = error(&numbers);
            assert!(error.contains("with arrow_cast(\"X1\", 'List(Float32)'), and"), "{error}");
        }
        let texts = error(&DataType::Utf8);
        assert!(
            texts.contains(r#"regexp_replace("X1", '[\[\],\s]+', ' ', 'g')), ' '), 'List(Float32)'), and"#),
            "{texts}"
        );
        for other in [DataType::Float32, DataType::List(item(DataType::Struct(Fields::empty())))] {
            assert!(error(&other).ends_with("little-endian f32"), "{}", error(&other));
        }
    }
}
