//! One schema of files whose schemas differ: a column that some files lack is null there, types are
//! widened where that loses nothing, and a column whose types do not fit together is an error only
//! to a query that reads it.

mod cast;
mod difference;
mod widen;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Place};

use super::table_format::TableFormat;

use self::cast::cast;
use self::difference::seen_type;
use self::widen::widen;

pub(super) use self::cast::sql_type;
pub(super) use self::difference::Difference;

/// The schema of a table's files.
#[derive(Debug)]
pub(super) struct MergedSchema {
    pub(super) schema: SchemaRef,
    /// By column: what a query that reads it is told.
    pub(super) conflicts: HashMap<usize, Conflict>,
    /// Columns of several types, of which some values of one may not be values of the merged type:
    /// integers and doubles, dates and timestamps of several units.
    pub(super) inexact: HashSet<usize>,
    /// By column: how the files differ in it. Of a conflict, its error tells it.
    pub(super) differences: HashMap<usize, Difference>,
}

impl MergedSchema {
    /// Of files of which no difference is known.
    pub(super) fn of(schema: SchemaRef) -> Self {
        Self { schema, conflicts: HashMap::new(), inexact: HashSet::new(), differences: HashMap::new() }
    }

    /// Of files of text, whose values are read in the merged type from the start. A column of CSV without a value in
    /// the first rows is text, which every later value is.
    pub(super) fn of_texts(self, format: TableFormat) -> Self {
        let read = |field: &FieldRef| match field.data_type() {
            DataType::Null if format.csv().is_some() => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8))
            }
            _ => Arc::clone(field),
        };
        let fields = self.schema.fields().iter().map(read).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        Self { schema, inexact: HashSet::new(), ..self }
    }
}

/// A column whose types in two files do not fit together.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    column: String,
    first: (String, DataType),
    other: (String, DataType),
}

impl Conflict {
    pub(super) fn error(&self) -> Error {
        let Self { column, first, other } = self;
        let cast = cast(column, &first.1).map(|cast| format!(", with {cast} where it differs"));
        let what = format!(
            "holds {} here and {} in {}, and neither becomes the other without loss; read the files apart{}",
            other.1,
            first.1,
            first.0,
            cast.unwrap_or_default(),
        );
        Error::bad_data(Place::file(&other.0).column(column), what)
    }
}

/// Merges the schemas of files, one after the other.
#[derive(Debug, Default)]
pub(super) struct SchemaMerger {
    columns: Vec<Column>,
    index: HashMap<String, usize>,
    files: usize,
    first: String,
    last: Option<SchemaRef>,
}

#[derive(Debug)]
struct Column {
    field: Field,
    /// The file whose field was the first.
    file: String,
    /// The number of files that have it.
    files: usize,
    /// The first file that lacks it.
    lacking: Option<String>,
    /// Its types as queries see them, each with the first file that has it.
    types: Vec<(DataType, String)>,
    conflict: Option<Conflict>,
    /// Whether two files have other types.
    differs: bool,
}

impl SchemaMerger {
    /// Adds the schema of a file.
    pub(super) fn add(&mut self, file: &str, schema: &SchemaRef) {
        self.files += 1;
        if self.files == 1 {
            file.clone_into(&mut self.first);
        }
        if self.last.as_ref().is_some_and(|last| last == schema) {
            schema.fields().iter().for_each(|field| {
                if let Some(column) = self.index.get(field.name()).and_then(|&at| self.columns.get_mut(at)) {
                    column.files += 1;
                }
            });
            return;
        }
        for field in schema.fields() {
            match self.index.get(field.name()).and_then(|&at| self.columns.get_mut(at)) {
                Some(column) => column.add(file, field),
                None => {
                    self.index.insert(field.name().clone(), self.columns.len());
                    let field = field.as_ref().clone();
                    self.columns.push(Column {
                        types: vec![(seen_type(field.data_type()), file.to_owned())],
                        field,
                        file: file.to_owned(),
                        files: 1,
                        lacking: (self.files > 1).then(|| self.first.clone()),
                        conflict: None,
                        differs: false,
                    });
                }
            }
        }
        for column in &mut self.columns {
            if column.lacking.is_none() && schema.index_of(column.field.name()).is_err() {
                column.lacking = Some(file.to_owned());
            }
        }
        self.last = Some(Arc::clone(schema));
    }

    /// The merged schema. A column is nullable if it is so in any file, or if one lacks it.
    pub(super) fn finish(self) -> MergedSchema {
        let (mut conflicts, mut inexact, mut differences) = (HashMap::new(), HashSet::new(), HashMap::new());
        let mut fields = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.into_iter().enumerate() {
            if let Some(conflict) = column.conflict {
                conflicts.insert(at, conflict);
            }
            let kind = column.field.data_type();
            if column.differs && matches!(kind, DataType::Float64 | DataType::Timestamp(..)) {
                inexact.insert(at);
            }
            let lacking = column.lacking.map(|file| (self.files - column.files, file));
            let read_as = seen_type(kind);
            if let Some(difference) = Difference::new(column.field.name(), lacking, column.types, read_as) {
                differences.insert(at, difference);
            }
            let nullable = column.field.is_nullable() || column.files < self.files;
            fields.push(column.field.with_nullable(nullable));
        }
        MergedSchema { schema: Arc::new(Schema::new(fields)), conflicts, inexact, differences }
    }
}

impl Column {
    fn add(&mut self, file: &str, field: &FieldRef) {
        self.files += 1;
        self.differs |= self.field.data_type() != field.data_type();
        let seen = seen_type(field.data_type());
        if !self.types.iter().any(|(kind, _)| *kind == seen) {
            self.types.push((seen, file.to_owned()));
        }
        let nullable = self.field.is_nullable() || field.is_nullable();
        match widen(self.field.data_type(), field.data_type()) {
            Some(kind) => self.field = self.field.clone().with_data_type(kind).with_nullable(nullable),
            None if self.conflict.is_none() => {
                self.conflict = Some(Conflict {
                    column: field.name().clone(),
                    first: (self.file.clone(), self.field.data_type().clone()),
                    other: (file.to_owned(), field.data_type().clone()),
                });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use DataType::{Int32, Int64, Utf8};

    use super::*;

    #[test]
    fn conflicts_are_told_to_those_who_read_them() {
        let file = |fields: &[(&str, DataType)]| -> SchemaRef {
            let fields: Vec<Field> =
                fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect();
            Arc::new(Schema::new(fields))
        };
        let mut merger = SchemaMerger::default();
        merger.add("mon", &file(&[("a", Int32), ("v", Int64)]));
        merger.add("tue", &file(&[("a", Int64), ("v", Utf8), ("w", Utf8)]));
        merger.add("wed", &file(&[("a", Int64), ("v", Utf8), ("w", Utf8)]));
        let merged = merger.finish();
        let shown: Vec<String> = merged
            .schema
            .fields()
            .iter()
            .map(|field| format!("{} {} {}", field.name(), field.data_type(), field.is_nullable()))
            .collect();
        assert_eq!(shown, ["a Int64 false", "v Int64 false", "w Utf8 true"]);
        assert_eq!(merged.conflicts.len(), 1);
        let told = |at: usize| merged.differences[&at].to_string();
        assert_eq!(told(0), "a is Int32 in mon, Int64 in tue, and read as Int64");
        assert_eq!(told(2), "w is missing in mon, and null there");
        let error = merged.conflicts[&1].error().to_string();
        for word in ["tue", "column \"v\"", "mon", "Utf8", "Int64", "CAST(v AS BIGINT)"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
