//! Where the labels of a file come from: one of its columns, or a `label=value` folder of its path, as
//! datasets with one folder a class have it.

use std::iter::repeat_n;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, new_null_array};
use arrow::datatypes::DataType;

use crate::bundle::Class;
use crate::storage::{partition_integer, partition_value, partition_values};

use super::label_type::LabelType;

/// The label of a file whose path has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderLabel(pub(super) Option<Class>);

impl FolderLabel {
    /// The value of a label in a file's path as it is written there: the inner `None` is null; the
    /// outer one says that no folder is of this label.
    pub fn text(file: &str, label: &str) -> Option<Option<String>> {
        partition_value(Path::new(file), label)
    }

    /// The names of the folders with a value in a file's path, each once, from the outermost on.
    pub(super) fn names(file: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in partition_values(Path::new(file)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// A value in a path as a class of this type.
    ///
    /// # Errors
    /// What is wrong with the value, where it is none of this type.
    pub(super) fn parse(text: Option<&str>, kind: LabelType) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self(None)) };
        let class = match kind {
            LabelType::Integer => partition_integer(text).map(Class::Integer),
            LabelType::String => Some(Class::String(text.to_owned())),
            LabelType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" => Some(Class::Boolean(true)),
                "false" => Some(Class::Boolean(false)),
                _ => None,
            },
        };
        class.map(|class| Self(Some(class))).ok_or_else(|| {
            format!("is {text:?} by the file's folder, the bundle's classes are {}", kind.plural())
        })
    }

    /// A column of the value.
    pub(super) fn column(&self, rows: usize) -> ArrayRef {
        match &self.0 {
            None => new_null_array(&DataType::Utf8, rows),
            Some(Class::Integer(value)) => Arc::new(Int64Array::from_iter_values(repeat_n(*value, rows))),
            Some(Class::String(value)) => Arc::new(StringArray::from_iter_values(repeat_n(value, rows))),
            Some(Class::Boolean(value)) => Arc::new(BooleanArray::from(vec![*value; rows])),
        }
    }
}
