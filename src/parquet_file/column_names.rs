//! Lookup of columns by name, with suggestions for misspelled names, the check that the names of
//! new columns are free, and the names of leaf columns in errors.

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use parquet::file::metadata::ParquetMetaData;

use crate::error::{Error, Place, Result};

/// The most names that a message lists.
const LISTED: usize = 40;

/// The names of a schema's top-level columns.
pub(crate) struct ColumnNames<'a>(pub(crate) &'a Schema);

impl<'a> ColumnNames<'a> {
    /// Position and field of the column of this exact name, or the text of an error.
    pub(crate) fn find(&self, name: &str) -> std::result::Result<(usize, &'a FieldRef), String> {
        let mut found = self.0.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => {
                Err("there are several columns of this name; rename all but one".to_owned())
            }
            (None, _) => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> String {
        let names: Vec<&str> = self.0.fields().iter().map(|field| field.name().as_str()).collect();
        let hint =
            most_similar(name, &names).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        let listed = listed_columns(&names).unwrap_or_else(|| "there are no columns at all".to_owned());
        format!("there is no such column; {hint}{listed}")
    }
}

/// The columns in a message, the first of many; `None` where there are none.
pub(crate) fn listed_columns(names: &[&str]) -> Option<String> {
    let listed = names.get(..LISTED).unwrap_or(names);
    let more = match names.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!listed.is_empty()).then(|| format!("the columns are: {}{more}", listed.join(", ")))
}

/// Checks that columns can be added to a schema: each is nullable, of a type that computed columns
/// have (Float32, Int32, Int64, Boolean, Utf8), with a unique name.
///
/// # Errors
/// [`Error::Usage`] if a name is taken; [`Error::Internal`].
pub(crate) fn check_new_fields(schema: &Schema, place: &Place, new_fields: &[Field]) -> Result<()> {
    for (index, field) in new_fields.iter().enumerate() {
        let name = field.name();
        if schema.fields().iter().any(|old| old.name() == name) {
            return Err(Error::Usage(format!(
                "{place}: there is a column {name:?} already; --replace-columns computes it anew, --prefix NAME_ gives the new \
                 columns other names"
            )));
        }
        if new_fields.iter().take(index).any(|other| other.name() == name) {
            return Err(Error::Usage(format!("two new columns are called {name:?}; choose other names")));
        }
        let is_known = matches!(
            field.data_type(),
            DataType::Float32 | DataType::Int32 | DataType::Int64 | DataType::Boolean | DataType::Utf8
        );
        if !is_known || !field.is_nullable() {
            return Err(Error::Internal(format!(
                "new column {name:?} is {}, or not nullable",
                field.data_type()
            )));
        }
    }
    Ok(())
}

/// Similarity (Jaro-Winkler) from which on a name may be another.
const SIMILAR: f64 = 0.8;
/// The similarity of a name of which few letters are added, left out, replaced or swapped.
const FEW_LETTERS: f64 = 0.9;

/// The name of another case, else the most similar, if one is similar enough. Case counts half.
pub(crate) fn most_similar<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    if let Some(of_other_case) = names.iter().find(|other| other.to_lowercase() == name.to_lowercase()) {
        return Some(of_other_case);
    }
    let letters = name.chars().count();
    let similarity = |other: &str| {
        let (lower, other_lower) = (name.to_lowercase(), other.to_lowercase());
        let same_case = strsim::jaro_winkler(name, other);
        let similarity = f64::midpoint(same_case, strsim::jaro_winkler(&lower, &other_lower));
        let has_few = letters > 2 && strsim::osa_distance(&lower, &other_lower) <= (letters / 3).clamp(1, 3);
        if has_few { similarity.max(FEW_LETTERS) } else { similarity }
    };
    let best = names.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) > SIMILAR).then_some(best)
}

/// The name of a top-level column; of a column that is nested with others, its path.
pub(super) fn column_name(metadata: &ParquetMetaData, leaf: usize) -> String {
    let schema = metadata.file_metadata().schema_descr();
    let root = |leaf| schema.get_column_root_idx(leaf);
    let neighbours = [leaf.checked_sub(1), Some(leaf + 1).filter(|next| *next < schema.num_columns())];
    if neighbours.into_iter().flatten().any(|other| root(other) == root(leaf)) {
        schema.column(leaf).path().string()
    } else {
        schema.get_column_root(leaf).name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_answered_with_the_nearest() {
        let names = ["image_emb", "text_emb", "Label", "id", "id"];
        let schema = Schema::new(names.map(|n| Field::new(n, DataType::Int64, true)).to_vec());
        let columns = ColumnNames(&schema);
        assert_eq!(columns.find("Label").unwrap().0, 2);
        let typo = columns.find("imgae_emb").unwrap_err();
        assert_eq!(
            typo,
            "there is no such column; did you mean \"image_emb\"? the columns are: image_emb, text_emb, Label, id, id"
        );
        assert!(columns.find("label").unwrap_err().contains("\"Label\""));
        assert!(columns.find("LABEL").unwrap_err().contains("did you mean \"Label\"?"));
        let short = Schema::new(vec![Field::new("y", DataType::Int64, true)]);
        assert!(ColumnNames(&short).find("Y").unwrap_err().contains("did you mean \"y\"?"));
        let far = columns.find("qqqq").unwrap_err();
        assert!(far.starts_with("there is no such column; the columns are: image_emb"), "{far}");
        assert!(columns.find("id").unwrap_err().contains("several"));
        let none = ColumnNames(&Schema::empty()).find("x1").unwrap_err();
        assert_eq!(none, "there is no such column; there are no columns at all");
    }

    #[test]
    fn short_names_are_near_by_their_letters() {
        let names = ["id", "top", "bottom", "label"];
        for (name, near) in [
            ("tpo", Some("top")),
            ("botom", Some("bottom")),
            ("lable", Some("label")),
            ("nope", None),
            ("middle", None),
        ] {
            assert_eq!(most_similar(name, &names), near, "{name}");
        }
    }

    #[test]
    fn of_a_wide_table_the_first_columns_are_listed() {
        let names: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let listed = listed_columns(&names).unwrap();
        assert!(
            listed.starts_with("the columns are: c0, c1") && listed.ends_with("c39 and 960 more"),
            "{listed}"
        );
    }
}
