//! `CREATE EXTERNAL TABLE`: the same tables as quoted names. DataFusion's own would be read without the checks of
//! footers, lengths, checksums, quotes and panics, and would take an INSERT. Of Parquet and Arrow, the files say all; of
//! CSV and JSON, a statement may declare the columns, and of CSV the delimiter and whether there is a header.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use crate::error::Error;
use crate::printable::shown;

use super::csv_options::{DELIMITERS, delimiter, has_header, option_name};
use super::declared_columns::DeclaredColumns;
use super::errors::to_datafusion_error;
use super::file_table::FileTable;
use super::file_tables::open_files;
use super::table_files::{TableFiles, find_table_files};
use super::table_format::{CsvLayout, TableFormat};

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
        let opened = self.open(session, table).await;
        let (columns, files) = opened.map_err(to_datafusion_error)?;
        columns.table_of(Arc::new(files), &table.name)
    }
}

impl ExternalTables {
    /// The declared columns, and the table of the files.
    async fn open(
        &self,
        session: &SessionState,
        table: &CreateExternalTable,
    ) -> crate::error::Result<(DeclaredColumns, FileTable)> {
        if let Some(clause) = self.clause_of(table) {
            return Err(refuse(table, clause));
        }
        let columns = DeclaredColumns::new(table.schema.inner().fields(), self.0)?;
        let files = open_files(session, self.files(session, table).await?, &columns).await?;
        let schema = &files.scan.schema;
        match table.table_partition_cols.iter().find(|column| schema.index_of(column).is_err()) {
            None => Ok((columns, files)),
            Some(column) => Err(Error::Usage(format!(
                "{}: PARTITIONED BY ({column}), but no folder is named {column}=…",
                table.name
            ))),
        }
    }

    /// The files at all locations, which have this format.
    async fn files(
        &self,
        session: &SessionState,
        table: &CreateExternalTable,
    ) -> crate::error::Result<TableFiles> {
        let mut all: Option<TableFiles> = None;
        for location in &table.locations {
            let mut found = find_table_files(session, location, Some(self.0)).await?;
            let location = shown(location.as_ref());
            found.format = match (self.0, found.format) {
                (TableFormat::Csv(_), TableFormat::Csv(layout)) => {
                    TableFormat::Csv(with_options(layout, table)?)
                }
                (named, format) if named == format => format,
                _ => {
                    let what = format!(
                        "{location}: not of the format that STORED AS names; leave the statement out: a quoted name is a table"
                    );
                    return Err(Error::Usage(what));
                }
            };
            match &mut all {
                None => all = Some(found),
                Some(all) if (&all.store_url, all.format) == (&found.store_url, found.format) => {
                    all.files.extend(found.files);
                }
                Some(_) => {
                    let what = format!(
                        "{location}: in another store or of another format than the first location; make a view with UNION \
                         ALL"
                    );
                    return Err(Error::Usage(what));
                }
            }
        }
        all.ok_or_else(|| Error::Usage("an external table needs a LOCATION".to_owned()))
    }

    /// A clause about what the files themselves say.
    fn clause_of(&self, table: &CreateExternalTable) -> Option<&'static str> {
        let is_csv = self.0.csv().is_some();
        let has_types = !is_csv && !matches!(self.0, TableFormat::Json(_));
        let given = [
            (has_types && !table.schema.fields().is_empty(), "columns"),
            (!table.order_exprs.is_empty(), "WITH ORDER"),
            (!is_csv && !table.options.is_empty(), "OPTIONS"),
            (!table.constraints.is_empty(), "constraints"),
            (!table.column_defaults.is_empty(), "DEFAULT"),
            (table.unbounded, "UNBOUNDED"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, clause)| clause)
    }
}

/// The layout that the options make of one.
fn with_options(mut layout: CsvLayout, table: &CreateExternalTable) -> crate::error::Result<CsvLayout> {
    for (key, value) in &table.options {
        let name = option_name(key);
        let wrong =
            |takes: &str| Error::Usage(format!("{}: format.{name} takes {takes}, not {value:?}", table.name));
        match name.as_str() {
            "delimiter" => layout.delimiter = delimiter(value).ok_or_else(|| wrong(DELIMITERS))?,
            "has_header" => layout.has_header = has_header(value).ok_or_else(|| wrong("true or false"))?,
            _ => {
                return Err(Error::Usage(format!(
                    "{}: there is no option format.{name} of CSV tables; they take format.delimiter and \
                     format.has_header",
                    table.name
                )));
            }
        }
    }
    Ok(layout)
}

/// A false claim would give wrong rows.
fn refuse(table: &CreateExternalTable, clause: &str) -> Error {
    Error::Usage(format!(
        "{}: an external table STORED AS {} takes no {clause}: its files say what it is; leave it out, and cast or sort in \
         the query",
        table.name, table.file_type
    ))
}
