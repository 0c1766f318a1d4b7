//! A registry of a session's object stores. The first query that names a store connects to it, with
//! the same environment settings as annotate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::object_store::ObjectStore;
use url::{Position, Url};

use crate::storage::store_of;

/// A registry of the local file system and every store that [`store_of`] supports.
#[derive(Debug, Default)]
pub(super) struct StoreRegistry {
    local: DefaultObjectStoreRegistry,
    connected: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl StoreRegistry {
    fn connected(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<dyn ObjectStore>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The registry key: scheme, user and host. In `abfss://container@account` the user is the container.
fn key(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

impl ObjectStoreRegistry for StoreRegistry {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.connected().insert(key(url).to_owned(), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "file" {
            return self.local.get_store(url);
        }
        let mut connected = self.connected();
        if let Some(store) = connected.get(key(url)) {
            return Ok(store.clone());
        }
        // Whatever follows the host is escaped here, and a key is not.
        let store = store_of(Path::new(key(url))).map_err(|e| DataFusionError::External(Box::new(e)))?;
        connected.insert(key(url).to_owned(), store.clone());
        Ok(store)
    }
}
