//! The files behind a table name: a file, the files of a folder or the matches of a glob, local
//! or in an object store.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use datafusion::datasource::listing::ListingTableUrl;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{
    Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme,
};
use futures::TryStreamExt;
use glob::{MatchOptions, Pattern};

use crate::error::{Error, Place, Result};
use crate::storage::{is_url, join_path, read_error};

use super::errors::convert_error;

/// Glob options of a shell: a star matches neither `/` nor hidden files.
const SHELL_GLOB: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The URLs and objects behind a table name.
pub(super) struct TableFiles {
    /// A file, a folder (ends in `/`), or the files that a glob matched.
    pub(super) urls: Vec<ListingTableUrl>,
    /// The object store that holds all of them.
    pub(super) store: Arc<dyn ObjectStore>,
    /// The files, sorted by path.
    pub(super) objects: Vec<ObjectMeta>,
}

/// Finds the files behind a table name; at least one.
///
/// # Errors
/// [`Error::NoInput`] where nothing is there; [`Error::Usage`] for what cannot be a
/// table; for URLs also [`Error::Config`] and [`Error::Transient`].
pub(super) async fn find_table_files(state: &SessionState, name: &str) -> Result<TableFiles> {
    let mut files = match is_url(Path::new(name)) {
        true => remote(state, name).await?,
        false => local(state, name).await?,
    };
    files.objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(files)
}

async fn local(state: &SessionState, name: &str) -> Result<TableFiles> {
    let failed = |e: DataFusionError| convert_error(e, name);
    let urls = local_urls(name)?;
    let Some(first) = urls.first() else { return Err(no_input(name, "no file matches")) };
    let store = state.runtime_env().object_store(first).map_err(failed)?;
    let mut objects = Vec::new();
    for url in &urls {
        let listed = url.list_all_files(state, store.as_ref(), "").await.map_err(failed)?;
        objects.extend(listed.try_collect::<Vec<ObjectMeta>>().await.map_err(failed)?);
    }
    Ok(TableFiles { urls, store, objects })
}

/// The URL of a path, or the sorted URLs of a glob's matches.
fn local_urls(name: &str) -> Result<Vec<ListingTableUrl>> {
    let path = match (name.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => name.to_owned(),
    };
    if path.contains(['*', '?', '[']) && !Path::new(&path).exists() {
        let matches =
            glob::glob(&path).map_err(|e| Error::Usage(format!("{name}: not a glob: {}", e.msg)))?;
        let mut urls = Vec::new();
        for entry in matches {
            let entry = entry.map_err(|e| Error::NoInput { place: Place::file(name), source: e.into() })?;
            if entry.is_file() {
                urls.push(parse(&entry.to_string_lossy(), name)?);
            }
        }
        return Ok(urls);
    }
    File::open(&path).map_err(|source| Error::NoInput { place: Place::file(name), source })?;
    Ok(vec![parse(&path, name)?])
}

async fn remote(state: &SessionState, name: &str) -> Result<TableFiles> {
    if name.starts_with("http://") || name.starts_with("https://") {
        check_http(name)?;
    } else if let Some(wildcard) = name.find(['*', '?', '[']) {
        return objects_of_glob(state, name, wildcard).await;
    }
    let url = parse(name, name)?;
    let store = state.runtime_env().object_store(&url).map_err(|e| convert_error(e, name))?;
    if !url.is_collection() {
        match store.head(url.prefix()).await {
            Ok(meta) => return Ok(TableFiles { urls: vec![url], store, objects: vec![meta] }),
            Err(StoreError::NotFound { .. }) if !name.starts_with("http") => {}
            Err(error) => return Err(read_error(Path::new(name), &error)),
        }
    }
    let folder = parse(&format!("{}/", name.trim_end_matches('/')), name)?;
    let objects = list_objects(&store, &folder, name).await?;
    if objects.is_empty() {
        return Err(no_input(name, "there is no such object, and none below it"));
    }
    Ok(TableFiles { urls: vec![folder], store, objects })
}

/// The objects that a glob matches; `wildcard` is the position of its first wildcard.
async fn objects_of_glob(state: &SessionState, name: &str, wildcard: usize) -> Result<TableFiles> {
    let base_end =
        name.get(..wildcard).and_then(|fixed| fixed.rfind('/')).map_or(wildcard, |slash| slash + 1);
    let (base, pattern) = name.split_at_checked(base_end).unwrap_or((name, ""));
    let pattern =
        Pattern::new(pattern).map_err(|e| Error::Usage(format!("{name}: not a glob: {}", e.msg)))?;
    let folder = parse(base, name)?;
    let store = state.runtime_env().object_store(&folder).map_err(|e| convert_error(e, name))?;
    let (mut urls, mut objects) = (Vec::new(), Vec::new());
    for object in list_objects(&store, &folder, name).await? {
        let relative = folder.strip_prefix(&object.location).map(Iterator::collect::<Vec<_>>);
        let relative = relative.unwrap_or_default().join("/");
        if pattern.matches_with(&relative, SHELL_GLOB) {
            let url = join_path(Path::new(base), Path::new(&relative));
            urls.push(parse(&url.to_string_lossy(), name)?);
            objects.push(object);
        }
    }
    match urls.is_empty() {
        true => Err(no_input(name, "no object matches")),
        false => Ok(TableFiles { urls, store, objects }),
    }
}

async fn list_objects(
    store: &Arc<dyn ObjectStore>,
    folder: &ListingTableUrl,
    name: &str,
) -> Result<Vec<ObjectMeta>> {
    let listed = store.list(Some(folder.prefix())).try_collect().await;
    listed.map_err(|error| read_error(Path::new(name), &error))
}

/// Checks the limits of plain HTTP: no listing, no query, and no URL of an object store's endpoint.
fn check_http(name: &str) -> Result<()> {
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

fn parse(url: &str, name: &str) -> Result<ListingTableUrl> {
    ListingTableUrl::parse(url).map_err(|e| convert_error(e, name))
}

fn no_input(name: &str, what: &str) -> Error {
    Error::NoInput { place: Place::file(name), source: io::Error::new(io::ErrorKind::NotFound, what) }
}
