//! Options and partition columns that COPY or CREATE EXTERNAL TABLE names twice, of which but one could be meant.

use std::collections::HashSet;

use datafusion::sql::parser::{CopyToStatement, CreateExternalTable, ExplainStatement, Statement};

use crate::error::{Error, Result};

use super::csv_options::option_name;

/// # Errors
/// [`Error::Usage`] where a name stands twice.
pub(super) fn refuse_repeated(statement: &Statement) -> Result<()> {
    let (options, columns) = match statement {
        Statement::CopyTo(CopyToStatement { options, partitioned_by, .. }) => (options, partitioned_by),
        Statement::CreateExternalTable(CreateExternalTable { options, table_partition_cols, .. }) => {
            (options, table_partition_cols)
        }
        Statement::Explain(ExplainStatement { statement, .. }) => return refuse_repeated(statement),
        _ => return Ok(()),
    };
    if let Some(key) = repeated(options.iter().map(|(key, _)| option_name(key))) {
        return Err(Error::Usage(format!("SQL: OPTIONS has {key} twice; give it once")));
    }
    match repeated(columns.iter().cloned()) {
        Some(column) => Err(Error::Usage(format!("SQL: PARTITIONED BY has {column} twice; give it once"))),
        None => Ok(()),
    }
}

/// The first name that has come before.
fn repeated(mut names: impl Iterator<Item = String>) -> Option<String> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(name.clone()))
}
