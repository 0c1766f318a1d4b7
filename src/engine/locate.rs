//! placeholder until merge
use std::path::{Path, PathBuf};
/// x
pub fn found(explicit: Option<&Path>) -> crate::error::Result<Vec<PathBuf>> {
    Ok(explicit
        .map(|p| p.to_owned())
        .or(std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from))
        .into_iter()
        .collect())
}
