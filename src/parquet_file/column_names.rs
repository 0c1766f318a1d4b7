//! Finding a column by name, and what to say when it is not there; or when a new one's
//! name is taken.

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use crate::error::{Error, Place, Result};

/// A schema whose top-level columns are looked up by name.
pub(crate) struct Named<'a>(pub(crate) &'a Schema);

impl<'a> Named<'a> {
    /// Position and field of the column of this exact name, or what is wrong.
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
        let hint = nearest(name, &names).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        format!("there is no such column; {hint}the columns are: {}", names.join(", "))
    }
}

/// Fails where columns cannot be added to a schema: they are nullable Float32, each with
/// a name of its own.
///
/// # Errors
/// [`Error::Usage`] where a name is taken; [`Error::Internal`].
pub(crate) fn check_new_fields(schema: &Schema, place: &Place, new_fields: &[Field]) -> Result<()> {
    for (index, field) in new_fields.iter().enumerate() {
        let name = field.name();
        if schema.fields().iter().any(|old| old.name() == name) {
            return Err(Error::Usage(format!(
                "{place}: there is a column {name:?} already; rename it or leave it out of the input"
            )));
        }
        if new_fields.iter().take(index).any(|other| other.name() == name) {
            return Err(Error::Usage(format!("two new columns are called {name:?}; choose other names")));
        }
        if *field.data_type() != DataType::Float32 || !field.is_nullable() {
            return Err(Error::Internal(format!("new column {name:?} is no nullable Float32")));
        }
    }
    Ok(())
}

/// The most similar name, if one is similar at all. Case counts half.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |other: &str| {
        let same_case = strsim::jaro_winkler(name, other);
        let any_case = strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
        f64::midpoint(same_case, any_case)
    };
    let best = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.7).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_answered_with_the_nearest() {
        let names = ["image_emb", "text_emb", "Label", "id", "id"];
        let schema = Schema::new(names.map(|n| Field::new(n, DataType::Int64, true)).to_vec());
        let named = Named(&schema);
        assert_eq!(named.find("Label").unwrap().0, 2);
        let typo = named.find("imgae_emb").unwrap_err();
        assert_eq!(
            typo,
            "there is no such column; did you mean \"image_emb\"? the columns are: image_emb, text_emb, Label, id, id"
        );
        assert!(named.find("label").unwrap_err().contains("\"Label\""));
        let far = named.find("qqqq").unwrap_err();
        assert!(far.starts_with("there is no such column; the columns are: image_emb"), "{far}");
        assert!(named.find("id").unwrap_err().contains("several"));
    }
}
