//! The bundles of an executor, by hash: each is fetched, or opened at its place, once for all jobs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::error::{DataFusionError, Result as DataFusionResult};

use crate::bundle::Bundle;
use crate::error::Result;
use crate::evaluate::open_bundle;

use super::attempt::may_pass;
use super::bundle_parts;
use super::job::BundleReference;
use super::partition::Executors;
use super::tls::Tls;

/// Bundles that are kept for later jobs.
const KEPT: usize = 4;

/// Why an executor can't run a job.
pub(super) enum Unable {
    /// It is of another version, or lacks the bundle or the device.
    Refused(String),
    /// The bundle that travels is gone with the executor that kept it.
    BundleLost(String),
}

/// The bundles of an executor.
pub(super) struct ExecutorBundles {
    /// The executor's address.
    name: String,
    tls: Option<Tls>,
    /// Opened bundles, the latest last. One is opened at a time, so that each is fetched once.
    opened: tokio::sync::Mutex<Vec<Arc<Bundle>>>,
}

impl ExecutorBundles {
    /// No bundles yet, of the executor at this address.
    pub(super) fn new(name: String, tls: Option<Tls>) -> Self {
        Self { name, tls, opened: tokio::sync::Mutex::default() }
    }

    /// A bundle by its hash: one that is open already, that of its parts, or that of its place; or the
    /// reason why there is none.
    ///
    /// # Errors
    /// Where another attempt may succeed: an I/O error.
    pub(super) async fn open(
        &self,
        wanted: &BundleReference,
        parts: Option<PartitionLocation>,
    ) -> DataFusionResult<std::result::Result<Arc<Bundle>, Unable>> {
        let mut opened = self.opened.lock().await;
        if let Some(open) = opened.iter().find(|bundle| bundle.digest() == wanted.sha256) {
            return Ok(Ok(Arc::clone(open)));
        }
        let files = match parts {
            Some(parts) => {
                let fetched = Executors::new(self.tls.as_ref()).fetch(parts).await;
                match fetched.and_then(|parts| bundle_parts::collect(&parts)) {
                    Ok(files) => Some(files),
                    Err(why) => {
                        let what = format!("executor {} does not get the client's bundle: {why}", self.name);
                        return Ok(Err(Unable::BundleLost(what)));
                    }
                }
            }
            None => None,
        };
        let place = wanted.place.clone();
        let opening = tokio::task::spawn_blocking(move || match files {
            Some(files) => open_files(&place, files),
            None => open_bundle(&place),
        });
        let bundle = match opening.await.map_err(|e| DataFusionError::External(Box::new(e)))? {
            Ok(bundle) => bundle,
            Err(error) if may_pass(&error) => {
                return Err(DataFusionError::IoError(std::io::Error::other(error.to_string())));
            }
            Err(error) => {
                let what = format!("executor {} has not the client's bundle: {error}", self.name);
                return Ok(Err(Unable::Refused(what)));
            }
        };
        if bundle.digest() != wanted.sha256 {
            return Ok(Err(Unable::Refused(format!(
                "executor {} finds another bundle at {} ({}) than the client ({})",
                self.name,
                wanted.place.display(),
                bundle.digest(),
                wanted.sha256
            ))));
        }
        let bundle = Arc::new(bundle);
        if opened.len() >= KEPT {
            opened.remove(0);
        }
        opened.push(Arc::clone(&bundle));
        Ok(Ok(bundle))
    }
}

fn open_files(place: &Path, files: HashMap<String, Vec<u8>>) -> Result<Bundle> {
    Bundle::read(place, move |file| Ok(files.get(file).cloned()))
}
