//! Opening of a bundle from a local folder or from an object store.

use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::{Bundle, most_bytes};
use crate::error::Result;
use crate::storage::{is_url, join_path, read_object};

/// Opens the bundle in a folder or below a URL. Files of a URL are read into memory.
///
/// # Errors
/// As for [`Bundle::open`]; for a URL also those of reading from its store:
/// [`Error::NoInput`](crate::Error::NoInput) where it may not be read,
/// [`Error::Transient`](crate::Error::Transient) where the store does not answer,
/// [`Error::Config`](crate::Error::Config) and [`Error::Usage`](crate::Error::Usage).
pub fn open_bundle(place: &Path) -> Result<Bundle> {
    match is_url(place) {
        true => {
            let url = place.to_owned();
            Bundle::read(place, move |file| read_object(&join_path(&url, Path::new(file)), most_bytes(file)))
        }
        false => Bundle::open(place),
    }
}

/// A bundle that several steps of a process use: the first that needs it opens it.
#[derive(Clone, Default)]
pub struct SharedBundle(Arc<Mutex<Option<(PathBuf, Arc<Bundle>)>>>);

impl SharedBundle {
    /// The bundle in a folder or below a URL, as [`open_bundle`] opens it. One is kept, the first.
    ///
    /// # Errors
    /// As for [`open_bundle`].
    pub fn open(&self, place: &Path) -> Result<Arc<Bundle>> {
        // The lock is held while the bundle is opened, so that it is opened once.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, bundle)) if of == place => Ok(Arc::clone(bundle)),
            Some(_) => open_bundle(place).map(Arc::new),
            None => {
                let bundle = Arc::new(open_bundle(place)?);
                *kept = Some((place.to_owned(), Arc::clone(&bundle)));
                Ok(bundle)
            }
        }
    }
}

impl Debug for SharedBundle {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedBundle")
    }
}
