//! Samples (x1, x2, label) read in batches from a row group. Pages are read as
//! they are needed, so memory depends on the batch and not on the row group.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::buffer::ScalarBuffer;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::bundle::Class;
use crate::error::{Error, Place, Result};

use super::embedding::EmbeddingType;
use super::extract::{Embeddings, Flaw, extract};
use super::fate::{Fate, Modality};
use super::fault;
use super::file::InputFile;
use super::input::Input;
use super::label::LabelIndex;
use super::pages::ListPages;
use super::probe;

/// Which columns make a sample, and what the models take.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Column of the first embedding, and its dimension.
    pub x1: (&'a str, usize),
    /// Column of the second embedding (it may be the first again), and its dimension.
    pub x2: (&'a str, usize),
    /// Column of the label.
    pub label: &'a str,
    /// The classes, in the order of the classifiers' outputs.
    pub classes: &'a [Class],
}

/// A file whose columns have been found to hold samples. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    input: Input,
    x1: EmbeddingColumn,
    x2: EmbeddingColumn,
    label: Column,
    index: Arc<LabelIndex>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    position: usize,
}

#[derive(Debug, Clone)]
struct EmbeddingColumn {
    column: Column,
    kind: EmbeddingType,
    dim: usize,
}

/// A batch of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Position of the batch's first row in its row group.
    pub first_row: usize,
    /// Rows in the batch.
    pub rows: usize,
    /// `[rows, d1]`, row-major; values of rows that are not good mean nothing.
    pub x1: ScalarBuffer<f32>,
    /// `[rows, d2]`, likewise.
    pub x2: ScalarBuffer<f32>,
    /// The class index of each row; 0 where the label is null or unknown.
    pub class: Vec<u32>,
    /// What becomes of each row.
    pub fates: Vec<Fate>,
    /// The label column as it is in the file, for whoever reports bad rows.
    pub label: ArrayRef,
}

impl Source {
    /// Finds the columns, checks their types and, where lists may have any length,
    /// the length of the file's first ones.
    ///
    /// # Errors
    /// [`Error::BadData`] where a column is missing, or of a type or dimension
    /// that does not fit; [`Error::Config`] where the classes do not hold together.
    pub fn new(input: &Input, request: &Request<'_>) -> Result<Self> {
        let column = |name: &str| -> Result<Column> {
            Ok(Column { name: name.to_owned(), position: input.column(name)?.0 })
        };
        let embedding = |(name, dim): (&str, usize)| -> Result<EmbeddingColumn> {
            let (_, field) = input.column(name)?;
            let place = input.place().column(name);
            let kind = EmbeddingType::require(field.data_type(), place.clone())?;
            kind.check_dimension(dim, place)?;
            if kind.dimension().is_none() {
                probe::check_first_lengths(input, name, dim)?;
            }
            Ok(EmbeddingColumn { column: column(name)?, kind, dim })
        };
        let (x1, x2) = (embedding(request.x1)?, embedding(request.x2)?);
        let index = LabelIndex::new(request.classes)?;
        let (_, field) = input.column(request.label)?;
        index.check(field.data_type(), input.place().column(request.label))?;
        Ok(Self { x1, x2, label: column(request.label)?, index: Arc::new(index), input: input.clone() })
    }

    /// The file.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The column to which a row owes its fate, where one is to blame.
    pub fn column_of(&self, fate: Fate) -> Option<&str> {
        let column = match fate {
            Fate::NullLabel | Fate::UnknownLabel => &self.label,
            Fate::NullEmbedding(modality) | Fate::WrongLength(modality) | Fate::NonFinite(modality) => {
                match modality {
                    Modality::First => &self.x1.column,
                    Modality::Second => &self.x2.column,
                }
            }
            Fate::Good | Fate::NonFiniteResult => return None,
        };
        Some(&column.name)
    }

    /// Reads some rows of a row group in batches of `batch_rows` (the last may be
    /// shorter).
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub fn read(&self, row_group: usize, rows: Range<usize>, batch_rows: usize) -> Result<SampleReader> {
        let open = |column: &Column| {
            ColumnReader::open(
                &self.input,
                column.position,
                &column.name,
                row_group,
                rows.clone(),
                batch_rows,
            )
        };
        let open_embedding = |embedding: &EmbeddingColumn| -> Result<EmbeddingReader> {
            let EmbeddingColumn { column, kind, dim } = embedding;
            Ok(match ListPages::open(&self.input, column.position, *dim, row_group, rows.start)? {
                Some(pages) => EmbeddingReader::Pages(Box::new(pages)),
                None => EmbeddingReader::Arrow(Box::new(open(column)?), *kind, *dim),
            })
        };
        let x2 = if self.x1.column.position == self.x2.column.position {
            None
        } else {
            Some(open_embedding(&self.x2)?)
        };
        Ok(SampleReader {
            x1: open_embedding(&self.x1)?,
            x2,
            label: open(&self.label)?,
            source: self.clone(),
            place: self.input.place().row_group(row_group),
            rows,
            batch_rows,
        })
    }
}

