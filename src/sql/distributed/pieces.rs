//! A piece of a file as it travels: a row of a scan's input holds those of a partition.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, BinaryArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::ObjectMeta;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place};
use crate::storage::{FileVersion, VersionedPath, is_url};

use super::super::errors::to_datafusion_error;
use super::super::file_scan::ScannedFile;
use super::super::list_scan::LocalName;
use super::super::parquet_reader::FileNames;

/// A file, or a range of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FilePiece {
    /// DataFusion's file with its partition values and its range, as Protocol Buffers.
    file: Vec<u8>,
    e_tag: Option<String>,
    object_version: Option<String>,
    /// As the user named it.
    name: String,
    /// The absolute path of a local file, and its version when the plan was made.
    local: Option<(PathBuf, FileVersion)>,
    rows: Option<usize>,
}

impl FilePiece {
    /// The piece of a file that has its version.
    ///
    /// # Errors
    /// Of a path that can't be named elsewhere.
    pub(super) fn of(ScannedFile { file, rows }: &ScannedFile, names: &FileNames) -> Result<Self> {
        let meta = &file.object_meta;
        let name = names.get(&meta.location).cloned().unwrap_or_else(|| meta.location.to_string());
        let local = match file.extension::<VersionedPath>() {
            None => None,
            Some(versioned) => {
                let path = std::path::absolute(versioned.path())?;
                Some((path, versioned.version().clone()))
            }
        };
        Ok(Self {
            file: protobuf::PartitionedFile::try_from(file)?.encode_to_vec(),
            e_tag: meta.e_tag.clone(),
            object_version: meta.version.clone(),
            name,
            local,
            rows: *rows,
        })
    }

    /// The file's name, as the user wrote it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The absolute path of a local file.
    pub(super) fn path(&self) -> Option<&Path> {
        self.local.as_ref().map(|(path, _)| path.as_path())
    }

    /// The file as object.
    ///
    /// # Errors
    /// Of bytes that can't be decoded.
    pub(super) fn meta(&self) -> Result<ObjectMeta> {
        self.partitioned().map(|file| file.object_meta)
    }

    fn partitioned(&self) -> Result<PartitionedFile> {
        let file = protobuf::PartitionedFile::decode(&*self.file);
        let file = file.map_err(|e| DataFusionError::External(Box::new(e)))?;
        let mut file = PartitionedFile::try_from(&file)?;
        file.object_meta.e_tag.clone_from(&self.e_tag);
        file.object_meta.version.clone_from(&self.object_version);
        Ok(file)
    }

    /// The file to scan, in this process.
    ///
    /// # Errors
    /// [`Error::NoInput`] where a local file is not there, [`Error::Transient`] where it is not the one that
    /// the plan was made for.
    pub(super) fn scanned(&self) -> Result<ScannedFile> {
        let file = self.partitioned()?;
        let Some((path, version)) = self.local.as_ref().filter(|(path, _)| !is_url(path)) else {
            return Ok(ScannedFile {
                file: file.with_extension(LocalName(self.name.clone())),
                rows: self.rows,
            });
        };
        let place = || Place::file(&self.name);
        let now = VersionedPath::now(path)
            .map_err(|source| to_datafusion_error(Error::NoInput { place: place(), source }))?;
        if now.version() != version {
            let what = "is not the file that it was when the query began".to_owned();
            return Err(to_datafusion_error(Error::Transient { place: place(), what }));
        }
        let file = file.with_extension(LocalName(path.to_string_lossy().into_owned())).with_extension(now);
        Ok(ScannedFile { file, rows: self.rows })
    }
}

static ROWS: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("files", DataType::Binary, false)])));

/// The pieces of each partition as a source, one row a partition.
///
/// # Errors
/// Of encoding.
pub(super) fn source(partitions: &[Vec<FilePiece>]) -> Result<Arc<dyn ExecutionPlan>> {
    let row = |pieces: &Vec<FilePiece>| {
        let bytes = rmp_serde::to_vec(pieces).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let column = BinaryArray::from_vec(vec![&bytes]);
        Ok(vec![RecordBatch::try_new(Arc::clone(&ROWS), vec![Arc::new(column)])?])
    };
    let partitions = partitions.iter().map(row).collect::<Result<Vec<_>>>()?;
    let source = MemorySourceConfig::try_new(&partitions, Arc::clone(&ROWS), None)?;
    Ok(DataSourceExec::from_data_source(source))
}

/// The pieces of the rows of a batch.
///
/// # Errors
/// Of rows of another kind.
pub(super) fn of_batch(batch: &RecordBatch) -> Result<Vec<FilePiece>> {
    let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<BinaryArray>());
    let column = column.ok_or_else(|| DataFusionError::Internal("pieces of another kind".to_owned()))?;
    let mut all = Vec::new();
    for row in column.iter().flatten() {
        let pieces: Vec<FilePiece> =
            rmp_serde::from_slice(row).map_err(|e| DataFusionError::External(Box::new(e)))?;
        all.extend(pieces);
    }
    Ok(all)
}
