//! The columns of a file that annotate wrote, told from the user's own of the same names: those that the
//! file's metadata list. Where there are no such metadata, the floating-point columns of the type of r, and
//! as many modalities as have a uniqueness: u3 counts where it is the next column after u2, as annotate
//! writes it, and no column of that type has a name that only two modalities have (i1, i12, h1 …).

use arrow::datatypes::{DataType, Field, Schema};

use crate::interaction::Quantity;
use crate::provenance::Provenance;

/// The columns of a schema that annotate wrote, or may have written.
#[derive(Clone, Copy)]
pub(super) struct WrittenColumns<'a> {
    schema: &'a Schema,
    provenance: &'a Provenance,
    /// The type of r, where it is a floating-point number.
    value_type: Option<&'a DataType>,
}

impl<'a> WrittenColumns<'a> {
    /// The columns of a file with this provenance.
    pub(super) fn new(schema: &'a Schema, provenance: &'a Provenance) -> Self {
        let r = provenance.prefix.name("r");
        let r = schema.fields().iter().find(|field| *field.name() == r);
        let value_type = r.map(|field| field.data_type()).filter(|data_type| data_type.is_floating());
        Self { schema, provenance, value_type }
    }

    /// Whether a column of numbers is one of annotate's.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some_and(|(_, field)| self.is_written(name, field))
    }

    /// Whether the file's metadata list a column of whole numbers.
    pub(super) fn lists(&self, name: &str) -> bool {
        let is_listed = self.provenance.columns.as_ref().is_some_and(|listed| listed.contains_key(name));
        is_listed && self.find(name).is_some_and(|(_, field)| field.data_type().is_integer())
    }

    fn is_written(&self, name: &str, field: &Field) -> bool {
        match &self.provenance.columns {
            Some(listed) => listed.contains_key(name) && field.data_type().is_floating(),
            None => Some(field.data_type()) == self.value_type,
        }
    }

    /// The number of modalities: that of the metadata, else of the uniquenesses, at least two.
    pub(super) fn modalities(&self) -> usize {
        if let Some(origin) = &self.provenance.input {
            return origin.x.len();
        }
        (3..).find(|modality| self.why_no_uniqueness(*modality).is_some()).map_or(2, |first| first - 1)
    }

    /// What is to be said of a column that has the name of another modality's uniqueness and is none.
    pub(super) fn note(&self) -> Option<String> {
        let modalities = self.modalities();
        let (_, field) = self.find(&format!("u{}", modalities + 1))?;
        let why = self.why_no_uniqueness(modalities + 1)?;
        Some(format!(
            "column {} ({}) is not taken for a value of annotate, as {why}: the report is of {modalities} modalities",
            field.name(),
            field.data_type()
        ))
    }

    /// Why there is no uniqueness of a modality after the first two, where there is none.
    fn why_no_uniqueness(&self, modality: usize) -> Option<String> {
        let (name, before) = (format!("u{modality}"), format!("u{}", modality - 1));
        let Some((position, field)) = self.find(&name) else { return Some("it is missing".to_owned()) };
        if self.provenance.columns.is_some() {
            return (!self.is_written(&name, field)).then(|| "the file's metadata do not list it".to_owned());
        }
        if !self.is_written(&name, field) {
            return Some("its type is not that of r".to_owned());
        }
        if self.find(&before).is_none_or(|(other, _)| other + 1 != position) {
            return Some(format!("it does not follow {before}"));
        }
        let of_two = Quantity::extras(2).into_iter();
        let of_two = of_two.filter(|extra| matches!(extra, Quantity::I(_) | Quantity::H(_)));
        let mut of_two = of_two.map(|extra| extra.name(2)).filter(|name| self.has(name));
        of_two.next().map(|name| format!("only two modalities have a column {name}"))
    }

    fn find(&self, name: &str) -> Option<(usize, &'a Field)> {
        let name = self.provenance.prefix.name(name);
        let fields = self.schema.fields().iter().enumerate();
        let mut fields = fields.filter(|(_, field)| *field.name() == name);
        fields.next().map(|(position, field)| (position, field.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A schema of f32 columns; of f64 where the name ends in an exclamation mark, of text after a question
    /// mark.
    fn schema(names: &str) -> Schema {
        let field = |name: &str| match (name.strip_suffix('!'), name.strip_suffix('?')) {
            (Some(name), _) => Field::new(name, DataType::Float64, true),
            (_, Some(name)) => Field::new(name, DataType::Utf8, true),
            _ => Field::new(name, DataType::Float32, true),
        };
        Schema::new(names.split(' ').map(field).collect::<Vec<_>>())
    }

    #[test]
    fn without_metadata_u3_counts_where_it_is_as_annotate_writes_it() {
        for (names, modalities, note) in [
            ("r u1 u2 s", 2, ""),
            ("y? r u1 u2 u3 s i_1", 3, ""),
            ("r u1 u2 u3 u4 s", 4, ""),
            ("r! u1! u2! u3! s!", 3, ""),
            ("u3! r u1 u2 s", 2, "column u3 (Float64) is not taken for a value of annotate, as its type"),
            ("r u1 u2 u3? s", 2, "its type is not that of r"),
            ("u3 r u1 u2 s", 2, "it does not follow u2"),
            ("r u1 u2 u3 s i12", 2, "only two modalities have a column i12"),
        ] {
            let (schema, provenance) = (schema(names), Provenance::default());
            let found = WrittenColumns::new(&schema, &provenance);
            assert_eq!(found.modalities(), modalities, "{names}");
            assert_eq!(found.note().is_some(), !note.is_empty(), "{names}");
            assert!(found.note().unwrap_or_default().contains(note), "{names}: {:?}", found.note());
        }
    }

    #[test]
    fn with_metadata_only_listed_columns_count() {
        let schema = schema("i_1! i_12 r u1 u2 u3 s i_123");
        let listed = ["r", "u1", "u2", "u3", "s", "i_123"].map(|name| (name.to_owned(), None));
        let provenance = Provenance { columns: Some(BTreeMap::from(listed)), ..Provenance::default() };
        let found = WrittenColumns::new(&schema, &provenance);
        assert_eq!(found.modalities(), 3);
        assert!(found.has("i_123") && !found.has("i_12") && !found.has("i_1"));
    }
}
