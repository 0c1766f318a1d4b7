//! The source of samples (embeddings and label) in a Parquet file, read in batches of a row group.
//! Pages are read as they are needed, so memory depends on the batch and not on the row
//! group.

use std::ops::Range;

use arrow::array::ArrayRef;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Input, caught};
use crate::storage::PlannedRead;

use super::deferred::{DeferredEmbedding, DeferredSamples};
use super::embedding_type::EmbeddingType;
use super::extract::extract;
use super::label_source::FolderLabel;
use super::label_type::LabelPlace;
use super::pages::EmbeddingPageReader;
use super::pages::embedding_data::EmbeddingData;
use super::pages::read_ahead::ReadAhead;
use super::probe;
use super::roles::{ColumnRequest, EmbeddingColumn, NamedColumn, Roles, ValueSource};

/// A file and its columns of samples. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    input: Input,
    roles: Roles,
}

impl Source {
    /// Finds the columns, checks their types and, where lists may have any length, the length of the file's
    /// first ones; of labels of another type than the classes', whether the first are classes.
    ///
    /// # Errors
    /// [`Error::BadData`] where a column is missing, or of a type or dimension
    /// that does not fit; [`Error::Config`] where the classes do not hold together.
    pub fn new(input: &Input, request: &ColumnRequest<'_>) -> Result<Self> {
        let roles = Roles::find(input.schema(), &input.place(), request)?;
        let source = Self { input: input.clone(), roles };
        let roles = &source.roles;
        input.file().announce_reads(|| source.planned_reads(0..input.metadata().num_row_groups()));
        for EmbeddingColumn { column, kind, dim } in &roles.x {
            check_possible(input, column, *dim)?;
            if kind.dimension().is_none() {
                probe::check_first_lengths(input, &column.name, *kind, *dim)?;
            }
        }
        if let ValueSource::Column(column) = &roles.label {
            probe::check_first_labels(input, &column.name, roles.assembly().0)?;
        }
        Ok(source)
    }

    /// The same columns, of the same file that is read in another way.
    #[must_use]
    pub fn reading(&self, input: Input) -> Self {
        Self { input, roles: self.roles.clone() }
    }

    /// The file.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Its columns.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether the reader locates the embeddings of a batch, which is little work; they are read by
    /// [`DeferredSamples::read`], and decompressed before that by those who take jobs of [`ReadAhead`].
    pub fn defers_reading(&self) -> bool {
        self.roles.x.iter().all(|embedding| {
            EmbeddingPageReader::defers_reading(&self.input, embedding.column.position, embedding.dim)
        })
    }

    /// What the samples of these row groups are read from, in the order of the file: columns of a single leaf.
    pub fn planned_reads(&self, row_groups: Range<usize>) -> Vec<PlannedRead> {
        let Roles { x, label, key, .. } = &self.roles;
        let mut positions: Vec<usize> = x.iter().map(|embedding| embedding.column.position).collect();
        positions.extend(std::iter::once(label).chain(key).filter_map(|values| match values {
            ValueSource::Column(column) => Some(column.position),
            ValueSource::Folder(..) => None,
        }));
        let schema = self.input.metadata().file_metadata().schema_descr();
        let leaves_of = |position: usize| {
            (0..schema.num_columns()).filter(move |leaf| schema.get_column_root_idx(*leaf) == position)
        };
        // One reader takes the pages of several leaves in turn, and not from one start to one end.
        positions.retain(|position| leaves_of(*position).count() == 1);
        positions.sort_unstable();
        positions.dedup();
        let leaves: Vec<usize> = positions.iter().flat_map(|position| leaves_of(*position)).collect();
        let chunks = row_groups.flat_map(|row_group| leaves.iter().map(move |leaf| (row_group, *leaf)));
        let mut reads: Vec<PlannedRead> = chunks
            .filter_map(|(row_group, leaf)| {
                let chunk = self.input.column_chunk(row_group, leaf)?;
                Some(PlannedRead { bytes: chunk.bytes().clone(), column: leaf })
            })
            .collect();
        reads.sort_unstable_by_key(|read| read.bytes.start);
        // Chunks that overlap are damage, which their reader names.
        reads.dedup_by(|next, last| next.bytes.start < last.bytes.end);
        reads
    }

