//! `CREATE EXTERNAL TABLE … STORED AS PARQUET` or `ARROW`: the same tables as quoted names. DataFusion's
//! own would be read without the checks of footers, lengths, checksums and panics.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
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
        refuse_clauses(table).map_err(to_datafusion_error)?;
        let files = self.files(session, &table.locations).await.map_err(to_datafusion_error)?;
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

/// The files say what these clauses would claim, and a false claim gives wrong rows.
fn refuse_clauses(table: &CreateExternalTable) -> crate::error::Result<()> {
    let given = [
        (!table.schema.fields().is_empty(), "columns"),
        (!table.order_exprs.is_empty(), "WITH ORDER"),
        (!table.options.is_empty(), "OPTIONS"),
        (!table.constraints.is_empty(), "constraints"),
        (!table.column_defaults.is_empty(), "DEFAULT"),
        (table.unbounded, "UNBOUNDED"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, clause)) => Err(Error::Usage(format!(
            "{}: an external table STORED AS {} takes no {clause}: its files say what it is; leave it out, and \
             cast or sort in the query",
            table.name, table.file_type
        ))),
    }
}
