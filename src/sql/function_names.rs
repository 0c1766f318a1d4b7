//! What stands for a function that is called and does not exist: names of columns that `lsmi()` has under
//! another notation, or that only `annotate` has; else the function of the most similar name.

use crate::error::Error;
use crate::interaction::lattice::Lattice;
use crate::interaction::{ColumnName, Quantity};

/// The prefix of the accessors of the fields of `lsmi()`.
const PREFIX: &str = "lsmi_";

/// Functions by the names that they have elsewhere.
const ELSEWHERE: [(&str, &str); 13] = [
    ("average", "avg"),
    ("std", "stddev"),
    ("variance", "var_samp"),
    ("size", "cardinality"),
    ("list_value", "make_array"),
    ("list_aggregate", "array_agg"),
    ("list", "array_agg"),
    ("strftime", "to_char"),
    ("strptime", "to_timestamp"),
    ("epoch", "date_part"),
    ("approx_quantile", "approx_percentile_cont"),
    ("quantile_cont", "percentile_cont"),
    ("array_cosine_similarity", "cosine_distance"),
];

/// Functions whose way is no other function of one name.
const WAYS: [(&str, &str); 6] = [
    ("len", "array_length(x) is of a list, length(x) of a text"),
    ("mode", "GROUP BY x ORDER BY count(*) DESC LIMIT 1 gives the most frequent"),
    ("histogram", "GROUP BY floor(x / 0.1) counts the rows of steps"),
    ("arg_max", "first_value(x ORDER BY y DESC) gives x of the largest y"),
    ("arg_min", "first_value(x ORDER BY y) gives x of the least y"),
    ("date_diff", "a difference of dates or times is one with -"),
];

const NO_FUNCTION: &str = "SQL: there is no function ";

/// What to say of a planner's error, where it is a function that is missing.
pub(super) fn missing_function(message: &str) -> Option<String> {
    let name = message.strip_prefix("Invalid function '")?.split_once('\'')?.0;
    let way = WAYS.iter().find(|(elsewhere, _)| name.eq_ignore_ascii_case(elsewhere));
    let hint = way.map(|(_, way)| (*way).to_owned()).or_else(|| missing_field(name));
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("there is no function {name}{hint}"))
}

/// Adds the most similar of `names` to the error of a missing function without a hint.
pub(super) fn suggest_function(error: Error, names: &[String]) -> Error {
    let Error::Usage(message) = &error else { return error };
    let name = message.strip_prefix(NO_FUNCTION).filter(|name| !name.contains([';', ' ', '\n']));
    // One that is known, but not without a window.
    if let Some(known) = name.and_then(|name| names.iter().find(|known| known.eq_ignore_ascii_case(name))) {
        return Error::Usage(format!(
            "SQL: function {known} needs a window; write {known}(…) OVER (ORDER BY …)"
        ));
    }
    match name.and_then(|name| nearest(name, names)) {
        Some(near) => Error::Usage(format!("{message}; did you mean {near}?")),
        None => error,
    }
}

/// The name with the fewest letters added, left out, replaced or swapped, if they are few.
fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let most = (name.chars().count() / 3).clamp(1, 3);
    let is_known = |name: &str| names.iter().find(|known| *known == name).map(String::as_str);
    let elsewhere = ELSEWHERE.iter().filter_map(|(other, here)| Some((*other, is_known(here)?)));
    let all = names.iter().map(|name| (name.as_str(), name.as_str())).chain(elsewhere);
    let near = all.map(|(spelt, here)| (strsim::osa_distance(&name, spelt), spelt, here));
    let near = near.filter(|(distance, ..)| *distance <= most);
    // Of as many letters, the one that begins alike.
    let alike = |spelt: &str| strsim::jaro_winkler(&name, spelt);
    near.min_by(|a, b| a.0.cmp(&b.0).then(alike(b.1).total_cmp(&alike(a.1)))).map(|(_, _, here)| here)
}

/// What to say of the accessor of a field that `lsmi()` has not.
fn missing_field(name: &str) -> Option<String> {
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
            let function = format!("{PREFIX}{}", quantity.name(*modalities));
            match modalities {
                2 => format!("did you mean {function}?"),
                _ => {
                    let x: Vec<String> = (1..=*modalities).map(|modality| format!("x{modality}")).collect();
                    format!("did you mean {function}({}, y), of {modalities} modalities?", x.join(", "))
                }
            }
        }
        _ => format!(
            "{field} is no value of lsmi(); `lsmi-etl annotate --columns {field}` adds it to a file as {}",
            if quantities.len() > 1 { "columns" } else { "a column" }
        ),
    };
    Some(what)
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
        let of_three = "did you mean lsmi_i_3(x1, x2, x3, y), of 3 modalities?";
        assert_eq!(of("lsmi_i3"), format!("there is no function lsmi_i3; {of_three}"));
        assert_eq!(of("LSMI_I_12"), "there is no function LSMI_I_12; did you mean lsmi_i12?");
        assert!(
            of("lsmi_a_1_23").ends_with("`lsmi-etl annotate --columns a_1_23` adds it to a file as a column")
        );
        assert!(of("lsmi_atoms").ends_with("as columns") && of("lsmi_p_y12").ends_with("a column"));
        assert_eq!(of("lsmi_rr"), "there is no function lsmi_rr");
        assert_eq!(of("LEN"), "there is no function LEN; array_length(x) is of a list, length(x) of a text");
    }

    #[test]
    fn a_misspelt_function_is_answered_with_the_nearest() {
        let names =
            ["avg", "cot", "count", "overlay", "array_agg", "length", "sqrt", "lsmi_r"].map(str::to_owned);
        let of = |name: &str| {
            let error = Error::Usage(format!("{NO_FUNCTION}{name}"));
            suggest_function(error, &names).to_string().replacen(NO_FUNCTION, "", 1)
        };
        assert_eq!(of("averag"), "averag; did you mean avg?");
        assert_eq!(of("cuont"), "cuont; did you mean count?");
        assert_eq!(of("lsmi_rr"), "lsmi_rr; did you mean lsmi_r?");
        let windowless = of("OVERLAY");
        assert_eq!(windowless, "SQL: function overlay needs a window; write overlay(…) OVER (ORDER BY …)");
        assert_eq!((of("embed"), of("a; b")), ("embed".into(), "a; b".into()));
    }
}
