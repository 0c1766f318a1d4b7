//! The files of a bundle as record batches, in parts: a local bundle that travels. It is the result of a job
//! of its own, which one executor keeps and from which the others fetch it once. As a stage of the job of
//! the units it would make Ballista begin all of them again when that executor is lost.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::arrow::array::{Array, BinaryArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_plan::ExecutionPlan;

use crate::bundle::{Bundle, most_bytes};
use crate::error::{Error, Result};
use crate::storage::{is_url, read_regular};

/// The largest bundle that travels.
const TRAVELS_BYTES: usize = 64 << 20;
/// Bytes of a part, far below the limit of a message.
const PART_BYTES: usize = 1 << 20;

/// The files of a bundle by name.
pub(super) type BundleFiles = HashMap<String, Vec<u8>>;

static PARTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = vec![Field::new("file", DataType::Utf8, false), Field::new("part", DataType::Binary, false)];
    Arc::new(Schema::new(fields))
});

/// The files of a local bundle that is small enough to travel; `None` of others, which executors open
/// themselves.
///
/// # Errors
/// As for [`Bundle::open`].
pub(super) fn travelling_files(bundle: &Bundle) -> Result<Option<BundleFiles>> {
    if is_url(bundle.dir()) {
        return Ok(None);
    }
    let (dir, place) = (bundle.dir().to_owned(), bundle.dir().to_owned());
    let files = Arc::new(Mutex::new(BundleFiles::new()));
    let read = Arc::clone(&files);
    // What a reader of the bundle asks for are its files.
    let again = Bundle::read(&place, move |file| {
        let bytes = read_file(&dir, file)?;
        if let Some(bytes) = &bytes {
            read.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), bytes.clone());
        }
        Ok(bytes)
    })?;
    if again.digest() != bundle.digest() {
        let what = "was replaced while it was read; run again".to_owned();
        return Err(Error::Bundle { bundle: place, file: "bundle.json".to_owned(), field: None, what });
    }
    let files = std::mem::take(&mut *files.lock().unwrap_or_else(PoisonError::into_inner));
    let bytes: usize = files.values().map(Vec::len).sum();
    Ok((bytes <= TRAVELS_BYTES).then_some(files))
}

fn read_file(dir: &Path, file: &str) -> Result<Option<Vec<u8>>> {
    match read_regular(&dir.join(file), most_bytes(file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::Bundle {
            bundle: dir.to_owned(),
            file: file.to_owned(),
            field: None,
            what: format!("cannot be read: {e}"),
        }),
    }
}

/// A plan of the files.
pub(super) fn source(files: &BundleFiles) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let mut batches = Vec::new();
    for (name, bytes) in files {
        // An empty file has one empty part.
        let parts =
            if bytes.is_empty() { vec![bytes.as_slice()] } else { bytes.chunks(PART_BYTES).collect() };
        for part in parts {
            let file = StringArray::from(vec![name.as_str()]);
            let part = BinaryArray::from_vec(vec![part]);
            batches.push(RecordBatch::try_new(Arc::clone(&PARTS), vec![Arc::new(file), Arc::new(part)])?);
        }
    }
    let source = MemorySourceConfig::try_new(&[batches], Arc::clone(&PARTS), None)?;
    Ok(DataSourceExec::from_data_source(source))
}

/// The files of their parts.
///
/// # Errors
/// Of other rows.
pub(super) fn collect(parts: &[RecordBatch]) -> std::result::Result<BundleFiles, String> {
    let mut files = BundleFiles::new();
    for batch in parts {
        let wrong = || "parts of a bundle of another schema".to_owned();
        let [file, part] = batch.columns() else { return Err(wrong()) };
        let file = file.as_any().downcast_ref::<StringArray>().ok_or_else(wrong)?;
        let part = part.as_any().downcast_ref::<BinaryArray>().ok_or_else(wrong)?;
        for (file, part) in file.iter().zip(part).filter_map(|(file, part)| file.zip(part)) {
            files.entry(file.to_owned()).or_default().extend_from_slice(part);
        }
    }
    Ok(files)
}
