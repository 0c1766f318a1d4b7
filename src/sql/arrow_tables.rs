//! `CREATE EXTERNAL TABLE … STORED AS ARROW`, which DataFusion reads by itself.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use crate::error::Error;

use super::arrow_lengths::check_arrow_files;
use super::errors::to_datafusion_error;
use super::table_files::find_table_files;
use super::table_format::TableFormat;

/// DataFusion's factory, after a check of the files that are there.
#[derive(Debug)]
pub(super) struct CheckedArrowTables;

#[async_trait]
impl TableProviderFactory for CheckedArrowTables {
    async fn create(
        &self,
        state: &dyn Session,
        table: &CreateExternalTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(session) = state.as_any().downcast_ref::<SessionState>() else {
            return Err(DataFusionError::Internal("a session of another kind".to_owned()));
        };
        for location in &table.locations {
            match find_table_files(session, location).await {
                Ok(found) if found.format == TableFormat::Arrow || found.files.len() == 1 => {
                    check_arrow_files(found.store.as_ref(), &found.files)
                        .await
                        .map_err(to_datafusion_error)?;
                }
                // A folder without files may be one to insert into.
                Ok(_) | Err(Error::NoInput { .. }) => {}
                Err(error) => return Err(to_datafusion_error(error)),
            }
        }
        ListingTableFactory::new().create(state, table).await
    }
}
