//! A table of files: its schema, and which of the files a query reads.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Statistics, project_schema};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;

#[cfg(feature = "cluster")]
use super::distributed::{ScanDefinition, ScanExec};
#[cfg(feature = "cluster")]
use super::distribution::is_distributed;
use super::errors::to_datafusion_error;
use super::file_scan::{FileScan, ScannedFile, statistics};
use super::merged_schema::{Conflict, Difference};
#[cfg(feature = "cluster")]
use super::read_chunks::ReadChunks;
use super::told_differences::ToldDifferences;

/// A table of files of one format.
#[derive(Debug)]
pub(super) struct FileTable {
    /// The path or URL of the files, for messages.
    pub(super) name: String,
    pub(super) scan: Arc<FileScan>,
    pub(super) files: Vec<ScannedFile>,
    /// By column of the files: what a query that reads it is told.
    pub(super) conflicts: HashMap<usize, Conflict>,
    /// By column of the files: how they differ.
    pub(super) differences: HashMap<usize, Difference>,
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.scan.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let partitions = self.partition_schema();
        let support = |filter: &&Expr| match refers_only_to(filter, &partitions) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.scan.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        if let Some(conflict) = projection.iter().find_map(|column| self.conflicts.get(column)) {
            return Err(to_datafusion_error(conflict.error()));
        }
        if let Some(told) = state.config().get_extension::<ToldDifferences>() {
            let of = |column: &usize| Some((*column, self.differences.get(column)?));
            told.warn(&self.name, projection.iter().filter_map(of));
        }
        let files = self.files_that_pass(state, filters)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.scan.schema, Some(projection))?)));
        }
        let files: crate::Result<Vec<ScannedFile>> = files.into_iter().map(ScannedFile::versioned).collect();
        let files = files.map_err(to_datafusion_error)?;
        #[cfg(feature = "cluster")]
        if is_distributed(state) {
            return self.travelling_scan(state, &files, projection, limit);
        }
        self.scan.plan(state, &files, projection, limit).await
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(statistics(&self.files, &self.scan.schema))
    }
}

impl FileTable {
    /// The scan as an operator that travels.
    #[cfg(feature = "cluster")]
    fn travelling_scan(
        &self,
        state: &dyn Session,
        files: &[ScannedFile],
        projection: &[usize],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ignores_checksums =
            state.config().get_extension::<ReadChunks>().is_some_and(|read| read.ignores_checksums());
        let rows = files.iter().map(|file| file.rows).sum();
        let definition = ScanDefinition::of(&self.scan, projection, limit, rows, ignores_checksums)?;
        let partitions = state.config().target_partitions();
        Ok(Arc::new(ScanExec::over(&self.scan, files, definition, partitions)?))
    }

    /// The partition columns that queries see.
    pub(super) fn partition_schema(&self) -> SchemaRef {
        let files = self.scan.columns.file_schema().fields().len();
        Arc::new(Schema::new(self.scan.schema.fields().iter().skip(files).cloned().collect::<Vec<_>>()))
    }

    /// Whether a column of this name is a partition column of text.
    pub(super) fn is_text_partition(&self, name: &str) -> bool {
        let partitions = self.partition_schema();
        partitions.field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Utf8)
    }

    /// Whether a partition column is of text.
    pub(super) fn has_text_partitions(&self) -> bool {
        self.partition_schema().fields().iter().any(|field| *field.data_type() == DataType::Utf8)
    }

    /// The files whose partition values pass the filters on these columns.
    fn files_that_pass(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&ScannedFile>> {
        let schema = self.partition_schema();
        let mut files: Vec<&ScannedFile> = self.files.iter().collect();
        for filter in filters.iter().filter(|filter| refers_only_to(filter, &schema)) {
            let columns = (0..schema.fields().len()).map(|column| -> Result<ArrayRef> {
                let value = |file: &&ScannedFile| file.file.partition_values.get(column).cloned();
                ScalarValue::iter_to_array(files.iter().filter_map(value))
            });
            if files.is_empty() {
                break;
            }
            let rows = RecordBatchOptions::new().with_row_count(Some(files.len()));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let values = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows)?;
            let frame = DFSchema::try_from(schema.as_ref().clone())?;
            let filter = state.create_physical_expr(filter.clone(), &frame)?;
            let passes = filter.evaluate(&values)?.into_array(files.len())?;
            let passes = passes.as_boolean();
            let kept = files.into_iter().zip(passes).filter(|(_, passes)| *passes == Some(true));
            files = kept.map(|(file, _)| file).collect();
        }
        Ok(files)
    }
}

fn refers_only_to(filter: &Expr, schema: &Schema) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty() && columns.iter().all(|column| schema.field_with_name(&column.name).is_ok())
}
