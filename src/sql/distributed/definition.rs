//! The definition of a scan as it travels: all but the files, which are rows of the operator's input.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::project_schema;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::error::Error;

use super::super::errors::to_datafusion_error;
use super::super::file_scan::{FileScan, PartitionCheck, TableReader};
use super::super::parquet_reader::FileNames;
use super::super::table_format::TableFormat;
use super::pieces::FilePiece;

/// The version of this program, which all processes of a query share.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The definition of a scan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sql) struct ScanDefinition {
    version: String,
    store: String,
    format: TableFormat,
    /// The columns of the files.
    files: Columns,
    /// The partition columns, the hidden ones last.
    partitions: Columns,
    /// The columns that queries see.
    visible: Columns,
    inexact: Vec<usize>,
    /// Columns of the files that are partition columns, too: their positions, those of the hidden columns,
    /// and the names of the files that lack them.
    checks: Vec<(usize, usize, Arc<BTreeSet<String>>)>,
    projection: Vec<usize>,
    limit: Option<usize>,
    /// The rows of all files, where they are known.
    rows: Option<usize>,
    ignores_checksums: bool,
}

/// Columns, as an encoded schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Columns(Vec<u8>);

impl Columns {
    fn of(schema: &Schema) -> Result<Self> {
        Ok(Self(protobuf::Schema::try_from(schema).map_err(DataFusionError::from)?.encode_to_vec()))
    }

    fn schema(&self) -> Result<SchemaRef> {
        let schema =
            protobuf::Schema::decode(&*self.0).map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(Arc::new(Schema::try_from(&schema).map_err(DataFusionError::from)?))
    }
}

impl ScanDefinition {
    /// The definition of a scan of files with this number of rows.
    ///
    /// # Errors
    /// Of a schema that can't be encoded.
    pub(in crate::sql) fn of(
        scan: &FileScan,
        projection: &[usize],
        limit: Option<usize>,
        rows: Option<usize>,
        ignores_checksums: bool,
    ) -> Result<Self> {
        let checks = scan.checks.iter();
        let checks = checks
            .map(|(column, PartitionCheck { hidden, lacking })| (*column, *hidden, Arc::clone(lacking)));
        Ok(Self {
            version: VERSION.to_owned(),
            store: scan.store_url.as_str().to_owned(),
            format: scan.reader.format(),
            files: Columns::of(scan.columns.file_schema())?,
            partitions: Columns::of(&Schema::new(scan.columns.table_partition_cols().clone()))?,
            visible: Columns::of(&scan.schema)?,
            inexact: scan.inexact.iter().copied().collect(),
            checks: checks.collect(),
            projection: projection.to_vec(),
            limit,
            rows,
            ignores_checksums,
        })
    }

    /// The schema of the scan's rows.
    ///
    /// # Errors
    /// Of a schema that can't be decoded.
    pub(super) fn schema(&self) -> Result<SchemaRef> {
        project_schema(&self.visible.schema()?, Some(&self.projection))
    }

    /// The positions of its columns among those that queries see.
    pub(super) fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The most rows that are needed.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// The rows of all files, where they are known and all are read.
    pub(super) fn rows(&self) -> Option<usize> {
        self.rows.filter(|_| self.limit.is_none())
    }

    /// Whether pages are not compared with their checksums.
    pub(super) fn ignores_checksums(&self) -> bool {
        self.ignores_checksums
    }

    /// Whether its files are Parquet files.
    pub(super) fn is_parquet(&self) -> bool {
        self.format == TableFormat::Parquet
    }

    /// Its format, for plans.
    pub(super) fn format(&self) -> TableFormat {
        self.format
    }

    /// Makes what scans of these files share, in this process.
    ///
    /// # Errors
    /// [`Error::Engine`] where the definition was made by another version of this program; those of reading
    /// the head of a file.
    pub(super) async fn open(&self, state: &SessionState, pieces: &[FilePiece]) -> Result<FileScan> {
        if self.version != VERSION {
            return Err(to_datafusion_error(Error::Engine(format!(
                "an executor is lsmi-etl {VERSION}, and the client is lsmi-etl {}; run the same version on both",
                self.version
            ))));
        }
        let store_url = ObjectStoreUrl::parse(&self.store)?;
        let reader = match (self.format, pieces.first()) {
            (TableFormat::Parquet, _) | (_, None) => TableReader::Parquet,
            (format, Some(_)) => {
                TableReader::Other(format, format.reader(state).map_err(to_datafusion_error)?)
            }
        };
        let mut names = FileNames::new();
        for piece in pieces {
            names.insert(piece.meta()?.location, piece.name().to_owned());
        }
        let partitions = self.partitions.schema()?.fields().clone();
        let columns =
            TableSchema::builder(self.files.schema()?).with_table_partition_cols(partitions).build();
        let checks = self.checks.iter();
        let checks: HashMap<usize, PartitionCheck> = checks
            .map(|(column, hidden, lacking)| {
                (*column, PartitionCheck { hidden: *hidden, lacking: Arc::clone(lacking) })
            })
            .collect();
        Ok(FileScan {
            store_url,
            reader,
            names: Arc::new(names),
            columns,
            schema: self.visible.schema()?,
            inexact: self.inexact.iter().copied().collect(),
            checks,
        })
    }
}
