//! What to say of a column that a query names and no table has.

use std::collections::HashSet;

use datafusion::common::{Column, SchemaError};

use crate::interaction::lattice::Lattice;
use crate::interaction::{ColumnName, Quantity};
use crate::parquet_file::{listed_columns, most_similar};
use crate::printable::quoted_name;

/// The message for a missing column; `None` of other errors.
pub(super) fn missing_column(error: &SchemaError) -> Option<String> {
    let SchemaError::FieldNotFound { field, valid_fields } = error else { return None };
    let names = names(valid_fields);
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut known = HashSet::new();
    let once: Vec<&str> = texts.iter().copied().filter(|name| known.insert(*name)).collect();
    let bare: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
    let written = |near: &str| texts.get(bare.iter().position(|name| *name == near)?);
    let meant = |near: &&str| format!("did you mean {near}? ");
    // A name with a dot was taken for one of a table.
    let dotted = field.relation.is_some().then(|| field.flat_name());
    let dotted = dotted.and_then(|name| bare.iter().copied().find(|bare| bare.eq_ignore_ascii_case(&name)));
    let hint = match (dotted.and_then(written), annotated(&field.name, &bare)) {
        (Some(near), _) => meant(near),
        (None, Some(hint)) if !names.is_empty() => hint,
        _ => most_similar(&field.name, &bare).and_then(written).map(meant).unwrap_or_default(),
    };
    let are = listed_columns(&once).unwrap_or_else(|| "no table of FROM has columns".to_owned());
    // Also of one in double quotes, which is a name in SQL.
    let text = match hint.is_empty() && field.relation.is_none() {
        true => format!("; as a text it is '{}'", field.name),
        false => String::new(),
    };
    Some(format!("there is no column {}; {hint}{are}{text}", field.flat_name()))
}

/// The names as a query writes them; with their tables where several tables have columns. What a query computes is in
/// no table.
fn names(columns: &[Column]) -> Vec<String> {
    let tables: HashSet<_> = columns.iter().filter_map(|column| column.relation.as_ref()).collect();
    let name = |column: &Column| match &column.relation {
        Some(table) if tables.len() > 1 => {
            format!("{}.{}", quoted_name(table.table()), quoted_name(&column.name))
        }
        _ => quoted_name(&column.name),
    };
    columns.iter().map(name).collect()
}

/// A hint at the command that adds the column, where it is one that `annotate` has for a table of such columns.
fn annotated(name: &str, columns: &[&str]) -> Option<String> {
    // An annotated table tells how many modalities there are.
    let has = |modality: &usize| columns.contains(&format!("u{modality}").as_str());
    let known = (1..=Lattice::MODALITIES).rev().find(has);
    let is_default = |modalities: usize| {
        known.is_none_or(|known| known == modalities)
            && Quantity::defaults(modalities).iter().any(|part| part.name(modalities) == name)
    };
    if (2..=Lattice::MODALITIES).any(is_default) {
        return Some("`lsmi-etl annotate` adds it; ".to_owned());
    }
    let column: ColumnName = name.parse().ok()?;
    if known.is_some_and(|known| column.resolve(known).is_err()) {
        return None;
    }
    let asked = if column.is_former_prior() { "prior_y" } else { name };
    Some(format!("`lsmi-etl annotate --columns {asked}` adds it; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::common::TableReference;

    fn message(name: &str, valid: &[(&str, &str)]) -> String {
        let valid_fields = valid
            .iter()
            .map(|(table, name)| Column::new(Some(TableReference::bare(*table)), *name))
            .collect();
        let field = Box::new(Column::new_unqualified(name));
        missing_column(&SchemaError::FieldNotFound { field, valid_fields }).unwrap()
    }

    #[test]
    fn the_nearest_column_is_named_as_a_query_writes_it() {
        let table = [("a.parquet", "r"), ("a.parquet", "Weight"), ("a.parquet", "x1")];
        assert_eq!(
            message("wieght", &table),
            "there is no column wieght; did you mean \"Weight\"? the columns are: r, \"Weight\", x1"
        );
        assert!(
            message("qq", &table)
                .ends_with("column qq; the columns are: r, \"Weight\", x1; as a text it is 'qq'")
        );
        let two = message("idd", &[("a", "id"), ("b.csv", "id")]);
        assert!(two.ends_with("did you mean a.id? the columns are: a.id, \"b.csv\".id"), "{two}");
        assert!(message("b", &[]).ends_with("no table of FROM has columns; as a text it is 'b'"));
        let field = Box::new(Column::new(Some(TableReference::bare("emb")), "img"));
        let valid_fields = vec![Column::new(Some(TableReference::bare("t")), "emb.Img")];
        let dotted = missing_column(&SchemaError::FieldNotFound { field, valid_fields }).unwrap();
        assert!(dotted.starts_with("there is no column emb.img; did you mean \"emb.Img\"? the"), "{dotted}");
        let many: Vec<_> = (0..50).map(|column| format!("c{column}")).collect();
        let many: Vec<_> = many.iter().map(|name| ("t", name.as_str())).collect();
        assert!(message("d", &many).contains(", c39 and 10 more; as"));
        // What is computed stands beside the columns of the one table, some of which it is.
        let grouped = [Column::new_unqualified("count(*)"), Column::new_unqualified("y")].into_iter();
        let of_table = ["x", "y"].map(|name| Column::new(Some(TableReference::bare("t")), name));
        let valid_fields = grouped.chain(of_table).collect();
        let field = Box::new(Column::new_unqualified("qq"));
        let message = missing_column(&SchemaError::FieldNotFound { field, valid_fields }).unwrap();
        assert!(message.contains("the columns are: \"count(*)\", y, x; as"), "{message}");
    }

    #[test]
    fn columns_of_annotate_are_not_taken_for_slips() {
        let table = [("t", "a_23"), ("t", "p_x")];
        assert!(
            message("i_23", &table).contains("; `lsmi-etl annotate --columns i_23` adds it; the columns")
        );
        assert!(message("p_y", &table).contains("`lsmi-etl annotate --columns prior_y` adds it"));
        assert!(message("u1", &table).contains("; `lsmi-etl annotate` adds it; the columns"));
        let of_two = [("t", "r"), ("t", "u1"), ("t", "u2"), ("t", "s")];
        assert!(message("i12", &of_two).contains("annotate --columns i12"));
        for other in ["u3", "i_13", "a_1_2_3"] {
            assert!(!message(other, &of_two).contains("annotate"), "{other}");
        }
    }
}
