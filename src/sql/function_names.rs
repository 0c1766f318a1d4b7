//! What stands for a function that is called and does not exist: names of columns that `lsmi()` has under
//! another notation, or that only `annotate` has.

use crate::interaction::lattice::Lattice;
use crate::interaction::{ColumnName, Quantity};

/// The prefix of the accessors of the fields of `lsmi()`.
const PREFIX: &str = "lsmi_";

/// What to say of a planner's error, where it is a function of ours that is missing.
pub(super) fn missing_function(message: &str) -> Option<String> {
    let name = message.strip_prefix("Invalid function '")?.split_once('\'')?.0;
    let field = name.to_ascii_lowercase();
    let field = field.strip_prefix(PREFIX)?;
    let column: ColumnName = field.parse().ok()?;
    // Of the fewest modalities that have it.
    let quantities = (2..=Lattice::MODALITIES).find_map(|modalities| {
        let found = column.resolve(modalities).ok()?;
        Some(found.into_iter().map(move |quantity| (modalities, quantity)).collect::<Vec<_>>())
    })?;
    let what = match &quantities[..] {
        [(modalities, quantity @ (Quantity::I(_) | Quantity::H(_)))] => {
            format!("did you mean {PREFIX}{}?", quantity.name(*modalities))
        }
        _ => format!(
            "{field} is no value of lsmi(); `lsmi-etl annotate --columns {field}` adds it to a file as {}",
            if quantities.len() > 1 { "columns" } else { "a column" }
        ),
    };
    Some(format!("there is no function {name}; {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_columns_are_named_in_their_notation() {
        let of = |name: &str| {
            let message = format!("Invalid function '{name}'.\nDid you mean 'lsmi_i_23'?");
            missing_function(&message).unwrap_or_default()
        };
        assert_eq!(of("lsmi_i123"), "there is no function lsmi_i123; did you mean lsmi_i_123?");
        assert_eq!(of("LSMI_H12"), "there is no function LSMI_H12; did you mean lsmi_h_12?");
        assert!(
            of("lsmi_a_1_23").ends_with("`lsmi-etl annotate --columns a_1_23` adds it to a file as a column")
        );
        assert!(of("lsmi_atoms").ends_with("as columns") && of("lsmi_p_y12").ends_with("a column"));
        assert_eq!((of("lsmi_rr"), of("median2")), (String::new(), String::new()));
    }
}
