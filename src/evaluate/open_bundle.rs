//! Opening of a bundle from a local folder or from an object store.

use std::path::Path;

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
