//! Columns of an input whose values are in its own path, above the folder that is searched: the table
//! of `data/label=7/` knows only the folders below it.

use std::path::Path;

use crate::parquet_file::Input;
use crate::storage::{FoundFile, PartitionValue, partition_integer, partition_value, partition_values};

/// The values in the path of one input, from the outermost folder on.
#[derive(Debug, Default)]
pub(super) struct PathColumns(Vec<PartitionValue>);

impl PathColumns {
    /// The values of a file's path that neither the file nor a folder below the searched one has.
    pub(super) fn of(found: &FoundFile, input: &Input) -> Self {
        let is_in_table =
            |name: &str| input.column(name).is_ok() || partition_value(&found.relative, name).is_some();
        let values = partition_values(&found.path).into_iter();
        Self(values.filter(|(name, _)| !is_in_table(name)).collect())
    }

    /// SQL for the label: that of its column, or of one class of all rows where there is none.
    pub(super) fn label_sql(&self, label: &str) -> String {
        if label.is_empty() { "''".to_owned() } else { self.sql(label) }
    }

    /// SQL for a column: its quoted name, or the value of the path. Integers are integers, as in SQL's tables.
    pub(super) fn sql(&self, column: &str) -> String {
        let Some((_, value)) = self.0.iter().rev().find(|(name, _)| name == column) else {
            return format!("\"{}\"", column.replace('"', "\"\""));
        };
        match value.as_deref().map(|text| (text, partition_integer(text))) {
            None => "CAST(NULL AS VARCHAR)".to_owned(),
            Some((_, Some(number))) => format!("CAST({number} AS BIGINT)"),
            Some((text, None)) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

/// Whether a column is in a file or in a `column=value` folder of its path.
pub(super) fn is_in_path(input: &Input, column: &str) -> bool {
    partition_value(Path::new(&input.place().file), column).is_some()
}
