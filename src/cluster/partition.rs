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
        let on = partition.executor_meta.as_ref().map(|on| (on.host.clone(), on.port as u16));
        let batches = self.open(partition).await?.try_collect().await;
        batches.map_err(|e| {
            let on = on.unwrap_or_default();
            let what = gone(&on, &e);
            self.0.insert(on, None);
            what
        })
    }

    /// The batches of a partition, one after the other.
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
        let on = (executor.host, executor.port as u16);
        if !self.0.contains_key(&on) {
            let size = MESSAGE_BYTES as usize;
            // It tries once.
            let client = BallistaClient::try_new(&on.0, on.1, size, false, None, 1, 0, 0, 0).await;
            let failed = client.as_ref().err().map(|e| gone(&on, e));
            self.0.insert(on.clone(), client.ok());
            if let Some(what) = failed {
                return Err(what);
            }
        }
        let Some(Some(client)) = self.0.get_mut(&on) else {
            return Err(gone(&on, &"it did not answer before"));
        };
        let opened = client.fetch_partition(&executor.id, &id.into(), partition.file_id, layout, true).await;
        opened.map_err(|e| {
            let what = gone(&on, &e);
            self.0.insert(on, None);
            what
        })
    }
}

fn gone((host, port): &(String, u16), why: &dyn std::fmt::Display) -> String {
    format!("executor {host}:{port} is gone: {why}")
}
