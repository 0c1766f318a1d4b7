//! The roles of columns in a schema: the embeddings and the label. Shared by samples from the pages of
//! a Parquet file and from record batches.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::parquet_file::ColumnNames;
use crate::storage::partition_integer;

use super::batch::Samples;
use super::embedding_type::EmbeddingType;
use super::extract::{Embeddings, extract};
use super::fate::Fate;
use super::label::LabelIndex;
use super::label_source::FolderLabel;
use super::label_type::LabelPlace;
use super::on_missing::OnMissingModality;
use super::probe;
use super::row_key::check_key_type;

/// The columns that make a sample, and the dimensions and classes of the models.
#[derive(Debug, Clone, Copy)]
pub struct ColumnRequest<'a> {
    /// Column of each embedding (it may be that of another one again), and its dimension.
    pub x: &'a [(String, usize)],
    /// Column of the label, or a folder of the path. `None` for rows without a label, which are all
    /// taken for the first class.
    pub label: Option<&'a str>,
    /// The classes, in the order of the classifiers' outputs.
    pub classes: &'a [Class],
    /// Columns, or folders of the path, that are the key of a row; empty where none is read.
    pub key: &'a [String],
    /// The treatment of rows without some embedding.
    pub on_missing: OnMissingModality,
}

/// The columns of a schema that make samples. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roles {
    pub(super) x: Vec<EmbeddingColumn>,
    pub(super) label: ValueSource,
    pub(super) key: Vec<ValueSource>,
    index: Arc<LabelIndex>,
    on_missing: OnMissingModality,
}

#[derive(Debug, Clone)]
pub(super) struct NamedColumn {
    pub(super) name: String,
    pub(super) position: usize,
}

/// The treatment of columns of Arrow's type Null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NullColumns {
    Taken,
    Refused,
}

/// Where labels or parts of keys are.
#[derive(Debug, Clone)]
pub(super) enum ValueSource {
    Column(NamedColumn),
    /// The value of this name is the same on all rows.
    Folder(String, FolderLabel),
}

impl ValueSource {
    /// The label: the column that was found, else the folder of that name.
    fn label(
        label: &str,
        found: Result<(usize, &FieldRef)>,
        place: &Place,
        (index, null_columns): (&LabelIndex, NullColumns),
    ) -> Result<Self> {
        let column = place.clone().column(label);
        match (found, FolderLabel::text(&place.file, label)) {
            (Ok((position, field)), _) => {
                if *field.data_type() != DataType::Null || null_columns == NullColumns::Refused {
                    index.check_readable(field.data_type(), &LabelPlace::Rows(column, 0))?;
                }
                Ok(Self::Column(NamedColumn { name: label.to_owned(), position }))
            }
            (Err(_), Some(text)) => FolderLabel::parse(text.as_deref(), index.kind())
                .map(|value| Self::Folder(label.to_owned(), value))
                .map_err(|what| Error::bad_data(column, what)),
            (Err(missing), None) => Err(missing),
        }
    }