/// Iterates over batches of samples.
pub struct SampleReader {
    source: Source,
    place: Place,
    x1: EmbeddingReader,
    x2: Option<EmbeddingReader>,
    label: ColumnReader,
    rows: Range<usize>,
    batch_rows: usize,
}

impl SampleReader {
    fn next_batch(&mut self, rows: usize) -> Result<Samples> {
        let x1 = self.x1.read(rows)?;
        let x2 = match &mut self.x2 {
            Some(reader) => reader.read(rows)?,
            None => x1.clone(),
        };
        let label = self.label.read(rows)?;
        let (class, label_flaws) = self.source.index.encode(&label)?;

        // The label's fate goes before x1's, and that before x2's.
        let mut fates = vec![Fate::Good; rows];
        let of_label = label_flaws.into_iter();
        let of_x1 = x1.flaws.iter().map(|(row, flaw)| (*row, fate(*flaw, Modality::First)));
        let of_x2 = x2.flaws.iter().map(|(row, flaw)| (*row, fate(*flaw, Modality::Second)));
        for (row, fate) in of_label.chain(of_x1).chain(of_x2) {
            if let Some(slot @ Fate::Good) = fates.get_mut(row) {
                *slot = fate;
            }
        }
        let first_row = self.rows.start;
        Ok(Samples { first_row, rows, x1: x1.values, x2: x2.values, class, fates, label })
    }
}

fn fate(flaw: Flaw, modality: Modality) -> Fate {
    match flaw {
        Flaw::Null => Fate::NullEmbedding(modality),
        Flaw::WrongLength(_) => Fate::WrongLength(modality),
        Flaw::NonFinite => Fate::NonFinite(modality),
    }
}

impl Iterator for SampleReader {
    type Item = Result<Samples>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.len().min(self.batch_rows);
        if rows == 0 {
            return None;
        }
        let batch = self.next_batch(rows);
        // An error ends the rows: what follows it cannot be trusted.
        self.rows.start = if batch.is_ok() { self.rows.start + rows } else { self.rows.end };
        Some(batch)
    }
}

impl std::fmt::Debug for SampleReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SampleReader")
            .field("place", &self.place)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// One embedding column of a row group, through whichever reader can read it.
enum EmbeddingReader {
    Pages(Box<ListPages>),
    Arrow(Box<ColumnReader>, EmbeddingType, usize),
}

impl EmbeddingReader {
    fn read(&mut self, rows: usize) -> Result<Embeddings> {
        match self {
            Self::Pages(pages) => pages.read(rows),
            Self::Arrow(reader, kind, dim) => extract(&reader.read(rows)?, *kind, *dim),
        }
    }
}

/// One column of a row group, through the Parquet crate's Arrow reader.
pub(super) struct ColumnReader {
    reader: ParquetRecordBatchReader,
    file: InputFile,
    empty: ArrayRef,
    place: Place,
}

impl ColumnReader {
    /// Opens rows `rows` of a column; batches have `batch_rows` rows but for the last.
    pub(super) fn open(
        input: &Input,
        position: usize,
        name: &str,
        row_group: usize,
        rows: Range<usize>,
        batch_rows: usize,
    ) -> Result<Self> {
        let place = input.place().row_group(row_group).column(name);
        let mask = ProjectionMask::roots(input.metadata().file_metadata().schema_descr(), [position]);
        let file = input.file().clone();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), input.arrow().clone())
            .with_row_groups(vec![row_group])
            .with_projection(mask)
            .with_offset(rows.start)
            .with_limit(rows.len())
            .with_batch_size(batch_rows)
            .build()
            .map_err(|error| fault::parquet(place.clone(), "read", error))?;
        let empty = new_empty_array(input.schema().field(position).data_type());
        Ok(Self { reader, file, empty, place })
    }

    /// The next batch, which must have so many rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let array = match self.reader.next().transpose() {
            Ok(Some(batch)) => batch.columns().first().cloned().unwrap_or_else(|| self.empty.clone()),
            Ok(None) => self.empty.clone(),
            Err(error) => {
                // Arrow's reader keeps no more of an error than its text.
                let known = self.file.failure(&self.place);
                return Err(known.unwrap_or_else(|| fault::arrow(self.place.clone(), "read", error)));
            }
        };
        if array.len() == rows {
            Ok(array)
        } else {
            let what =
                format!("holds {} rows where the footer promises {rows}; write the file again", array.len());
            Err(Error::bad_data(self.place.clone(), what))
        }
    }
}

#[cfg(test)]
mod tests;
