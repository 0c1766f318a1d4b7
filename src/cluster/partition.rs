//! Fetching a partition of a job's result from the executor that holds it, by Ballista's own client.

use std::collections::HashMap;
use std::sync::Arc;

use ballista_core::client::BallistaClient;
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::limits::MESSAGE_BYTES;
use super::tls::Tls;

/// Connections to executors: one each. One that has failed is not tried again.
pub(super) struct Executors {
    clients: HashMap<(String, u16), Option<BallistaClient>>,
    /// TLS, as Ballista asks for it.
    secured: Option<Arc<BallistaConfigGrpcEndpoint>>,
}

impl Executors {
    /// No connection yet.
    pub(super) fn new(tls: Option<&Tls>) -> Self {
        let secured = |tls: &Tls| Arc::new(BallistaConfigGrpcEndpoint::new(tls.override_of_endpoints(None)));
        Self { clients: HashMap::new(), secured: tls.map(secured) }
    }

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
            self.clients.insert(on, None);
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
        if !self.clients.contains_key(&on) {
            let size = MESSAGE_BYTES as usize;
            // It tries once.
            let (is_secured, secured) = (self.secured.is_some(), self.secured.clone());
            let client = BallistaClient::try_new(&on.0, on.1, size, is_secured, secured, 1, 0, 0, 0).await;
            let failed = client.as_ref().err().map(|e| gone(&on, e));
            self.clients.insert(on.clone(), client.ok());
            if let Some(what) = failed {
                return Err(what);
            }
        }
        let Some(Some(client)) = self.clients.get_mut(&on) else {
            return Err(gone(&on, &"it did not answer before"));
        };
        let opened = client.fetch_partition(&executor.id, &id.into(), partition.file_id, layout, true).await;
        opened.map_err(|e| {
            let what = gone(&on, &e);
            self.clients.insert(on, None);
            what
        })
    }
}

fn gone((host, port): &(String, u16), why: &dyn std::fmt::Display) -> String {
    format!("executor {host}:{port} is gone: {why}")
}
