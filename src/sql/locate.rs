//! Where a table's name leads: a file, the files of a folder, those that a glob
//! matches, on this machine or in an object store.

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

use super::failure::explain;

/// A star does not cross a `/`, nor does it match a hidden file.
const AS_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What a name means.
pub(super) struct Found {
    /// A file, a folder (ends in `/`), or the files that a glob matched.
    pub(super) urls: Vec<ListingTableUrl>,
    /// Where all of them are.
    pub(super) store: Arc<dyn ObjectStore>,
    /// The files, ordered by their paths.
    pub(super) objects: Vec<ObjectMeta>,
}

/// Finds the files that a name means; at least one.
///
/// # Errors
/// [`Error::NoInput`] where nothing is there; [`Error::Usage`] for what cannot be a
/// table; for URLs also [`Error::Config`] and [`Error::Transient`].
pub(super) async fn find(state: &SessionState, name: &str) -> Result<Found> {
    let mut found = match is_url(Path::new(name)) {
        true => remote(state, name).await?,
        false => local(state, name).await?,
    };
    found.objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

async fn local(state: &SessionState, name: &str) -> Result<Found> {
    let failed = |e: DataFusionError| explain(e, name);
    let urls = paths(name)?;
    let Some(first) = urls.first() else { return Err(no_input(name, "no file matches")) };
    let store = state.runtime_env().object_store(first).map_err(failed)?;
    let mut objects = Vec::new();
    for url in &urls {
        let listed = url.list_all_files(state, store.as_ref(), "").await.map_err(failed)?;
        objects.extend(listed.try_collect::<Vec<ObjectMeta>>().await.map_err(failed)?);
    }
    Ok(Found { urls, store, objects })
}

/// The file or folder that a path means, or the files that a glob matches, in order.
fn paths(name: &str) -> Result<Vec<ListingTableUrl>> {
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

async fn remote(state: &SessionState, name: &str) -> Result<Found> {
    if name.starts_with("http://") || name.starts_with("https://") {
        one_file_of_http(name)?;
    } else if let Some(sign) = name.find(['*', '?', '[']) {
        return matching(state, name, sign).await;
    }
    let url = parse(name, name)?;
    let store = state.runtime_env().object_store(&url).map_err(|e| explain(e, name))?;
    if !url.is_collection() {
        match store.head(url.prefix()).await {
            Ok(meta) => return Ok(Found { urls: vec![url], store, objects: vec![meta] }),
            Err(StoreError::NotFound { .. }) if !name.starts_with("http") => {}
            Err(error) => return Err(read_error(Path::new(name), &error)),
        }
    }
    let folder = parse(&format!("{}/", name.trim_end_matches('/')), name)?;
    let objects = list(&store, &folder, name).await?;
    if objects.is_empty() {
        return Err(no_input(name, "there is no such object, and none below it"));
    }
    Ok(Found { urls: vec![folder], store, objects })
}

/// The objects that a glob matches; `sign` is where its first sign stands.
async fn matching(state: &SessionState, name: &str, sign: usize) -> Result<Found> {
    let cut = name.get(..sign).and_then(|fixed| fixed.rfind('/')).map_or(sign, |slash| slash + 1);
    let (base, pattern) = name.split_at_checked(cut).unwrap_or((name, ""));
    let pattern =
        Pattern::new(pattern).map_err(|e| Error::Usage(format!("{name}: not a glob: {}", e.msg)))?;
    let folder = parse(base, name)?;
    let store = state.runtime_env().object_store(&folder).map_err(|e| explain(e, name))?;
    let (mut urls, mut objects) = (Vec::new(), Vec::new());
    for object in list(&store, &folder, name).await? {
        let relative = folder.strip_prefix(&object.location).map(Iterator::collect::<Vec<_>>);
        let relative = relative.unwrap_or_default().join("/");
        if pattern.matches_with(&relative, AS_A_SHELL) {
            let url = join_path(Path::new(base), Path::new(&relative));
            urls.push(parse(&url.to_string_lossy(), name)?);
            objects.push(object);
        }
    }
    match urls.is_empty() {
        true => Err(no_input(name, "no object matches")),
        false => Ok(Found { urls, store, objects }),
    }
}

async fn list(store: &Arc<dyn ObjectStore>, folder: &ListingTableUrl, name: &str) -> Result<Vec<ObjectMeta>> {
    let listed = store.list(Some(folder.prefix())).try_collect().await;
    listed.map_err(|error| read_error(Path::new(name), &error))
}

/// Plain HTTP has no listing and no words for what a store's own URL says.
fn one_file_of_http(name: &str) -> Result<()> {
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
    ListingTableUrl::parse(url).map_err(|e| explain(e, name))
}

fn no_input(name: &str, what: &str) -> Error {
    Error::NoInput { place: Place::file(name), source: io::Error::new(io::ErrorKind::NotFound, what) }
}
