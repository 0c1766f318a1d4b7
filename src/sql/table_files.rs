//! The files behind a table name: a file, or the files of a folder or glob, local or in an object
//! store. The search is that of all commands; beside Parquet it knows the other formats of SQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreScheme};

use crate::error::{Error, Place, Result};
use crate::storage::{DataFiles, DataNames, FoundFile, cannot_open, last_change, locate, store_base};

use super::errors::convert_error;
use super::table_format::{OTHER_NAMES, TableFormat};

/// The files behind a table name, at least one, ordered by their paths.
pub(super) struct TableFiles {
    /// The name that they were searched by.
    pub(super) name: String,
    pub(super) store_url: ObjectStoreUrl,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) files: Vec<TableFile>,
    pub(super) format: TableFormat,
}

/// One file of a table.
#[derive(Debug, Clone)]
pub(super) struct TableFile {
    /// Path or URL, for messages.
    pub(super) name: String,
    /// The path below the searched folder; empty if the file was named itself.
    pub(super) relative: PathBuf,
    pub(super) meta: ObjectMeta,
}

/// Finds the files behind a table name. A file that is named itself, and tells its format neither by its name nor by its
/// content, has the `otherwise` one.
///
/// # Errors
/// [`Error::NoInput`] where nothing is there; [`Error::BadData`] where files have several formats
/// or none; [`Error::Usage`] for what cannot be a table; for URLs also [`Error::Config`] and
/// [`Error::Transient`].
pub(super) async fn find_table_files(
    state: &SessionState,
    name: &str,
    otherwise: Option<TableFormat>,
) -> Result<TableFiles> {
    check_http(name)?;
    let path = expand_home(name);
    let search = path.clone();
    // The search blocks.
    let found = tokio::task::spawn_blocking(move || data_files_of(&search)).await;
    let found = found.map_err(|e| Error::Internal(format!("the search for files failed: {e}")))??;
    let is_file = found.is_file();
    let files = found.files.into_iter().map(table_file).collect::<Result<Vec<TableFile>>>()?;
    let base = store_base(&found.input)?;
    let store_url = ObjectStoreUrl::parse(base.as_str()).map_err(|e| convert_error(e, name))?;
    let store = state.runtime_env().object_store(&store_url).map_err(|e| convert_error(e, name))?;
    let format = match files.first() {
        Some(file) if is_file => match file_format(file) {
            Some(format) => format,
            None => TableFormat::of_content(store.as_ref(), &file.meta, &file.name, otherwise).await?,
        },
        _ => common_format(&files)?,
    };
    Ok(TableFiles { name: name.to_owned(), store_url, store, files, format })
}

/// The files of a table: Parquet files if there are any; files of the other formats beside them are
/// notes about them, such as `dataset_info.json`.
///
/// # Errors
/// As for [`DataFiles::find`] and [`DataFiles::require_any`].
pub fn data_files_of(path: &Path) -> Result<DataFiles> {
    let parquet = DataFiles::find(path, DataNames::PARQUET)?;
    if !parquet.files.is_empty() {
        return Ok(parquet);
    }
    let others = DataFiles::find(path, OTHER_NAMES)?;
    if others.files.is_empty() { parquet.require_any() } else { Ok(others) }
}

fn table_file(found: FoundFile) -> Result<TableFile> {
    let name = found.path.display().to_string();
    let meta = match found.object {
        Some(meta) => meta,
        None => local_object(&found.path)?,
    };
    Ok(TableFile { name, relative: found.relative, meta })
}

/// A local file as DataFusion's store of local files names it.
pub(super) fn local_object(path: &Path) -> Result<ObjectMeta> {
    let location = locate(path)?.key;
    let no_input = |source| cannot_open(path, source);
    let metadata = std::fs::metadata(path).map_err(no_input)?;
    // By this time DataFusion knows the footer of an earlier query again.
    let last_modified = last_change(&metadata).map_err(no_input)?.into();
    Ok(ObjectMeta { location, last_modified, size: metadata.len(), e_tag: None, version: None })
}

fn file_format(file: &TableFile) -> Option<TableFormat> {
    TableFormat::of_name(Path::new(&file.name).file_name()?.to_str()?)
}

/// The one format of a folder's files. Those without an ending are Parquet: the search takes
/// no others.
fn common_format(files: &[TableFile]) -> Result<TableFormat> {
    let formats = || files.iter().map(|file| file_format(file).unwrap_or(TableFormat::Parquet));
    let Some(first) = formats().next() else {
        return Err(Error::Internal("a search without a result".to_owned()));
    };
    match formats().position(|format| format != first).and_then(|other| files.get(other)) {
        None => Ok(first),
        Some(other) => {
            let one = files.first().map_or("", |file| file.name.as_str());
            let what = format!("not of the format of {one}; name one format with a glob, such as '*.csv'");
            Err(Error::bad_data(Place::file(&other.name), what))
        }
    }
}

pub(super) fn expand_home(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => name.into(),
    }
}

/// Checks the limits of plain HTTP: no listing, no query, and no URL of an object store's endpoint.
fn check_http(name: &str) -> Result<()> {
    if !(name.starts_with("http://") || name.starts_with("https://")) {
        return Ok(());
    }
    let wrong = |what: &str| Err(Error::Usage(format!("{name}: {what}")));
    let scheme = name.parse().ok().and_then(|url| ObjectStoreScheme::parse(&url).ok());
    match scheme {
        Some((ObjectStoreScheme::Http, _)) | None => {}
        Some(_) => return wrong("name it by its store's own URL (s3://, gs://, az://)"),
    }
    if name.contains('?') {
        return wrong("a URL with a query (?…) cannot be a table; download the file");
    }
    if name.ends_with('/') || name.contains(['*', '[']) {
        return wrong("HTTP cannot list files; name one file");
    }
    Ok(())
}
