//! `CREATE EXTERNAL TABLE … STORED AS PARQUET`, `ARROW` or `CSV`: the same tables as quoted names. DataFusion's
//! own would be read without the checks of footers, lengths, checksums, quotes and panics. Of CSV, clauses say what the
//! files do not, and then the table is DataFusion's.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::datasource::provider::DefaultTableFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use crate::error::Error;
use crate::printable::shown;

use super::errors::to_datafusion_error;
use super::file_tables::open_files;
use super::table_files::{TableFiles, find_table_files};
use super::table_format::TableFormat;

/// The factory of external tables of one format.
#[derive(Debug)]
pub(super) struct ExternalTables(pub(super) TableFormat);

#[async_trait]
impl TableProviderFactory for ExternalTables {
    async fn create(
        &self,
        state: &dyn Session,
        table: &CreateExternalTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(session) = state.as_any().downcast_ref::<SessionState>() else {
            return Err(DataFusionError::Internal("a session of another kind".to_owned()));
        };
        let files = match clause_of(table) {
            None => self.files(session, &table.locations).await,
            Some(clause) => Err(refuse(table, clause)),
        };
        let files = match files {
            // Of another ending, too.
            Err(_) if self.0 == TableFormat::Csv => {
                return DefaultTableFactory::new().create(state, table).await;
            }
            files => files.map_err(to_datafusion_error)?,
        };
        let opened = open_files(session, files).await.map_err(to_datafusion_error)?;
        let schema = opened.schema();
        match table.table_partition_cols.iter().find(|column| schema.index_of(column).is_err()) {
            None => Ok(opened),
            Some(column) => Err(to_datafusion_error(Error::Usage(format!(
                "{}: PARTITIONED BY ({column}), but no folder is named {column}=…",
                table.name
            )))),
        }
    }
}

impl ExternalTables {
    /// The files at all locations, which have this format.
    async fn files(&self, session: &SessionState, locations: &[String]) -> crate::error::Result<TableFiles> {
        let mut all: Option<TableFiles> = None;
        for location in locations {
            let found = find_table_files(session, location).await?;
            let location = shown(location.as_ref());
            if found.format != self.0 {
                let what = format!(
                    "{location}: not of the format that STORED AS names; leave the statement out: a quoted name is a table"
                );
                return Err(Error::Usage(what));
            }
            match &mut all {
                None => all = Some(found),
                Some(all) if all.store_url == found.store_url => all.files.extend(found.files),
                Some(_) => {
                    let what = format!(
                        "{location}: in another store than the first location; make a view with UNION ALL"
                    );
                    return Err(Error::Usage(what));
                }
            }
        }
        all.ok_or_else(|| Error::Usage("an external table needs a LOCATION".to_owned()))
    }
}

/// A clause about what the files themselves say.
fn clause_of(table: &CreateExternalTable) -> Option<&'static str> {
    let given = [
        (!table.schema.fields().is_empty(), "columns"),
        (!table.order_exprs.is_empty(), "WITH ORDER"),
        (!table.options.is_empty(), "OPTIONS"),
        (!table.constraints.is_empty(), "constraints"),
        (!table.column_defaults.is_empty(), "DEFAULT"),
        (table.unbounded, "UNBOUNDED"),
    ];
    given.into_iter().find(|(is_given, _)| *is_given).map(|(_, clause)| clause)
}

/// A false claim would give wrong rows.
fn refuse(table: &CreateExternalTable, clause: &str) -> Error {
    Error::Usage(format!(
        "{}: an external table STORED AS {} takes no {clause}: its files say what it is; leave it out, and cast or sort in \
         the query",
        table.name, table.file_type
    ))
}