    /// A part of the key, likewise. A folder of digits is an integer, as in SQL.
    fn key(name: &str, found: Result<(usize, &FieldRef)>, place: &Place) -> Result<Self> {
        let column = place.clone().column(name);
        match (found, FolderLabel::text(&place.file, name)) {
            (Ok((position, field)), _) => {
                check_key_type(field.data_type(), &column)?;
                Ok(Self::Column(NamedColumn { name: name.to_owned(), position }))
            }
            (Err(_), Some(value)) => {
                let class = value.map(|value| match partition_integer(&value) {
                    Some(number) => Class::Integer(number),
                    None => Class::String(value),
                });
                Ok(Self::Folder(name.to_owned(), FolderLabel(class)))
            }
            (Err(Error::BadData { place, what }), None) => {
                let why = "training rows are known again by this column (fit --key): keep it in the data, or fit with \
                           other columns";
                Err(Error::BadData { place, what: format!("{what}; {why}") })
            }
            (Err(other), None) => Err(other),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Column(column) => &column.name,
            Self::Folder(name, _) => name,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct EmbeddingColumn {
    pub(super) column: NamedColumn,
    pub(super) kind: EmbeddingType,
    pub(super) dim: usize,
}

impl Roles {
    /// Finds the columns and checks their types.
    ///
    /// # Errors
    /// [`Error::BadData`] where a column is missing, or of a type or dimension
    /// that does not fit; [`Error::Config`] where the classes do not hold together.
    pub fn find(schema: &Schema, place: &Place, request: &ColumnRequest<'_>) -> Result<Self> {
        Self::find_with(schema, place, request, NullColumns::Refused)
    }

    /// As [`Self::find`], of a stream: a column without a type, as a frame without rows or values has it, is one whose
    /// rows are all null.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn find_in_stream(schema: &Schema, place: &Place, request: &ColumnRequest<'_>) -> Result<Self> {
        Self::find_with(schema, place, request, NullColumns::Taken)
    }

    fn find_with(
        schema: &Schema,
        place: &Place,
        request: &ColumnRequest<'_>,
        null_columns: NullColumns,
    ) -> Result<Self> {
        let find = |name: &str, flag: &str| {
            let found = ColumnNames(schema).find(name);
            found.map_err(|what| Error::bad_data(place.clone().column(name), format!("{what}{flag}")))
        };
        let embedding = |(name, dim): &(String, usize)| -> Result<EmbeddingColumn> {
            let (position, field) = find(name, "; --x1, --x2 or --x names another")?;
            let place = place.clone().column(name);
            // All rows of a file lack it, which as bad rows would leave none.
            let takes_null =
                request.on_missing == OnMissingModality::Reduce || null_columns == NullColumns::Taken;
            let kind = match field.data_type() {
                DataType::Null if takes_null => EmbeddingType::NULLS,
                data_type => EmbeddingType::require(data_type, place.clone())?,
            };
            kind.check_dimension(*dim, place)?;
            Ok(EmbeddingColumn { column: NamedColumn { name: name.clone(), position }, kind, dim: *dim })
        };
        let x = request.x.iter().map(embedding).collect::<Result<_>>()?;
        let index = LabelIndex::new(request.classes)?;
        let label = match request.label {
            Some(label) => {
                let found = find(label, "; --label names another");
                ValueSource::label(label, found, place, (&index, null_columns))?
            }
            None => ValueSource::Folder(String::new(), FolderLabel(request.classes.first().cloned())),
        };
        let on_missing = request.on_missing;
        let key = request.key.iter().map(|name| ValueSource::key(name, find(name, ""), place));
        Ok(Self { x, label, key: key.collect::<Result<_>>()?, index: Arc::new(index), on_missing })
    }

    /// The names of the embeddings.
    pub fn embeddings(&self) -> impl Iterator<Item = &str> {
        self.x.iter().map(|embedding| embedding.column.name.as_str())
    }

    /// The first few classes, for messages.
    pub fn class_examples(&self) -> &str {
        self.index.examples()
    }

    /// The column that caused a fate, where one did.
    pub fn column_of(&self, fate: Fate) -> Option<&str> {
        let column = match fate {
            Fate::NullLabel | Fate::UnknownLabel => return Some(self.label.name()),
            Fate::NullEmbedding(modality) | Fate::WrongLength(modality) | Fate::NonFinite(modality) => {
                &self.x.get(usize::from(modality.0))?.column
            }
            Fate::Good | Fate::NonFiniteResult => return None,
        };
        Some(&column.name)
    }

    /// Fails where no list of a file's first batch has the models' dimension, or labels of another type than the
    /// classes' are none of them: the column is then the wrong one, and not some of its rows bad.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub fn check_first(&self, batch: &RecordBatch, place: &Place) -> Result<()> {
        for EmbeddingColumn { column, kind, dim } in &self.x {
            probe::check_lengths(batch.column(column.position), *kind, *dim, || {
                place.clone().column(&column.name)
            })?;
        }
        match &self.label {
            ValueSource::Column(NamedColumn { name, position }) => {
                let at = LabelPlace::Rows(place.clone().column(name), 0);
                self.index.check_known(batch.column(*position), &at)
            }
            ValueSource::Folder(..) => Ok(()),
        }
    }

    /// Logs that labels of another type than the classes' are read as classes, where they are.
    pub fn log_label_type(&self, batch: &RecordBatch, place: &Place) {
        if let ValueSource::Column(NamedColumn { name, position }) = &self.label {
            self.index.log_type(batch.column(*position).data_type(), &place.clone().column(name));
        }
    }

    /// The samples of a range of rows of a batch of this schema. `place` and `first_row` are those
    /// of the batch's first row.
    ///
    /// # Errors
    /// [`Error::Internal`] where the batch is of another schema; as for [`LabelIndex::encode`].
    pub fn samples(
        &self,
        batch: &RecordBatch,
        rows: Range<usize>,
        place: Place,
        first_row: usize,
    ) -> Result<Samples> {
        let read = |column: &NamedColumn| batch.column(column.position).slice(rows.start, rows.len());
        let embeddings =
            |EmbeddingColumn { column, kind, dim }: &EmbeddingColumn| extract(&read(column), *kind, *dim);
        let mut x: Vec<Embeddings> = Vec::with_capacity(self.x.len());
        for (modality, column) in self.x.iter().enumerate() {
            let same = self.same_column(modality).and_then(|earlier| x.get(earlier).cloned());
            x.push(same.map_or_else(|| embeddings(column), Ok)?);
        }
        let first_row = first_row + rows.start;
        let at = LabelPlace::Rows(place.column(self.label.name()), first_row);
        let values = |source: &ValueSource| match source {
            ValueSource::Column(column) => read(column),
            ValueSource::Folder(_, value) => value.column(rows.len()),
        };
        let key: Vec<_> = self.key.iter().map(values).collect();
        Samples::assemble(&self.index, first_row, x, values(&self.label), &at, &key, self.on_missing)
    }

    /// The first modality before this one that is the same column, by its index.
    pub(super) fn same_column(&self, modality: usize) -> Option<usize> {
        let position = |modality: usize| Some(self.x.get(modality)?.column.position);
        (0..modality).find(|earlier| position(*earlier) == position(modality))
    }

    /// The index of the classes, and the treatment of rows without some embedding.
    pub(super) fn assembly(&self) -> (&Arc<LabelIndex>, OnMissingModality) {
        (&self.index, self.on_missing)
    }
}