    /// Reads rows of a row group in batches of `batch_rows` (the last may be shorter). Where
    /// possible, the embeddings are deferred: [`DeferredSamples::read`] reads them.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub fn read(
        &self,
        row_group: usize,
        rows: Range<usize>,
        batch_rows: usize,
        read_ahead: &ReadAhead,
    ) -> Result<SampleReader> {
        let open = |column: &NamedColumn| {
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
            let pages = EmbeddingPageReader::open(
                &self.input,
                column.position,
                *dim,
                row_group,
                rows.start,
                read_ahead,
            );
            Ok(match pages? {
                Some(pages) => EmbeddingReader::Pages(Box::new(pages)),
                None => EmbeddingReader::Arrow(Box::new(open(column)?), *kind, *dim),
            })
        };
        let open_values = |source: &ValueSource| -> Result<ValueReader> {
            Ok(match source {
                ValueSource::Column(column) => ValueReader::Column(Box::new(open(column)?)),
                ValueSource::Folder(_, value) => ValueReader::Folder(value.clone()),
            })
        };
        let Roles { x, label, key, .. } = &self.roles;
        let open_slot = |(modality, embedding)| match self.roles.same_column(modality) {
            Some(earlier) => Ok(EmbeddingReader::SameAs(earlier)),
            None => open_embedding(embedding),
        };
        Ok(SampleReader {
            x: x.iter().enumerate().map(open_slot).collect::<Result<_>>()?,
            label: open_values(label)?,
            key: key.iter().map(open_values).collect::<Result<_>>()?,
            source: self.clone(),
            place: self.input.place().row_group(row_group),
            rows,
            batch_rows,
        })
    }
}

/// Checks that a file can hold embeddings so long: a batch takes memory for all of its rows.
fn check_possible(input: &Input, column: &NamedColumn, dim: usize) -> Result<()> {
    /// No model takes more, and shorter ones take little memory.
    const LONG: usize = 1 << 20;
    let schema = input.metadata().file_metadata().schema_descr();
    let leaves =
        (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == column.position);
    let groups = input.metadata().row_groups().iter();
    let values = leaves.flat_map(|leaf| groups.clone().filter_map(move |group| group.columns().get(leaf)));
    let most = values.map(|chunk| chunk.num_values()).max().unwrap_or(0);
    if dim <= LONG || usize::try_from(most).is_ok_and(|most| most >= dim) {
        return Ok(());
    }
    let what =
        format!("is of embeddings of {dim} values, and no row group has so many; look at how it was written");
    Err(Error::bad_data(input.place().column(&column.name), what))
}

/// An iterator over the batches of samples.
pub struct SampleReader {
    source: Source,
    place: Place,
    x: Vec<EmbeddingReader>,
    label: ValueReader,
    key: Vec<ValueReader>,
    rows: Range<usize>,
    batch_rows: usize,
}

impl SampleReader {
    /// Whether all pages of the embeddings were located, so that those of another row group may be.
    pub fn is_read_ahead(&mut self) -> bool {
        // Errors are those of the next batch, too.
        self.x.iter_mut().all(EmbeddingReader::is_read_ahead)
    }

    fn next_batch(&mut self, rows: usize) -> Result<DeferredSamples> {
        let x = self.x.iter_mut().map(|reader| reader.read(rows)).collect::<Result<_>>()?;
        let label = self.label.read(rows)?;
        let key = self.key.iter_mut().map(|reader| reader.read(rows)).collect::<Result<_>>()?;
        let name = self.source.roles.label.name();
        let at = LabelPlace::Rows(self.place.clone().column(name), self.rows.start);
        Ok(DeferredSamples::new(self.source.roles.assembly(), self.rows.start, x, label, at, key))
    }
}

impl Iterator for SampleReader {
    type Item = Result<DeferredSamples>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.len().min(self.batch_rows);
        if rows == 0 {
            return None;
        }
        let batch = caught(|| self.next_batch(rows)).unwrap_or_else(|panic| {
            let what = format!("cannot be decoded: {panic}; the file is damaged, write it again");
            Err(Error::bad_data(self.place.clone(), what))
        });
        // An error ends the iteration, since later batches are unreliable.
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

/// The reader of the labels of a row group, or of a part of its keys.
enum ValueReader {
    Column(Box<ColumnReader>),
    Folder(FolderLabel),
}

impl ValueReader {
    fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        match self {
            Self::Column(reader) => reader.read(rows),
            Self::Folder(value) => Ok(value.column(rows)),
        }
    }
}

/// The reader of the embeddings of a modality in a row group.
enum EmbeddingReader {
    /// By pages, where they can be read so.
    Pages(Box<EmbeddingPageReader>),
    /// Arrow's.
    Arrow(Box<ColumnReader>, EmbeddingType, usize),
    /// None: the column is that of an earlier modality.
    SameAs(usize),
}

impl EmbeddingReader {
    fn is_read_ahead(&mut self) -> bool {
        match self {
            Self::Pages(pages) => pages.is_read_ahead().unwrap_or(false),
            Self::Arrow(..) => false,
            Self::SameAs(_) => true,
        }
    }

    fn read(&mut self, rows: usize) -> Result<DeferredEmbedding> {
        Ok(match self {
            Self::Pages(pages) => DeferredEmbedding::Own(pages.read(rows)?),
            Self::Arrow(reader, kind, dim) => {
                DeferredEmbedding::Own(EmbeddingData::Loaded(extract(&reader.read(rows)?, *kind, *dim)?))
            }
            Self::SameAs(earlier) => DeferredEmbedding::SameAs(*earlier),
        })
    }
}

#[cfg(test)]
mod tests;
