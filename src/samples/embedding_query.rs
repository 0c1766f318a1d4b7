//! The expressions of SQL that make embeddings of the columns of a file that has none, for messages.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::parquet_file::Input;
use crate::printable::quoted_name;

use super::embedding_type::{EmbeddingType, embedding_of, embedding_of_field};
use super::first_rows::{PROBE_ROWS, first_rows};

/// The fewest columns of one number each that may be the values of an embedding.
const LEAST_SCALARS: usize = 4;

/// The expressions that make embeddings of what a file without two of them has instead: lists of integers, texts that look
/// like lists, embeddings within structs, and columns of one number each.
pub(super) fn embeddings_of(input: &Input) -> Vec<String> {
    let (mut found, mut scalars) = (Vec::new(), Vec::new());
    for field in input.schema().fields() {
        let name = field.name().as_str();
        match field.data_type() {
            DataType::Struct(fields) => {
                found.extend(fields.iter().filter_map(|field| embedding_of_field(&quoted_name(name), field)));
            }
            text if text.is_string() && holds_lists(input, name) => {
                found.extend(embedding_of(name, text));
            }
            list if list.is_list() && EmbeddingType::of(list).is_none() => {
                found.extend(embedding_of(name, list));
            }
            number if number.is_floating() => scalars.push(quoted_name(name)),
            _ => {}
        }
    }
    if let (true, [first, second, ..]) = (scalars.len() >= LEAST_SCALARS, &scalars[..]) {
        found.push(format!("make_array({first}, {second}, …)"));
    }
    found
}

/// Whether the first text of a column is a list of numbers, in brackets. Where it can't be read, there is another error
/// to tell.
fn holds_lists(input: &Input, name: &str) -> bool {
    let Ok(Some((_, texts))) = first_rows(input, name, PROBE_ROWS) else { return false };
    let Ok(texts) = cast(&texts, &DataType::Utf8) else { return false };
    let first = texts.as_string_opt::<i32>().and_then(|texts| texts.iter().flatten().next());
    let values = first.and_then(|text| text.trim().strip_prefix('[')?.strip_suffix(']'));
    let mut values =
        values.into_iter().flat_map(|list| list.split([',', ' ', '\n'])).filter(|value| !value.is_empty());
    values.next().is_some_and(|value| value.trim().parse::<f64>().is_ok())
}
