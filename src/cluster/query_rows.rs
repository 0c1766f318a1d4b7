//! The rows of a query's job: a stream over its partitions, in their order. At its end the executors are told
//! to forget them.

use std::sync::Arc;

use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use futures::stream::try_unfold;

use crate::error::{Error, Place};

use super::client::Client;
use super::partition::Executors;

/// What is left of a job's rows.
struct JobRows {
    client: Client,
    job: String,
    executors: Executors,
    places: std::vec::IntoIter<PartitionLocation>,
    open: Option<SendableRecordBatchStream>,
}

/// The rows of a job that has ended.
pub(super) fn stream(
    schema: SchemaRef,
    client: Client,
    job: String,
    mut places: Vec<PartitionLocation>,
) -> SendableRecordBatchStream {
    let partition = |place: &PartitionLocation| place.partition_id.as_ref().map(|id| id.partition_id);
    places.sort_by_key(|place| (partition(place), place.map_partition_id));
    let executors = Executors::new(client.tls());
    let rows = JobRows { client, job, executors, places: places.into_iter(), open: None };
    let shown = Arc::clone(&schema);
    let rows = try_unfold(rows, move |mut rows| {
        let schema = Arc::clone(&shown);
        async move {
            match rows.next().await? {
                Some(batch) => Ok(Some((with_schema(&batch, schema)?, rows))),
                None => {
                    rows.client.forget(rows.job).await;
                    rows.client.leave().await;
                    Ok(None)
                }
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

impl JobRows {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(open) = &mut self.open {
                match open.next().await {
                    Some(batch) => return batch.map(Some).map_err(|e| self.lost(&e.to_string())),
                    None => self.open = None,
                }
            }
            let Some(place) = self.places.next() else { return Ok(None) };
            let opened = self.executors.open(place).await;
            self.open = Some(opened.map_err(|why| self.lost(&why))?);
        }
    }

    fn lost(&self, why: &str) -> DataFusionError {
        let what = format!("rows of the query are lost: {why}");
        let place = Place::file(self.client.address());
        DataFusionError::External(Box::new(Error::Transient { place, what }))
    }
}

/// The rows under the schema of the client's plan: its metadata and dictionaries do not travel.
fn with_schema(batch: &RecordBatch, schema: SchemaRef) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
}
