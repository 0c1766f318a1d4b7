//! COPY to a folder: one file, or one in each folder of a hive partition. The folder appears as a whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::storage::{StagedFolder, partition_folder};

use super::output::{CellOptions, Cells, Encoding, Format, RowEncoder, row_encoder};
use super::result_rows::{ResultRows, unfit, write_error};
use super::session::StoppableRun;

/// Writes all rows, and gives the folder its name then. Returns their number.
///
/// # Errors
/// [`Error::CannotCreate`] where something is there that is no empty folder, or the folder above is not;
/// [`Error::Usage`] for columns of partitions that the rows lack, and those that the format can't hold; as
/// for [`ResultRows::next`] and [`StagedFolder`].
pub(super) fn write(
    run: &StoppableRun<'_>,
    mut source: ResultRows,
    path: &Path,
    (partitioned_by, encoding): (&[String], Encoding),
) -> Result<u64> {
    let mut partitions = Partitions::new(source.schema(), partitioned_by, encoding)?;
    require_free(path).map_err(|source| Error::CannotCreate { path: path.to_owned(), source })?;
    let staged = StagedFolder::create(path)?;
    let name = shown(path).to_string();
    let mut rows = 0;
    while let Some(batch) = source.next(run)? {
        run.session().output_begins();
        partitions.write(staged.folder(), &batch, &name)?;
        rows += batch.num_rows() as u64;
    }
    partitions.finish(staged.folder(), &name)?;
    run.session().check_shift()?;
    staged.commit()?;
    Ok(rows)
}

/// A folder with files can't be joined by others in one step, and is not replaced: it may hold anything.
fn require_free(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(above)?;
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(io::Error::new(
            ErrorKind::DirectoryNotEmpty,
            "the folder is not empty, and COPY writes a new one; name another",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The files of partitions.
struct Partitions {
    encoding: Encoding,
    /// The columns of the partitions.
    by: Vec<usize>,
    /// The columns in the files.
    kept: Vec<usize>,
    schema: SchemaRef,
    /// By folder.
    files: BTreeMap<PathBuf, PartitionFile>,
}

struct PartitionFile {
    format: Format,
    rows: Box<dyn RowEncoder>,
    file: File,
    text: Vec<u8>,
}

impl Partitions {
    fn new(schema: &SchemaRef, partitioned_by: &[String], encoding: Encoding) -> Result<Self> {
        let index = |name: &String| {
            schema.index_of(name).map_err(|_| {
                let what = format!("SQL: COPY: PARTITIONED BY ({name}), and the rows have no column {name}");
                Error::Usage(what)
            })
        };
        let by = partitioned_by.iter().map(index).collect::<Result<Vec<_>>>()?;
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|column| !by.contains(column)).collect();
        if kept.is_empty() {
            return Err(Error::Usage("SQL: COPY: PARTITIONED BY leaves no column for the files".to_owned()));
        }
        let schema = schema.project(&kept).map(Arc::new).map_err(|e| unfit(encoding.layout.format, &e))?;
        Ok(Self { encoding, by, kept, schema, files: BTreeMap::new() })
    }

    fn write(&mut self, folder: &Path, batch: &RecordBatch, name: &str) -> Result<()> {
        let format = self.encoding.layout.format;
        let parts = self.divide(batch).map_err(|e| unfit(format, &e))?;
        for (partition, rows) in parts {
            self.file(folder, partition)?.write(&rows, name)?;
        }
        Ok(())
    }

    /// The rows of each partition, by its folder.
    fn divide(&self, batch: &RecordBatch) -> std::result::Result<Vec<(PathBuf, RecordBatch)>, ArrowError> {
        let rows = batch.project(&self.kept)?;
        if self.by.is_empty() {
            return Ok(vec![(PathBuf::new(), rows)]);
        }
        let columns = batch.project(&self.by)?;
        let (schema, options) = (columns.schema(), CellOptions::default());
        let cells = schema.fields().iter().zip(columns.columns());
        let cells = cells.map(|(field, column)| Ok((field, Cells::of(field, column.as_ref(), &options)?)));
        let mut cells = cells.collect::<std::result::Result<Vec<_>, ArrowError>>()?;
        let mut value = String::new();
        let mut of_folder: BTreeMap<PathBuf, Vec<u32>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let mut folder = PathBuf::new();
            for (field, cells) in &mut cells {
                value.clear();
                cells.push(row, &mut value)?;
                let value = (!cells.is_null(row)).then_some(value.as_str());
                folder.push(partition_folder(field.name(), value));
            }
            let row = u32::try_from(row).map_err(|e| ArrowError::ComputeError(e.to_string()))?;
            of_folder.entry(folder).or_default().push(row);
        }
        let part = |(folder, at)| Ok((folder, take_record_batch(&rows, &UInt32Array::from(at))?));
        of_folder.into_iter().map(part).collect()
    }

    fn file(&mut self, folder: &Path, partition: PathBuf) -> Result<&mut PartitionFile> {
        match self.files.entry(partition) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(free) => {
                let file = PartitionFile::create(&folder.join(free.key()), &self.encoding, &self.schema)?;
                Ok(free.insert(file))
            }
        }
    }

    /// Ends all files. Where there are no rows, there is one without.
    fn finish(mut self, folder: &Path, name: &str) -> Result<()> {
        if self.files.is_empty() && self.by.is_empty() {
            self.file(folder, PathBuf::new())?;
        }
        self.files.into_values().try_for_each(|file| file.finish(name))
    }
}

impl PartitionFile {
    fn create(folder: &Path, encoding: &Encoding, schema: &SchemaRef) -> Result<Self> {
        let format = encoding.layout.format;
        let path = folder.join(format!("rows.{}", format.ending()));
        let cannot = |source| Error::CannotCreate { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(cannot)?;
        let file = File::create(&path).map_err(cannot)?;
        let rows = row_encoder(encoding, Arc::clone(schema)).map_err(|e| unfit(format, &e))?;
        Ok(Self { format, rows, file, text: Vec::new() })
    }

    fn write(&mut self, rows: &RecordBatch, name: &str) -> Result<()> {
        self.rows.encode(rows, &mut self.text).map_err(|e| unfit(self.format, &e))?;
        self.write_text(name)
    }

    fn finish(mut self, name: &str) -> Result<()> {
        self.rows.finish(&mut self.text).map_err(|e| unfit(self.format, &e))?;
        self.write_text(name)?;
        self.file.sync_all().map_err(|e| write_error(name, e))
    }

    fn write_text(&mut self, name: &str) -> Result<()> {
        self.file.write_all(&self.text).map_err(|e| write_error(name, e))?;
        self.text.clear();
        Ok(())
    }
}
