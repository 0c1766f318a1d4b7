//! Fetching a partition of a job's result from the executor that holds it, by Ballista's own client.

use std::collections::HashMap;

use ballista_core::client::BallistaClient;
use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::limits::MESSAGE_BYTES;

/// Connections to executors: one each. One that has failed is not tried again.
#[derive(Default)]
pub(super) struct Executors(HashMap<(String, u16), Option<BallistaClient>>);

impl Executors {
    /// The rows of a partition.
    ///
    /// # Errors
    /// Why its executor does not give them.
    pub(super) async fn fetch(&mut self, partition: PartitionLocation) -> Result<Vec<RecordBatch>, String> {
        let executor = partition.executor_meta.clone();
        let rows = self.open(partition).await?.try_collect().await;
        rows.map_err(|e| match executor {
            Some(executor) => self.gone((executor.host, executor.port as u16), &e),
            None => e.to_string(),
        })
    }

    /// Begins to fetch the rows of a partition.
    ///
    /// # Errors
    /// Why its executor does not give them.
    pub(super) async fn open(
        &mut self,
        partition: PartitionLocation,
    ) -> Result<SendableRecordBatchStream, String> {
        let layout = partition.layout();
        let (Some(executor), Some(id)) = (partition.executor_meta, partition.partition_id) else {
            return Err("a partition without a place".to_owned());
        };
        let key = (executor.host, executor.port as u16);
        let gone = |e: &dyn std::fmt::Display| format!("executor {}:{} is gone: {e}", key.0, key.1);
        if !self.0.contains_key(&key) {
            let size = MESSAGE_BYTES as usize;
            // It tries once.
            let client = BallistaClient::try_new(&key.0, key.1, size, false, None, 1, 0, 0, 0).await;
            let failed = client.as_ref().err().map(|e| gone(e));
            self.0.insert(key.clone(), client.ok());
            if let Some(what) = failed {
                return Err(what);
            }
        }
        let Some(Some(client)) = self.0.get_mut(&key) else { return Err(gone(&"it did not answer before")) };
        let id = id.into();
        let fetched = client.fetch_partition(&executor.id, &id, partition.file_id, layout, true).await;
        fetched.map_err(|e| self.gone(key, &e))
    }

    /// Notes that an executor is gone.
    fn gone(&mut self, key: (String, u16), error: &dyn std::fmt::Display) -> String {
        let what = format!("executor {}:{} is gone: {error}", key.0, key.1);
        self.0.insert(key, None);
        what
    }
}
