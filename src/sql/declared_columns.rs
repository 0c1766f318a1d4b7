//! The columns that CREATE EXTERNAL TABLE declares for CSV and JSON, in place of those that the first rows tell.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::{TableType, ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::{Error, Result};

use super::file_table::FileTable;
use super::table_format::{CsvLayout, TableFormat};

/// The columns as they are declared; none where the files tell them.
#[derive(Debug, Clone, Default)]
pub(super) struct DeclaredColumns(Fields);

impl DeclaredColumns {
    /// # Errors
    /// [`Error::Usage`] for a type that no text of CSV has, or that Arrow's reader of text has not.
    pub(super) fn new(columns: &Fields, format: TableFormat) -> Result<Self> {
        let is_csv = format.csv().is_some();
        let unreadable =
            |field: &&FieldRef| is_csv && is_no_text(field.data_type()) || is_misread(field.data_type());
        match columns.iter().find(unreadable) {
            None => Ok(Self(columns.clone())),
            Some(field) => Err(Error::Usage(format!(
                "SQL: column {} of {} can't be {}; declare it {}",
                field.name(),
                if is_csv { "CSV" } else { "JSON" },
                field.data_type(),
                if field.data_type().is_decimal() { "with a scale of 0 or more" } else { "VARCHAR" }
            ))),
        }
    }

    /// Whether a column is declared as text.
    pub(super) fn is_text(&self, name: &str) -> bool {
        self.0.find(name).is_some_and(|(_, field)| field.data_type().is_string())
    }

    /// What is declared of files that have these columns in their paths.
    pub(super) fn of_files(&self, in_paths: &[FieldRef]) -> FileColumns {
        FileColumns { declared: self.0.clone(), in_paths: in_paths.into() }
    }

    /// The table with the declared columns in their order, and then those of its paths that are not among them.
    ///
    /// # Errors
    /// Of DataFusion.
    pub(super) fn table_of(
        &self,
        files: Arc<FileTable>,
        name: &TableReference,
    ) -> datafusion::error::Result<Arc<dyn TableProvider>> {
        if self.0.is_empty() {
            return Ok(files);
        }
        let (schema, partitions) = (files.schema(), files.partition_schema());
        let of_paths = partitions.fields().iter().filter(|field| self.0.find(field.name()).is_none());
        let column = |field: &FieldRef| {
            let column = Expr::Column(Column::new(Some(name.clone()), field.name()));
            match schema.field_with_name(field.name()).is_ok_and(|it| it.data_type() == field.data_type()) {
                true => column,
                // Of a path.
                false => cast(column, field.data_type().clone()).alias(field.name()),
            }
        };
        let columns: Vec<Expr> = self.0.iter().chain(of_paths).map(column).collect();
        let scan = LogicalPlanBuilder::scan(name.clone(), provider_as_source(files), None)?;
        let plan = scan.project(columns)?.build()?;
        Ok(Arc::new(DeclaredTable(ViewTable::new(plan, None))))
    }
}

fn is_no_text(data_type: &DataType) -> bool {
    data_type.is_nested() || matches!(data_type, DataType::Binary | DataType::BinaryView)
}

/// Whether Arrow's readers of text have no such type, or shift its digits, as of 1200 with the scale -2.
fn is_misread(data_type: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal128, Decimal256, Interval};
    match data_type {
        Interval(_) => true,
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => *scale < 0,
        _ => false,
    }
}

/// The declared columns of files.
#[derive(Debug, Clone)]
pub(super) struct FileColumns {
    declared: Fields,
    /// Those of the files' paths, declared or not.
    in_paths: Fields,
}

impl FileColumns {
    /// The columns of a file, of which these are `found`. Those of a header go by their names, and are text where they
    /// are not declared.
    ///
    /// # Errors
    /// [`Error::Usage`] where the file has not these columns.
    pub(super) fn of_file(&self, format: TableFormat, found: SchemaRef, file: &str) -> Result<SchemaRef> {
        if !self.are_declared() {
            return Ok(found);
        }
        let in_files: Vec<FieldRef> = self.in_files().iter().cloned().collect();
        let fields = match format.csv() {
            // An empty file.
            Some(_) if found.fields().is_empty() => return Ok(found),
            Some(CsvLayout { has_header: true, .. }) => self.of_header(&found, &in_files, file)?,
            Some(CsvLayout { has_header: false, .. }) if in_files.len() != found.fields().len() => {
                return Err(Error::Usage(format!(
                    "{file}: has {} columns, and {} are declared; without a header they go by their positions",
                    found.fields().len(),
                    in_files.len()
                )));
            }
            _ => in_files,
        };
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The declared columns that are not those of paths.
    pub(super) fn in_files(&self) -> Fields {
        self.declared.iter().filter(|field| self.in_paths.find(field.name()).is_none()).cloned().collect()
    }

    /// Whether there are any.
    pub(super) fn are_declared(&self) -> bool {
        !self.declared.is_empty()
    }

    fn of_header(&self, header: &Schema, in_files: &[FieldRef], file: &str) -> Result<Vec<FieldRef>> {
        if let Some(missing) = in_files.iter().find(|field| header.index_of(field.name()).is_err()) {
            let names: Vec<&str> = header.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::Usage(format!(
                "{file}: has no column {}, which is declared; its header is {}",
                missing.name(),
                names.join(", ")
            )));
        }
        let column = |field: &FieldRef| match self.declared.find(field.name()) {
            Some((_, declared)) => Arc::clone(declared),
            None => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        };
        Ok(header.fields().iter().map(column).collect())
    }
}

/// A view of a table of files that is a table itself, as DROP TABLE takes it.
#[derive(Debug)]
struct DeclaredTable(ViewTable);

#[async_trait]
impl TableProvider for DeclaredTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.0.get_logical_plan()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, filters, limit).await
    }
}
