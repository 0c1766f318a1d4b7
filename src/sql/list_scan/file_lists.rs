//! The lists of floats of the rows of a file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::datasource::listing::PartitionedFile;
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::samples::{ListReader, ReadAhead};
use crate::storage::SourceFile;

use super::super::parquet_reader::MetadataCache;
use super::super::spare_threads::{OpenPartition, SpareThreads};
use super::super::table_files::local_object;
use super::columns::ScannedColumns;

/// The name of a local file, an extension of a scanned file.
#[derive(Debug, Clone)]
pub(in crate::sql) struct LocalName(pub(in crate::sql) String);

/// What the partitions of a scan share.
#[derive(Debug, Clone)]
pub(super) struct ListScan {
    pub(super) cache: MetadataCache,
    pub(super) ignores_checksums: bool,
    pub(super) threads: Arc<SpareThreads>,
    /// Limit of the memory of a process.
    pub(super) limit_bytes: u64,
}

/// The lists of a file.
pub(super) struct FileLists {
    input: Input,
    /// The columns in the file.
    positions: Vec<usize>,
    /// The row group that is read.
    open: Option<RowGroup>,
    partition: OpenPartition,
    limit_bytes: u64,
}

/// The readers of a row group's lists, all at the same row.
struct RowGroup {
    /// Its rows, counted from the start of the file.
    rows: Range<usize>,
    /// The pages that spare threads may load.
    read_ahead: ReadAhead,
    readers: Vec<ListReader>,
}

impl FileLists {
    /// Opens a file whose metadata are known; none where it has changed since, or has not the table's
    /// types, and DataFusion's reader decides about it.
    pub(super) fn open(file: &PartitionedFile, columns: &ScannedColumns, scan: &ListScan) -> Option<Self> {
        let LocalName(name) = file.extension::<LocalName>()?;
        let path = Path::new(name);
        let metadata = scan.cache.get(&file.object_meta)?;
        let source = SourceFile::open(path).ok()?;
        if local_object(path).ok()? != file.object_meta {
            return None;
        }
        let input = Input::with_metadata(source, metadata).ok()?.ignoring_checksums(scan.ignores_checksums);
        let positions = columns.lists().map(|list| {
            let (position, field) = input.schema().column_with_name(list.name())?;
            (field.data_type() == list.data_type()).then_some(position)
        });
        let positions = positions.collect::<Option<Vec<usize>>>()?;
        let (partition, limit_bytes) = (scan.threads.open_partition(), scan.limit_bytes);
        Some(Self { input, positions, open: None, partition, limit_bytes })
    }

    /// The lists of rows, by their numbers in the file. Those of a scan mostly follow each other.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column; [`Error::Transient`] where the
    /// file was changed.
    pub(super) fn read(&mut self, rows: &[i64]) -> Result<Vec<ArrayRef>> {
        let read = self.read_runs(rows);
        read.map_err(|error| self.input.file().or_input_changed(error))
    }

    fn read_runs(&mut self, rows: &[i64]) -> Result<Vec<ArrayRef>> {
        let has_spare = self.partition.threads().spare() > 0;
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.positions.len()];
        for run in rows.chunk_by(|row, next| row.checked_add(1) == Some(*next)) {
            let first = run.first().and_then(|row| usize::try_from(*row).ok()).unwrap_or(usize::MAX);
            let (mut at, end) = (first, first.saturating_add(run.len()));
            while at < end {
                let group = self.row_group_at(at)?;
                let taken = end.min(group.rows.end) - at;
                for (parts, reader) in parts.iter_mut().zip(&mut group.readers) {
                    parts.push(reader.read(taken)?);
                    // Without a spare thread the reader loads them, when it needs them.
                    let jobs = group.read_ahead.jobs().try_iter();
                    jobs.filter(|_| has_spare).for_each(|job| _ = spawn_blocking(|| job.run()));
                }
                at += taken;
            }
        }
        let joined = parts.into_iter().map(|parts| {
            let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
            concat(&parts).map_err(|error| Error::Internal(error.to_string()))
        });
        joined.collect()
    }

    /// The row group of a row, with all readers at it.
    fn row_group_at(&mut self, row: usize) -> Result<&mut RowGroup> {
        let reached = self.open.take().filter(|group| group.reaches(row));
        let mut group = match reached {
            Some(group) => group,
            None => self.open_row_group(row)?,
        };
        for reader in &mut group.readers {
            reader.skip(row - (group.rows.end - reader.rows_left()))?;
        }
        Ok(self.open.insert(group))
    }

    fn open_row_group(&self, row: usize) -> Result<RowGroup> {
        let mut start = 0;
        for number in 0..self.input.metadata().num_row_groups() {
            let rows = start..start + self.input.rows_in(number);
            if rows.contains(&row) {
                let read_ahead = match self.partition.threads().helpers() {
                    0 => ReadAhead::none(),
                    helpers => ReadAhead::new(helpers, self.limit_bytes),
                };
                let open = |position: &usize| ListReader::open(&self.input, *position, number, &read_ahead);
                let readers = self.positions.iter().map(open).collect::<Result<_>>()?;
                return Ok(RowGroup { rows, read_ahead, readers });
            }
            start = rows.end;
        }
        Err(Error::Internal(format!("{}: a scan has more rows than its file", self.input.place())))
    }

    /// Checks that the file has not changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub(super) fn verify_unchanged(&self) -> Result<()> {
        self.input.verify_unchanged()
    }
}

impl RowGroup {
    /// Whether a row is in it, and none of its readers behind that row.
    fn reaches(&self, row: usize) -> bool {
        let at = self.readers.first().map_or(0, |reader| self.rows.end - reader.rows_left());
        self.rows.contains(&row) && at <= row
    }
}
