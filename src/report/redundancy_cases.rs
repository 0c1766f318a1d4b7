//! Rows by the case that determined their redundancy: which i it equals. In JSON the keys are first, second, both
//! and between; of more than two modalities i_1 … i_3, several and between.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::interaction::Quantity;

/// Rows by the case that determined r.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cases {
    /// r = i of this modality alone, for each modality: all its information is redundant.
    pub at: Vec<u64>,
    /// r = i of several modalities.
    pub several: u64,
    /// r equals no i.
    pub between: u64,
}

impl Cases {
    /// SQL conditions of the rows with r = i of each modality alone, and of those with r = any i. Of two
    /// modalities u1 and u2 tell it; of more the columns of single i, and nothing does where there are none.
    pub(super) fn conditions(modalities: usize, information: &[String]) -> Vec<String> {
        let equal: Vec<String> = match modalities {
            2 => ["u1 = 0", "u2 = 0"].map(str::to_owned).into(),
            _ => information.iter().map(|i| format!("r = {i}")).collect(),
        };
        let alone = equal.iter().map(|one| {
            let others = equal.iter().filter(|other| *other != one);
            others.fold(one.clone(), |alone, other| alone + &format!(" AND NOT {other}"))
        });
        alone.chain((!equal.is_empty()).then(|| equal.join(" OR "))).collect()
    }

    /// The cases of so many rows, by the counts of [`Cases::conditions`].
    pub(super) fn of(rows: u64, counts: &[u64]) -> Option<Self> {
        let (any, at) = counts.split_last()?;
        let several = any.saturating_sub(at.iter().sum());
        Some(Self { at: at.to_vec(), several, between: rows.saturating_sub(*any) })
    }

    /// Adds the counts of other rows.
    pub(super) fn merge(&mut self, other: &Self) {
        self.at.resize(self.at.len().max(other.at.len()), 0);
        self.at.iter_mut().zip(&other.at).for_each(|(rows, others)| *rows += others);
        self.several += other.several;
        self.between += other.between;
    }
}

impl Serialize for Cases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (at, several): (Vec<String>, _) = match self.at.len() {
            2 => (["first", "second"].map(str::to_owned).into(), "both"),
            modalities => (Quantity::single_names(Quantity::I, modalities), "several"),
        };
        let others = [(several.to_owned(), &self.several), ("between".to_owned(), &self.between)];
        serializer.collect_map(at.into_iter().zip(&self.at).chain(others))
    }
}

impl JsonSchema for Cases {
    fn schema_name() -> Cow<'static, str> {
        "Cases".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut rows = |description: &str| {
            let mut schema = generator.subschema_for::<u64>();
            schema.insert("description".to_owned(), description.into());
            schema.to_value()
        };
        json_schema!({
            "description": "Rows by the case that determined their redundancy.",
            "type": "object",
            "properties": {
                "first": rows("Of two modalities: r = i1: all information of modality 1 is redundant."),
                "second": rows("Of two modalities: r = i2."),
                "both": rows("Of two modalities: r = i1 = i2."),
                "several": rows("Of more than two modalities: r = i of several modalities."),
                "between": rows("r equals no i; of two modalities r lies between i1 and i2.")
            },
            "patternProperties": {
                "^i_[1-4]$": rows("Of more than two modalities: r = i of this modality alone.")
            },
            "required": ["between"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_the_names_of_their_information() {
        let json = |cases: &Cases| serde_json::to_string(cases).unwrap();
        let two = Cases::of(10, &[1, 2, 6]).unwrap();
        assert_eq!(json(&two), r#"{"first":1,"second":2,"both":3,"between":4}"#);
        let mut three = Cases::of(20, &[1, 2, 3, 10]).unwrap();
        assert_eq!(json(&three), r#"{"i_1":1,"i_2":2,"i_3":3,"several":4,"between":10}"#);
        three.merge(&Cases::of(5, &[0, 1, 0, 1]).unwrap());
        assert_eq!((&three.at[..], three.several, three.between), (&[1, 3, 3][..], 4, 14));
        assert_eq!(Cases::of(10, &[]), None);
    }

    #[test]
    fn of_more_than_two_the_columns_of_single_information_are_needed() {
        let names: Vec<String> = ["i_1", "i_2", "i_3"].map(str::to_owned).into();
        let conditions = Cases::conditions(3, &names);
        assert_eq!(
            [&conditions[1], &conditions[3]],
            ["r = i_2 AND NOT r = i_1 AND NOT r = i_3", "r = i_1 OR r = i_2 OR r = i_3"]
        );
        assert_eq!(Cases::conditions(2, &[])[0], "u1 = 0 AND NOT u2 = 0");
        assert!(Cases::conditions(3, &[]).is_empty());
    }
}
