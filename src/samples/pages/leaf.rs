//! The leaf column of an embedding in a Parquet file: the physical type of its values, and how they
//! form rows.

use std::ops::Range;

use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::schema::types::ColumnDescPtr;

use crate::parquet_file::{Input, PageHeader};
use crate::samples::embedding_type::{EmbeddingLayout, EmbeddingType, Float};

/// Parquet's number of run lengths and packed bits, the encoding of levels.
const RLE: u32 = 3;

/// The leaf column of an embedding.
#[derive(Debug, Clone)]
pub(super) struct EmbeddingLeaf {
    /// Its position among the leaves.
    pub(super) position: usize,
    pub(super) column: ColumnDescPtr,
    pub(super) float: Float,
    /// Elements of an embedding.
    pub(super) dim: usize,
    /// Whether a value is a whole row, as in fixed-size binary, and not an element of a list.
    pub(super) is_whole_row: bool,
    /// Whether values are wanted in their own type, and not as f32.
    pub(super) keeps_type: bool,
    /// The definition level of an empty list that is not null.
    pub(super) empty_level: i16,
}

/// The sections of a data page.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    pub(super) repetition_levels: &'a [u8],
    pub(super) definition_levels: &'a [u8],
    /// The place of the values in the page.
    pub(super) values: Range<usize>,
}

impl EmbeddingLeaf {
    /// The leaf of the column at `position`, where its pages can be read without Arrow's reader.
    pub(super) fn of(input: &Input, position: usize, dim: usize) -> Option<Self> {
        let kind = EmbeddingType::of(input.schema().field(position).data_type())?;
        let metadata = input.metadata().file_metadata();
        let schema = metadata.schema_descr();
        let mut leaves =
            (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
        let leaf = leaves.next().filter(|_| leaves.next().is_none())?;
        let column = schema.column(leaf);
        let physical = match kind.item {
            Float::F16 => (PhysicalType::FIXED_LEN_BYTE_ARRAY, 2),
            Float::F32 => (PhysicalType::FLOAT, column.type_length()),
            Float::F64 => (PhysicalType::DOUBLE, column.type_length()),
        };
        let (max_definition, max_repetition) = (column.max_def_level(), column.max_rep_level());
        let root = metadata.schema().get_fields().get(position)?;
        let empty_level = i16::from(root.get_basic_info().repetition() == Repetition::OPTIONAL);
        let (fits, is_whole_row) = match kind.layout {
            EmbeddingLayout::FixedSizeBinary(length) => {
                let is_binary = column.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY;
                (is_binary && length == dim && max_repetition == 0 && (0..=1).contains(&max_definition), true)
            }
            EmbeddingLayout::SparkVector | EmbeddingLayout::Nulls => (false, false),
            EmbeddingLayout::FixedSizeList(_) | EmbeddingLayout::List | EmbeddingLayout::LargeList => {
                let is_list = max_repetition == 1 && (1..=3).contains(&max_definition);
                (is_list && (column.physical_type(), column.type_length()) == physical, false)
            }
        };
        let (float, keeps_type) = (kind.item, false);
        fits.then_some(Self { position: leaf, column, float, dim, is_whole_row, keeps_type, empty_level })
    }

    /// The same leaf, whose values are wanted in their own type.
    pub(super) fn keeping_type(self) -> Self {
        Self { keeps_type: true, ..self }
    }

    /// Elements of a value.
    pub(super) fn value_elements(&self) -> usize {
        if self.is_whole_row { self.dim } else { 1 }
    }

    /// The highest definition level, that of an element which is not null.
    pub(super) fn max_level(&self) -> i16 {
        self.column.max_def_level()
    }

    /// The sections of a data page that begins with `bytes`. None where levels are in an old encoding
    /// or end beyond these bytes.
    pub(super) fn sections<'a>(&self, header: &PageHeader, bytes: &'a [u8]) -> Option<Sections<'a>> {
        let has_levels = [self.column.max_rep_level() > 0, self.max_level() > 0];
        let mut rest = bytes;
        let mut take = |length: usize| {
            let (section, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some(section)
        };
        let [repetition_levels, definition_levels] = match header.level_bytes {
            Some(lengths) => {
                [take(usize::try_from(lengths[0]).ok()?)?, take(usize::try_from(lengths[1]).ok()?)?]
            }
            None => {
                // Definition levels are named first, and come second.
                let [definition, repetition] = header.level_encodings?;
                let mut section = |has: bool, encoding: u32| {
                    if !has {
                        return Some(&[][..]);
                    }
                    let length = (encoding == RLE).then(|| take(4)).flatten()?.first_chunk::<4>()?;
                    take(usize::try_from(u32::from_le_bytes(*length)).ok()?)
                };
                [section(has_levels[0], repetition)?, section(has_levels[1], definition)?]
            }
        };
        let start = bytes.len() - rest.len();
        Some(Sections { repetition_levels, definition_levels, values: start..bytes.len() })
    }
}
